"""Which threads help a runner, and where do they wait while there is nothing to do?"""

from __future__ import annotations

import os
import queue
import threading
import weakref
from collections.abc import Callable

from chariots._room import with_room

__all__ = ["Crew"]


class Crew:
    """Threads that are started when they are first needed, and stay.

    They are daemons: whoever leaves the interpreter does not wait for a node that hangs. A process that was forked
    starts threads of its own.

    Args:
        size: how many threads there may be.
        name: what they are called.
    """

    def __init__(self, size: int, name: str) -> None:
        self.size = size
        self._name = name
        self._lock = threading.Lock()
        self._begin()
        _crews.add(self)

    def _begin(self) -> None:
        self._calls: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._started = 0
        self._free = 0  # threads that wait for a call, less the calls that wait for a thread

    def call(self, work: Callable[[], None]) -> bool:
        """Has a thread do something as soon as one has time.

        Args:
            work: what to do; it must not raise.

        Returns:
            whether somebody will come at once; False while all threads are busy.
        """
        if self._free <= 0 and self._started >= self.size:  # seen without the lock: whoever is busy asks often
            return False
        with self._lock:
            if self._free > 0:
                self._free -= 1
            elif self._started < self.size:
                self._started += 1
                threading.Thread(
                    target=with_room,
                    args=(_serve, self, self._calls),
                    name=f"{self._name}-{self._started}",
                    daemon=True,
                ).start()
            else:
                return False
        self._calls.put(work)
        return True

    def stop(self) -> None:
        """Lets the threads go when they have done what they are at; a later call starts new ones."""
        with self._lock:
            calls, started = self._calls, self._started
            self._begin()
        for _ in range(started):
            calls.put(None)

    def _idle(self, calls: queue.SimpleQueue[Callable[[], None] | None]) -> None:
        with self._lock:
            if calls is self._calls:  # not one of those that were told to go
                self._free += 1


_crews: weakref.WeakSet[Crew] = weakref.WeakSet()


def _after_fork() -> None:
    for crew in _crews:
        crew._lock = threading.Lock()  # whoever held it is not in this process
        crew._begin()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def _serve(crew: Crew, calls: queue.SimpleQueue[Callable[[], None] | None]) -> None:
    while (work := calls.get()) is not None:
        work()
        del work
        crew._idle(calls)
