"""How many requests may wait for a job, while others want an answer at once?

Whoever waits for a job keeps a thread of the server. There are few of them, so only some requests of each process may
wait at a time; the others are answered with what is known already, and ask again.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["MOST_WAITING", "SEATS_KEY", "WaitingRoom"]

SEATS_KEY = "CHARIOTS_WAITING_REQUESTS"
MOST_WAITING = 4  # half of the threads that `chariots serve` has by default


class WaitingRoom:
    """The places where requests of one process wait.

    Args:
        seats: how many there are.
    """

    def __init__(self, seats: int = MOST_WAITING) -> None:
        self._free = threading.Semaphore(seats)

    @contextmanager
    def seat(self) -> Iterator[bool]:
        """Takes a place until the block ends; gives whether there was one."""
        got = self._free.acquire(blocking=False)
        try:
            yield got
        finally:
            if got:
                self._free.release()
