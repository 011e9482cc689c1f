"""What does the database do for whoever asks for jobs? (all inside a transaction that is given)"""

from __future__ import annotations

import time
from dataclasses import replace

import sqlalchemy as sa

from chariots.errors import UnknownNameError, nearest
from chariots.workers.in_sql import endings, rows, tables
from chariots.workers.job import Job
from chariots.workers.job_status import JobStatus
from chariots.workers.job_store import JobQuery
from chariots.workers.rules import Canceled, begun_anew, ended, parent_failed, same_request

__all__ = ["add", "cancel", "find", "rerun"]

_MOST_IDS = 1000  # to look through for a suggestion
_BAD_ENDS = (JobStatus.failed, JobStatus.canceled)

_job = tables.job
_SAME_KEY = sa.select(*rows.COLUMNS).where(
    _job.c.app == sa.bindparam("of_app"), _job.c.idempotency_key == sa.bindparam("key")
)


def add(connection: sa.Connection, job: Job, body: bytes) -> Job:
    """Keeps a new job and its input; see `JobStore.add`."""
    first = _first_of_key(connection, job)
    if first is not None:
        return first
    job = _with_parents(connection, job)
    if job.idempotency_key is None:
        rows.insert(connection, job)
    else:
        rows.insert_if_new(connection, job)
        first = _first_of_key(connection, job)
        if first is not None and first.id != job.id:  # it was asked for at the same moment
            return first
    for parent_id in job.after:
        connection.execute(sa.insert(tables.dependency), {"parent_id": parent_id, "job_id": job.id})
        one_more = sa.update(_job).where(_job.c.id == parent_id).values(dependents=_job.c.dependents + 1)
        connection.execute(one_more)
    rows.write_body(connection, job.id, rows.INPUT, body)
    if job.status.is_final:
        endings.conclude(connection, job, 0)
    return job


def find(connection: sa.Connection, query: JobQuery) -> list[Job]:
    """Lists jobs; see `JobStore.find`."""
    wanted = sa.select(*rows.COLUMNS).order_by(_job.c.seq.desc()).limit(query.limit)
    if query.app is not None:
        wanted = wanted.where(_job.c.app == query.app)
    if query.statuses:
        wanted = wanted.where(_job.c.status.in_([status.value for status in query.statuses]))
        if set(query.statuses) <= set(_BAD_ENDS):
            wanted = wanted.where(tables.BAD_END)  # which has an index
    if query.target is not None:
        wanted = wanted.where(_job.c.target == query.target)
    if query.before is not None:
        earlier = _job.alias("earlier")
        wanted = wanted.where(
            _job.c.seq < sa.select(earlier.c.seq).where(earlier.c.id == query.before).scalar_subquery()
        )
    return [rows.job_of(row) for row in connection.execute(wanted)]


def cancel(connection: sa.Connection, job_id: str) -> Job | None:
    """Ends a job, or asks for its end; see `JobStore.cancel`."""
    row = rows.locked(connection, job_id)
    if row is None:
        return None
    job = rows.job_of(row)
    if job.status.is_final or job.cancel_requested:
        return job
    is_running = job.status is JobStatus.running
    job = replace(job, cancel_requested=True) if is_running else ended(job, Canceled())
    rows.write(connection, job)
    if job.status.is_final:
        endings.conclude(connection, job, row.dependents)
    return job


def rerun(connection: sa.Connection, job_id: str) -> Job | None:
    """Queues a job once more; see `JobStore.rerun`."""
    row = rows.locked(connection, job_id)
    if row is None:
        return None
    ended_job = rows.job_of(row)
    if ended_job.status not in _BAD_ENDS or not rows.has_body(connection, job_id, rows.INPUT):
        return ended_job
    job = begun_anew(ended_job)
    rows.forget_runs(connection, job_id)
    job = _with_parents(connection, job, forgiving=True)
    rows.write(connection, job)
    if job.status.is_final:
        endings.conclude(connection, job, row.dependents)
    return job


def _first_of_key(connection: sa.Connection, job: Job) -> Job | None:
    """The job that was asked for first under the key of this one; None if there is no key, or no such job.

    Raises:
        ConflictError: if that was another request.
    """
    if job.idempotency_key is None:
        return None
    row = connection.execute(_SAME_KEY, {"of_app": job.app, "key": job.idempotency_key}).first()
    if row is None:
        return None
    return same_request(rows.job_of(row), job)


def _with_parents(connection: sa.Connection, job: Job, *, forgiving: bool = False) -> Job:
    """Gives a job as it is in view of those it waits for, which do not change until the transaction ends.

    Args:
        connection: the transaction.
        job: the job.
        forgiving: whether those that are not there (any more) were done.

    Raises:
        UnknownNameError: if one of them is not there.
    """
    if not job.after:
        return job
    # In one order for everybody, so that two of them never wait for one another.
    query = sa.select(*rows.COLUMNS).where(_job.c.id.in_(job.after)).order_by(_job.c.seq).with_for_update()
    parents = [rows.job_of(row) for row in connection.execute(query)]
    missing = [parent_id for parent_id in job.after if parent_id not in {parent.id for parent in parents}]
    if missing and not forgiving:
        ids = connection.scalars(sa.select(_job.c.id).order_by(_job.c.seq.desc()).limit(_MOST_IDS)).all()
        raise UnknownNameError(
            f"a job ({job.kind} {job.target!r}) was to wait for job {missing[0]!r}, but there is no job of that id. "
            f"Give the id of a job that was asked for before; nothing was queued.{nearest(missing[0], ids)}"
        )
    bad = next((parent for parent in parents if parent.status in _BAD_ENDS), None)
    if bad is not None:
        return parent_failed(job, bad)
    is_due = job.run_at is None or job.run_at <= time.time()
    if is_due and all(parent.status is JobStatus.done for parent in parents):
        return replace(job, status=JobStatus.queued)
    return job
