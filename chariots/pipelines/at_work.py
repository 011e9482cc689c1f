"""What is at work for which run, so that it can be ended with it?"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Generic, TypeVar

from chariots.pipelines.parallel_run import Interrupted

if TYPE_CHECKING:
    from chariots.pipelines.parallel_run import Run

__all__ = ["AtWork"]

Thing = TypeVar("Thing")


class AtWork(Generic[Thing]):
    """Remembers what is at work: processes, or tasks of a cluster."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._things: dict[Run, set[Thing]] = {}

    @contextmanager
    def noted(self, run: Run | None, thing: Thing) -> Iterator[None]:
        """Notes that something is at work for a run while a block lasts.

        Args:
            run: the run; None where it belongs to none.
            thing: what is at work.

        Raises:
            Interrupted: if the run is over when the block begins.
        """
        if run is None:
            yield
            return
        with self._lock:
            self._things.setdefault(run, set()).add(thing)
        try:
            if run.is_over:
                raise Interrupted
            yield
        finally:
            with self._lock:
                things = self._things[run]
                things.discard(thing)
                if not things:
                    del self._things[run]

    def of(self, run: Run) -> tuple[Thing, ...]:
        """What is at work for a run.

        Args:
            run: the run.
        """
        with self._lock:
            return tuple(self._things.get(run, ()))
