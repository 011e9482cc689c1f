"""Which jobs, and which workers, are there in a Redis?"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from chariots.workers.in_redis import mirror, record
from chariots.workers.in_redis.steps import JOB
from chariots.workers.job import Job, WorkerInfo
from chariots.workers.job_status import JobStatus
from chariots.workers.job_store import JobQuery
from chariots.workers.leases import LEASE_SECONDS

__all__ = ["add_worker", "find", "forget_workers", "workers"]

WORKER_SECONDS = round(LEASE_SECONDS)
_PAGE = 100  # jobs that are looked at in one round trip
_STATUS, _WORKERS, _WORKER = "chariots:status:", "chariots:workers", "chariots:worker:"


def find(redis: Any, query: JobQuery) -> list[Job]:
    """Lists jobs, the newest first; see `JobStore.find`."""
    found: list[Job] = []
    last = "+inf"
    if query.before is not None:
        sequence = redis.hget(JOB + query.before, "sequence")
        if sequence is None:
            return []
        last = f"({sequence.decode()}"
    while len(found) < query.limit and (page := _page(redis, query.statuses or tuple(JobStatus), last)):
        with redis.pipeline(transaction=True) as pipe:
            for job_id, _ in page:
                pipe.hgetall(JOB + job_id.decode())
            jobs = [record.read(answer) for answer in pipe.execute()]
        found += [job for job in jobs if job is not None and _matches(job, query)]
        last = f"({page[-1][1]:.0f}"
    return found[: query.limit]


def _page(redis: Any, statuses: Sequence[JobStatus], last: str) -> list[tuple[bytes, float]]:
    """The next jobs in some states, the newest first, with their numbers."""
    with redis.pipeline(transaction=True) as pipe:
        for status in statuses:
            pipe.zrevrangebyscore(_STATUS + status.value, last, "-inf", 0, _PAGE, withscores=True)
        every = [(job_id, number) for answer in pipe.execute() for job_id, number in answer]
    return sorted(every, key=lambda each: -each[1])[:_PAGE]


def _matches(job: Job, query: JobQuery) -> bool:
    """Whether somebody wants to see a job; it may have moved on since its place was looked up."""
    return (
        (query.app is None or job.app == query.app)
        and (query.target is None or job.target == query.target)
        and (not query.statuses or job.status in query.statuses)
    )


def add_worker(redis: Any, worker: WorkerInfo) -> None:
    """Notes that a worker is there, for some seconds."""
    with redis.pipeline(transaction=True) as pipe:
        pipe.sadd(_WORKERS, worker.name)
        pipe.set(_WORKER + worker.name, json.dumps(asdict(worker)), ex=WORKER_SECONDS)
        mirror.show_worker(pipe, worker, time.time(), WORKER_SECONDS)
        pipe.execute()


def forget_workers(redis: Any, names: Sequence[str]) -> None:
    """Notes that some workers are gone."""
    with redis.pipeline(transaction=True) as pipe:
        for name in names:
            pipe.srem(_WORKERS, name)
            pipe.delete(_WORKER + name)
            mirror.forget_worker(pipe, name)
        pipe.execute()


def workers(redis: Any) -> list[WorkerInfo]:
    """The workers that have spoken within the last seconds; the names of the others are forgotten."""
    names = sorted(name.decode() for name in redis.smembers(_WORKERS))
    said = dict(zip(names, redis.mget([_WORKER + name for name in names]) if names else [], strict=True))
    if gone := [name for name, text in said.items() if text is None]:
        forget_workers(redis, gone)
    return [WorkerInfo(**json.loads(text)) for text in said.values() if text is not None]
