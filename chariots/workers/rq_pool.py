"""How do pipelines run in RQ workers on Redis?"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from chariots.errors import BackendError, ConflictError, UnknownNameError, nearest
from chariots.workers import app_reference, redis_connection
from chariots.workers.base_worker_pool import BaseWorkerPool
from chariots.workers.job_status import JobStatus
from chariots.workers.jobs import JobRequest, response_json

if TYPE_CHECKING:
    from redis import Redis
    from rq.job import Job

    from chariots.pipelines import Pipeline
    from chariots.serving import PipelinesServer

__all__ = ["QUEUE_NAME", "RUN_JOB", "RQWorkerPool"]

QUEUE_NAME = "chariots_workers"
RUN_JOB = "chariots.workers.rq_jobs.run_job"
DAY = 24 * 60 * 60  # seconds
NO_LIMIT = -1  # RQ's own default would end every training after three minutes

_OVERRIDDEN = ("connection", "name")
_QUEUE_ARGUMENTS = (
    "default_timeout",
    "result_ttl",
    "failure_ttl",
    "is_async",
    "job_class",
    "death_penalty_class",
)


class RQWorkerPool(BaseWorkerPool):
    """A pool of RQ workers that listen on a Redis; needs ``pip install 'chariots[rq]'``.

    Making a pool connects to nothing, so that an app can be imported while Redis is down.

    Args:
        redis_kwargs: arguments of `redis.Redis`; only used where `redis` is not given.
        redis: a Redis client. The pool asks through a copy of it that fails fast instead of trying again.
        queue_kwargs: arguments of `rq.Queue`. `connection` and `name` are overridden; `default_timeout` is
            how many seconds a job may take (no limit if it is not given). Beyond those of RQ: `result_ttl` and
            `failure_ttl`, how many seconds the result or the failure of a job is kept (a day).

    Raises:
        ValueError: if `queue_kwargs` holds an argument that is not known.
    """

    def __init__(
        self,
        redis_kwargs: Mapping[str, Any] | None = None,
        redis: Redis | None = None,
        queue_kwargs: Mapping[str, Any] | None = None,
    ) -> None:
        from rq import Queue
        from rq.serializers import JSONSerializer

        options = {name: value for name, value in (queue_kwargs or {}).items() if name not in _OVERRIDDEN}
        for name in options:
            if name not in _QUEUE_ARGUMENTS:
                raise ValueError(
                    f"queue_kwargs was given {name!r}, but a worker pool takes {', '.join(_QUEUE_ARGUMENTS)}."
                    f"{nearest(name, _QUEUE_ARGUMENTS)} Remove it; jobs are always written as JSON."
                )
        self.redis = redis_connection.for_server(redis, redis_kwargs)
        self._result_ttl: int = options.pop("result_ttl", DAY)
        self._failure_ttl: int = options.pop("failure_ttl", DAY)
        self.queue = Queue(
            **{"default_timeout": NO_LIMIT, **options},
            name=QUEUE_NAME,
            connection=self.redis,
            serializer=JSONSerializer,
        )
        self._app_reference: str | None = None
        self._spawned: list[subprocess.Popen[bytes]] = []

    @property
    def n_workers(self) -> int:
        """How many live workers listen on this pool's queue, idle and busy together.

        Raises:
            UnreachableError: if Redis does not answer.
        """
        from rq.worker_registration import get_keys

        with redis_connection.reachable(self.redis, "the number of workers was asked for"):
            # A worker that died without a word stays registered, but its own key expires.
            keys = get_keys(queue=self.queue)
            return int(self.redis.exists(*keys)) if keys else 0

    def spawn_worker(self) -> subprocess.Popen[bytes]:
        """Starts a worker on this machine; it counts in `n_workers` once it has imported the app.

        Returns:
            the process of the worker, to wait for or to terminate.

        Raises:
            ConflictError: if no app in an importable module uses this pool; the message says what to do.
        """
        reference = self._app_reference or self._find_reference()
        told = {
            # What can be imported here can be imported there.
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            # Not on the command line, which every user of the machine can read.
            redis_connection.REDIS_VARIABLE: redis_connection.settings(self.redis),
        }
        self._spawned = [process for process in self._spawned if process.poll() is None]
        process = subprocess.Popen(
            [sys.executable, "-m", "chariots", "worker", reference],
            stdin=subprocess.DEVNULL,
            env={**os.environ, **told},
        )
        self._spawned.append(process)
        return process

    def execute_pipeline_async(self, pipeline: Pipeline, pipeline_input: Any, app: PipelinesServer) -> str:
        """Queues a job that executes a pipeline; where no worker is alive, it waits for one.

        Args:
            pipeline: the pipeline to execute.
            pipeline_input: what to feed it; anything that can be written as JSON.
            app: the app the pipeline belongs to, which workers must be able to import.

        Returns:
            the id of the job.

        Raises:
            ConflictError: if workers could not import the app.
            TypeError: if the input cannot be written as JSON.
            UnreachableError: if Redis does not answer.
        """
        self._app_reference = reference = app_reference.find(app)
        request = JobRequest(uuid4().hex, reference, pipeline.name, pipeline_input)
        text = request.text()
        with redis_connection.reachable(self.redis, f"pipeline {pipeline.name!r} was to run in a worker"):
            self.queue.enqueue_call(
                RUN_JOB,
                args=(text,),
                job_id=request.job_id,
                description=f"pipeline {pipeline.name!r}",
                result_ttl=self._result_ttl,
                failure_ttl=self._failure_ttl,
                meta={"app": reference, "pipeline": pipeline.name},
            )
        return request.job_id

    def get_pipeline_response_json_for_id(self, job_id: str) -> str:
        """Looks up what a job has come to.

        Args:
            job_id: what `execute_pipeline_async` returned.

        Returns:
            JSON text; see `BaseWorkerPool.get_pipeline_response_json_for_id`.

        Raises:
            UnknownNameError: if there is no such job, or it ended so long ago that its result is gone.
            UnreachableError: if Redis does not answer.
        """
        with redis_connection.reachable(self.redis, f"job {job_id!r} was asked for"):
            found = self._look_up(job_id)
            if found is None:
                raise self._unknown(job_id)
            job, rq_status, meta = found
            status = JobStatus.from_rq(rq_status)
            has_ended = status in {JobStatus.done, JobStatus.failed}
            result = job.latest_result() if has_ended else None
        if status is JobStatus.done:
            if result is None:
                raise self._unknown(job_id)
            return str(result.return_value)
        if status is JobStatus.failed:
            stack = (result.exc_string if result is not None else None) or ""
            error = meta.get("problem") or BackendError(_why(rq_status, stack)).problem()
            return response_json(job_id, status, error=error)
        return response_json(job_id, status)

    def _look_up(self, job_id: str) -> tuple[Job, str, dict[str, Any]] | None:
        """Reads how far a job of ours is, without the input it carries."""
        try:
            job = self.queue.job_class(job_id, connection=self.redis, serializer=self.queue.serializer)
        except (TypeError, ValueError):
            return None  # RQ would never give such an id
        found: list[Any] = self.redis.hmget(job.key, "status", "origin", "meta")
        status, origin, meta = (b"" if value is None else value for value in found)
        if not status or not meta or origin != QUEUE_NAME.encode():
            return None
        return job, status.decode(), json.loads(meta)

    def _unknown(self, job_id: str) -> UnknownNameError:
        return UnknownNameError(
            f"job {str(job_id)[:80]!r} was asked for, but there is none. Either it never existed, or it "
            f"ended more than {self._result_ttl} s ago and its result is gone; to keep results longer, give the "
            "worker pool queue_kwargs={'result_ttl': seconds}."
        )

    def _find_reference(self) -> str:
        flask = sys.modules.get("flask")
        found = flask and app_reference.find_where(
            lambda value: isinstance(value, flask.Flask) and getattr(value, "worker_pool", None) is self
        )
        if not found:
            raise ConflictError(
                "a worker was asked for, but it must import an app, and no app at the top of an importable "
                "module uses this pool. Start the worker by hand: chariots worker module:app"
            )
        return found


def _why(rq_status: str, stack: str) -> str:
    """Says why a job failed that could not say so itself."""
    if rq_status == "stopped":
        return "the job was stopped while it ran. Send it again if that was not intended."
    if rq_status == "canceled":
        return "the job was canceled before it ran. Send it again if that was not intended."
    if "AbandonedJobError" in stack:
        return "the job was running, but its worker died without a word. Look into its log, then send it again."
    last = stack.strip().splitlines()[-1] if stack.strip() else "no reason was recorded"
    return f"the job was running, but the process it ran in ended ({last}). Look into the worker's log."
