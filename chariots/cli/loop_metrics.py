"""How does the loop of a worker count, when a thread that has no turn may hold the lock of the metrics?"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, Final

from chariots.errors import OverloadedError

__all__ = ["LoopMetrics"]

_EVERY: Final = 1.0  # seconds


class LoopMetrics:
    """Counts for itself; a thread tells the metrics once a second, and whoever reads them before.

    Args:
        waiting: says how many requests wait for a thread.
    """

    def __init__(self, waiting: Callable[[], int]) -> None:
        self._waiting = waiting
        self._metrics: Any = None
        self._told = 0  # of those that were refused
        self._lock = threading.Lock()
        #: Requests that were refused; the loop alone counts.
        self.refused = 0

    def start(self, metrics: Any) -> None:
        """Begins, in the process that serves.

        Args:
            metrics: what the server counts with; None where it does not.
        """
        self._metrics = metrics
        if metrics is not None:
            threading.Thread(target=self._tell_on, name="metrics of the loop", daemon=True).start()

    def tell(self) -> None:
        """Tells the metrics; not in the loop, for it may have to wait."""
        if self._metrics is None:
            return
        with self._lock:
            refused = self.refused
            self._metrics.waiting.set(self._waiting())
            self._metrics.refused.labels(OverloadedError.slug).inc(refused - self._told)
            self._told = refused

    def _tell_on(self) -> None:
        while True:
            time.sleep(_EVERY)
            self.tell()
