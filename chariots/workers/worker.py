"""What is a worker? A process that watches one or several others, which run the jobs.

It never imports the app: it stays small, speaks for the jobs whatever an op does, ends what takes too long or is to be
canceled, notices a crash at once, and looks after the jobs of workers elsewhere that died.
"""

from __future__ import annotations

import logging
import os
import select
import signal
import socket
import sys
import time
from types import FrameType
from uuid import uuid4

from chariots.errors import ChariotsError
from chariots.workers.job import WorkerInfo
from chariots.workers.job_store import Claim, JobStore
from chariots.workers.leases import BEAT_SECONDS, LEASE_SECONDS, LeaseWatch
from chariots.workers.slot import Slot
from chariots.workers.store_pool import LEAVES_WITH
from chariots.workers.stores import open_store
from chariots.workers.sweeping import SWEEP_SECONDS

__all__ = ["run_worker"]

LOOK_SECONDS = 0.2  # between two looks at the clock
GREET_SECONDS = 2.0

_logger = logging.getLogger(__name__)


def run_worker(app_reference: str, processes: int = 1) -> int:
    """Works on the jobs of an app until told to stop; this is ``chariots worker module:app``.

    On SIGTERM or Ctrl+C the jobs at hand are finished first; on a second one they go back to the queue, and the worker
    leaves at once.

    Args:
        app_reference: ``"module:attribute"``, where the app is. Its worker pool says where the jobs are.
        processes: how many jobs run at a time, each in a process of its own.

    Returns:
        the exit status: 0 after being told to stop, 1 if the app could not be imported.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s", datefmt="%H:%M:%S")
    leave = Leave()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, leave.ask)
    return Worker(app_reference, processes, leave).run()


class Leave:
    """Whether the worker has to leave, and how; its handler of signals takes notes and never raises.

    Attributes:
        is_asked: whether to leave once no job is at hand.
        at_once: whether not to wait for the jobs at hand.
        exit_status: what to leave with.
    """

    def __init__(self) -> None:
        self.is_asked = self.at_once = False
        self.exit_status = 0
        self._since = 0.0

    def ask(self, signum: int, frame: FrameType | None) -> None:
        """Notes a signal; a supervisor may send one twice, so two within a second are one."""
        moment = time.monotonic()
        if not self.is_asked:
            self.is_asked, self._since = True, moment
            _logger.info("leaving after the job at hand; a second signal puts it back into the queue")
        elif moment - self._since >= 1.0:
            self.at_once = True


class Worker:
    """The watching process.

    Args:
        app_reference: where the app is.
        processes: how many jobs run at a time.
        leave: notes that it has to leave.
    """

    def __init__(self, app_reference: str, processes: int, leave: Leave) -> None:
        self._app_reference = app_reference
        self._leave = leave
        base = f"{socket.gethostname()}-{os.getpid()}-{uuid4().hex[:6]}"
        self._slots = [Slot(app_reference, f"{base}-{number}") for number in range(processes)]
        self._store: JobStore | None = None
        self._app = app_reference
        self._watch = LeaseWatch()
        self._due: dict[str, float] = {}
        self._complaint = ""
        self._parent = sys.stdin.fileno() if os.environ.pop(LEAVES_WITH, None) else None

    def run(self) -> int:
        """Watches until told to leave; returns the exit status."""
        try:
            while self._slots and not self._leave.at_once:
                self._listen()
                for slot in list(self._slots):
                    self._look_at(slot)
                if self._store is not None:
                    self._speak(self._store)
                if self._leave.is_asked:
                    for slot in self._slots:
                        slot.leave()
        finally:
            for slot in self._slots:
                slot.give_back(self._store)
                self._say_good_bye(slot)
        return self._leave.exit_status

    # -- listening ----------------------------------------------------------------------------------------------------

    def _listen(self) -> None:
        """Waits a moment for something to be said."""
        ends = [slot.child.from_child for slot in self._slots if slot.child.is_talking]
        if self._parent is not None:
            ends.append(self._parent)
        readable = select.select(ends, [], [], LOOK_SECONDS)[0]
        if self._parent in readable and not os.read(self._parent, 1):
            _logger.info("whoever started this worker is gone")
            self._parent, self._leave.is_asked = None, True

    def _look_at(self, slot: Slot) -> None:
        self._hear(slot)
        ended = slot.child.ended
        if ended is None:
            slot.look()
            return
        self._hear(slot)  # its last words
        slot.bury(self._store, ended)
        if slot.is_ready and not self._leave.is_asked:
            slot.start()
            return
        if not slot.is_ready:  # what cannot be imported now will not be the next time
            if not self._leave.exit_status and not self._leave.is_asked:
                sys.stderr.write(
                    f"a worker for {self._app_reference!r} was asked for, but importing the app ended the process, "
                    "see above.\n"
                )
            self._leave.is_asked = True
            self._leave.exit_status = 1
        self._slots.remove(slot)
        self._say_good_bye(slot)

    def _hear(self, slot: Slot) -> None:
        for message in slot.child.messages():
            match message["event"]:
                case "ready":
                    self._open(message)
                    slot.is_ready = True
                    self._due["greet"] = 0.0
                case "failed":
                    sys.stderr.write(f"a worker for {self._app_reference!r} was asked for, but {message['message']}\n")
                    self._leave.exit_status = 1
                case _:
                    slot.hear(message)

    def _open(self, message: dict[str, str]) -> None:
        if self._store is None:
            self._store, self._app = open_store(message["store"]), message["app"]

    # -- speaking -----------------------------------------------------------------------------------------------------

    def _speak(self, store: JobStore) -> None:
        """Says what is to be said by now; a store that is away hears it the next time."""
        try:
            if self._is_due("beat", BEAT_SECONDS):
                self._beat(store)
            if self._is_due("greet", GREET_SECONDS):
                for slot in self._slots:
                    if slot.is_ready:
                        store.greet(self._info(slot))
            if self._is_due("sweep", SWEEP_SECONDS):
                store.sweep(self._watch)
        except ChariotsError as error:
            if self._complaint != str(error):  # once is enough while it lasts
                self._complaint = str(error)
                _logger.warning("jobs cannot be reached: %s", error)
        else:
            self._complaint = ""

    def _beat(self, store: JobStore) -> None:
        speaking: dict[Claim, Slot] = {}
        for slot in self._slots:
            if slot.claim is not None and slot.is_responding(LEASE_SECONDS):
                speaking[slot.claim] = slot
        answers = store.beat(list(speaking)) if speaking else {}
        for claim, slot in speaking.items():
            job = answers.get(claim.job_id)
            if job is None:
                slot.stop("lost")
            elif job.cancel_requested:
                slot.stop("canceled")

    def _is_due(self, what: str, seconds: float) -> bool:
        moment = time.monotonic()
        if moment < self._due.get(what, 0.0):
            return False
        self._due[what] = moment + seconds
        return True

    def _info(self, slot: Slot) -> WorkerInfo:
        job_id = slot.claim.job_id if slot.claim is not None else None
        return WorkerInfo(slot.name, self._app, socket.gethostname(), slot.child.pid, slot.started_at, job_id)

    def _say_good_bye(self, slot: Slot) -> None:
        if self._store is not None:
            try:
                self._store.part(slot.name)
            except ChariotsError as error:
                _logger.warning("worker %s leaves without a word: %s", slot.name, error)
