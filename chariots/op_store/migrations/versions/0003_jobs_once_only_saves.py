"""The jobs of `chariots.workers` beside the versions; and a save may carry a key, so that it counts once."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds what is new; every row that is there stays as it is."""
    for column in (
        sa.Column("key", sa.Text(), nullable=True),
        sa.Column("attempt", sa.BigInteger(), nullable=True),
        sa.Column("numbers", sa.JSON(), nullable=True),
    ):
        op.add_column("save", column)
    # An index of its own: SQLite adds no constraint to a table that is there.
    op.create_index("uq_save_key", "save", ["key"], unique=True)

    _create_job()
    op.create_table(
        "job_body",
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("attempt", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("piece", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("job_id", "attempt", "piece", name="pk_job_body"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "job_outcome",
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("attempt", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("job", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("job_id", "attempt", name="pk_job_outcome"),
    )
    op.create_table(
        "job_dependency",
        sa.Column("parent_id", sa.Text(), nullable=False),
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("parent_id", "job_id", name="pk_job_dependency"),
    )
    op.create_index("ix_job_dependency_job_id", "job_dependency", ["job_id"])
    op.create_table(
        "job_log",
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("level", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("job_id", "number", name="pk_job_log"),
    )
    op.create_table(
        "job_worker",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("app", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("pid", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.Double(), nullable=False),
        sa.Column("seen_at", sa.Double(), nullable=False),
        sa.Column("job_id", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("name", name="pk_job_worker"),
    )


def _create_job() -> None:
    row_id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "job",
        sa.Column("seq", row_id, nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("app", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("priority", sa.BigInteger(), nullable=False),
        sa.Column("concurrency", sa.BigInteger(), nullable=True),
        sa.Column("run_at", sa.Double(), nullable=True),
        sa.Column("token", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("beats", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("attempts", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("worker", sa.Text(), nullable=True),
        sa.Column("started_at", sa.Double(), nullable=True),
        sa.Column("cancel_requested", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("idempotency_key", sa.Text(), nullable=True),
        sa.Column("expires_at", sa.Double(), nullable=True),
        sa.Column("is_expired", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("dependents", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("logged", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("progress", sa.JSON(), nullable=True),
        sa.Column("record", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_job"),
        sa.UniqueConstraint("id", name="uq_job_id"),
        sa.UniqueConstraint("app", "idempotency_key", name="uq_job_app_idempotency_key"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_job_app_seq", "job", ["app", "seq"])
    op.create_index("ix_job_target_seq", "job", ["target", "seq"])
    op.create_index("ix_job_is_expired_expires_at", "job", ["is_expired", "expires_at"])
    for name, condition, columns in (
        ("queued", "status = 'queued'", ["app", sa.text("priority DESC"), "seq"]),
        ("running", "status = 'running'", ["app", "target"]),
        ("deferred", "status = 'deferred'", ["run_at"]),
        ("bad_end", "status = 'failed' OR status = 'canceled'", ["seq"]),
    ):
        where = sa.text(condition)
        op.create_index(f"ix_job_{name}", "job", columns, sqlite_where=where, postgresql_where=where)


def downgrade() -> None:
    """Takes it away again, with every job."""
    for name in ("job_worker", "job_log", "job_dependency", "job_outcome", "job_body", "job"):
        op.drop_table(name)
    op.drop_index("uq_save_key", "save")
    for name in ("numbers", "attempt", "key"):
        op.drop_column("save", name)
