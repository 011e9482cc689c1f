"""Which function do the jobs name that RQ shows?"""

from __future__ import annotations

from chariots.errors import ConflictError

__all__ = ["run_job"]


def run_job(job_id: str) -> None:
    """Refuses to run; it is what a worker of plain RQ calls that has taken a job of ours.

    The job is not lost: RQ's queue is a view of the jobs, and a worker of chariots finds it elsewhere.

    Args:
        job_id: the id of the job.

    Raises:
        ConflictError: always.
    """
    raise ConflictError(
        f"job {job_id!r} was taken by a worker of plain RQ, but only workers of chariots can run it, and one of them "
        "still will. Start them with `chariots worker module:app`; for other jobs use a queue of another name."
    )
