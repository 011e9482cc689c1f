"""What must a pool of workers be able to do?"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chariots.pipelines import Pipeline
    from chariots.serving import PipelinesServer

__all__ = ["BaseWorkerPool"]


class BaseWorkerPool(ABC):
    """What a pipelines server asks of the workers behind it; subclass it to bring a job queue of your own.

    Four members are needed: `n_workers`, `spawn_worker`, `execute_pipeline_async` and
    `get_pipeline_response_json_for_id`. A server may ask from several threads at once, and where several
    server processes share a queue, any of them may ask about any job.
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
