"""Which bytes of a file are still to be fetched, and up to where is it complete?"""

from __future__ import annotations

import heapq
import math
import threading
from collections.abc import Iterable
from typing import Final

__all__ = ["Pieces"]

_SMALLEST: Final = 256 * 2**10  # bytes; near the end pieces become smaller, so that all connections end together
_LARGEST: Final = 32 * 2**20  # bytes, for all connections together: so much is lost at most when a process is killed
_USUAL: Final = 4 * 2**20
_FIRST: Final = 2**20  # while nobody knows how fast they come
_PIECE_SECONDS: Final = 0.25  # that a piece takes; a connection that is held longer is none that others could help


class Pieces:
    """The bytes of one file, from the first to the last; used by several threads at once.

    Args:
        size: how many there are.
        prefix: how many first ones are there already.
        spans: what else is there, each from an offset to another.
    """

    def __init__(self, size: int, prefix: int = 0, spans: Iterable[tuple[int, int]] = ()) -> None:
        self.size = size
        self._lock = threading.Lock()
        self._free: list[tuple[int, int]] = []
        self._done: list[tuple[int, int]] = []
        self._frontier = prefix
        self._taken = 0
        position = prefix
        for start, stop in sorted(spans):
            if stop <= position:
                continue
            if start > position:
                self._free.append((position, start))
            heapq.heappush(self._done, (max(start, position), stop))
            position = stop
        if position < size:
            self._free.append((position, size))
        self._advance()
        self.there = size - self._left()
        """How many bytes are there, wherever they stand."""

    @property
    def frontier(self) -> int:
        """Up to which offset all bytes are there."""
        return self._frontier

    @property
    def is_complete(self) -> bool:
        """Whether all bytes are there."""
        return self._frontier >= self.size

    @property
    def has_free(self) -> bool:
        """Whether there are bytes that nobody fetches."""
        return bool(self._free)

    def take(self, sharers: int, rate: float = math.inf, least: int = _SMALLEST) -> tuple[int, int] | None:
        """Gives out the next bytes to be fetched.

        Args:
            sharers: how many connections fetch bytes of the file; zero for one that fetches all that are left.
            rate: the bytes per second that one connection brings, as far as that is known.
            least: how many bytes are worth a request.

        Returns:
            from which offset to which other; None where nothing is left to give out.
        """
        with self._lock:
            if not self._free:
                return None
            start, stop = self._free[0]
            if sharers:
                fair = self._left() // (2 * sharers)
                soon = max(_FIRST, int(min(rate, 1e12) * _PIECE_SECONDS))
                most = max(least, min(fair, soon, max(_USUAL, _LARGEST // sharers)))
                if stop - start > most + least:
                    stop = start + most
            if stop == self._free[0][1]:
                heapq.heappop(self._free)
            else:
                heapq.heapreplace(self._free, (stop, self._free[0][1]))
            return start, stop

    def give_back(self, start: int, stop: int) -> None:
        """Takes back what was given out and not fetched.

        Args:
            start: the offset of the first byte.
            stop: the offset behind the last one.
        """
        if start < stop:
            with self._lock:
                heapq.heappush(self._free, (start, stop))

    def got(self, start: int, stop: int) -> None:
        """Notes that bytes are there.

        Args:
            start: the offset of the first one.
            stop: the offset behind the last one.
        """
        with self._lock:
            self.there += stop - start
            if start == self._frontier and not self._done:
                self._frontier = stop
                return
            heapq.heappush(self._done, (start, stop))
            self._advance()

    def only_in_order(self) -> None:
        """Forgets what is there behind a gap: the rest is fetched from the first gap to the end, in one piece."""
        with self._lock:
            self._done.clear()
            self._free = [(self._frontier, self.size)] if self._frontier < self.size else []
            self.there = self._frontier

    def _advance(self) -> None:
        while self._done and self._done[0][0] <= self._frontier:
            self._frontier = max(self._frontier, heapq.heappop(self._done)[1])

    def _left(self) -> int:
        return sum(stop - start for start, stop in self._free)
