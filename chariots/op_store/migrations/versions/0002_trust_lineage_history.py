"""Beside every version: its format, signature, save and training; beside every pipeline: its shape and history."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def _add_reference(table: str, column: str, other: str, row_id: object) -> None:
    """Adds a column that names a row of another table; SQLite can only do so in one statement of its own."""
    if op.get_bind().dialect.name == "sqlite":
        name = f"fk_{table}_{column}"
        op.execute(f"ALTER TABLE {table} ADD COLUMN {column} INTEGER CONSTRAINT {name} REFERENCES {other} (id)")
    else:
        op.add_column(table, sa.Column(column, row_id, nullable=True))
        op.create_foreign_key(f"fk_{table}_{column}", table, other, [column], ["id"])


def upgrade() -> None:
    """Adds what is new; every row that is there stays as it is."""
    row_id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    now = sa.func.current_timestamp()

    op.add_column("pipeline", sa.Column("shape", sa.JSON(), nullable=True))
    op.create_table(
        "save",
        sa.Column("id", row_id, nullable=False),
        sa.Column("pipeline_id", row_id, nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=now),
        sa.Column("who", sa.Text(), nullable=True),
        sa.Column("host", sa.Text(), nullable=True),
        sa.Column("git_commit", sa.Text(), nullable=True),
        sa.Column("code_version", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_save"),
        sa.ForeignKeyConstraint(["pipeline_id"], ["pipeline.id"], name="fk_save_pipeline_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_save_pipeline_id_id", "save", ["pipeline_id", "id"])
    op.create_table(
        "event",
        sa.Column("id", row_id, nullable=False),
        sa.Column("pipeline_id", row_id, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=now),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("alias", sa.Text(), nullable=True),
        sa.Column("before", sa.JSON(), nullable=True),
        sa.Column("after", sa.JSON(), nullable=True),
        sa.Column("who", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("restores", row_id, nullable=True),
        sa.Column("deployment_id", row_id, nullable=True),
        sa.Column("key", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_event"),
        sa.UniqueConstraint("key", name="uq_event_key"),
        sa.ForeignKeyConstraint(["pipeline_id"], ["pipeline.id"], name="fk_event_pipeline_id"),
        sa.ForeignKeyConstraint(["restores"], ["event.id"], name="fk_event_restores"),
        sa.ForeignKeyConstraint(["deployment_id"], ["deployment.id"], name="fk_event_deployment_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_event_pipeline_id_id", "event", ["pipeline_id", "id"])
    op.create_index("ix_event_pipeline_id_alias_id", "event", ["pipeline_id", "alias", "id"])
    op.create_table(
        "collection",
        sa.Column("id", row_id, nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False, server_default=now),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("versions", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("bytes", sa.BigInteger(), nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("id", name="pk_collection"),
        sqlite_autoincrement=True,
    )

    for name in ("format", "signature", "signed_by"):
        op.add_column("version", sa.Column(name, sa.Text(), nullable=True))
    op.add_column("version", sa.Column("training", sa.JSON(), nullable=False, server_default="{}"))
    op.add_column("version", sa.Column("pruned_at", sa.DateTime(timezone=True), nullable=True))
    _add_reference("version", "save_id", "save", row_id)
    op.create_index("ix_version_save_id", "version", ["save_id"])
    op.create_index("ix_version_op_id_id", "version", ["op_id", "id"])
    _add_reference("link", "event_id", "event", row_id)
    with_version = sa.text("downstream_version_id IS NOT NULL")
    op.create_index(
        "ix_link_downstream_version_id",
        "link",
        ["downstream_version_id"],
        sqlite_where=with_version,
        postgresql_where=with_version,
    )


def downgrade() -> None:
    """Takes it away again."""
    op.drop_index("ix_link_downstream_version_id", "link")
    op.drop_index("ix_version_save_id", "version")
    op.drop_index("ix_version_op_id_id", "version")
    op.drop_column("link", "event_id")  # and its foreign key, on both kinds of database
    for name in ("save_id", "pruned_at", "training", "signed_by", "signature", "format"):
        op.drop_column("version", name)
    op.drop_column("pipeline", "shape")
    for name in ("collection", "event", "save"):
        op.drop_table(name)
