"""Which facts does an op store keep? (plain tables, the same on SQLite and PostgreSQL)

An op has versions, numbered by the store; a link says that an upstream version was validated for a downstream
op, and which version of it was trained with it; a deployment says which versions a pipeline served.
Tables are changed by adding a migration beside ``migrations/versions/0001_first_tables.py``, never here
alone: a test compares the two. Indices over some of the rows are in `chariots.op_store.partial_indices`.
"""

from __future__ import annotations

import sqlalchemy as sa

__all__ = [
    "SCHEMA_REVISION",
    "metadata",
    "op",
    "version",
    "link",
    "pipeline",
    "deployment",
    "deployment_version",
    "save",
    "event",
    "collection",
]

SCHEMA_REVISION = "0003"

# Constraints get the same names on every database, so that a later migration can name what it drops.
metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite numbers rows by itself only in a column whose type is exactly INTEGER.
RowId = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
Digest = sa.String(40)

op = sa.Table(
    "op",
    metadata,
    sa.Column("id", RowId, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.UniqueConstraint("name"),
)

# sqlite_autoincrement: a number is never given twice, even after the newest version was deleted.
version = sa.Table(
    "version",
    metadata,
    sa.Column("id", RowId, primary_key=True),
    sa.Column("op_id", RowId, sa.ForeignKey("op.id"), nullable=False),
    sa.Column("major", Digest, nullable=False),
    sa.Column("minor", Digest, nullable=False),
    sa.Column("patch", Digest, nullable=False),
    sa.Column("creation_time", sa.Double, nullable=False),
    sa.Column("code_major", Digest),
    sa.Column("code_minor", Digest),
    sa.Column("code_patch", Digest),
    sa.Column("sha256", sa.String(64), nullable=False, server_default=""),
    # The row of the same version that this one replaced as its newest bytes; 0 for the first. An op without a
    # version of its state may go from one state to another and back, and the last one saved is the one to load.
    sa.Column("follows", RowId, nullable=False, server_default="0"),
    sa.Column("size", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("fields", sa.JSON, nullable=False),
    sa.Column("fingerprint", sa.Text),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.current_timestamp()),
    sa.Column("format", sa.Text),
    sa.Column("signature", sa.Text),
    sa.Column("signed_by", sa.Text),
    sa.Column("save_id", RowId, sa.ForeignKey("save.id")),  # the save that brought it; NULL if it came alone
    sa.Column("training", sa.JSON, nullable=False, server_default="{}"),
    # When `gc` gave up the bytes. The row stays: links and history go on naming it, and no number is given twice.
    sa.Column("pruned_at", sa.DateTime(timezone=True)),
    sa.UniqueConstraint("op_id", "major", "minor", "patch", "sha256", "follows"),
    sa.Index(None, "op_id", "code_major", "id"),
    sa.Index(None, "op_id", "id"),
    sa.Index(None, "save_id"),
    sa.Index(None, "sha256"),
    sqlite_autoincrement=True,
)

# The upstream op is implied by the upstream version; it stands here too so that one index answers "which
# links does this pair have?" however many versions the two ops have.
link = sa.Table(
    "link",
    metadata,
    sa.Column("id", RowId, primary_key=True),
    sa.Column("upstream_op_id", RowId, sa.ForeignKey("op.id"), nullable=False),
    sa.Column("upstream_version_id", RowId, sa.ForeignKey("version.id"), nullable=False),
    sa.Column("downstream_op_id", RowId, sa.ForeignKey("op.id"), nullable=False),
    sa.Column("downstream_version_id", RowId, sa.ForeignKey("version.id")),
    # The acceptance by which a person vouched for the pair; NULL where a training or a 0.2 client did.
    sa.Column("event_id", RowId, sa.ForeignKey("event.id")),
    sa.Index(None, "upstream_op_id", "downstream_op_id", "downstream_version_id"),
)

pipeline = sa.Table(
    "pipeline",
    metadata,
    sa.Column("id", RowId, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("last_op", sa.Text),
    # {"nodes": [NodeQuery as a mapping, ...], "edges": [[upstream, downstream], ...]}, as it was last loaded or saved.
    sa.Column("shape", sa.JSON),
    sa.UniqueConstraint("name"),
)

deployment = sa.Table(
    "deployment",
    metadata,
    sa.Column("id", RowId, primary_key=True),
    sa.Column("pipeline_id", RowId, sa.ForeignKey("pipeline.id"), nullable=False),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.current_timestamp()),
    sa.Index(None, "pipeline_id", "id"),
    sqlite_autoincrement=True,
)

deployment_version = sa.Table(
    "deployment_version",
    metadata,
    sa.Column("deployment_id", RowId, sa.ForeignKey("deployment.id"), primary_key=True),
    sa.Column("node", sa.Text, primary_key=True),
    sa.Column("version_id", RowId, sa.ForeignKey("version.id"), nullable=False),
)

save = sa.Table(
    "save",
    metadata,
    sa.Column("id", RowId, primary_key=True),
    sa.Column("pipeline_id", RowId, sa.ForeignKey("pipeline.id")),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.current_timestamp()),
    sa.Column("who", sa.Text),
    sa.Column("host", sa.Text),
    sa.Column("git_commit", sa.Text),
    sa.Column("code_version", sa.Text),
    # Chosen by who saves, so that what is saved again under it counts once; and which attempt saved it first.
    sa.Column("key", sa.Text),
    sa.Column("attempt", sa.BigInteger),
    sa.Column("numbers", sa.JSON),  # op -> number of the version, as they were answered; NULL without a key
    sa.Index("uq_save_key", "key", unique=True),
    sa.Index(None, "pipeline_id", "id"),
    sqlite_autoincrement=True,
)

# The history of a pipeline: promotions, rollbacks and acceptances. Rows are added, never changed; what an alias
# stands for is what the newest row that names it says.
event = sa.Table(
    "event",
    metadata,
    sa.Column("id", RowId, primary_key=True),
    sa.Column("pipeline_id", RowId, sa.ForeignKey("pipeline.id"), nullable=False),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.current_timestamp()),
    sa.Column("kind", sa.Text, nullable=False),  # promote, rollback, withdraw, accept
    sa.Column("alias", sa.Text),  # NULL for an acceptance
    sa.Column("before", sa.JSON),  # node -> number of the version
    sa.Column("after", sa.JSON),
    sa.Column("who", sa.Text),
    sa.Column("reason", sa.Text),
    # For a rollback: the promotion whose set it brought back; NULL where it brought back a deployment.
    sa.Column("restores", RowId, sa.ForeignKey("event.id")),
    # For a promotion: the last deployment when it was made. For a rollback to a deployment: that deployment.
    sa.Column("deployment_id", RowId, sa.ForeignKey("deployment.id")),
    sa.Column("key", sa.Text),  # chosen by who asks, so that asking again after no answer adds nothing
    sa.UniqueConstraint("key"),
    sa.Index(None, "pipeline_id", "id"),
    sa.Index(None, "pipeline_id", "alias", "id"),
    sqlite_autoincrement=True,
)

# A run of `gc --delete`. Only the newest are kept: they tell a save whether bytes may have gone since it looked.
collection = sa.Table(
    "collection",
    metadata,
    sa.Column("id", RowId, primary_key=True),
    sa.Column("started_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.current_timestamp()),
    sa.Column("finished_at", sa.DateTime(timezone=True)),  # NULL while it deletes, and where it was killed
    sa.Column("versions", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("bytes", sa.BigInteger, nullable=False, server_default="0"),
    sqlite_autoincrement=True,
)
