"""Which processes does a runner have, and which of them is free?"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager

from chariots.pipelines.processes.segments import keep_spares, spares
from chariots.pipelines.processes.worker import Worker

__all__ = ["Pool"]


class Pool:
    """Processes that are started when they are first needed, and stay.

    Args:
        size: how many there may be.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        keep_spares()
        self._begin()
        _pools.add(self)

    def _begin(self) -> None:
        self._changed = threading.Condition()
        self._free: list[Worker] = []
        self._busy: set[Worker] = set()
        self._starting = 0

    @contextmanager
    def worker(self) -> Iterator[Worker]:
        """A process for the time of a block; waits until one is free."""
        worker = self._take()
        try:
            yield worker
        finally:
            self._give_back(worker)

    def _take(self) -> Worker:
        with self._changed:
            while not self._free and len(self._busy) + self._starting >= self.size:
                self._changed.wait()
            if self._free:
                worker = self._free.pop()  # the one used last: its memory is warm, and few are kept busy where few do
                self._busy.add(worker)
                return worker
            self._starting += 1
        try:
            worker = Worker()
        except BaseException:
            with self._changed:
                self._starting -= 1
                self._changed.notify()
            raise
        with self._changed:
            self._starting -= 1
            self._busy.add(worker)
        return worker

    def _give_back(self, worker: Worker) -> None:
        with self._changed:
            is_ours = worker in self._busy  # not if the pool was closed meanwhile
            self._busy.discard(worker)
            if is_ours and worker.is_usable:
                self._free.append(worker)
            self._changed.notify()
        if not is_ours or not worker.is_usable:
            worker.close()

    def close(self) -> None:
        """Ends all processes, those at work as well: whoever waits for one hears that it is gone."""
        with self._changed:
            free, busy = self._free, set(self._busy)
            self._free = []
            self._busy.clear()
            self._changed.notify_all()
        for worker in busy:
            worker.kill()
        for worker in free:
            worker.close()
        spares.clear()

    def forget(self) -> None:
        """Begins anew in a process that was forked: the workers belong to the one it was forked from."""
        workers = [*self._free, *self._busy]
        self._begin()
        for worker in workers:
            worker.abandon()


_pools: weakref.WeakSet[Pool] = weakref.WeakSet()


def _after_fork() -> None:
    for pool in _pools:
        pool.forget()


os.register_at_fork(after_in_child=_after_fork)
