"""Which function do RQ workers run?"""

from __future__ import annotations

from redis.exceptions import RedisError
from rq import get_current_job

from chariots.workers import app_reference
from chariots.workers.jobs import JobRequest, execute_job, problem_json

__all__ = ["PROBLEM", "run_job"]

PROBLEM = "problem"  # where a failed job keeps its reason, among what RQ calls its meta data


def run_job(request_text: str) -> str:
    """Runs the pipeline a job asks for; this is the only function that workers of chariots run.

    Args:
        request_text: a `JobRequest` as text.

    Returns:
        the JSON text of the `PipelineResponse`.
    """
    try:
        request = JobRequest.parse(request_text)
        app = app_reference.load(request.app)
        return execute_job(app, request.pipeline, request.pipeline_input, request.job_id)
    except BaseException as error:
        _keep_reason(error)
        raise


def _keep_reason(error: BaseException) -> None:
    """Writes the problem beside the job, for the server; RQ itself keeps a traceback as text."""
    job = get_current_job()
    if job is None:
        return  # somebody calls the function by hand
    job.meta[PROBLEM] = problem_json(error)
    try:
        job.save_meta()  # type: ignore[no-untyped-call]  # RQ leaves it untyped
    except RedisError as unsaved:
        error.add_note(f"(the reason could not be written to Redis: {unsaved})")
