"""The tables of the first release: ops, versions, links, pipelines and deployments."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes every table; written out, because a migration must not change when the tables of today do."""
    row_id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    digest = sa.String(40)
    now = sa.func.current_timestamp()

    op.create_table(
        "op",
        sa.Column("id", row_id, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_op"),
        sa.UniqueConstraint("name", name="uq_op_name"),
    )
    op.create_table(
        "version",
        sa.Column("id", row_id, nullable=False),
        sa.Column("op_id", row_id, nullable=False),
        sa.Column("major", digest, nullable=False),
        sa.Column("minor", digest, nullable=False),
        sa.Column("patch", digest, nullable=False),
        sa.Column("creation_time", sa.Double(), nullable=False),
        sa.Column("code_major", digest),
        sa.Column("code_minor", digest),
        sa.Column("code_patch", digest),
        sa.Column("sha256", sa.String(64), nullable=False, server_default=""),
        sa.Column("follows", row_id, nullable=False, server_default="0"),
        sa.Column("size", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("fields", sa.JSON(), nullable=False),
        sa.Column("fingerprint", sa.Text()),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=now),
        sa.PrimaryKeyConstraint("id", name="pk_version"),
        sa.ForeignKeyConstraint(["op_id"], ["op.id"], name="fk_version_op_id"),
        sa.UniqueConstraint(
            "op_id",
            "major",
            "minor",
            "patch",
            "sha256",
            "follows",
            name="uq_version_op_id_major_minor_patch_sha256_follows",
        ),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_version_op_id_code_major_id", "version", ["op_id", "code_major", "id"])
    op.create_index("ix_version_sha256", "version", ["sha256"])
    op.create_table(
        "link",
        sa.Column("id", row_id, nullable=False),
        sa.Column("upstream_op_id", row_id, nullable=False),
        sa.Column("upstream_version_id", row_id, nullable=False),
        sa.Column("downstream_op_id", row_id, nullable=False),
        sa.Column("downstream_version_id", row_id),
        sa.PrimaryKeyConstraint("id", name="pk_link"),
        sa.ForeignKeyConstraint(["upstream_op_id"], ["op.id"], name="fk_link_upstream_op_id"),
        sa.ForeignKeyConstraint(["upstream_version_id"], ["version.id"], name="fk_link_upstream_version_id"),
        sa.ForeignKeyConstraint(["downstream_op_id"], ["op.id"], name="fk_link_downstream_op_id"),
        sa.ForeignKeyConstraint(["downstream_version_id"], ["version.id"], name="fk_link_downstream_version_id"),
    )
    op.create_index(
        "ix_link_upstream_op_id_downstream_op_id_downstream_version_id",
        "link",
        ["upstream_op_id", "downstream_op_id", "downstream_version_id"],
    )
    for name, column, where in (
        ("uq_link_with_version", "downstream_version_id", "downstream_version_id IS NOT NULL"),
        ("uq_link_without_version", "downstream_op_id", "downstream_version_id IS NULL"),
    ):
        op.create_index(
            name,
            "link",
            ["upstream_version_id", column],
            unique=True,
            sqlite_where=sa.text(where),
            postgresql_where=sa.text(where),
        )
    op.create_table(
        "pipeline",
        sa.Column("id", row_id, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("last_op", sa.Text()),
        sa.PrimaryKeyConstraint("id", name="pk_pipeline"),
        sa.UniqueConstraint("name", name="uq_pipeline_name"),
    )
    op.create_table(
        "deployment",
        sa.Column("id", row_id, nullable=False),
        sa.Column("pipeline_id", row_id, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=now),
        sa.PrimaryKeyConstraint("id", name="pk_deployment"),
        sa.ForeignKeyConstraint(["pipeline_id"], ["pipeline.id"], name="fk_deployment_pipeline_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_deployment_pipeline_id_id", "deployment", ["pipeline_id", "id"])
    op.create_table(
        "deployment_version",
        sa.Column("deployment_id", row_id, nullable=False),
        sa.Column("node", sa.Text(), nullable=False),
        sa.Column("version_id", row_id, nullable=False),
        sa.PrimaryKeyConstraint("deployment_id", "node", name="pk_deployment_version"),
        sa.ForeignKeyConstraint(["deployment_id"], ["deployment.id"], name="fk_deployment_version_deployment_id"),
        sa.ForeignKeyConstraint(["version_id"], ["version.id"], name="fk_deployment_version_version_id"),
    )


def downgrade() -> None:
    """Drops every table."""
    for name in ("deployment_version", "deployment", "pipeline", "link", "version", "op"):
        op.drop_table(name)
