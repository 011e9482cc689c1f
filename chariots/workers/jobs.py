"""What is a job, and what does a worker of any kind do with it?

A job is JSON text: which app, which pipeline, which input. It carries no code and no pickled object; a worker
imports the app once and calls the same entry point that a request over HTTP ends in.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chariots import schema
from chariots.errors import BackendError, ChariotsError, MalformedRequestError
from chariots.workers.job_status import JobStatus

if TYPE_CHECKING:
    from chariots.serving import PipelinesServer

__all__ = ["JobRequest", "execute_job", "problem_json", "response_json"]

FORMAT = 1


@dataclass(frozen=True)
class JobRequest:
    """What a job asks for.

    Attributes:
        job_id: the id of the job.
        app: where a worker finds the app, ``"module:attribute"``.
        pipeline: the name of the pipeline.
        pipeline_input: what to feed it.
    """

    job_id: str
    app: str
    pipeline: str
    pipeline_input: Any

    def text(self) -> str:
        """The request as JSON text.

        Raises:
            TypeError: if the input cannot be written as JSON; the message names the place.
        """
        head = {"format": FORMAT, "job_id": self.job_id, "app": self.app, "pipeline": self.pipeline}
        body = schema.dumps(self.pipeline_input, where="pipeline_input").decode()
        return f'{json.dumps(head)[:-1]}, "pipeline_input": {body}}}'

    @classmethod
    def parse(cls, text: str) -> JobRequest:
        """Reads what `text` wrote.

        Raises:
            MalformedRequestError: if the text is not a job, or one of another version of chariots.
        """
        found = schema.loads(text.encode())
        if not isinstance(found, dict) or found.get("format") != FORMAT:
            raise MalformedRequestError(
                f"a job was taken from the queue, but it is not written in format {FORMAT}, the one this "
                "worker reads. Run the server and its workers with the same version of chariots."
            )
        return cls(found["job_id"], found["app"], found["pipeline"], found["pipeline_input"])


def execute_job(app: PipelinesServer, pipeline: str, pipeline_input: Any, job_id: str) -> str:
    """Runs a pipeline in this process, as the job of a worker.

    Args:
        app: the app the pipeline belongs to.
        pipeline: its name.
        pipeline_input: what to feed it.
        job_id: the id to answer with.

    Returns:
        the JSON text to answer with from `BaseWorkerPool.get_pipeline_response_json_for_id`.

    Raises:
        BackendError: if an op failed, or what the pipeline returned cannot be written as JSON.
        ChariotsError: if the pipeline could not be run at all.
    """
    try:
        response = app.execute_pipeline(pipeline, pipeline_input)
    except ChariotsError:
        raise
    except Exception as error:
        raise BackendError(
            f"pipeline {pipeline!r} failed in a worker: {type(error).__name__}: {error}. "
            "Correct the op or its input; the remote stack shows the line."
        ) from error
    versions = {name: str(version) for name, version in response.versions.items()}
    try:
        return response_json(job_id, JobStatus.done, response.value, versions)
    except TypeError as error:
        raise BackendError(
            f"pipeline {pipeline!r} ran in a worker, and what it learned is kept, but its output cannot be sent: "
            f"{error}"
        ) from error


def response_json(
    job_id: str,
    status: JobStatus,
    pipeline_output: Any = None,
    versions: dict[str, str] | None = None,
    error: dict[str, Any] | None = None,
) -> str:
    """Writes what a job has come to.

    Args:
        job_id: the id of the job.
        status: how far it is.
        pipeline_output: what the pipeline returned, once the job is done.
        versions: the version of every node that took part, by node name.
        error: the problem of a job that failed; see `problem_json`.

    Returns:
        JSON text.

    Raises:
        TypeError: if the output cannot be written as JSON; the message names the place.
    """
    output = schema.dumps(pipeline_output, where="pipeline_output").decode()
    rest: dict[str, Any] = {"versions": versions or {}, "job_id": job_id, "job_status": status.value}
    if error is not None:
        rest["error"] = error
    return f'{{"pipeline_output": {output}, {json.dumps(rest)[1:]}'


def problem_json(error: BaseException) -> dict[str, Any]:
    """The problem (RFC 9457) of a failure, with the stack of where it happened, as plain JSON values."""
    from chariots.web import problem_of

    found: dict[str, Any] = json.loads(schema.dumps(problem_of(error), where="error"))
    return found
