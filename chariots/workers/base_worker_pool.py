"""What must a pool of workers be able to do?"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, NoReturn

from chariots.errors import ConflictError

if TYPE_CHECKING:
    from chariots.pipelines import Pipeline
    from chariots.serving import PipelinesServer
    from chariots.workers.job import Job, LogLine, WorkerInfo
    from chariots.workers.job_options import JobOptions
    from chariots.workers.job_store import JobQuery

__all__ = ["BaseWorkerPool"]


class BaseWorkerPool(ABC):
    """What a pipelines server asks of the workers behind it; subclass it to bring a job queue of your own.

    Four members are needed: `n_workers`, `spawn_worker`, `execute_pipeline_async` and
    `get_pipeline_response_json_for_id`. The others, which give jobs options, list, watch and cancel them, refuse until
    they are overridden. A server may ask from several threads at once, and where several server processes share a
    queue, any of them may ask about any job.
    """

    @property
    @abstractmethod
    def n_workers(self) -> int:
        """How many workers there are, idle and busy together."""

    @abstractmethod
    def spawn_worker(self) -> object:
        """Adds one worker to the pool."""

    @abstractmethod
    def execute_pipeline_async(self, pipeline: Pipeline, pipeline_input: Any, app: PipelinesServer) -> str:
        """Asks for a pipeline to be executed in a worker, and returns at once.

        Args:
            pipeline: the pipeline to execute.
            pipeline_input: what to feed it.
            app: the server the pipeline belongs to; `chariots.workers.execute_job` runs it there.

        Returns:
            the id of the job, for `get_pipeline_response_json_for_id`.
        """

    @abstractmethod
    def get_pipeline_response_json_for_id(self, job_id: str) -> str:
        """Looks up what a job has come to.

        Args:
            job_id: what `execute_pipeline_async` returned.

        Returns:
            the JSON text of a `PipelineResponse`: ``pipeline_output``, ``versions``, ``job_id`` and
            ``job_status``; see `chariots.workers.response_json`. While the job is not done, or when it
            failed, the output is null; a failed job also has ``error``, a problem (RFC 9457) that says why.

        Raises:
            UnknownNameError: if there is no such job.
        """

    def adopt(self, app: PipelinesServer) -> None:
        """Called when a server is made with this pool."""
        return

    # -- beyond the four ------------------------------------------------------------------------------------------

    def submit(self, app: PipelinesServer, kind: str, target: str, body: bytes, options: JobOptions) -> Job:
        """Asks for a job with options, and returns at once.

        Args:
            app: the server the pipeline belongs to.
            kind: what is done with the pipeline: ``pipeline`` runs it, ``promote`` promotes its newest versions.
            target: the name of the pipeline.
            body: the input, as JSON.
            options: how the job is to be run.

        Returns:
            the job, or the first one with the same idempotency key.

        Raises:
            ConflictError: if this pool knows no options, workers could not import the app, or the idempotency key
                belongs to another request.
            UnknownNameError: if it is to wait for a job that does not exist.
        """
        self._refuse("to run a job with options")

    def job(self, job_id: str) -> Job:
        """Looks up a job, whatever it has come to.

        Raises:
            UnknownNameError: if there is no such job.
        """
        self._refuse("to tell about a job")

    def jobs(self, query: JobQuery) -> list[Job]:
        """Lists jobs, the newest first.

        Args:
            query: which ones.
        """
        self._refuse("to list its jobs")

    def log(self, job_id: str, after: int = 0) -> list[LogLine]:
        """The lines that a job has logged, those up to number ``after`` left out."""
        self._refuse("to tell what a job has logged")

    def wait(self, seen: Job, seconds: float) -> Job:
        """Waits until a job is no longer as it was seen.

        Args:
            seen: the job as the caller knows it.
            seconds: how long to wait at most.

        Returns:
            the job as it is now.

        Raises:
            UnknownNameError: if it is gone.
        """
        self._refuse("to wait for a job")

    def cancel(self, job_id: str) -> Job:
        """Ends a job that waits, and asks the worker of one that runs to stop it.

        Returns:
            the job: canceled, or still running with ``cancel_requested``.

        Raises:
            UnknownNameError: if there is no such job.
            ConflictError: if it has come to its end already.
        """
        self._refuse("to cancel a job")

    def rerun(self, job_id: str) -> Job:
        """Queues a job once more that failed or was canceled.

        Raises:
            UnknownNameError: if there is no such job.
            ConflictError: if it has not come to such an end, or its input is gone.
        """
        self._refuse("to run a job again")

    def workers(self) -> list[WorkerInfo]:
        """The workers that are alive."""
        self._refuse("to list its workers")

    def answer_of(self, job: Job) -> str:
        """Says what a job has come to that was just looked up, as `get_pipeline_response_json_for_id` does.

        Args:
            job: the job.
        """
        return self.get_pipeline_response_json_for_id(job.id)

    def has_worker(self, app: str) -> bool:
        """Whether a worker is alive that runs the jobs of an app; asked for with every job.

        Args:
            app: the app, as jobs have it.
        """
        return any(worker.app == app for worker in self.workers())

    def _refuse(self, asked: str) -> NoReturn:
        raise ConflictError(
            f"the worker pool was asked {asked}, but a {type(self).__name__} cannot do that. Override the methods of "
            "BaseWorkerPool beyond the four that are needed, or use LocalWorkerPool or RQWorkerPool."
        )
