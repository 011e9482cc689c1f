"""How many requests compute at the same time, where the interpreter lets one thread compute at a time?

Threads whose ops hold the interpreter gain nothing from each other, and whoever reads and refuses requests beside eight
of them gets a ninth of it. So runs take places. There are few while the processors, or the one interpreter, have all
that they can do, and soon one for each thread where ops wait for something else, or compute outside of the interpreter.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from chariots.pipelines.resources import processors

__all__ = ["PLACES", "Places"]

FEWEST: Final = 1
AT_FIRST: Final = 2  # at least: a run that has this server run something else waits for it in its place
WINDOW_SECONDS: Final = 0.05  # in which it shows whether there are too few places, or too many
PATIENCE_SECONDS: Final = 0.1  # in which nobody leaves; then those inside take their time, and others need not wait
BOUND: Final = 0.85  # of a processor: all of it, but for what nobody can use


class Places:
    """Places for runs, of a number that follows what the runs do; enter it to take one.

    Args:
        processors: how many there are.
        clock: tells the time in seconds.
        worked: tells for how many seconds the process has had processors.
    """

    def __init__(
        self,
        processors: int,
        clock: Callable[[], float] = time.monotonic,
        worked: Callable[[], float] = time.process_time,
    ) -> None:
        #: How many there are.
        self.number = max(AT_FIRST, processors)
        self._processors = processors
        self._clock, self._worked = clock, worked
        self._taken = 0
        self._waiting: deque[threading.Lock] = deque()  # each is released when its owner has got a place
        self._lock = threading.Lock()
        self._last_left = self._since = clock()
        self._had = worked()

    def __enter__(self) -> None:
        """Takes a place; waits for one where others leave theirs."""
        with self._lock:
            if self._taken < self.number and not self._waiting:
                self._taken += 1
                return
            turn = threading.Lock()
            turn.acquire()
            self._waiting.append(turn)
        while not turn.acquire(timeout=PATIENCE_SECONDS):
            with self._lock:
                self._adapt()
                if turn in self._waiting and self._clock() - self._last_left >= PATIENCE_SECONDS:
                    self._waiting.remove(turn)
                    self._taken += 1
                    return

    def __exit__(self, *_: object) -> None:
        """Leaves the place to the next."""
        with self._lock:
            self._taken -= 1
            if self._waiting:
                self._last_left = self._clock()
                self._adapt()
                self._admit()

    def _adapt(self) -> None:
        """Decides anew how many places there are; asked while somebody waits."""
        now = self._clock()
        passed = now - self._since
        if passed < WINDOW_SECONDS:
            return
        had = self._worked()
        used = (had - self._had) / passed
        self._since, self._had = now, had
        if passed > 4 * WINDOW_SECONDS:
            return  # nobody waited for most of the time, so it tells nothing
        # One processor's worth is all that the interpreter gives to ops that hold it.
        if used >= BOUND * self._processors or BOUND <= used <= 2 - BOUND:
            self.number = max(FEWEST, self.number // 2)
        else:
            self.number = max(self.number, min(2 * self.number, self._taken + len(self._waiting)))
            self._admit()

    def _admit(self) -> None:
        while self._waiting and self._taken < self.number:
            self._taken += 1
            self._waiting.popleft().release()


PLACES: Final = Places(processors())
"""Those of this process, which has one interpreter."""
