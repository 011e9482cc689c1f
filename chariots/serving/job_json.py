"""How is a job told over HTTP?"""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from chariots import schema
from chariots.errors import ChariotsError
from chariots.workers.job_status import JobStatus

if TYPE_CHECKING:
    from chariots.workers import BaseWorkerPool
    from chariots.workers.job import Job, LogLine, WorkerInfo

__all__ = ["hint_for", "log_line", "mark_of", "shown", "worker_info"]

_OURS = ("token", "result_attempt", "input_sha256", "traceparent")  # how a pool keeps order, and nobody else's business
_TIMES = ("created_at", "run_at", "started_at", "ended_at", "expires_at")


def shown(job: Job, hint: str | None = None) -> dict[str, Any]:
    """A job as others see it; `Job.from_mapping` reads it.

    Args:
        job: the job.
        hint: what keeps it from being run, for people.

    Returns:
        plain JSON values. Times are seconds since the epoch; ``times`` has those that are known as text.
    """
    values = {name: value for name, value in job.as_mapping().items() if name not in _OURS}
    values["times"] = {name: _readable(values[name]) for name in _TIMES if values[name] is not None}
    if hint is not None:
        values["hint"] = hint
    return values


def log_line(line: LogLine) -> dict[str, Any]:
    """A line of a log as others see it."""
    return asdict(line)


def worker_info(worker: WorkerInfo) -> dict[str, Any]:
    """A worker as others see it."""
    return asdict(worker)


def mark_of(job: Job) -> str:
    """Tells one state of a job from another: whoever names the state it has seen is told of the next one."""
    return hashlib.sha256(schema.dumps(shown(job))).hexdigest()[:16]


def hint_for(job: Job, pool: BaseWorkerPool) -> str | None:
    """Says why a job that could run does not.

    Args:
        job: the job.
        pool: its pool.

    Returns:
        a sentence where the job is queued and no worker of its app is alive; otherwise None.
    """
    if job.status is not JobStatus.queued:
        return None
    try:
        if pool.has_worker(job.app):
            return None
    except ChariotsError:
        return None  # the job is kept all the same; whether anybody works on it is then not known
    return (
        f"No worker is alive that runs the jobs of {job.app}, so the job waits for one. If none is about to start, "
        f"start one: chariots worker {job.app}"
    )


def _readable(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
