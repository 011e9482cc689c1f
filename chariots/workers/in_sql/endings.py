"""What else changes in the database when a job ends, or its time has come? (all inside a transaction that is given)

What follows from an end is done in the same transaction: the next job of a series is there, and those that waited are
queued or have failed. Two parents that end at the same moment on PostgreSQL do not see each other; what they leave
over is found by the next `release_due`.
"""

from __future__ import annotations

import time
from dataclasses import asdict, replace
from typing import Any

import sqlalchemy as sa

from chariots.workers.in_sql import rows, tables
from chariots.workers.job import Job
from chariots.workers.job_status import JobStatus
from chariots.workers.rules import Canceled, ended, parent_failed, successor

__all__ = ["conclude", "expire", "has_due", "has_expired", "release_due", "settle"]

FORGET_SECONDS = 30 * 86_400.0  # from the end of a result to that of all that is known of its job
_WORKER_SECONDS = 86_400.0  # from the last word of a worker to the end of its row
_BATCH = 500  # jobs in one transaction: others wait for it to end

_job = tables.job
_parent = _job.alias("parent")
_needs = tables.dependency.join(_parent, _parent.c.id == tables.dependency.c.parent_id)

_MINE = _job.c.id == sa.bindparam("this"), _job.c.token == sa.bindparam("attempt"), tables.RUNNING
_END = sa.update(_job).where(*_MINE).returning(_job.c.dependents)
_GO_ON = sa.update(_job).where(*_MINE, ~_job.c.cancel_requested).returning(_job.c.dependents)

_FREE = (  # waits for nothing any more
    tables.DEFERRED,
    sa.or_(_job.c.run_at.is_(None), _job.c.run_at <= sa.bindparam("now")),
    ~sa.exists().select_from(_needs).where(tables.dependency.c.job_id == _job.c.id, _parent.c.status != "done"),
)
_RELEASE = sa.update(_job).where(*_FREE).values(status=JobStatus.queued.value)
_CHILDREN = sa.select(tables.dependency.c.job_id).where(tables.dependency.c.parent_id == sa.bindparam("of_parent"))
_RELEASE_CHILDREN = _RELEASE.where(_job.c.id.in_(_CHILDREN))
_WAITING_CHILDREN = (
    sa.select(*rows.COLUMNS, _job.c.dependents)
    .where(_job.c.id.in_(_CHILDREN), tables.DEFERRED)
    .order_by(_job.c.seq)
    .with_for_update()
)
_ORPHANS = (
    sa.select(_job.c.id, _parent.c.id.label("parent_id"))
    .select_from(_needs.join(_job, _job.c.id == tables.dependency.c.job_id))
    .where(tables.DEFERRED, _parent.c.status.in_(["failed", "canceled"]))
    .limit(_BATCH)
)

_DUE_TO_EXPIRE = ~_job.c.is_expired, _job.c.expires_at <= sa.bindparam("now")
_DUE_TO_FORGET = _job.c.is_expired, _job.c.expires_at <= sa.bindparam("long_ago")
_HAS_EXPIRED = sa.select(sa.or_(sa.exists().where(*_DUE_TO_EXPIRE), sa.exists().where(*_DUE_TO_FORGET)))


def settle(connection: sa.Connection, job: Job, result: bytes | None) -> bool:
    """Ends an attempt; see `JobStore.settle`."""
    if result is not None:
        job = replace(job, result_attempt=job.token)
    dependents = _end(connection, job)
    if dependents is None and not job.status.is_final:
        # Somebody asked for the job to be canceled, or it belongs to another attempt.
        job = ended(job, Canceled())
        dependents = _end(connection, job)
    if dependents is None:
        return False
    if job.status is JobStatus.done:
        following = _add_successor(connection, job)
        if following is not None:
            _give_input_up(connection, job, following)
        rows.delete_bodies(connection, job.id, but=job.result_attempt if result is None else None)
    elif result is not None:
        rows.delete_bodies(connection, job.id, only=job.token)
    if result is not None:
        rows.write_body(connection, job.id, job.token, result)
    if job.status.is_final:
        conclude(connection, job, dependents)
    return True


def conclude(connection: sa.Connection, job: Job, dependents: int) -> None:
    """Does what follows from the end of a job, and from the ends that follow from that.

    Args:
        connection: the transaction; it has written the job already.
        job: the job, at its end.
        dependents: how many jobs were told to wait for it.
    """
    left = [(job, dependents)]
    while left:
        job, dependents = left.pop()
        if job.status is not JobStatus.done:  # it keeps its input, so that it can be run again
            following = _add_successor(connection, job)
            if following is not None:
                _copy_input(connection, job, following)
        if not dependents:
            continue
        if job.status is JobStatus.done:
            connection.execute(_RELEASE_CHILDREN, {"of_parent": job.id, "now": time.time()})
            continue
        for row in connection.execute(_WAITING_CHILDREN, {"of_parent": job.id}).all():
            child = parent_failed(rows.job_of(row), job)
            rows.write(connection, child)
            left.append((child, row.dependents))


def has_due(connection: sa.Connection) -> bool:
    """Whether `release_due` would find something; only reads, so that nobody has to wait for it."""
    due = sa.select(sa.or_(sa.exists().where(*_FREE), _ORPHANS.exists()))
    return bool(connection.scalar(due, {"now": time.time()}))


def release_due(connection: sa.Connection) -> int:
    """Queues and fails what waits in vain; see `JobStore.release_due`."""
    changed = connection.execute(_RELEASE, {"now": time.time()}).rowcount
    for child_id, parent_id in connection.execute(_ORPHANS).all():
        row, parent = rows.locked(connection, child_id), rows.locked(connection, parent_id)
        if row is None or parent is None or row.status != JobStatus.deferred.value:
            continue  # it failed with another one of this very loop
        child = parent_failed(rows.job_of(row), rows.job_of(parent))
        rows.write(connection, child)
        conclude(connection, child, row.dependents)
        changed += 1
    return int(changed)


def has_expired(connection: sa.Connection) -> bool:
    """Whether `expire` would find something; only reads, so that nobody has to wait for it."""
    return bool(connection.scalar(_HAS_EXPIRED, _times()))


def expire(connection: sa.Connection) -> int:
    """Gives up what is over; see `JobStore.expire`. Not all of it at once, where there is much."""
    some = sa.select(_job.c.seq).where(*_DUE_TO_EXPIRE).limit(_BATCH)
    expiring = sa.update(_job).where(_job.c.seq.in_(some), *_DUE_TO_EXPIRE).values(is_expired=True)
    expired = list(connection.scalars(expiring.returning(_job.c.id), _times()))
    for table in (tables.body, tables.outcome, tables.log):
        connection.execute(sa.delete(table).where(table.c.job_id.in_(expired)))
    some = sa.select(_job.c.seq).where(*_DUE_TO_FORGET).limit(_BATCH)
    forgetting = sa.delete(_job).where(_job.c.seq.in_(some), *_DUE_TO_FORGET)
    forgotten = list(connection.scalars(forgetting.returning(_job.c.id), _times()))
    needs = tables.dependency.c
    connection.execute(
        sa.delete(tables.dependency).where(sa.or_(needs.job_id.in_(forgotten), needs.parent_id.in_(forgotten)))
    )
    silent = tables.worker.c.seen_at < time.time() - _WORKER_SECONDS
    connection.execute(sa.delete(tables.worker).where(silent))
    return len(expired) + len(forgotten)


def _end(connection: sa.Connection, job: Job) -> int | None:
    """Writes a job as its attempt leaves it; returns its number of dependents, or None where it may not."""
    values: dict[str, Any] = {
        "this": job.id,
        "attempt": job.token,
        "status": job.status.value,
        "run_at": job.run_at,
        "expires_at": job.expires_at,
        "record": rows.record_of(job),
    }
    if job.progress is not None:  # its last word; otherwise what it has told stands
        values["progress"] = asdict(job.progress)
    dependents: int | None = connection.scalar(_END if job.status.is_final else _GO_ON, values)
    return dependents


def _add_successor(connection: sa.Connection, job: Job) -> str | None:
    """Adds the next job of a series; returns its id, or None where there is none to add."""
    following = successor(job)
    if following is None or rows.locked(connection, following.id) is not None:
        return None
    rows.insert_if_new(connection, following)
    return following.id


def _give_input_up(connection: sa.Connection, job: Job, following: str) -> None:
    body = tables.body.c
    mine = sa.update(tables.body).where(body.job_id == job.id, body.attempt == rows.INPUT)
    connection.execute(mine.values(job_id=following))


def _copy_input(connection: sa.Connection, job: Job, following: str) -> None:
    body = tables.body.c
    mine = sa.select(sa.literal(following), body.attempt, body.piece, body.body).where(
        body.job_id == job.id, body.attempt == rows.INPUT
    )
    connection.execute(sa.insert(tables.body).from_select(["job_id", "attempt", "piece", "body"], mine))


def _times() -> dict[str, float]:
    now = time.time()
    return {"now": now, "long_ago": now - FORGET_SECONDS}
