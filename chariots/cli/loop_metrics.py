"""How does the loop of a worker count, when a thread that has no turn may hold the lock of the metrics?"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

from chariots.errors import OverloadedError

__all__ = ["LoopMetrics"]

_EVERY: Final = 1.0  # seconds


class LoopMetrics:
    """Counts for itself, and tells the metrics once a second, and before anybody reads them.

    Args:
        waiting: says how many requests wait for a thread.
    """

    def __init__(self, waiting: Callable[[], int]) -> None:
        self._waiting = waiting
        self._told = 0.0
        #: What the server counts with; None where it does not.
        self.metrics: Any = None
        #: Requests that were refused, and that the metrics do not know of.
        self.refused = 0

    def tell_when_due(self, now: float) -> None:
        """Tells the metrics, unless that was done a moment ago.

        Args:
            now: the monotonic moment.
        """
        if now - self._told > _EVERY:
            self.tell()

    def tell(self) -> None:
        """Tells the metrics."""
        self._told = time.monotonic()
        if self.metrics is not None:
            self.metrics.waiting.set(self._waiting())
            self.metrics.refused.labels(OverloadedError.slug).inc(self.refused)
            self.refused = 0
