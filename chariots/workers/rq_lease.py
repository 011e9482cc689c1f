"""How long may a worker be silent before it counts as dead?

Plain RQ gives an idle worker eight minutes and a busy one ninety seconds. Here a worker speaks every five
seconds and is given thirty, so that `n_workers` tells the truth and the job of a dead worker fails soon.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rq import Worker

if TYPE_CHECKING:
    from redis.client import Pipeline
    from rq.job import Job

__all__ = ["BEAT_SECONDS", "LEASE_SECONDS", "LeasedWorker"]

BEAT_SECONDS = 5
LEASE_SECONDS = 30
MAINTENANCE_SECONDS = 10  # how often an idle worker looks for jobs whose worker died


class LeasedWorker(Worker):
    """An RQ worker with a short lease."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # RQ waits for a job 15 s less than this, and speaks each time it begins to wait.
        kwargs.setdefault("worker_ttl", BEAT_SECONDS + 15)
        kwargs.setdefault("maintenance_interval", MAINTENANCE_SECONDS)
        super().__init__(*args, **kwargs)

    def register_birth(self) -> None:
        """Says that this worker has begun to live."""
        super().register_birth()  # type: ignore[no-untyped-call]  # RQ leaves it untyped
        self.heartbeat()

    def heartbeat(self, timeout: int | None = None, pipeline: Pipeline | None = None) -> None:
        """Says that this worker lives; the lease is the same whatever it does, so `timeout` is ignored."""
        super().heartbeat(LEASE_SECONDS, pipeline=pipeline)

    def get_heartbeat_ttl(self, job: Job) -> int:
        """How long the job counts as being worked on, in seconds, after the last word of its worker."""
        return LEASE_SECONDS
