"""How is a cache kept within its limits, beside other processes that use it?"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from chariots.pipelines.caching.places import Place

__all__ = ["NEWEST", "Limits"]

NEWEST = "newest"  # the folder of what is known of the last run of each node
_LEFTOVER = ".writing-"  # how savers call what is still being written
_LEFT_BEHIND = 86_400.0  # seconds
_FILLED = 0.9  # so that not every new entry drives out an old one
_LOOKED = 0.1  # of the limit: what others add is seen when so much was added here


@dataclass(slots=True)
class _Files:
    """What is kept under one key."""

    used: float = 0.0
    size: int = 0
    paths: list[str] = field(default_factory=list)


class Limits:
    """Gives up the entries that were not used for longest.

    Nothing is locked. What another process reads meanwhile may vanish, which that process takes for a miss.

    Args:
        place: where the entries are.
        max_bytes: how many bytes they may have; None for any number.
        max_age: how many seconds after its run an entry is worth something; None for ever.
    """

    def __init__(self, place: Place, max_bytes: int | None, max_age: float | None) -> None:
        self.place, self.max_bytes, self.max_age = place, max_bytes, max_age
        self._lock = threading.Lock()
        self._known: int | None = None  # how much there is, as far as it is known here
        self._added = 0
        self._next_look = 0.0

    def added(self, size: int) -> None:
        """Notes that something was added, and makes room if there is too much."""
        if self.max_bytes is None and (self.max_age is None or time.time() < self._next_look):
            return
        if not self._lock.acquire(blocking=False):
            return  # another thread is at it
        try:
            self._added += size
            if self.max_bytes is not None and self._known is not None:
                is_little = self._added < _LOOKED * self.max_bytes
                if self._known + self._added <= self.max_bytes and is_little and time.time() < self._next_look:
                    return
            self._known, self._added = self.enforce(), 0
            self._next_look = time.time() + max((self.max_age or 36_000.0) * _LOOKED, 1.0)
        finally:
            self._lock.release()

    def enforce(self) -> int:
        """Gives up what is too old, what is too much and what was left behind.

        Returns:
            how many bytes are kept now.
        """
        now = time.time()
        entries, leftovers = _grouped(self.place.list())
        self._give_up(path for path, modified in leftovers if modified < now - _LEFT_BEHIND)
        total = sum(files.size for files in entries)
        is_full = self.max_bytes is not None and total > self.max_bytes
        for files in sorted(entries, key=lambda files: files.used):
            # An entry that was used since may be too old as well; whoever looks at it reads when it was made.
            is_old = self.max_age is not None and files.used < now - self.max_age
            if not is_old and not (is_full and self.max_bytes is not None and total > _FILLED * self.max_bytes):
                break
            # The entry goes first: without it nobody asks for the values.
            self._give_up(sorted(files.paths, key=lambda path: not path.endswith(".entry")))
            total -= files.size
        return total

    def _give_up(self, paths: Iterable[str]) -> None:
        for path in paths:
            try:
                self.place.delete(path)
            except FileNotFoundError:
                continue  # another process was faster


def _grouped(kept: Iterable[Any]) -> tuple[list[_Files], list[tuple[str, float]]]:
    entries: dict[str, _Files] = {}
    leftovers: list[tuple[str, float]] = []
    for one in kept:
        folder, _, name = one.path.rpartition("/")
        if name.startswith(_LEFTOVER):
            leftovers.append((one.path, one.modified))
        elif folder != NEWEST and folder:
            files = entries.setdefault(name.partition(".")[0], _Files())
            files.size += one.size
            files.paths.append(one.path)
            files.used = max(files.used, one.modified)
    return list(entries.values()), leftovers
