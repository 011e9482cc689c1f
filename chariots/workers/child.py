"""In which process do the ops of a job run? In one that stays: it imports the app once, then runs job after job.

`chariots.workers.worker` starts it and watches it. It is started, not forked: a process that has predicted with OpenMP
or torch, or has spoken to a database, must not be forked. It takes jobs from the store and writes their ends there by
itself; through a pipe it only tells what it is at, and is told to stop a job or to leave. When the pipe breaks, whoever
spoke for its job is gone: it ends at once, and the job is somebody else's.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from types import FrameType
from typing import TYPE_CHECKING, Any, TextIO

from chariots._room import with_room
from chariots.errors import ChariotsError, ConflictError
from chariots.web import tracing
from chariots.workers import app_reference
from chariots.workers.job import WorkerInfo
from chariots.workers.job_run import JobRun, Stopped
from chariots.workers.reporter import SAY_SECONDS

if TYPE_CHECKING:
    from chariots.serving import PipelinesServer
    from chariots.workers.job import Job
    from chariots.workers.job_store import JobStore

__all__ = ["main"]

WAIT_SECONDS = 0.5  # one wait for a job, and so how late an idle worker leaves
_PARENT_GONE = 1  # the exit status
_LONGEST_PAUSE = 2.0  # between two tries to reach a store that is away

_logger = logging.getLogger(__name__)


def main(arguments: list[str]) -> int:
    """Imports the app, says so, and runs jobs until told to leave.

    Args:
        arguments: where the app is, the name of the worker, and the numbers of the pipe ends to read from and to write
            to.

    Returns:
        the exit status: 1 if the app could not be imported.
    """
    reference, name, from_parent, to_parent = arguments[0], arguments[1], int(arguments[2]), int(arguments[3])
    for end in (from_parent, to_parent):
        os.set_inheritable(end, False)  # a process that an op starts must not hold the pipe open
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s", datefmt="%H:%M:%S")
    with open(to_parent, "w", encoding="utf-8") as answers:
        child = Child(name, from_parent, answers)
        try:
            app = app_reference.load(reference)
            store = _store_of(app)
            _trace(app)
        except ChariotsError as error:  # anything else is the app's own, and its stack is worth reading
            child.say(event="failed", message=str(error))
            return 1
        told = os.environ.get(app_reference.VARIABLE)  # what the server calls the app, whatever was typed
        known_as = told or app_reference.find_or(app, reference)
        child.say(event="ready", store=store.describe(), app=known_as)
        child.work(app, known_as, store)
    return 0


class Child:
    """The loop of the process.

    Args:
        name: the name of the worker.
        orders: the end of the pipe where it is told what to do, in lines of JSON.
        answers: where it tells what it is at, in the same form.
    """

    def __init__(self, name: str, orders: int, answers: TextIO) -> None:
        self._name = name
        self._orders, self._answers = orders, answers
        self._leave = threading.Event()
        self._run: JobRun | None = None
        signal.signal(signal.SIGUSR1, self._on_stop)
        threading.Thread(target=self._listen, name="chariots-orders", daemon=True).start()
        threading.Thread(target=self._tell_on, name="chariots-report", daemon=True).start()

    def say(self, **message: Any) -> None:
        """Tells the parent something; where it is gone, ends at once, whatever an op would make of an exception."""
        try:
            self._answers.write(json.dumps(message) + "\n")
            self._answers.flush()
        except BrokenPipeError:
            os._exit(_PARENT_GONE)

    def work(self, app: PipelinesServer, known_as: str, store: JobStore) -> None:
        """Runs jobs until told to leave.

        Args:
            app: the app.
            known_as: its name, as jobs have it.
            store: the jobs.
        """
        pause, is_known = 0.0, False
        while not self._leave.wait(pause) if pause else not self._leave.is_set():
            try:
                if not is_known:  # from then on the parent says it
                    store.greet(WorkerInfo(self._name, known_as, socket.gethostname(), os.getpid(), time.time()))
                    is_known = True
                job = store.claim(self._name, known_as)
                if job is None:
                    store.wait_for_work(known_as, WAIT_SECONDS)
            except ChariotsError as error:
                if not pause:
                    _logger.warning("jobs cannot be reached: %s", error)
                pause = min(max(pause * 2, 0.05), _LONGEST_PAUSE)
                continue
            pause = 0.0
            if job is not None:
                self._do(app, store, job)

    def _do(self, app: PipelinesServer, store: JobStore, job: Job) -> None:
        run = JobRun(app, store, job, tell=self.say)
        self.say(event="began", job=job.id, token=job.token, timeout=job.timeout)
        self._run = run
        try:
            run.execute()
        except Stopped:  # so late that the job was over
            _logger.info("job %s was over before it could be stopped", job.id)
        finally:
            self._run = None
        self._settle(store, run)
        self.say(event="ended", job=job.id)

    def _settle(self, store: JobStore, run: JobRun) -> None:
        """Writes the end of a job, however long that takes: it happened, and nobody else knows."""
        pause = 0.05
        while True:
            try:
                run.settle(store)
                return
            except ChariotsError as error:
                _logger.warning("the end of job %s cannot be written yet: %s", run.job.id, error)
                time.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)

    # -- what it is told ----------------------------------------------------------------------------------------------

    def _listen(self) -> None:
        for line in _lines(self._orders):
            order = json.loads(line)
            if order["order"] == "leave":
                self._leave.set()
            elif order["order"] == "stop":
                run = self._run
                if run is not None and run.ask_to_stop(order["job"], order["token"], order["why"]):
                    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)
        os._exit(_PARENT_GONE)

    def _on_stop(self, number: int, frame: FrameType | None) -> None:
        run = self._run
        if run is not None:
            run.stop_here()

    def _tell_on(self) -> None:
        while True:
            time.sleep(SAY_SECONDS)
            run = self._run
            if run is not None:
                run.reporter.tell()


def _lines(pipe: int) -> Iterator[bytes]:
    """The lines that come through a pipe; not read through a file object, whose lock a waiting thread would hold."""
    unread = b""
    while chunk := os.read(pipe, 65536):
        *lines, unread = (unread + chunk).split(b"\n")
        yield from lines


def _store_of(app: PipelinesServer) -> JobStore:
    pool = app.worker_pool
    find = getattr(pool, "worker_store", None)
    if find is None:
        has = "no worker pool" if pool is None else f"a {type(pool).__name__}, which runs its jobs in its own way"
        raise ConflictError(f"the app has {has}. Make it with worker_pool=LocalWorkerPool(...) or RQWorkerPool(...).")
    store: JobStore = find()
    return store


def _trace(app: PipelinesServer) -> None:
    try:
        tracing.start_if_told(app)
    except ValueError as error:
        raise ConflictError(f"it cannot trace: {error}") from error


if __name__ == "__main__":
    sys.exit(with_room(main, sys.argv[1:]))
