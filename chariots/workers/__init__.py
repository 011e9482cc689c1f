"""Run it later, elsewhere: how does a pipeline run outside the request that asked for it?

`BaseWorkerPool` says what a pool of workers can do; `RQWorkerPool` does it with RQ on Redis.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chariots._lazy import lazy_names

if TYPE_CHECKING:
    from chariots.workers.base_worker_pool import BaseWorkerPool
    from chariots.workers.job_status import JobStatus
    from chariots.workers.jobs import execute_job, problem_json, response_json
    from chariots.workers.rq_pool import RQWorkerPool
    from chariots.workers.rq_worker import run_worker

__getattr__, __dir__, _ = lazy_names(
    __name__,
    {
        "BaseWorkerPool": "chariots.workers.base_worker_pool",
        "RQWorkerPool": "chariots.workers.rq_pool",
        "JobStatus": "chariots.workers.job_status",
        "execute_job": "chariots.workers.jobs",
        "response_json": "chariots.workers.jobs",
        "problem_json": "chariots.workers.jobs",
        "run_worker": "chariots.workers.rq_worker",
    },
)
__all__ = [
    "BaseWorkerPool",
    "RQWorkerPool",
    "JobStatus",
    "execute_job",
    "response_json",
    "problem_json",
    "run_worker",
]
