"""What comes back from a call of a pipeline?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

from chariots.errors import BackendError
from chariots.versioning import Version

if TYPE_CHECKING:
    from chariots.errors import ChariotsError
    from chariots.pipelines import Pipeline
    from chariots.workers import JobStatus

__all__ = ["PipelineResponse"]


class PipelineResponse:
    """The answer to one call of a pipeline.

    Args:
        value: the output of the pipeline; None while a job has not finished.
        versions: the version of every node that took part, by node name.
        job_id: the job that computes the answer; None where the server answered itself.
        job_status: how far that job is; `JobStatus.done` where the server answered itself.
        error: why the job failed, if it did.
    """

    def __init__(
        self,
        value: Any,
        versions: Mapping[str, Version],
        job_id: str | None = None,
        job_status: JobStatus | None = None,
        error: ChariotsError | None = None,
    ) -> None:
        self.value = value
        self.versions = dict(versions)
        self.job_id = job_id
        self.job_status = job_status
        self.error = error

    @property
    def is_final(self) -> bool:
        """Whether nothing more will come of the call."""
        return self.job_status is None or self.job_status.is_final

    def raise_for_failure(self) -> Self:
        """Lets the response pass of a call that has not failed.

        Returns:
            the response itself.

        Raises:
            ChariotsError: why the job failed; a `BackendError` that says so where it was canceled.
        """
        from chariots.workers import JobStatus

        if self.error is not None:
            raise self.error
        if self.job_status is JobStatus.failed or self.job_status is JobStatus.canceled:
            raise BackendError(
                f"the output of job {self.job_id!r} was asked for, but the job is {self.job_status.value}. "
                "See its log, and run it again."
            )
        return self

    def json(self) -> dict[str, Any]:
        """The response as the mapping that travels as JSON."""
        return {
            "pipeline_output": self.value,
            "versions": {name: str(version) for name, version in self.versions.items()},
            "job_id": self.job_id,
            "job_status": None if self.job_status is None else self.job_status.value,
        }

    @classmethod
    def from_request(cls, response_json: Mapping[str, Any], query_pipeline: Pipeline | str) -> Self:
        """Reads the mapping that travels as JSON.

        Args:
            response_json: what `json` returned on the server; members it does not know are ignored.
            query_pipeline: the pipeline that was called, for the message if this is not an answer.

        Raises:
            ValueError: if this is not the answer of a pipelines server.
        """
        from chariots.web import error_from_problem
        from chariots.workers import JobStatus

        try:
            status = response_json.get("job_status")
            problem = response_json.get("error")
            return cls(
                value=response_json["pipeline_output"],
                versions={name: Version.parse(text) for name, text in (response_json.get("versions") or {}).items()},
                job_id=response_json.get("job_id"),
                job_status=None if status is None else JobStatus(status),
                error=error_from_problem(problem) if isinstance(problem, Mapping) else None,
            )
        except (KeyError, AttributeError, TypeError, ValueError) as error:
            name = query_pipeline if isinstance(query_pipeline, str) else query_pipeline.name
            raise ValueError(
                f"pipeline {name!r} was called, but the answer is not that of a pipelines server "
                f"({type(error).__name__}: {error}). Check the address the client was given."
            ) from error

    def __repr__(self) -> str:
        parts = [f"value={self.value!r}"]
        if self.job_id is not None:
            parts.append(f"job_id={self.job_id!r}")
        if self.job_status is not None:
            parts.append(f"job_status={self.job_status}")
        if self.error is not None:
            parts.append(f"error={self.error!r}")
        parts.append(f"versions={self.versions!r}")
        return f"<PipelineResponse {', '.join(parts)}>"
