"""How many connections are worth having?"""

from __future__ import annotations

from typing import Final

__all__ = ["FIRST", "Pace"]

FIRST: Final = 2  # connections
_FACTOR: Final = 4  # by which there are more of them when more are tried
_FACTOR_AGAIN: Final = 2  # the same, where it was found out before that more did not help
_GAIN: Final = 1.2  # by which that must be faster, to be kept
_FAST: Final = 250e6  # bytes per second of one connection, beyond which more would not help
_WINDOW_SECONDS: Final = 0.08  # over which a rate is taken
_AGAIN_SECONDS: Final = 3.0  # after which more connections are tried again; twice as long each time that is in vain


class Pace:
    """How many connections are worth having: many times more, as long as that is faster.

    Args:
        most: how many there may be.
        now: the time, in seconds.
        first: how many there are to begin with.
    """

    def __init__(self, most: int, now: float, first: int = FIRST) -> None:
        #: How many connections there may be at this moment.
        self.allowed = min(first, most)
        self._most = most
        self._since, self._bytes = now, 0
        self._before = self.allowed  # how many there were when the best rate was taken
        self._best = 0.0
        self._doubts = 0
        self._factor = _FACTOR
        self._settled: float | None = None
        self._again = _AGAIN_SECONDS

    def look(self, there: int, now: float, *, is_full: bool) -> None:
        """Looks at how much has come, and changes the number of connections.

        Args:
            there: how many bytes are there in all.
            now: the time, in seconds.
            is_full: whether all connections that may be are in use.
        """
        if not self._bytes and not there:
            self._since = now  # to find a server takes its time, which says nothing of its speed
        seconds = now - self._since
        if seconds < _WINDOW_SECONDS:
            return
        rate = max(0, there - self._bytes) / seconds
        self._since, self._bytes = now, there
        if not is_full or not rate:
            return
        if self._settled is not None:
            if now - self._settled > self._again:
                self._settled = None
                self._again *= 2
                self._try_more(rate, now, _FACTOR_AGAIN)
        elif self._before == self.allowed or rate > self._best * max(_GAIN, self._factor / 2):
            self._try_more(rate, now, _FACTOR)
        elif rate > self._best * _GAIN:
            self._settled = now  # it helped, and less than it would have if the line were not full now
        elif self._doubts:
            self.allowed, self._settled = self._before, now
        else:
            self._doubts += 1  # servers that limit a rate send in bursts; one window may have missed one

    def _try_more(self, rate: float, now: float, factor: int) -> None:
        self._best, self._before, self._doubts = rate, self.allowed, 0
        if rate / self.allowed > _FAST or self.allowed >= self._most:
            self._settled = now
        else:
            self._factor = factor
            self.allowed = min(factor * self.allowed, self._most)
