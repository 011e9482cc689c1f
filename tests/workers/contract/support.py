"""What do the tests of the contract share? Jobs to keep, and short words for what a worker does with them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier
from typing import Any, TypeVar

from chariots.workers.job import Job
from chariots.workers.job_options import JobOptions
from chariots.workers.job_store import Claim, JobStore
from chariots.workers.rules import Raised, Succeeded, ended, new_job

APP = "contract:app"
WORKER = "worker 1"
BODY = b'{"pipeline_input": 1}'
RESULT = b'{"pipeline_output": 2}'
ERROR = {"type": "urn:chariots:op-failed", "detail": "the op failed"}

Found = TypeVar("Found")


def a_job(
    *, app: str = APP, target: str = "train", body: bytes = BODY, now: float | None = None, **options: Any
) -> Job:
    """A job that nobody knows of yet."""
    return new_job(
        app,
        "pipeline",
        target,
        JobOptions(**options),
        input_sha256=hashlib.sha256(body).hexdigest(),
        input_size=len(body),
        result_ttl=3600.0,
        now=now,
    )


def add(store: JobStore, body: bytes = BODY, **described: Any) -> Job:
    """Keeps a new job."""
    return store.add(a_job(body=body, **described), body)


def claim(store: JobStore, worker: str = WORKER, app: str = APP) -> Job:
    """Takes the next job; there must be one."""
    job = store.claim(worker, app)
    assert job is not None, "there was nothing to claim"
    return job


def claim_of(job: Job) -> Claim:
    """The right to write that came with a claimed job."""
    return Claim(job.id, job.token)


def now_of(store: JobStore, job: Job) -> Job:
    """A job as it is now; it must be there."""
    found = store.get(job.id)
    assert found is not None, f"job {job.id} is gone"
    return found


def finish(store: JobStore, job: Job, result: bytes | None = RESULT, now: float | None = None) -> bool:
    """Ends a claimed job well."""
    return store.settle(ended(job, Succeeded(), now), result)


def fail(store: JobStore, job: Job, now: float | None = None) -> bool:
    """Ends a claimed job badly, for good."""
    return store.settle(ended(job, Raised(ERROR, is_final=True), now))


def an_ended_job(store: JobStore, how: Callable[..., bool] = finish, **described: Any) -> Job:
    """A job that was added, claimed and ended."""
    added = add(store, **described)
    running = claim(store)
    assert running.id == added.id
    assert how(store, running)
    return now_of(store, added)


def long_ago(job: Job, days: float) -> Job:
    """A job whose result has been due to go for so many days."""
    assert job.expires_at is not None
    return replace(job, expires_at=job.expires_at - job.result_ttl - days * 86_400.0)


def all_at_once(work: Iterable[Callable[[], Found]]) -> list[Found]:
    """Runs something in many threads that set off together; gives what each of them returned."""
    steps = list(work)
    start = Barrier(len(steps))

    def run(step: Callable[[], Found]) -> Found:
        start.wait(timeout=60)
        return step()

    with ThreadPoolExecutor(len(steps)) as threads:
        return list(threads.map(run, steps))
