"""What does the database do for the workers? (all inside a transaction that is given)"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa

from chariots.op_store.rows import insert_new
from chariots.workers.in_sql import rows, tables
from chariots.workers.job import Job, LogLine, Progress, WorkerInfo
from chariots.workers.job_store import Claim
from chariots.workers.leases import Beat

__all__ = ["beat", "greet", "keep", "kept", "part", "report", "running", "workers"]

SILENT_SECONDS = 10.0  # after which a worker is not listed any more

_job = tables.job
_MINE = _job.c.id == sa.bindparam("this"), _job.c.token == sa.bindparam("attempt"), tables.RUNNING
_BEAT = sa.update(_job).where(*_MINE).values(beats=_job.c.beats + 1).returning(*rows.COLUMNS)
_REPORT = (
    sa.update(_job)
    .where(*_MINE)
    .values(
        logged=_job.c.logged + sa.bindparam("lines"),
        progress=sa.func.coalesce(sa.bindparam("so_far", type_=_job.c.progress.type), _job.c.progress),
    )
    .returning(_job.c.logged)
)
_IS_MINE = sa.select(_job.c.seq).where(*_MINE).with_for_update()
_RUNNING = sa.select(_job.c.id, _job.c.token, _job.c.beats).where(tables.RUNNING)


def beat(connection: sa.Connection, claims: Sequence[Claim]) -> dict[str, Job | None]:
    """Says that the workers of some jobs live; see `JobStore.beat`."""
    found: dict[str, Job | None] = {}
    for each in sorted(claims, key=lambda each: each.job_id):  # so that two who beat never wait for one another
        row = connection.execute(_BEAT, _whose(each)).first()
        found[each.job_id] = None if row is None else rows.job_of(row)
    return found


def report(connection: sa.Connection, claim: Claim, progress: Progress | None, lines: Sequence[LogLine]) -> bool:
    """Notes progress and log of a job; see `JobStore.report`."""
    so_far = None if progress is None else asdict(progress)
    last = connection.scalar(_REPORT, {**_whose(claim), "lines": len(lines), "so_far": so_far})
    if last is None:
        return False
    if lines:
        rows.add_lines(connection, claim.job_id, lines, last)
    return True


def keep(connection: sa.Connection, job: Job, result: bytes | None) -> bool:
    """Puts an outcome aside; see `JobStore.keep`."""
    if connection.scalar(_IS_MINE, _whose(Claim(job.id, job.token))) is None:
        return False
    mine = tables.outcome.c.job_id == job.id, tables.outcome.c.attempt == job.token
    connection.execute(sa.delete(tables.outcome).where(*mine))
    values = {"job_id": job.id, "attempt": job.token, "job": job.as_mapping()}
    connection.execute(sa.insert(tables.outcome), values)
    rows.delete_bodies(connection, job.id, only=job.token)
    if result is not None:
        rows.write_body(connection, job.id, job.token, result)
    return True


def kept(connection: sa.Connection, claim: Claim) -> Job | None:
    """What an attempt has put aside; see `JobStore.kept`."""
    table = tables.outcome
    query = sa.select(table.c.job).where(table.c.job_id == claim.job_id, table.c.attempt == claim.token)
    found = connection.scalar(query)
    return None if found is None else Job.from_mapping(found)


def running(connection: sa.Connection) -> list[Beat]:
    """The beats of every running job."""
    return [Beat(row.id, row.token, row.beats) for row in connection.execute(_RUNNING)]


def greet(connection: sa.Connection, worker: WorkerInfo) -> None:
    """Says that a worker is there; see `JobStore.greet`."""
    table = tables.worker
    values = {**asdict(worker), "seen_at": _database_time(connection)}
    if not connection.execute(sa.update(table).where(table.c.name == worker.name).values(values)).rowcount:
        insert_new(connection, table, [values])


def part(connection: sa.Connection, name: str) -> None:
    """Says that a worker is gone."""
    connection.execute(sa.delete(tables.worker).where(tables.worker.c.name == name))


def workers(connection: sa.Connection) -> list[WorkerInfo]:
    """The workers that have spoken of late."""
    table = tables.worker
    since = _database_time(connection) - SILENT_SECONDS
    query = sa.select(*(table.c[name] for name in WorkerInfo.__dataclass_fields__)).where(table.c.seen_at > since)
    return [WorkerInfo(*row) for row in connection.execute(query.order_by(table.c.started_at, table.c.name))]


def _whose(claim: Claim) -> dict[str, Any]:
    return {"this": claim.job_id, "attempt": claim.token}


def _database_time(connection: sa.Connection) -> float:
    """The time by one clock for everybody: workers on other machines may have another."""
    if connection.dialect.name == "sqlite":
        return time.time()  # one machine
    return float(connection.scalar(sa.text("SELECT extract(epoch FROM clock_timestamp())")) or 0)
