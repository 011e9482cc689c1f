"""What would other versions have answered? (asked in a thread of its own, for nobody who waits)"""

from __future__ import annotations

import atexit
import copy
import logging
import os
import queue
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from chariots._room import with_room
from chariots.serving import execution
from chariots.serving.sameness import is_same

if TYPE_CHECKING:
    from chariots.pipelines.runners import BaseRunner
    from chariots.serving.candidates import Candidate
    from chariots.serving.rollouts import Shadow
    from chariots.serving.snapshots import Snapshot

__all__ = ["LiveShadow"]

_IDLE_SECONDS = 1.0  # after which the thread ends; the next call starts another
_LEAVING_SECONDS = 5.0  # how long the end of the process waits for a run that is under way


class LiveShadow:
    """A shadow in one process: calls that were answered, and wait to be computed once more.

    Args:
        shadow: what was asked for.
        candidate: the versions that are tried.
        logger: who is told of the first failure of a state.
    """

    def __init__(self, shadow: Shadow, candidate: Candidate, logger: logging.Logger) -> None:
        self.shadow = shadow
        self.candidate = candidate
        #: Told what came of a call: the state, ``equal``, ``different``, ``failed`` or ``dropped``, and the seconds.
        self.compared: Callable[[Snapshot, str, float], None] | None = None
        self._logger = logger
        self._complained: Mapping[str, int] = {}  # the versions whose first failure was told
        self._is_leaving = False
        self._thread: threading.Thread | None = None
        self._renew()

    @property
    def snapshot(self) -> Snapshot | None:
        """The state that is tried; None where there is none."""
        return self.candidate.snapshot

    def offer(self, value: Any, output: Any, runner: BaseRunner) -> None:
        """Has a call computed that was answered; never waits and never fails.

        Args:
            value: the input, converted.
            output: what was answered.
            runner: who runs it.
        """
        snapshot = self.snapshot
        if snapshot is None or isinstance(output, Iterator):  # what is made piece by piece is read once
            return
        if self._process != os.getpid():
            self._renew()
        try:
            with self._lock:
                self._waiting.put_nowait((snapshot, value, output, runner))
                if self._thread is None:
                    thread = threading.Thread(target=with_room, args=(self._work,), name="chariots shadow", daemon=True)
                    thread.start()
                    self._thread = thread
                    _running.add(self)
        except (queue.Full, RuntimeError):  # there is no room, or no thread to be had
            self._tell(snapshot, "dropped", 0.0)

    def stop(self, patience: float = _LEAVING_SECONDS) -> None:
        """Ends the thread; a run that is under way is finished first, what waits is given up.

        Args:
            patience: how many seconds to wait for that.
        """
        self._is_leaving = True
        thread = self._thread
        if thread is not None and self._process == os.getpid():
            thread.join(patience)

    def wait(self, patience: float) -> bool:
        """Waits until everything that was offered is computed.

        Args:
            patience: how many seconds at most.

        Returns:
            whether it is.
        """
        until = time.monotonic() + patience
        while self._waiting.unfinished_tasks and time.monotonic() < until:
            time.sleep(0.005)
        return not self._waiting.unfinished_tasks

    # -- how ------------------------------------------------------------------------------------------------------

    def _renew(self) -> None:
        self._process = os.getpid()  # the one whose thread computes: threads do not survive a fork
        self._lock = threading.Lock()  # held for moments
        self._waiting: queue.Queue[tuple[Snapshot, Any, Any, BaseRunner]] = queue.Queue(self.shadow.queue)
        self._thread = None

    def _work(self) -> None:
        while not self._is_leaving:
            try:
                call = self._waiting.get(timeout=_IDLE_SECONDS)
            except queue.Empty:
                with self._lock:
                    if self._waiting.empty():
                        self._thread = None
                        return
                continue
            try:
                if call[0] is self.snapshot:
                    self._compute(*call)
                else:
                    self._tell(call[0], "dropped", 0.0)  # it was replaced or withdrawn meanwhile
            finally:
                self._waiting.task_done()
                del call

    def _compute(self, snapshot: Snapshot, value: Any, output: Any, runner: BaseRunner) -> None:
        began = time.perf_counter()
        try:
            # On a copy: the answer may hold parts of the input, and is perhaps still being written.
            found = execution.run_as_it_is(snapshot, copy.deepcopy(value), runner)
            result = "equal" if is_same(output, found, self.shadow.tolerance) else "different"
        except Exception as error:  # nobody waits for it; it is counted
            result = "failed"
            if self._complained != self.candidate.versions:
                self._complained = self.candidate.versions
                self._logger.warning(
                    "shadow %r of pipeline %r failed; further failures of these versions are only counted",
                    self.shadow.alias,
                    self.shadow.pipeline,
                    exc_info=error,
                )
        self._tell(snapshot, result, time.perf_counter() - began)

    def _tell(self, snapshot: Snapshot, result: str, seconds: float) -> None:
        if self.compared is not None:
            self.compared(snapshot, result, seconds)


_running: weakref.WeakSet[LiveShadow] = weakref.WeakSet()


def _stop_all() -> None:
    """Lets no op be in the middle of a run when the interpreter is taken down around it."""
    until = time.monotonic() + _LEAVING_SECONDS
    running = list(_running)
    for shadow in running:
        shadow.stop(0)
    for shadow in running:
        shadow.stop(max(until - time.monotonic(), 0))


atexit.register(_stop_all)
