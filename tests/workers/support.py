"""What do the tests of the workers share beside fixtures?"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import TypeVar

from chariots.serving import PipelineResponse
from chariots.testing import TestPipelinesClient
from chariots.workers import JobStatus, RQWorkerPool

Found = TypeVar("Found")
DEADLINE = 60.0


def eventually(look: Callable[[], Found], what: str) -> Found:
    """Looks again and again until there is something to see; what is seen is returned."""
    deadline = time.monotonic() + DEADLINE
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(0.01)
    raise AssertionError(f"{what} did not happen within {DEADLINE:g} s")


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
