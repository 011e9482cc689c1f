"""Which running jobs have lost their worker?

A worker adds to a counter of its job every second. Whoever watches takes a worker for dead when the counter has
stood still for eight seconds of the watcher's own monotonic clock: a wall clock that jumps, or that of another machine,
makes no difference.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["BEAT_SECONDS", "LEASE_SECONDS", "Beat", "LeaseWatch"]

BEAT_SECONDS = 1.0
LEASE_SECONDS = 8.0


@dataclass(frozen=True, slots=True)
class Beat:
    """The counter of one attempt.

    Attributes:
        job_id: the job.
        token: the number of the attempt.
        beats: how often its worker has spoken.
    """

    job_id: str
    token: int
    beats: int


class LeaseWatch:
    """What one watcher remembers of the beats it saw."""

    def __init__(self, lease: float = LEASE_SECONDS) -> None:
        self._lease = lease
        self._seen: dict[Beat, float] = {}

    def overdue(self, beats: Iterable[Beat], now: float | None = None) -> list[Beat]:
        """Takes note of some beats, and names those that have not changed for too long.

        Args:
            beats: those of every running job.
            now: the time of a monotonic clock, in seconds.
        """
        now = time.monotonic() if now is None else now
        self._seen = {beat: self._seen.get(beat, now) for beat in beats}
        return [beat for beat, since in self._seen.items() if now - since >= self._lease]
