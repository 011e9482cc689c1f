"""What is known of a job? (plain facts: names, versions and times; its input and its result lie beside it)"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from chariots.web.retry import RetryPolicy
from chariots.workers.job_status import JobStatus

__all__ = ["NO_RETRY", "Job", "LogLine", "Progress", "WorkerInfo"]

NO_RETRY = RetryPolicy(attempts=1, base=1.0, maximum=60.0)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a running job is, as its ops last told.

    Attributes:
        current: how much is done.
        total: how much there is to do; None where nobody knows.
        message: what is being done, for people.
        node: the node of the pipeline that runs.
    """

    current: float = 0
    total: float | None = None
    message: str = ""
    node: str | None = None


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line that was logged while a job ran.

    Attributes:
        number: counts the lines of a job from 1, over all its attempts; 0 before the store has numbered it.
        at: seconds since the epoch.
        level: ``INFO`` or another level of `logging`.
        text: the line.
    """

    number: int
    at: float
    level: str
    text: str


@dataclass(frozen=True, slots=True)
class WorkerInfo:
    """One worker that is alive.

    Attributes:
        name: its name, the same as in `Job.worker`.
        app: the app whose jobs it runs, ``"module:attribute"``.
        host: the machine it runs on.
        pid: the id there of the process that runs the jobs.
        started_at: seconds since the epoch.
        job_id: the job at hand; None while it waits for one.
    """

    name: str
    app: str
    host: str
    pid: int
    started_at: float
    job_id: str | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """One job. It holds names and numbers, never a pickled object; times are seconds since the epoch.

    Attributes:
        id: its id.
        app: the app a worker imports, ``"module:attribute"``.
        kind: what is done with the target: ``pipeline`` runs it, ``promote`` promotes its newest versions.
        target: the name of the pipeline.
        status: how far it is.
        created_at: when it was asked for.
        run_at: not before this time; None for as soon as possible.
        started_at: when its last attempt began.
        ended_at: when it came to its end.
        attempts: how often it was begun.
        failures: how often its own code failed or took too long.
        deaths: how often the worker was lost while it ran.
        reruns: how often somebody had it run again from the start.
        progress: how far it is while it runs, and how far it came.
        error: the problem (RFC 9457) of the last failure, with the stack of where it happened.
        versions_used: the version of every node that was loaded or is plain code, by node name.
        versions_produced: the version of every node that learned, by node name.
        worker: the worker that has it, or had it last.
        cancel_requested: whether somebody wants it to stop.
        priority: of two jobs that wait, the one with the greater number runs first.
        timeout: how many seconds one attempt may take; None for no limit.
        retry: how often and when it is tried again after a failure.
        concurrency: how many jobs of its target may run at once; None for any number.
        every: seconds from one run to the next; None for a job that runs once.
        series: the id of the first job of its series; None for a job that runs once.
        after: the ids of the jobs it waits for.
        idempotency_key: what whoever asked calls it, so that asking twice makes one job.
        input_sha256: the hash of its input; tells whether a second request under one key is the same.
        input_size: the size of its input, in bytes of JSON.
        result_ttl: how many seconds the result, or the failure, is kept.
        expires_at: when that time is over; None before the end.
        is_expired: whether its result is gone.
        token: the number of the attempt that may write; a greater one makes every earlier one powerless.
        result_attempt: the token of the attempt whose result counts; None while there is none.
        logged: how many lines were logged.
        traceparent: the span of the request that asked for it, as W3C writes it; None where that was not traced.
    """

    id: str
    app: str
    kind: str
    target: str
    status: JobStatus = JobStatus.queued
    created_at: float = 0.0
    run_at: float | None = None
    started_at: float | None = None
    ended_at: float | None = None
    attempts: int = 0
    failures: int = 0
    deaths: int = 0
    reruns: int = 0
    progress: Progress | None = None
    error: Mapping[str, Any] | None = None
    versions_used: Mapping[str, str] = field(default_factory=dict)
    versions_produced: Mapping[str, str] = field(default_factory=dict)
    worker: str | None = None
    cancel_requested: bool = False
    priority: int = 0
    timeout: float | None = None
    retry: RetryPolicy = NO_RETRY
    concurrency: int | None = None
    every: float | None = None
    series: str | None = None
    after: tuple[str, ...] = ()
    idempotency_key: str | None = None
    input_sha256: str = ""
    input_size: int = 0
    result_ttl: float = 86_400.0
    expires_at: float | None = None
    is_expired: bool = False
    token: int = 0
    result_attempt: int | None = None
    logged: int = 0
    traceparent: str | None = None

    @property
    def versions(self) -> dict[str, str]:
        """The version of every node that took part, by node name."""
        return {**self.versions_used, **self.versions_produced}

    def as_mapping(self) -> dict[str, Any]:
        """The job as plain JSON values."""
        return {**asdict(self), "status": self.status.value, "after": list(self.after)}

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Self:
        """Reads what `as_mapping` wrote; members that are not known are ignored.

        Raises:
            KeyError: if the id, the app, the kind or the target is missing.
            TypeError: if a member is not what it has to be.
            ValueError: if a member is not what it has to be.
        """
        known = {name: values[name] for name in cls.__dataclass_fields__ if name in values}
        for name in ("id", "app", "kind", "target"):
            known[name] = str(values[name])
        known["status"] = JobStatus(known.get("status", "queued"))
        known["after"] = tuple(known.get("after") or ())
        if known.get("progress") is not None:
            known["progress"] = Progress(**known["progress"])
        if known.get("retry") is not None:
            known["retry"] = RetryPolicy(**known["retry"])
        return cls(**known)
