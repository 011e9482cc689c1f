"""What do the tests of the workers share beside fixtures?"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from chariots.serving import PipelineResponse
from chariots.testing import TestPipelinesClient
from chariots.testing.pool_contract import DEADLINE, eventually
from chariots.workers import JobStatus, RQWorkerPool

__all__ = ["DEADLINE", "Caller", "eventually", "one_worker"]


@contextmanager
def one_worker(pool: RQWorkerPool) -> Iterator[int]:
    """A worker of a pool, while the block runs; gives its process id."""
    before = pool.n_workers
    process = pool.spawn_worker()
    try:
        eventually(lambda: pool.n_workers > before, "the birth of a worker")
        yield process.pid
    finally:
        process.terminate()
        process.wait(timeout=DEADLINE)


class Caller(TestPipelinesClient):
    """A client that asks for a worker, and waits for the end of the job."""

    __test__ = False

    def __init__(self, module: ModuleType) -> None:
        super().__init__(module.app)

    def job(self, pipeline: str, value: object = None) -> PipelineResponse:
        """Runs a pipeline in a worker."""
        queued = self.call_pipeline(pipeline, value, use_worker=True)
        assert queued.job_status is JobStatus.queued
        return self.end_of(queued, pipeline)

    def end_of(self, queued: PipelineResponse, pipeline: str) -> PipelineResponse:
        """Waits for the end of a job."""

        def look() -> PipelineResponse | None:
            response = self.fetch_job(str(queued.job_id), pipeline)
            return response if response.job_status in {JobStatus.done, JobStatus.failed} else None

        return eventually(look, f"the end of job {queued.job_id}")
