"""Which of two things that happened to ops in this process came first?"""

from __future__ import annotations

import threading
import time

__all__ = ["STARTED", "next_moment"]

#: When this process had ops for the first time, in seconds since 1970.
STARTED = time.time()

_latest = 0
_latest_lock = threading.Lock()


def next_moment() -> int:
    """Returns a number greater than every one before.

    It is taken from the clock, so that what another process of this machine has trained and sent here compares too.
    """
    global _latest
    with _latest_lock:
        _latest = max(time.time_ns(), _latest + 1)
        return _latest
