"""How far is a job?"""

from __future__ import annotations

import enum
from typing import Self

from chariots.errors import nearest

__all__ = ["JobStatus"]


class JobStatus(enum.Enum):
    """Every state a job can be in."""

    queued = "queued"
    running = "running"
    done = "done"
    failed = "failed"
    deferred = "deferred"

    @classmethod
    def from_rq(cls, rq_status: str) -> Self:
        """Translates the word RQ has for a state.

        Args:
            rq_status: a member of ``rq.job.JobStatus``, or its text.

        Returns:
            the state as chariots knows it. A job that was stopped or canceled counts as failed.

        Raises:
            ValueError: if RQ has no such state.
        """
        word = str(getattr(rq_status, "value", rq_status))
        name = _FROM_RQ.get(word)
        if name is None:
            raise ValueError(
                f"the state {word!r} of an RQ job was asked for, but the states that are known are "
                f"{', '.join(_FROM_RQ)}.{nearest(word, _FROM_RQ)} A newer RQ may need a newer chariots."
            )
        return cls(name)


_FROM_RQ = {
    "created": "queued",
    "queued": "queued",
    "started": "running",
    "finished": "done",
    "failed": "failed",
    "stopped": "failed",
    "canceled": "failed",
    "deferred": "deferred",
    "scheduled": "deferred",
}
