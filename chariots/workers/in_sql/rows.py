"""How does a job become rows, and a row a job? (all inside a transaction that is given)"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any, TypeAlias

import sqlalchemy as sa

from chariots.op_store.rows import insert_new
from chariots.web.retry import RetryPolicy
from chariots.workers.in_sql import tables
from chariots.workers.job import Job, LogLine

__all__ = [
    "COLUMNS",
    "INPUT",
    "add_lines",
    "delete_bodies",
    "forget_runs",
    "has_body",
    "insert",
    "insert_if_new",
    "job_of",
    "job_of_columns",
    "lines_of",
    "locked",
    "read_body",
    "record_of",
    "utf8",
    "values_of",
    "write",
    "write_body",
]

# A row with `COLUMNS`. SQLAlchemy 2.0 and 2.1 write the type of a row differently.
JobRow: TypeAlias = Any

INPUT = 0  # stands for an attempt in the table of bodies; tokens count from 1
PIECE = 2**20

_PRIVATE = {"seq", "beats", "dependents"}  # of no interest outside of the store
COLUMNS = tuple(column for column in tables.job.c if column.name not in _PRIVATE)
_IN_COLUMNS = {column.name for column in COLUMNS} - {"record"}
_IN_RECORD = tuple(name for name in Job.__dataclass_fields__ if name not in _IN_COLUMNS)

_OF_RETRY = tuple(RetryPolicy.__dataclass_fields__)

_INSERT = sa.insert(tables.job)
_WRITE = sa.update(tables.job).where(tables.job.c.id == sa.bindparam("this"))
_LOCK = sa.select(*COLUMNS, tables.job.c.dependents).where(tables.job.c.id == sa.bindparam("this")).with_for_update()
_THESE = (tables.body.c.job_id == sa.bindparam("of_job"), tables.body.c.attempt == sa.bindparam("of_attempt"))
_READ_PIECE = sa.select(tables.body.c.body).where(*_THESE, tables.body.c.piece == sa.bindparam("number"))
_HAS_PIECE = sa.select(tables.body.c.piece).where(*_THESE).limit(1)
_WRITE_PIECE = sa.insert(tables.body)
_DELETE_BODY = sa.delete(tables.body).where(*_THESE)
_DELETE_BODIES = sa.delete(tables.body).where(tables.body.c.job_id == sa.bindparam("of_job"))
_DELETE_LINES = sa.delete(tables.log).where(tables.log.c.job_id == sa.bindparam("of_job"))
_DELETE_OTHER_BODIES = _DELETE_BODIES.where(tables.body.c.attempt != sa.bindparam("of_attempt"))
_READ_LINES = (
    sa.select(tables.log)
    .where(tables.log.c.job_id == sa.bindparam("of_job"), tables.log.c.number > sa.bindparam("behind"))
    .order_by(tables.log.c.number)
    .limit(sa.bindparam("most"))
)


def values_of(job: Job) -> dict[str, Any]:
    """What the columns hold of a job."""
    values: dict[str, Any] = {name: getattr(job, name) for name in _IN_COLUMNS}
    values["status"] = job.status.value
    values["progress"] = None if job.progress is None else asdict(job.progress)
    values["record"] = record_of(job)
    return values


def record_of(job: Job) -> dict[str, Any]:
    """What is known of a job beside the columns, as plain JSON values."""
    found = {name: getattr(job, name) for name in _IN_RECORD}
    plain = {name: dict(value) if isinstance(value, Mapping) else value for name, value in found.items()}
    return {**plain, "retry": {name: getattr(job.retry, name) for name in _OF_RETRY}}


def job_of(row: JobRow) -> Job:
    """The job that a row of `COLUMNS` holds."""
    return job_of_columns(row._mapping)


def job_of_columns(columns: Mapping[str, Any]) -> Job:
    """The job that the values of `COLUMNS` hold, by name of the column."""
    return Job.from_mapping({**columns["record"], **columns})


def locked(connection: sa.Connection, job_id: str) -> JobRow | None:
    """The row of a job, with the number of its dependents, which nobody else changes until the end; None if there is
    none."""
    return connection.execute(_LOCK, {"this": job_id}).first()


def insert(connection: sa.Connection, job: Job) -> None:
    """Adds a job."""
    connection.execute(_INSERT, values_of(job))


def insert_if_new(connection: sa.Connection, job: Job) -> None:
    """Adds a job, unless one of its id is there, or one of its app with its idempotency key."""
    insert_new(connection, tables.job, [values_of(job)])


def write(connection: sa.Connection, job: Job) -> None:
    """Writes a job that was `locked` and is changed, whatever is different about it."""
    connection.execute(_WRITE, {"this": job.id, **values_of(job)})


def write_body(connection: sa.Connection, job_id: str, attempt: int, data: bytes) -> None:
    """Adds the input of a job, or the result of an attempt.

    Args:
        connection: the transaction.
        job_id: the job.
        attempt: the token of the attempt, or `INPUT`.
        data: what to write.
    """
    whole = memoryview(data)
    for number, start in enumerate(range(0, max(1, len(whole)), PIECE)):
        piece = {"job_id": job_id, "attempt": attempt, "piece": number, "body": whole[start : start + PIECE]}
        connection.execute(_WRITE_PIECE, piece)


def read_body(connection: sa.Connection, job_id: str, attempt: int) -> bytearray | None:
    """The input of a job, or the result of an attempt; None if it is not there (any more)."""
    asked = {"of_job": job_id, "of_attempt": attempt}
    whole = bytearray()
    for number in itertools.count():
        piece: bytes | None = connection.scalar(_READ_PIECE, {**asked, "number": number})
        if piece is None:
            break
        whole += piece
        if len(piece) < PIECE:
            break
    return whole or None  # no JSON is empty


def has_body(connection: sa.Connection, job_id: str, attempt: int) -> bool:
    """Whether the input of a job, or the result of an attempt, is there."""
    return connection.scalar(_HAS_PIECE, {"of_job": job_id, "of_attempt": attempt}) is not None


def delete_bodies(connection: sa.Connection, job_id: str, *, only: int | None = None, but: int | None = None) -> None:
    """Deletes the input of a job and the results of its attempts.

    Args:
        connection: the transaction.
        job_id: the job.
        only: delete that of this attempt alone.
        but: leave that of this attempt.
    """
    if only is not None:
        connection.execute(_DELETE_BODY, {"of_job": job_id, "of_attempt": only})
    elif but is not None:
        connection.execute(_DELETE_OTHER_BODIES, {"of_job": job_id, "of_attempt": but})
    else:
        connection.execute(_DELETE_BODIES, {"of_job": job_id})


def forget_runs(connection: sa.Connection, job_id: str) -> None:
    """Deletes what earlier runs of a job have left: results and lines; its input stays."""
    delete_bodies(connection, job_id, but=INPUT)
    connection.execute(_DELETE_LINES, {"of_job": job_id})


def add_lines(connection: sa.Connection, job_id: str, lines: Iterable[LogLine], last: int) -> None:
    """Adds lines to a log.

    Args:
        connection: the transaction.
        job_id: the job.
        lines: the lines.
        last: the number for the last one.
    """
    given = list(lines)
    rows = [
        {"job_id": job_id, "number": number, "at": line.at, "level": utf8(line.level), "text": utf8(line.text)}
        for number, line in enumerate(given, last - len(given) + 1)
    ]
    connection.execute(sa.insert(tables.log), rows)


def lines_of(connection: sa.Connection, job_id: str, after: int, limit: int) -> list[LogLine]:
    """The lines of a job behind a number."""
    found = connection.execute(_READ_LINES, {"of_job": job_id, "behind": after, "most": limit})
    return [LogLine(row.number, row.at, row.level, row.text) for row in found]


def utf8(text: str) -> str:
    """A text as every database can hold it: a program may log what is no Unicode, and PostgreSQL knows no NUL."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")
