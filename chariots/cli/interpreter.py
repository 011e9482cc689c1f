"""How is Python itself set in a process that serves? (its collector of garbage, and whose turn it is)"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

__all__ = ["TURN_SECONDS", "collect_less_often", "leave_garbage", "share_the_interpreter", "uncollected"]

TURN_SECONDS: Final = 0.002
"""For how long a thread that computes keeps others waiting.

The loop that reads and refuses requests waits so long for each thread that wants the interpreter, too. With 5 ms, which
is Python's own, a refusal took up to 90 ms beside ops that hold it, with 2 ms some 10; with 1 ms ordinary calls lose a
tenth of their rate to threads that change.
"""

_PYTHONS_TURN: Final = 0.005
_PYTHONS_THRESHOLDS: Final = (700, 2000)  # up to Python 3.12, and from 3.13 on
_THRESHOLD: Final = 10_000  # new objects; requests leave no garbage, and to look after 700 took a twentieth of the time


def share_the_interpreter() -> None:
    """Has threads that compute give way sooner, unless somebody has said for how long they may go on."""
    if sys.getswitchinterval() == _PYTHONS_TURN:
        sys.setswitchinterval(TURN_SECONDS)


def collect_less_often() -> None:
    """Has Python look for garbage less often, unless somebody has said how often it is to do so."""
    first, *others = gc.get_threshold()
    if first in _PYTHONS_THRESHOLDS:
        gc.set_threshold(_THRESHOLD, *others)


def leave_garbage() -> None:
    """Has Python not look for garbage on its way out; that was more than half of the time in which a server stops.

    What `atexit` knows is done as ever, and Python promises no ``__del__`` to what is there at the end.
    """
    gc.disable()
    gc.freeze()


@contextmanager
def uncollected() -> Iterator[None]:
    """Keeps Python from looking for garbage while something is loaded.

    Nearly all that is made then stays; to look through it hundreds of times was an eighth of the start.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if not gc.get_freeze_count():  # what the processes share stays frozen, and little is there beside it
            # All of it would count as young, and the first request wait until it was looked through. As old, it is
            # looked through when it is the turn of the old.
            gc.freeze()
            gc.unfreeze()
        if was_enabled:
            gc.enable()
