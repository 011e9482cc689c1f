"""How often does a client that waits ask its server again, and when does it give up?"""

from __future__ import annotations

import time

from chariots.errors import UnreachableError

__all__ = ["AWAY_SECONDS", "Pace"]

AWAY_SECONDS = 60.0  # how long a server may be away, to start again for instance, while a client waits for a job
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.02, 1.0


class Pace:
    """How long to wait at the server, and how long before asking again.

    A server that has no place for one more who waits answers at once; asking it again and again would not help.

    Args:
        timeout: how many seconds there are in all; None for no limit.
    """

    def __init__(self, timeout: float | None) -> None:
        self._until = None if timeout is None else time.monotonic() + timeout
        self._pause = _SHORTEST_PAUSE
        self._asked = self._wait = 0.0
        self._away_since: float | None = None

    @property
    def is_over(self) -> bool:
        """Whether the time is up."""
        return self._until is not None and time.monotonic() >= self._until

    def next_wait(self, longest: float) -> float:
        """How many seconds the next request may wait at the server.

        Args:
            longest: how many at most.
        """
        self._asked = time.monotonic()
        self._wait = longest if self._until is None else max(0.0, min(longest, self._until - self._asked))
        return self._wait

    def found(self) -> None:
        """Notes that the last request told something new."""
        self._pause, self._away_since = _SHORTEST_PAUSE, None

    def rest(self) -> float:
        """How many seconds to pause before the next request; zero where the last one took its time to be answered."""
        self._away_since = None
        if time.monotonic() - self._asked >= self._wait / 2:
            self._pause = _SHORTEST_PAUSE
            return 0.0
        return self._next_pause()

    def lost(self, error: UnreachableError) -> float:
        """How many seconds to pause before the next request, after one that did not reach the server.

        Args:
            error: what came of it.

        Raises:
            UnreachableError: the very error, where the time is up or the server was away for too long.
        """
        now = time.monotonic()
        self._away_since = now if self._away_since is None else self._away_since
        if self.is_over or now - self._away_since > AWAY_SECONDS:
            raise error
        return self._next_pause()

    def _next_pause(self) -> float:
        left = None if self._until is None else max(0.0, self._until - time.monotonic())
        pause = self._pause if left is None else min(self._pause, left)
        self._pause = min(2 * self._pause, _LONGEST_PAUSE)
        return pause
