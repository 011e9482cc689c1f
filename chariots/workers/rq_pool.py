"""How do pipelines run in workers on Redis, where RQ's tools see them?"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from chariots.errors import nearest
from chariots.workers.in_redis import connection
from chariots.workers.job_options import DAY, JobOptions
from chariots.workers.job_status import JobStatus
from chariots.workers.store_pool import StoreWorkerPool

if TYPE_CHECKING:
    from redis import Redis

    from chariots.serving import PipelinesServer
    from chariots.workers.in_redis.store import RedisJobStore
    from chariots.workers.job import Job

__all__ = ["RQWorkerPool"]

NO_LIMIT = -1  # what RQ writes for a job that may take as long as it wants

_OVERRIDDEN = ("connection", "name")
_QUEUE_ARGUMENTS = (
    "default_timeout",
    "result_ttl",
    "failure_ttl",
    "is_async",
    "job_class",
    "death_penalty_class",
)

_logger = logging.getLogger(__name__)


class RQWorkerPool(StoreWorkerPool):
    """A pool whose jobs lie in a Redis, shown to RQ as its own; needs ``pip install 'chariots[rq]'``.

    `rq info`, rq-dashboard and `rq.job.Job.fetch` tell how the jobs and the workers are. The workers are started with
    ``chariots worker module:app``; those of plain RQ cannot run these jobs. Making a pool connects to nothing, so that
    an app can be imported while Redis is down.

    Args:
        redis_kwargs: arguments of `redis.Redis`; only used where `redis` is not given.
        redis: a Redis client. The pool asks through a copy of it that fails fast instead of trying again.
        queue_kwargs: arguments of `rq.Queue`. `connection` and `name` are overridden; `default_timeout` is
            how many seconds a job may take (no limit if it is not given). Beyond those of RQ: `result_ttl` and
            `failure_ttl`, how many seconds the result or the failure of a job is kept (a day).
        **kwargs: further arguments of `StoreWorkerPool`.

    Attributes:
        redis: the client the pool asks through.
        queue: the `rq.Queue` in which RQ sees the jobs that wait.

    Raises:
        ValueError: if `queue_kwargs` holds an argument that is not known, or results are to be kept that are larger
            than Redis can keep.
    """

    def __init__(
        self,
        redis_kwargs: Mapping[str, Any] | None = None,
        redis: Redis | None = None,
        queue_kwargs: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        from rq import Queue
        from rq.serializers import JSONSerializer
        from rq.utils import parse_timeout

        from chariots.workers.in_redis.mirror import QUEUE_NAME
        from chariots.workers.in_redis.steps import MOST_BYTES

        options = _known(queue_kwargs or {})
        result_ttl = options.pop("result_ttl", kwargs.pop("result_ttl", DAY))
        self._failure_ttl: float = options.pop("failure_ttl", result_ttl)
        seconds = parse_timeout(options.pop("default_timeout", NO_LIMIT))
        limit = JobOptions(timeout=seconds if seconds and seconds > 0 else None)
        super().__init__(
            result_ttl=result_ttl, **{**kwargs, "defaults": kwargs.get("defaults", JobOptions()).over(limit)}
        )
        if self.max_result_bytes > MOST_BYTES:
            raise ValueError(
                f"a worker pool was asked for with max_result_bytes={self.max_result_bytes}, but Redis keeps "
                f"{MOST_BYTES} at most. Save what is large elsewhere and return where."
            )
        self.redis = connection.for_server(redis, redis_kwargs)
        self.queue = Queue(
            **{"default_timeout": seconds or NO_LIMIT, **options},
            name=QUEUE_NAME,
            connection=self.redis,
            serializer=JSONSerializer,
        )
        self._is_async = bool(options.get("is_async", True))
        self._store: RedisJobStore | None = None
        self._knows_persistence = False

    @property
    def job_store(self) -> RedisJobStore:
        """Where the jobs lie."""
        if self._store is None:
            from chariots.workers.in_redis.store import RedisJobStore

            self._store = RedisJobStore(self.redis, failure_ttl=self._failure_ttl)
        return self._store

    def worker_store(self) -> RedisJobStore:
        """The jobs, for a worker: through a client that outlasts a restart of Redis.

        The environment variable CHARIOTS_WORKER_REDIS may name another address for it.

        Raises:
            ConflictError: if the client of the pool is set up with objects that another process cannot be told.
        """
        from chariots.workers.in_redis.store import RedisJobStore

        told = os.environ.get(connection.REDIS_VARIABLE)
        client = connection.for_worker(told or connection.settings(self.redis))
        return RedisJobStore(client, failure_ttl=self._failure_ttl)

    def environment(self) -> Mapping[str, str]:
        """Where the workers that this pool starts find Redis: not on the command line, which everybody can read.

        Raises:
            ConflictError: if the client of the pool is set up with objects that another process cannot be told.
        """
        return {connection.REDIS_VARIABLE: connection.settings(self.redis)}

    def submit(self, app: PipelinesServer, kind: str, target: str, body: bytes, options: JobOptions) -> Job:
        """Asks for a job with options; see `BaseWorkerPool.submit`.

        With ``queue_kwargs={"is_async": False}``, whatever is queued for the app is run here before this returns.

        Raises:
            UnreachableError: if Redis does not answer.
        """
        added = super().submit(app, kind, target, body, options)
        if not self._knows_persistence:
            self._knows_persistence = True
            self._warn_if_it_forgets()
        if self._is_async or added.status is not JobStatus.queued:
            return added
        from chariots.workers.run_here import run_queued

        run_queued(app, added.app, self.job_store)
        return self.job(added.id)

    def _warn_if_it_forgets(self) -> None:
        from redis.exceptions import RedisError

        try:
            told = self.redis.config_get("appendonly")
        except RedisError:
            return  # many who run a Redis for others forbid the question
        if {name: str(value) for name, value in told.items()}.get("appendonly") == "no":
            _logger.warning(
                "jobs are kept in the Redis at %s, which has no append-only file: if it crashes, jobs that it has "
                "acknowledged are lost. Start it with --appendonly yes.",
                connection.address(self.redis),
            )


def _known(queue_kwargs: Mapping[str, Any]) -> dict[str, Any]:
    options = {name: value for name, value in queue_kwargs.items() if name not in _OVERRIDDEN}
    for name in options:
        if name not in _QUEUE_ARGUMENTS:
            raise ValueError(
                f"queue_kwargs was given {name!r}, but a worker pool takes {', '.join(_QUEUE_ARGUMENTS)}."
                f"{nearest(name, _QUEUE_ARGUMENTS)} Remove it; jobs are always written as JSON."
            )
    return options
