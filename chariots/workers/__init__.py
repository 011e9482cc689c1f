"""Run it later, elsewhere: how does a pipeline run outside the request that asked for it?

`BaseWorkerPool` says what a pool of workers can do. `LocalWorkerPool` needs nothing but a database, `RQWorkerPool`
keeps its jobs in Redis; one worker, ``chariots worker module:app``, serves both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chariots._lazy import lazy_names

if TYPE_CHECKING:
    from chariots.workers.base_worker_pool import BaseWorkerPool
    from chariots.workers.job import Job, LogLine, Progress, WorkerInfo
    from chariots.workers.job_options import JobOptions
    from chariots.workers.job_status import JobStatus
    from chariots.workers.job_store import JobQuery
    from chariots.workers.jobs import execute_job, problem_json, response_json
    from chariots.workers.local_pool import LocalWorkerPool
    from chariots.workers.rq_pool import RQWorkerPool
    from chariots.workers.worker import run_worker

__getattr__, __dir__, _ = lazy_names(
    __name__,
    {
        "BaseWorkerPool": "chariots.workers.base_worker_pool",
        "LocalWorkerPool": "chariots.workers.local_pool",
        "RQWorkerPool": "chariots.workers.rq_pool",
        "JobStatus": "chariots.workers.job_status",
        "Job": "chariots.workers.job",
        "JobOptions": "chariots.workers.job_options",
        "JobQuery": "chariots.workers.job_store",
        "LogLine": "chariots.workers.job",
        "Progress": "chariots.workers.job",
        "WorkerInfo": "chariots.workers.job",
        "execute_job": "chariots.workers.jobs",
        "response_json": "chariots.workers.jobs",
        "problem_json": "chariots.workers.jobs",
        "run_worker": "chariots.workers.worker",
    },
)
__all__ = [
    "BaseWorkerPool",
    "LocalWorkerPool",
    "RQWorkerPool",
    "JobStatus",
    "Job",
    "JobOptions",
    "JobQuery",
    "LogLine",
    "Progress",
    "WorkerInfo",
    "execute_job",
    "response_json",
    "problem_json",
    "run_worker",
]
