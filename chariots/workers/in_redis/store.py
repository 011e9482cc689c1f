"""How are jobs kept in Redis?

============================================  =========================================================================
key                                           holds
============================================  =========================================================================
``chariots:job:<id>``                         a hash: the job, see `chariots.workers.in_redis.record`
``chariots:job:<id>:input``                   its input; the jobs of a series share that of the first one
``chariots:job:<id>:outcome:<token>``         what an attempt has put aside
``chariots:job:<id>:result:<token>``          the result of an attempt
``chariots:job:<id>:log``                     a list: what it has logged, a JSON text for each line
``chariots:job:<id>:parents``, ``:children``  sets: the jobs it still waits for, and those that wait for it
``chariots:job:<id>:waiters``                 a set: who waits for it to change
``chariots:series:<id>``                      a set: the jobs of a series that may still need their input
``chariots:key:<app>|<key>``                  the id of the job with an idempotency key
``chariots:ready:<app>[|<limit>|<target>]``   sorted sets: the queued jobs, by priority and then by age
``chariots:lanes:<app>``                      a set: the names of those of them that have a limit
``chariots:busy:<app>|<target>``              sets: the running jobs of a pipeline
``chariots:due``                              a sorted set: the deferred jobs that wait for a time
``chariots:expiry``                           a sorted set: the jobs that came to their end, by when something expires
``chariots:status:<status>``                  sorted sets: all jobs, in the order they were asked for
``chariots:sequence``                         counts the jobs
``chariots:claim:<worker>``                   a hash: the last call of a worker that got a job
``chariots:wake:<app>``                       a list: one token while there is work that no worker was woken for
``chariots:waiter:<number>``                  a list: tokens for one who waits
``chariots:workers``, ``chariots:worker:<w>``  a set of names; what a worker said of itself, for some seconds
============================================  =========================================================================

What RQ's own keys (``rq:...``) hold is a view, see `chariots.workers.in_redis.mirror`. With an append-only file Redis
keeps whatever it has acknowledged, but for the last second before a power cut where the file is written every second
(``appendfsync everysec``); without one it forgets whatever it has not saved by itself. It must not evict
(``maxmemory-policy noeviction``, which is its default).
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Self
from uuid import uuid4

from chariots.errors import UnknownNameError, nearest
from chariots.workers.in_redis import connection, listing, mirror, record
from chariots.workers.in_redis.steps import JOB, Steps, counted, flat
from chariots.workers.job import Job, LogLine, Progress, WorkerInfo
from chariots.workers.job_options import DAY
from chariots.workers.job_status import JobStatus
from chariots.workers.job_store import Claim, JobQuery, JobStore
from chariots.workers.leases import Beat
from chariots.workers.rules import Canceled, begun_anew, ended, parent_failed, same_request

if TYPE_CHECKING:
    from redis import Redis

__all__ = ["RedisJobStore"]

REMEMBERED_SECONDS = 30 * DAY  # how long a job is known whose result is gone
_MOST_AT_ONCE = 100


class RedisJobStore(JobStore):
    """Jobs in a Redis, or a Valkey.

    Args:
        redis: the client to ask through; its answers must not be decoded.
        failure_ttl: how many seconds failures are kept; None for as long as results.
    """

    def __init__(self, redis: Redis, failure_ttl: float | None = None) -> None:
        self._steps = Steps(redis, failure_ttl)

    @classmethod
    def from_description(cls, described: Mapping[str, Any]) -> Self:
        """Opens the store that another process described with `describe`, or the one that the environment names.

        Args:
            described: what was described.
        """
        told = os.environ.get(connection.REDIS_VARIABLE)
        return cls(connection.for_worker(told or json.dumps(described["redis"])), described["failure_ttl"])

    def describe(self) -> str:
        """Describes the store to another process of ours; see `JobStore.describe`.

        Raises:
            ConflictError: if the client is set up with objects that text cannot hold.
        """
        settings = json.loads(connection.settings(self._steps.redis))
        return json.dumps({"kind": "redis", "redis": settings, "failure_ttl": self._steps.failure_ttl})

    def close(self) -> None:
        """Gives up connections."""
        self._steps.redis.connection_pool.disconnect()

    # -- asking ---------------------------------------------------------------------------------------------------

    def add(self, job: Job, body: bytes) -> Job:
        """Keeps a new job and its input; see `JobStore.add`.

        Raises:
            UnknownNameError: if it waits for a job that is not known.
            ConflictError: if the one with its key has another target or another input.
            BodyTooLargeError: if its input is larger than Redis can keep.
            UnreachableError: if Redis does not answer.
        """
        asked = f"{job.kind} {job.target!r} was to run in a worker"
        key = f"chariots:key:{job.app}|{job.idempotency_key}" if job.idempotency_key else ""
        staged = self._steps.stage(asked, f"{JOB}{job.id}:input", body, "input")
        answer, text = self._steps.run("add", asked, key, *staged, *self._steps.creation(job))
        job_id = text.decode()
        if answer == b"unknown":
            known = [each.id for each in self.find(JobQuery(app=job.app))]
            raise UnknownNameError(
                f"{asked} after job {job_id!r}, but there is none.{nearest(job_id, known)} Name jobs that were asked "
                "for, and not so long ago that they are forgotten."
            )
        if answer == b"added" and not job.after:
            return job
        found = self.get(job_id)
        if found is None:
            return job  # it came, went and was forgotten in this moment
        return found if job_id == job.id else same_request(found, job)

    def get(self, job_id: str) -> Job | None:
        """Looks up a job; see `JobStore.get`."""
        with self._steps.asked(f"job {job_id!r} was asked for"):
            return record.read(self._steps.redis.hgetall(f"{JOB}{job_id}"))

    def input_of(self, job_id: str) -> bytearray | None:
        """The input of a job; see `JobStore.input_of`."""
        with self._steps.asked(f"the input of job {job_id!r} was asked for"):
            return self._steps.input_of(job_id)

    def result_of(self, job: Job) -> bytes | None:
        """The result of a job; see `JobStore.result_of`."""
        if job.result_attempt is None:
            return None
        with self._steps.asked(f"the result of job {job.id!r} was asked for"):
            found: bytes | None = self._steps.redis.get(f"{JOB}{job.id}:result:{job.result_attempt}")
        return found

    def find(self, query: JobQuery) -> list[Job]:
        """Lists jobs, the newest first; see `JobStore.find`."""
        with self._steps.asked("jobs were to be listed"):
            return listing.find(self._steps.redis, query)

    def log_of(self, job_id: str, after: int = 0, limit: int = 1000) -> list[LogLine]:
        """The lines a job has logged; see `JobStore.log_of`."""
        with self._steps.asked(f"the log of job {job_id!r} was asked for"):
            lines = self._steps.redis.lrange(f"{JOB}{job_id}:log", after, after + limit - 1)
        return [LogLine(number, *json.loads(line)) for number, line in enumerate(lines, after + 1)]

    def wait_for_change(self, seen: Job, seconds: float) -> Job | None:
        """Waits until a job is no longer as it was seen; see `JobStore.wait_for_change`."""
        asked = f"job {seen.id!r} was waited for"
        waiter, deadline = uuid4().hex, time.monotonic() + seconds
        while True:
            found = record.read(self._steps.run("watch", asked, seen.id, waiter))
            left = deadline - time.monotonic()
            with self._steps.asked(asked):
                if found == seen and left > 0:
                    self._steps.block(f"chariots:waiter:{waiter}", left)
                with self._steps.redis.pipeline(transaction=False) as pipe:
                    pipe.hgetall(f"{JOB}{seen.id}")
                    pipe.srem(f"{JOB}{seen.id}:waiters", waiter)
                    found = record.read(pipe.execute()[0])
            if found != seen or time.monotonic() >= deadline:
                return found

    def cancel(self, job_id: str) -> Job | None:
        """Ends a job that does not run, and asks the worker of one that does to stop it; see `JobStore.cancel`."""
        asked = f"job {job_id!r} was to be canceled"
        while True:
            found, revision = self._steps.look_up(job_id)
            if found is not None and found.status is JobStatus.running:
                found = record.read(self._steps.run("request_cancel", asked, job_id))
                if found is not None and not found.status.is_final and found.status is not JobStatus.running:
                    continue  # it was queued again in this moment
                return found
            if found is None or found.status.is_final:
                return found
            canceled = ended(found, Canceled())
            if self._replace(canceled, revision, asked):
                return canceled

    def rerun(self, job_id: str) -> Job | None:
        """Queues a job once more that failed or was canceled; see `JobStore.rerun`."""
        asked = f"job {job_id!r} was to run again"
        while True:
            found, revision = self._steps.look_up(job_id)
            if found is None or found.status not in (JobStatus.failed, JobStatus.canceled) or found.is_expired:
                return found
            with self._steps.asked(asked):
                if not self._steps.redis.exists(f"{JOB}{self._steps.owner(job_id)}:input"):
                    return found
            if self._replace(begun_anew(found), revision, asked):
                return self.get(job_id)

    def _replace(self, job: Job, revision: str, asked: str) -> bool:
        answer, freed = self._steps.replace(job, revision, asked)
        if freed:
            self.release_due()
        return answer == "done"

    # -- working --------------------------------------------------------------------------------------------------

    def claim(self, worker: str, app: str) -> Job | None:
        """Gives the next job to a worker; see `JobStore.claim`."""
        now = time.time()
        shown = counted(flat(mirror.started(worker, now)))
        asked = f"worker {worker!r} asked for a job"
        return record.read(self._steps.run("claim", asked, worker, app, uuid4().hex, json.dumps(now), *shown))

    def wait_for_work(self, app: str, seconds: float) -> None:
        """Returns when there may be something to claim; see `JobStore.wait_for_work`."""
        deadline = time.monotonic() + seconds
        with self._steps.asked("a worker waited for jobs"):
            while (left := deadline - time.monotonic()) > 0:
                if self._steps.block(f"chariots:wake:{app}", left):
                    return

    def beat(self, claims: Sequence[Claim]) -> dict[str, Job | None]:
        """Says that the workers of some running jobs live; see `JobStore.beat`."""
        said = [text for claim in claims for text in (claim.job_id, claim.token)]
        answers = self._steps.run("beat", "a worker wanted to say that it lives", *counted(said)) if claims else []
        return {claim.job_id: record.read(answer) for claim, answer in zip(claims, answers, strict=True)}

    def report(self, claim: Claim, progress: Progress | None, lines: Sequence[LogLine] = ()) -> bool:
        """Notes how far a job is, and what it logged; see `JobStore.report`."""
        far = "" if progress is None else json.dumps(asdict(progress))
        logged = [json.dumps([line.at, line.level, line.text]) for line in lines]
        asked = f"the progress of job {claim.job_id!r} was to be noted"
        return bool(self._steps.run("report", asked, claim.job_id, claim.token, far, *counted(logged)))

    def keep(self, job: Job, result: bytes | None) -> bool:
        """Puts the outcome of an attempt aside; see `JobStore.keep`.

        Raises:
            BodyTooLargeError: if the result is larger than Redis can keep.
            UnreachableError: if Redis does not answer.
        """
        asked = f"the outcome of job {job.id!r} was to be put aside"
        staged = self._steps.stage(asked, f"{JOB}{job.id}:result:{job.token}", result, "result")
        return bool(self._steps.run("keep", asked, job.id, job.token, *staged, json.dumps(job.as_mapping())))

    def kept(self, claim: Claim) -> Job | None:
        """What an attempt has put aside with `keep`; see `JobStore.kept`."""
        with self._steps.asked(f"the outcome of job {claim.job_id!r} was asked for"):
            text = self._steps.redis.get(f"{JOB}{claim.job_id}:outcome:{claim.token}")
        return None if text is None else Job.from_mapping(json.loads(text))

    def settle(self, job: Job, result: bytes | None = None) -> bool:
        """Ends an attempt; see `JobStore.settle`.

        Raises:
            BodyTooLargeError: if the result is larger than Redis can keep.
            UnreachableError: if Redis does not answer.
        """
        if result is not None:
            job = replace(job, result_attempt=job.token)
        asked = f"the end of job {job.id!r} was to be written"
        staged = self._steps.stage(asked, f"{JOB}{job.id}:result:{job.token}", result, "result")
        answer, freed = self._steps.settle(job, asked, staged)
        if answer == "cancel":
            return self.settle(ended(job, Canceled()))
        if freed:
            self.release_due()
        return answer == "done"

    def running(self) -> Iterable[Beat]:
        """The beats of every running job; see `JobStore.running`."""
        found = self._steps.run("running", "the running jobs were asked for")
        triples = zip(found[::3], found[1::3], found[2::3], strict=True)
        return [Beat(job_id.decode(), int(token), int(beats)) for job_id, token, beats in triples]

    def release_due(self) -> int:
        """Queues or fails the deferred jobs that need not wait any more; see `JobStore.release_due`."""
        asked = "jobs that are due were to be queued"
        changed: int = 0
        while True:
            looked_at, queued, *failed = self._steps.run("release", asked, json.dumps(time.time()), _MOST_AT_ONCE, 0)
            changed += queued
            for child_id, parent_id in zip(failed[::2], failed[1::2], strict=True):
                child, revision = self._steps.look_up(child_id.decode())
                parent = self.get(parent_id.decode())
                if child is not None and parent is not None and child.status is JobStatus.deferred:
                    answer, _ = self._steps.replace(parent_failed(child, parent), revision, asked)
                    changed += answer == "done"
            if looked_at < _MOST_AT_ONCE and not failed:
                return changed

    def expire(self) -> int:
        """Gives up results and forgets jobs whose time is over; see `JobStore.expire`."""
        changed: int = 0
        while True:
            now = json.dumps(time.time())
            found = self._steps.run("expire", "results were to be given up", now, _MOST_AT_ONCE, REMEMBERED_SECONDS)
            changed += found
            if found < _MOST_AT_ONCE:
                return changed

    # -- workers --------------------------------------------------------------------------------------------------

    def greet(self, worker: WorkerInfo) -> None:
        """Says that a worker is there; see `JobStore.greet`."""
        with self._steps.asked("a worker wanted to say that it is there"):
            listing.add_worker(self._steps.redis, worker)

    def part(self, name: str) -> None:
        """Says that a worker is gone; see `JobStore.part`."""
        with self._steps.asked("a worker wanted to say that it leaves"):
            listing.forget_workers(self._steps.redis, [name])

    def workers(self) -> list[WorkerInfo]:
        """The workers that have spoken within the last seconds; see `JobStore.workers`."""
        with self._steps.asked("the workers were asked for"):
            return listing.workers(self._steps.redis)
