"""How far is a job?"""

from __future__ import annotations

import enum
from typing import Self

from chariots.errors import nearest

__all__ = ["JobStatus"]


class JobStatus(enum.Enum):
    """Every state a job can be in.

    A job is ``deferred`` while it waits for a time or for other jobs, ``queued`` while it waits for a worker. ``done``,
    ``failed`` and ``canceled`` are final.
    """

    queued = "queued"
    running = "running"
    done = "done"
    failed = "failed"
    deferred = "deferred"
    canceled = "canceled"

    @property
    def is_final(self) -> bool:
        """Whether a job in this state will never change again by itself."""
        return self in _FINAL

    @classmethod
    def from_rq(cls, rq_status: str) -> Self:
        """Translates the word RQ has for a state.

        Args:
            rq_status: a member of ``rq.job.JobStatus``, or its text.

        Returns:
            the state as chariots knows it. A job that was stopped counts as canceled.

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


_FINAL = frozenset({JobStatus.done, JobStatus.failed, JobStatus.canceled})
_FROM_RQ = {
    "created": "queued",
    "queued": "queued",
    "started": "running",
    "finished": "done",
    "failed": "failed",
    "stopped": "canceled",
    "canceled": "canceled",
    "deferred": "deferred",
    "scheduled": "deferred",
    "rate_limited": "deferred",  # this one and the next: since RQ 3
    "ready_to_enqueue": "queued",
}
