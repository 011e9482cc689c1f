"""How do jobs and workers look to `rq info`, rq-dashboard and `rq.job.Job.fetch`?

Every step that moves a job of ours also writes what RQ would have written: the hash of the job, its place in the queue
or in one of RQ's registries, and the keys of the workers. This is a view for people and their tools. Nothing here is
ever read back, so that whatever somebody does to RQ's keys changes no job.
"""

from __future__ import annotations

import json
import sys
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime

from redis import Redis
from redis.client import Pipeline
from rq import Queue, Worker
from rq import __version__ as rq_version
from rq.executions import Execution
from rq.job import Job as RQJob
from rq.registry import (
    CanceledJobRegistry,
    DeferredJobRegistry,
    FailedJobRegistry,
    FinishedJobRegistry,
    ScheduledJobRegistry,
    StartedJobRegistry,
)
from rq.serializers import JSONSerializer
from rq.utils import utcformat
from rq.worker_registration import REDIS_WORKER_KEYS, WORKERS_BY_QUEUE_KEY

from chariots.workers.job import Job, WorkerInfo
from chariots.workers.job_status import JobStatus

__all__ = ["MIRROR_LUA", "QUEUE_NAME", "RUN_JOB", "ended", "forget_worker", "new_hash", "show_worker", "started"]

QUEUE_NAME = "chariots_workers"
RUN_JOB = "chariots.workers.rq_jobs.run_job"
NO_LIMIT = -1

_WORDS = {
    JobStatus.queued: "queued",
    JobStatus.running: "started",
    JobStatus.done: "finished",
    JobStatus.failed: "failed",
    JobStatus.canceled: "canceled",
    JobStatus.deferred: "deferred",
}
_REGISTRIES = {
    "wip": StartedJobRegistry,
    "done": FinishedJobRegistry,
    "failed": FailedJobRegistry,
    "canceled": CanceledJobRegistry,
    "deferred": DeferredJobRegistry,
    "scheduled": ScheduledJobRegistry,
}


def _lua() -> str:
    """The names come from RQ itself, whose prefix can be chosen from version 3 on."""
    keys = {name: registry.key_template.format(QUEUE_NAME) for name, registry in _REGISTRIES.items()}
    keys["queue"] = Queue.redis_queue_namespace_prefix + QUEUE_NAME
    keys["queues"] = Queue.redis_queues_keys
    keys["job"] = RQJob.redis_job_namespace_prefix
    words = {status.value: word for status, word in _WORDS.items()}
    return f"local RQ, WORDS = {_table(keys)}, {_table(words)}\n{_SHOW_LUA}"


def _table(texts: Mapping[str, str]) -> str:
    return "{" + ", ".join(f"{name} = {json.dumps(text)}" for name, text in texts.items()) + "}"


_SHOW_LUA = """
-- Shows RQ that a job went from one status to another; `at` is when a deferred job is due, or a result expires.
local function show(job, from, at, fields)
  if from == 'queued' then redis.call('LREM', RQ.queue, 1, job.id)
  elseif from == 'running' then redis.call('ZREM', RQ.wip, job.id .. ':' .. job.token)
  elseif from == 'deferred' then
    redis.call('ZREM', RQ.deferred, job.id)
    redis.call('ZREM', RQ.scheduled, job.id)
  elseif from ~= '' then
    redis.call('ZREM', RQ[from], job.id)
    redis.call('PERSIST', RQ.job .. job.id)
  end
  redis.call('HSET', RQ.job .. job.id, 'status', WORDS[job.status], unpack(fields))
  if job.status == 'queued' then
    redis.call('SADD', RQ.queues, RQ.queue)
    redis.call('RPUSH', RQ.queue, job.id)
  elseif job.status == 'running' then redis.call('ZADD', RQ.wip, '+inf', job.id .. ':' .. job.token)
  elseif job.status == 'deferred' then
    if at ~= '' then
      redis.call('HSET', RQ.job .. job.id, 'status', 'scheduled')
      redis.call('ZADD', RQ.scheduled, at, job.id)
    else redis.call('ZADD', RQ.deferred, '+inf', job.id) end
  else
    redis.call('ZREM', RQ.failed, job.id)  -- where a worker of plain RQ has put it that took it from the queue
    redis.call('ZADD', RQ[job.status], at, job.id)
    redis.call('PEXPIREAT', RQ.job .. job.id, math.floor(tonumber(at) * 1000))
  end
end

local function hide(id, status)
  redis.call('DEL', RQ.job .. id)
  redis.call('ZREM', RQ[status], id)
end
"""
MIRROR_LUA = _lua()


def new_hash(job: Job, connection: Redis) -> dict[str, bytes | str | int]:
    """What RQ keeps of a job that is new; its payload is the name of one function and the id, as JSON."""
    shown = RQJob.create(
        RUN_JOB,
        args=(job.id,),
        id=job.id,
        connection=connection,
        origin=QUEUE_NAME,
        serializer=JSONSerializer,
        description=f"{job.kind} {job.target!r}",
        timeout=NO_LIMIT if job.timeout is None else max(1, round(job.timeout)),
        result_ttl=round(job.result_ttl),
        failure_ttl=round(job.result_ttl),
        meta={"app": job.app, "kind": job.kind, "target": job.target},
    )
    shown.created_at = datetime.fromtimestamp(job.created_at, UTC)
    shown.enqueued_at = shown.created_at
    found: dict[str, bytes | str | int] = shown.to_dict()
    return {name: value for name, value in found.items() if name != "status"}


def ended(job: Job) -> dict[str, bytes | str]:
    """What RQ keeps of a job once an attempt is over."""
    fields: dict[str, bytes | str] = {"ended_at": _moment(job.ended_at)}
    if job.status is JobStatus.failed and job.error is not None:
        fields["exc_info"] = zlib.compress(str(job.error.get("detail", "")).encode())
    return fields


def started(worker: str, now: float) -> dict[str, bytes | str]:
    """What RQ keeps of a job that begins to run."""
    moment = _moment(now)
    return {"started_at": moment, "last_heartbeat": moment, "worker_name": worker}


def show_worker(pipe: Pipeline, worker: WorkerInfo, now: float, seconds: int) -> None:
    """Writes what RQ keeps of a worker that is alive, for so many seconds."""
    key = Worker.redis_worker_namespace_prefix + worker.name
    pipe.sadd(REDIS_WORKER_KEYS, key)
    pipe.sadd(WORKERS_BY_QUEUE_KEY % QUEUE_NAME, key)
    pipe.delete(key, f"{key}:executions")
    pipe.hset(
        key,
        mapping={
            "birth": _moment(worker.started_at),
            "last_heartbeat": _moment(now),
            "queues": QUEUE_NAME,
            "pid": worker.pid,
            "hostname": worker.host,
            "ip_address": "",
            "version": rq_version,
            "python_version": sys.version,
            "state": "idle" if worker.job_id is None else "busy",
        },
    )
    if worker.job_id is not None:
        pipe.hset(key, "current_job", worker.job_id)  # where RQ 2 looks
        execution = Execution(worker.name, worker.job_id, connection=pipe)
        execution.worker_name = worker.name
        execution.save(seconds, pipeline=pipe)
        pipe.sadd(f"{key}:executions", execution.composite_key)  # where RQ 3 looks
        pipe.expire(f"{key}:executions", seconds)
    pipe.expire(key, seconds)


def forget_worker(pipe: Pipeline, name: str) -> None:
    """Removes what RQ keeps of a worker."""
    key = Worker.redis_worker_namespace_prefix + name
    pipe.srem(REDIS_WORKER_KEYS, key)
    pipe.srem(WORKERS_BY_QUEUE_KEY % QUEUE_NAME, key)
    pipe.delete(key, f"{key}:executions")


def _moment(seconds: float | None) -> str:
    return "" if seconds is None else utcformat(datetime.fromtimestamp(seconds, UTC))
