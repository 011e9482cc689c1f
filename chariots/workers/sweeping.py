"""Who looks after jobs whose worker died? A thread of every server process that has asked for a job."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from chariots.errors import ChariotsError
from chariots.workers.leases import LeaseWatch

if TYPE_CHECKING:
    from chariots.workers.job_store import JobStore

__all__ = ["SWEEP_SECONDS", "Sweeper"]

SWEEP_SECONDS = 1.0
_LONGEST_PAUSE = 15.0

_logger = logging.getLogger(__name__)


class Sweeper(threading.Thread):
    """Sweeps a store every second, for as long as the process lives.

    Args:
        store: the jobs.
        tend: what else is to be done each time.
    """

    def __init__(self, store: JobStore, tend: Callable[[], None]) -> None:
        super().__init__(name="chariots-jobs", daemon=True)
        self._store = store
        self._tend = tend
        self._leave = threading.Event()

    def run(self) -> None:
        """Sweeps until it is told to leave."""
        watch, pause, told = LeaseWatch(), 0.0, ""
        while not self._leave.wait(pause):
            try:
                self._store.sweep(watch)
                self._tend()
            except ChariotsError as error:
                pause = min(max(pause, SWEEP_SECONDS) * 2, _LONGEST_PAUSE)
                if told != str(error):  # once is enough while it lasts
                    told = str(error)
                    _logger.warning("jobs cannot be looked after: %s", told)
            else:
                pause, told = SWEEP_SECONDS, ""

    def leave(self) -> None:
        """Ends the thread, at the latest when the sweep at hand is done."""
        self._leave.set()
