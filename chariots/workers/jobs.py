"""What does a worker of any kind do with a job, and how does it word what came of it?

A worker imports the app once and calls the same entry point that a request over HTTP ends in.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from chariots import schema
from chariots.errors import BackendError, ChariotsError
from chariots.workers.job_status import JobStatus

if TYPE_CHECKING:
    from chariots.serving import PipelinesServer

__all__ = ["execute_job", "failure", "output_failure", "problem_json", "response_json", "response_text"]


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
        raise failure(pipeline, error) from error
    versions = {name: str(version) for name, version in response.versions.items()}
    try:
        return response_json(job_id, JobStatus.done, response.value, versions)
    except TypeError as error:
        raise output_failure(pipeline, str(error)) from error


def failure(pipeline: str, error: Exception) -> BackendError:
    """Words what an op of a job raised; raise it from that, so that it carries the stack.

    Args:
        pipeline: the name of the pipeline.
        error: what was raised.
    """
    return BackendError(
        f"pipeline {pipeline!r} failed in a worker: {type(error).__name__}: {error}. "
        "Correct the op or its input; the remote stack shows the line."
    )


def output_failure(pipeline: str, why: str) -> BackendError:
    """Words that a pipeline ran, but what it returned cannot be kept as the result of a job.

    Args:
        pipeline: the name of the pipeline.
        why: what is wrong with it, and what to do.
    """
    return BackendError(
        f"pipeline {pipeline!r} ran in a worker, and what it learned is kept, but its output cannot be sent: {why}"
    )


def response_json(
    job_id: str,
    status: JobStatus,
    pipeline_output: Any = None,
    versions: Mapping[str, str] | None = None,
    error: Mapping[str, Any] | None = None,
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
    output = schema.dumps(pipeline_output, where="pipeline_output")
    return response_text(job_id, status, output, versions, error)


def response_text(
    job_id: str,
    status: JobStatus,
    output: bytes | None,
    versions: Mapping[str, str] | None = None,
    error: Mapping[str, Any] | None = None,
) -> str:
    """Writes what a job has come to, where its output is JSON already; see `response_json`."""
    rest: dict[str, Any] = {"versions": dict(versions or {}), "job_id": job_id, "job_status": status.value}
    if error is not None:
        rest["error"] = dict(error)
    return f'{{"pipeline_output": {(output or b"null").decode()}, {json.dumps(rest)[1:]}'


def problem_json(error: BaseException) -> dict[str, Any]:
    """The problem (RFC 9457) of a failure, with the stack of where it happened, as plain JSON values."""
    from chariots.web import problem_of

    found: dict[str, Any] = json.loads(schema.dumps(problem_of(error), where="error"))
    return found
