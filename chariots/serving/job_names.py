"""Which job does somebody mean, and how do the options of a job travel?"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from chariots.serving.response import PipelineResponse
from chariots.workers.job import Job

__all__ = ["AnyJob", "given_options", "id_of"]

AnyJob = str | Job | PipelineResponse
"""A job, by its id, as it was seen, or as the response that told of it."""


def id_of(job: AnyJob) -> str:
    """The id of a job.

    Raises:
        ValueError: for the response of a call that no job answers.
    """
    if isinstance(job, str):
        return job
    if isinstance(job, Job):
        return job.id
    if job.job_id is None:
        raise ValueError(
            "a job was asked for by the response of a call, but the server answered that call itself, without a job. "
            "Call the pipeline with use_worker=True to get one."
        )
    return job.job_id


def given_options(*, after: AnyJob | Iterable[AnyJob] | None = None, **others: Any) -> dict[str, Any]:
    """The options of a job that somebody gave, in the form in which they travel."""
    given = {name: value for name, value in others.items() if value is not None}
    if after is not None:
        several = [after] if isinstance(after, str | Job | PipelineResponse) else after
        given["after"] = [id_of(each) for each in several]
    return given
