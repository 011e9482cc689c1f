"""How does a thread have the loop of its worker call something, without letting go of the interpreter?"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from chariots.cli.held_calls import ring, silence

__all__ = ["MethodQueue"]

_AT_ONCE: Final = 64  # calls, before whatever else happens to the loop has its turn


class MethodQueue:
    """What the loop is to call; gunicorn has a pipe for it, which takes two system calls for each."""

    def __init__(self) -> None:
        self._bell = -1
        self._calls: deque[Callable[[], Any]] = deque()

    def init(self) -> None:
        """Begins, in the process whose loop it is."""
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def close(self) -> None:
        """Ends."""
        if self._bell >= 0:
            os.close(self._bell)
            self._bell = -1

    def fileno(self) -> int:
        """The descriptor that is readable while there is something to call."""
        return self._bell

    def defer(self, callback: Callable[..., Any], *args: Any) -> None:
        """Has the loop call something soon; from any thread.

        Args:
            callback: what to call.
            *args: with what.
        """
        self._calls.append(partial(callback, *args))
        if self._bell >= 0:
            ring(self._bell)

    def run_callbacks(self, _fileobj: Any) -> None:
        """Calls some of what there is; the loop calls this."""
        silence(self._bell)
        for _ in range(_AT_ONCE):
            try:
                call = self._calls.popleft()
            except IndexError:
                return
            call()
        ring(self._bell)
