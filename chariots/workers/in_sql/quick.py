"""How does what is done for every job get by with the least of work?

To ask for a job, to begin it, to read its input and to end it takes SQLite a tenth of the time that SQLAlchemy takes to
prepare the statements. So these few are compiled once, and handed to the driver as they are. Jobs that wait for others
take the way of `chariots.workers.in_sql.asking`; ends from which more follows take that of
`chariots.workers.in_sql.endings`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from chariots.op_store.database import Database
from chariots.workers.in_sql import rows, tables
from chariots.workers.in_sql.changes import NOTIFY
from chariots.workers.job import Job
from chariots.workers.job_status import JobStatus

__all__ = ["Transaction", "add", "claim", "end", "first_piece", "get", "has_work", "transaction"]

_CLAIMS_LOCK_NUMBER = 0x6A6F6273  # any number will do, as long as every process asks PostgreSQL for the same
_NAMES = [column.name for column in rows.COLUMNS]
_END_COLUMNS = ("status", "run_at", "expires_at", "record")
_LAST_COLUMNS = (*_END_COLUMNS, "progress")


class Statement:
    """A statement, compiled once for each kind of database.

    Args:
        clause: the statement; or one for each kind of database, where they say it in different ways.
        columns: for an insert or update, the columns whose values come with each execution.
    """

    def __init__(
        self, clause: sa.Executable | Mapping[str, sa.Executable], columns: Sequence[str] | None = None
    ) -> None:
        self._clause = clause
        self._columns = columns
        self._compiled: dict[str, tuple[str, Mapping[str, Any], Sequence[str] | None]] = {}

    def prepared(self, dialect: sa.Dialect, values: Mapping[str, Any]) -> tuple[str, Any]:
        """The text for a driver, and the values in the form that this driver wants.

        Args:
            dialect: the kind of database.
            values: the values, by name.
        """
        found = self._compiled.get(dialect.name)
        if found is None:
            clause: Any = self._clause[dialect.name] if isinstance(self._clause, Mapping) else self._clause
            compiled: Any = clause.compile(
                dialect=dialect, column_keys=self._columns, compile_kwargs={"render_postcompile": True}
            )
            order = compiled.positiontup if compiled.positional else None
            found = self._compiled[dialect.name] = (compiled.string, compiled.params, order)
        text, constants, order = found
        given = {**constants, **values}
        return text, given if order is None else [given[name] for name in order]


class Transaction:
    """A transaction on the driver's own connection.

    Args:
        driver: the connection.
        dialect: the kind of database.
    """

    def __init__(self, driver: Any, dialect: sa.Dialect) -> None:
        self._cursor = driver.cursor()
        self._dialect = dialect

    @property
    def is_postgresql(self) -> bool:
        """Whether others may be writing at the same time."""
        return self._dialect.name == "postgresql"

    def first(self, statement: Statement, **values: Any) -> Sequence[Any] | None:
        """Carries out a statement that gives rows, and returns the first; None if there is none."""
        self._cursor.execute(*statement.prepared(self._dialect, values))
        found: list[Sequence[Any]] = self._cursor.fetchall()
        return found[0] if found else None

    def run(self, statement: Statement, **values: Any) -> None:
        """Carries out a statement that gives nothing."""
        self._cursor.execute(*statement.prepared(self._dialect, values))


@contextmanager
def transaction(database: Database, *, read_only: bool = False) -> Iterator[Transaction]:
    """Yields a transaction; who waits for changes hears of it, unless it only reads.

    Args:
        database: the database.
        read_only: whether nothing is changed.
    """
    with database.driving(read_only=read_only) as driver:
        begun = Transaction(driver, database.engine.dialect)
        yield begun
        if begun.is_postgresql and not read_only:
            begun.first(_NOTIFY)


def add(begun: Transaction, job: Job, body: bytes) -> bool:
    """Keeps a new job and its input.

    Args:
        begun: the transaction.
        job: the job; one that waits for no other.
        body: its input, shorter than `chariots.workers.in_sql.rows.PIECE`.

    Returns:
        whether it did. If not, there is a job with its idempotency key, and nothing was changed.
    """
    values = rows.values_of(job)
    values |= {"record": json.dumps(values["record"]), "progress": None}
    if begun.first(_ADD_JOB, **values) is None:
        return False
    begun.run(_ADD_BODY, job_id=job.id, attempt=rows.INPUT, piece=0, body=body)
    return True


def claim(begun: Transaction, worker: str, app: str) -> Job | None:
    """Gives the next job to a worker; see `JobStore.claim`."""
    if begun.is_postgresql:
        # Two that claim at once would not count each other's job against the limit of its pipeline.
        begun.first(_CLAIMS_LOCK, of_app=app)
    return _job_of(begun.first(_CLAIM, of_app=app, by=worker, at=time.time()))


def has_work(begun: Transaction, app: str) -> bool:
    """Whether `claim` would give a job."""
    return begun.first(_HAS_WORK, of_app=app) is not None


def get(begun: Transaction, job_id: str) -> Job | None:
    """Looks up a job."""
    return _job_of(begun.first(_GET, this=job_id))


def first_piece(begun: Transaction, job_id: str, attempt: int) -> bytes | None:
    """The beginning of a body; all of it, if it is shorter than `chariots.workers.in_sql.rows.PIECE`."""
    found = begun.first(_FIRST_PIECE, of_job=job_id, of_attempt=attempt)
    return None if found is None else bytes(found[0])


def end(begun: Transaction, job: Job, result: bytes) -> bool:
    """Ends an attempt that went well, where nothing follows from it.

    Args:
        begun: the transaction.
        job: the job, done; not one of a series.
        result: its result, shorter than `chariots.workers.in_sql.rows.PIECE`.

    Returns:
        whether it did. If not, the job belongs to another attempt, or others wait for it, and nothing was changed.
    """
    values = {
        "status": job.status.value,
        "run_at": job.run_at,
        "expires_at": job.expires_at,
        "record": json.dumps({**rows.record_of(job), "result_attempt": job.token}),
    }
    statement = _END
    if job.progress is not None:  # its last word; otherwise what it has told stands
        statement, values["progress"] = _LAST, json.dumps(asdict(job.progress))
    if begun.first(statement, this=job.id, attempt_=job.token, **values) is None:
        return False
    begun.run(_DELETE_BODIES, of_job=job.id)  # its input, which it needs no more, and what was kept
    begun.run(_ADD_BODY, job_id=job.id, attempt=job.token, piece=0, body=result)
    return True


def _job_of(row: Sequence[Any] | None) -> Job | None:
    if row is None:
        return None
    columns = dict(zip(_NAMES, row, strict=True))
    for name in ("record", "progress"):  # some drivers read JSON by themselves
        if isinstance(columns[name], str):
            columns[name] = json.loads(columns[name])
    for name in ("cancel_requested", "is_expired"):
        columns[name] = bool(columns[name])
    return rows.job_of_columns(columns)


_job = tables.job
_candidate = _job.alias("candidate")
_rival = _job.alias("rival")
_rivals = (
    sa.select(sa.func.count())
    .where(
        _rival.c.app == _candidate.c.app,
        _rival.c.target == _candidate.c.target,
        _rival.c.status == sa.literal_column("'running'"),
    )
    .scalar_subquery()
)
_NEXT = (
    sa.select(_candidate.c.seq)
    .where(
        _candidate.c.app == sa.bindparam("of_app"),
        _candidate.c.status == sa.literal_column("'queued'"),
        sa.or_(_candidate.c.concurrency.is_(None), _rivals < _candidate.c.concurrency),
    )
    .order_by(_candidate.c.priority.desc(), _candidate.c.seq)
    .limit(sa.literal_column("1"))
)
_HAS_WORK = Statement(_NEXT)
_CLAIM = Statement(
    sa.update(_job)
    .where(_job.c.seq == _NEXT.with_for_update(of=_candidate, skip_locked=True).scalar_subquery(), tables.QUEUED)
    .values(
        status=JobStatus.running.value,
        token=_job.c.token + 1,
        attempts=_job.c.attempts + 1,
        beats=0,
        progress=sa.null(),
        worker=sa.bindparam("by"),
        started_at=sa.bindparam("at"),
    )
    .returning(*rows.COLUMNS)
)
_CLAIMS_LOCK = Statement(
    sa.select(sa.func.pg_advisory_xact_lock(_CLAIMS_LOCK_NUMBER, sa.func.hashtext(sa.bindparam("of_app"))))
)
_ends = (
    sa.update(_job)
    .where(
        _job.c.id == sa.bindparam("this"),
        _job.c.token == sa.bindparam("attempt_"),
        tables.RUNNING,
        _job.c.dependents == sa.literal_column("0"),
    )
    .returning(_job.c.seq)
)
_END = Statement(_ends, _END_COLUMNS)
_LAST = Statement(_ends, _LAST_COLUMNS)
_GET = Statement(sa.select(*rows.COLUMNS).where(_job.c.id == sa.bindparam("this")))
_OF_JOB = tables.body.c.job_id == sa.bindparam("of_job")
_FIRST_PIECE = Statement(
    sa.select(tables.body.c.body).where(
        _OF_JOB, tables.body.c.attempt == sa.bindparam("of_attempt"), tables.body.c.piece == sa.literal_column("0")
    )
)
_DELETE_BODIES = Statement(sa.delete(tables.body).where(_OF_JOB))
_ADD_BODY = Statement(sa.insert(tables.body), ("job_id", "attempt", "piece", "body"))
_ADD_JOB = Statement(
    {
        "sqlite": sqlite.insert(_job).on_conflict_do_nothing().returning(_job.c.seq),
        "postgresql": postgresql.insert(_job).on_conflict_do_nothing().returning(_job.c.seq),
    },
    _NAMES,
)
_NOTIFY = Statement(NOTIFY)
