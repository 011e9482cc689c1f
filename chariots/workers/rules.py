"""What becomes of a job when something happens to it? (pure functions; every pool follows them)"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import uuid4

from chariots.errors import BackendError, ConflictError
from chariots.workers.job import NO_RETRY, Job
from chariots.workers.job_options import JobOptions
from chariots.workers.job_status import JobStatus

__all__ = [
    "Canceled",
    "Ending",
    "Lost",
    "Raised",
    "Released",
    "Succeeded",
    "begun_anew",
    "ended",
    "new_job",
    "parent_failed",
    "same_request",
    "successor",
]

MOST_DEATHS = 3  # a job that took three workers with it will take the fourth


@dataclass(frozen=True, slots=True)
class Succeeded:
    """An attempt ran to its end.

    Attributes:
        used: the versions it ran with, by node.
        produced: the versions it trained, by node.
    """

    used: Mapping[str, str] = field(default_factory=dict)
    produced: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Raised:
    """An attempt failed or took too long.

    Attributes:
        error: the problem, as plain JSON values.
        is_final: whether trying again could not help, or would do twice what was done.
        used: the versions it ran with, by node.
        produced: the versions it trained, by node, where that is kept.
    """

    error: Mapping[str, Any]
    is_final: bool = False
    used: Mapping[str, str] = field(default_factory=dict)
    produced: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Lost:
    """The worker was lost in the middle of an attempt.

    Attributes:
        why: what is known of it, for people.
        delay: seconds before it is tried again.
    """

    why: str
    delay: float = 0.0


@dataclass(frozen=True, slots=True)
class Released:
    """The worker gives the job back because it has to leave."""


@dataclass(frozen=True, slots=True)
class Canceled:
    """The attempt was stopped because somebody asked for it."""


Ending = Succeeded | Raised | Lost | Released | Canceled


def new_job(
    app: str,
    kind: str,
    target: str,
    options: JobOptions,
    *,
    input_sha256: str,
    input_size: int,
    result_ttl: float,
    traceparent: str | None = None,
    now: float | None = None,
) -> Job:
    """Makes the job somebody asks for; nobody knows of it yet.

    Args:
        app: the app, ``"module:attribute"``.
        kind: what is done with the target.
        target: the name of the pipeline.
        options: how it is to be run.
        input_sha256: the hash of its input.
        input_size: the size of its input, in bytes.
        result_ttl: how long results are kept where the options do not say.
        traceparent: the span of the request that asks for it.
        now: the present time.
    """
    now = time.time() if now is None else now
    identity = uuid4().hex
    waits = bool(options.after) or (options.at is not None and options.at > now)
    return Job(
        id=identity,
        app=app,
        kind=kind,
        target=target,
        status=JobStatus.deferred if waits else JobStatus.queued,
        created_at=now,
        run_at=options.at if options.at is not None else (now if options.every is not None else None),
        priority=options.priority or 0,
        timeout=options.timeout,
        retry=options.retries or NO_RETRY,
        concurrency=options.concurrency,
        every=options.every,
        series=identity if options.every is not None else None,
        after=options.after,
        idempotency_key=options.idempotency_key,
        input_sha256=input_sha256,
        input_size=input_size,
        result_ttl=result_ttl if options.result_ttl is None else options.result_ttl,
        traceparent=traceparent,
    )


def ended(job: Job, ending: Ending, now: float | None = None) -> Job:
    """Gives a running job as it is after its attempt came to an end.

    Args:
        job: the job, as it ran.
        ending: how the attempt ended.
        now: the present time.
    """
    now = time.time() if now is None else now
    match ending:
        case Succeeded():
            versions = {"versions_used": dict(ending.used), "versions_produced": dict(ending.produced)}
            return _final(job, JobStatus.done, now, **versions, error=None)
        case Raised():
            failed = replace(
                job,
                failures=job.failures + 1,
                error=dict(ending.error),
                versions_used=dict(ending.used),
                versions_produced=dict(ending.produced),
            )
            if job.cancel_requested:
                return _final(failed, JobStatus.canceled, now)
            if ending.is_final or failed.failures >= job.retry.attempts:
                return _final(failed, JobStatus.failed, now)
            at = now + job.retry.delay(failed.failures)
            return replace(failed, status=JobStatus.deferred, run_at=at)
        case Lost():
            lost = replace(job, deaths=job.deaths + 1, error=_death(job, ending.why).problem())
            if job.cancel_requested:
                return _final(lost, JobStatus.canceled, now)
            if lost.deaths >= MOST_DEATHS:
                return _final(lost, JobStatus.failed, now)
            if ending.delay:
                return replace(lost, status=JobStatus.deferred, run_at=now + ending.delay)
            return replace(lost, status=JobStatus.queued)
        case Released():
            if job.cancel_requested:
                return _final(job, JobStatus.canceled, now)
            return replace(job, status=JobStatus.queued)
        case Canceled():
            return _final(job, JobStatus.canceled, now)


def begun_anew(job: Job) -> Job:
    """Gives a job that failed or was canceled as if it had never run.

    Its token stays, so that no earlier attempt can write.
    """
    return replace(
        job,
        status=JobStatus.deferred if job.after else JobStatus.queued,
        run_at=job.run_at if job.every is not None else None,
        started_at=None,
        ended_at=None,
        attempts=0,
        failures=0,
        deaths=0,
        reruns=job.reruns + 1,
        progress=None,
        error=None,
        versions_used={},
        versions_produced={},
        worker=None,
        cancel_requested=False,
        expires_at=None,
        result_attempt=None,
        logged=0,
    )


def same_request(first: Job, job: Job) -> Job:
    """Gives the first job under an idempotency key to whoever asks for it again.

    Args:
        first: the job that has the key.
        job: what was asked for now.

    Returns:
        the first job.

    Raises:
        ConflictError: if that is something else.
    """
    if (first.kind, first.target, first.input_sha256) == (job.kind, job.target, job.input_sha256):
        return first
    raise ConflictError(
        f"{job.kind} {job.target!r} was asked for with idempotency_key={job.idempotency_key!r}, but that is the key of "
        f"job {first.id!r} ({first.kind} {first.target!r}), another request. Give every request a key of its own; "
        "nothing was queued.",
        job_id=first.id,
    )


def parent_failed(job: Job, parent: Job, now: float | None = None) -> Job:
    """Gives a job that waited for one that came to a bad end.

    Args:
        job: the job that waited.
        parent: the one it waited for.
        now: the present time.
    """
    error = BackendError(
        f"the job waited for job {parent.id!r} ({parent.kind} {parent.target!r}), which is {parent.status.value}. "
        "Run that one again, then this one."
    )
    return _final(replace(job, error=error.problem()), JobStatus.failed, time.time() if now is None else now)


def successor(job: Job, now: float | None = None) -> Job | None:
    """Gives the next job of a series.

    Args:
        job: one that came to its end.
        now: the present time.

    Returns:
        the next one, at the next time of the series that is still to come; None for a job that runs once, and for
        one that was canceled, which ends its series. Its id follows from that of the first, so that there is one.
    """
    if job.every is None or job.series is None or job.status is JobStatus.canceled:
        return None
    now = time.time() if now is None else now
    begun = job.run_at if job.run_at is not None else job.created_at
    missed = max(0, int((now - begun) // job.every))
    number = int(job.id.partition("-")[2] or 0) + 1
    return Job(
        id=f"{job.series}-{number}",
        app=job.app,
        kind=job.kind,
        target=job.target,
        status=JobStatus.deferred,
        created_at=now,
        run_at=begun + (missed + 1) * job.every,
        priority=job.priority,
        timeout=job.timeout,
        retry=job.retry,
        concurrency=job.concurrency,
        every=job.every,
        series=job.series,
        input_sha256=job.input_sha256,
        input_size=job.input_size,
        result_ttl=job.result_ttl,
    )


def _final(job: Job, status: JobStatus, now: float, **changes: Any) -> Job:
    return replace(job, status=status, ended_at=now, expires_at=now + job.result_ttl, **changes)


def _death(job: Job, why: str) -> BackendError:
    return BackendError(
        f"{job.kind} {job.target!r} was running, but its worker was lost: {why}. Look into the worker's log; a job "
        f"that lost {MOST_DEATHS} workers is not tried again by itself."
    )
