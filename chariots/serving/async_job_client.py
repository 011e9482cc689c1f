"""How does a task of an event loop ask for jobs, wait for them, look at them and stop them?"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from chariots.pipelines import Pipeline
from chariots.serving import job_calling
from chariots.serving.async_carrying import AsyncCarrier
from chariots.serving.job_events import JobEvent
from chariots.serving.job_names import AnyJob, given_options
from chariots.serving.response import PipelineResponse
from chariots.workers.job import Job, LogLine, WorkerInfo
from chariots.workers.job_status import JobStatus

if TYPE_CHECKING:
    from rich.console import Console

    from chariots.web import RetryPolicy

__all__ = ["AsyncJobClient"]


class AsyncJobClient(AsyncCarrier):
    """The part of a client that is about jobs; see `AsyncPipelinesClient`."""

    async def enqueue(
        self,
        target: Pipeline | str,
        input: Any = None,
        kind: str = "pipeline",
        *,
        priority: int | None = None,
        timeout: float | None = None,
        retries: int | RetryPolicy | None = None,
        at: datetime | float | str | None = None,
        every: float | None = None,
        after: AnyJob | Iterable[AnyJob] | None = None,
        idempotency_key: str | None = None,
        result_ttl: float | None = None,
    ) -> Job:
        """Asks for a job, and returns at once.

        Args:
            target: the pipeline.
            input: what to feed it; for a promotion ``{"alias": ..., "reason": ...}`` or nothing.
            kind: ``pipeline`` to run it, ``promote`` to promote its newest versions.
            priority: of two jobs that wait, the one with the greater number runs first.
            timeout: how many seconds one attempt may take.
            retries: how often it is tried again after a failure, or a whole policy.
            at: not before this time; UTC where it names no zone.
            every: seconds from one run to the next, until it is canceled.
            after: the job, or the jobs, that must be done first.
            idempotency_key: asking again with the same key gives the first job.
            result_ttl: how many seconds the result, or the failure, is kept.

        Raises:
            UnknownNameError: (a ValueError) if the server has no such pipeline, or no such job to wait for.
            InputError: (a ValueError) if the input or an option cannot be.
            ConflictError: if the server has no workers, or they may not be used.
        """
        options = given_options(
            priority=priority,
            timeout=timeout,
            retries=retries,
            at=at,
            every=every,
            after=after,
            idempotency_key=idempotency_key,
            result_ttl=result_ttl,
        )
        return await self._run(job_calling.enqueue(target, input, kind, options))

    # -- waiting --------------------------------------------------------------------------------------------------

    async def wait(self, job: AnyJob, timeout: float | None = None) -> PipelineResponse:
        """Waits for the end of a job; a task that is canceled while it waits leaves the job alone.

        Args:
            job: the job. The response of a call that was answered at once is returned as it is.
            timeout: how many seconds to wait at most; None for as long as it takes.

        Returns:
            the final response; that of a job that failed has ``error``. See `PipelineResponse.raise_for_failure`.

        Raises:
            TimeoutError: if the job is not final in time.
            UnknownNameError: (a ValueError) if there is no such job.
            ExpiredError: if its result is gone.
            UnreachableError: if the server was away for a minute.
        """
        return await self._run(job_calling.wait(job, timeout, self.longest_wait))

    async def watch(self, job: AnyJob, *, console: Console | None = None) -> PipelineResponse:
        """Waits for the end of a job, and shows how far it is: a bar, and what it logs.

        Args:
            job: the job.
            console: where to show it; standard error by default.

        Returns:
            the final response, as `wait` does.
        """
        from chariots.serving.job_watching import watching

        found = await self.job(job)
        with watching(found, console) as show:
            async for event in self.stream(found):
                show(event)
        return await self.wait(found)

    def stream(self, job: AnyJob) -> AsyncIterator[JobEvent]:
        """Tells what happens to a job while it happens, from the beginning of its log to its end.

        Args:
            job: the job.

        Returns:
            an asynchronous iterator of events that ends after a final status. It goes on where it was when the server
            starts again.

        Raises:
            UnknownNameError: (a ValueError) if there is no such job.
            UnreachableError: if the server was away for a minute.
        """
        return self._iterate(job_calling.events(job, self.longest_wait))

    # -- looking and doing ----------------------------------------------------------------------------------------

    async def job(self, job: AnyJob) -> Job:
        """Looks up a job, whatever it has come to.

        Args:
            job: the job.

        Raises:
            UnknownNameError: (a ValueError) if there is no such job.
        """
        return await self._run(job_calling.job(job))

    async def jobs(
        self,
        status: str | JobStatus | Iterable[str | JobStatus] | None = None,
        pipeline: Pipeline | str | None = None,
        limit: int = 100,
    ) -> list[Job]:
        """Lists jobs, the newest first.

        Args:
            status: only those in this state, or in one of these.
            pipeline: only those of this pipeline.
            limit: how many at most.
        """
        return await self._run(job_calling.jobs(status, pipeline, limit))

    async def log(self, job: AnyJob) -> list[LogLine]:
        """What a job has logged so far.

        Args:
            job: the job.

        Raises:
            UnknownNameError: (a ValueError) if there is no such job.
        """
        return await self._run(job_calling.log(job))

    async def cancel(self, job: AnyJob) -> Job:
        """Ends a job that waits, or has its worker stop it.

        Args:
            job: the job.

        Returns:
            the job. One that runs has some seconds to stop; if it is still running then, it is told to stop all the
            same, and ``cancel_requested`` says so.

        Raises:
            UnknownNameError: (a ValueError) if there is no such job.
            ConflictError: if it has come to its end already.
        """
        return await self._run(job_calling.act(job, "cancel"))

    async def rerun(self, job: AnyJob) -> Job:
        """Queues a job once more that failed or was canceled.

        Args:
            job: the job.

        Raises:
            UnknownNameError: (a ValueError) if there is no such job.
            ConflictError: if it has not come to such an end, or its input is gone.
        """
        return await self._run(job_calling.act(job, "rerun"))

    async def workers(self) -> list[WorkerInfo]:
        """The workers that are alive."""
        return await self._run(job_calling.workers())
