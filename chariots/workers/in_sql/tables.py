"""Which facts does a database keep of jobs? (plain tables, the same on SQLite and PostgreSQL)

They are in the database of the op store, and are made by its migrations; but they are no part of what was trained, and
so neither of a backup nor of an export. Like `chariots.op_store.tables` they are changed by adding a migration.
"""

from __future__ import annotations

import sqlalchemy as sa

from chariots.op_store.tables import RowId
from chariots.op_store.tables import metadata as op_store_metadata

__all__ = [
    "BAD_END",
    "QUEUED",
    "RUNNING",
    "DEFERRED",
    "body",
    "dependency",
    "job",
    "log",
    "metadata",
    "outcome",
    "worker",
]

metadata = sa.MetaData(naming_convention=op_store_metadata.naming_convention)

# What a worker, a sweep or a list asks for stands in a column; everything else about a job is in `record`.
job = sa.Table(
    "job",
    metadata,
    sa.Column("seq", RowId, primary_key=True),  # the order in which jobs were asked for
    sa.Column("id", sa.Text, nullable=False),
    sa.Column("app", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("target", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("priority", sa.BigInteger, nullable=False),
    sa.Column("concurrency", sa.BigInteger),
    sa.Column("run_at", sa.Double),
    sa.Column("token", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("beats", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("attempts", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("worker", sa.Text),
    sa.Column("started_at", sa.Double),
    sa.Column("cancel_requested", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("idempotency_key", sa.Text),
    sa.Column("expires_at", sa.Double),
    sa.Column("is_expired", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("dependents", sa.BigInteger, nullable=False, server_default="0"),  # how many were told to wait for it
    sa.Column("logged", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("progress", sa.JSON(none_as_null=True)),
    sa.Column("record", sa.JSON, nullable=False),
    sa.UniqueConstraint("id"),
    sa.UniqueConstraint("app", "idempotency_key"),
    sa.Index(None, "app", "seq"),
    sa.Index(None, "target", "seq"),
    sa.Index(None, "is_expired", "expires_at"),
    sqlite_autoincrement=True,
)

# Written out, not bound: a database uses a partial index only for a condition that it can read.
QUEUED = job.c.status == sa.literal_column("'queued'")
RUNNING = job.c.status == sa.literal_column("'running'")
DEFERRED = job.c.status == sa.literal_column("'deferred'")
BAD_END = sa.or_(job.c.status == sa.literal_column("'failed'"), job.c.status == sa.literal_column("'canceled'"))

# Jobs that are done are the most by far, and are in none of these.
sa.Index("ix_job_queued", job.c.app, job.c.priority.desc(), job.c.seq, sqlite_where=QUEUED, postgresql_where=QUEUED)
sa.Index("ix_job_running", job.c.app, job.c.target, sqlite_where=RUNNING, postgresql_where=RUNNING)
sa.Index("ix_job_bad_end", job.c.seq, sqlite_where=BAD_END, postgresql_where=BAD_END)
sa.Index("ix_job_deferred", job.c.run_at, sqlite_where=DEFERRED, postgresql_where=DEFERRED)

# The input of a job (attempt 0) and the results of its attempts, in pieces: neither a database nor its driver then
# holds several copies of a large one.
body = sa.Table(
    "job_body",
    metadata,
    sa.Column("job_id", sa.Text, primary_key=True),
    sa.Column("attempt", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("piece", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

# What an attempt put aside before it took effect elsewhere: the job as it was going to be.
outcome = sa.Table(
    "job_outcome",
    metadata,
    sa.Column("job_id", sa.Text, primary_key=True),
    sa.Column("attempt", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("job", sa.JSON, nullable=False),
)

dependency = sa.Table(
    "job_dependency",
    metadata,
    sa.Column("parent_id", sa.Text, primary_key=True),
    sa.Column("job_id", sa.Text, primary_key=True),
    sa.Index(None, "job_id"),
)

log = sa.Table(
    "job_log",
    metadata,
    sa.Column("job_id", sa.Text, primary_key=True),
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("level", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
)

worker = sa.Table(
    "job_worker",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("app", sa.Text, nullable=False),
    sa.Column("host", sa.Text, nullable=False),
    sa.Column("pid", sa.BigInteger, nullable=False),
    sa.Column("started_at", sa.Double, nullable=False),
    sa.Column("seen_at", sa.Double, nullable=False),
    sa.Column("job_id", sa.Text),
)
