"""What does a worker know of one process that runs jobs, and of the job it is at?"""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from chariots.errors import ChariotsError
from chariots.workers.child_process import ChildProcess, in_words
from chariots.workers.job_run import timed_out
from chariots.workers.job_status import JobStatus
from chariots.workers.job_store import Claim
from chariots.workers.rules import Canceled, Ending, Lost, Raised, Released, ended

if TYPE_CHECKING:
    from chariots.workers.job_store import JobStore

__all__ = ["Slot"]

GRACE_SECONDS = 3.0  # how long an op may take to clean up when it is to stop, before its process is killed

_logger = logging.getLogger(__name__)


class Slot:
    """A place for one job at a time.

    Args:
        app_reference: where the app is.
        name: the name of the worker in this place.

    Attributes:
        child: the process that runs the jobs.
        claim: the job at hand, and its attempt; None while there is none.
        is_ready: whether the app was imported once.
        started_at: when the process was started, in seconds since the epoch.
    """

    def __init__(self, app_reference: str, name: str) -> None:
        self.name = name
        self.is_ready = False
        self._app_reference = app_reference
        self.start()

    def start(self) -> None:
        """Starts the process, the first time or anew."""
        self.child = ChildProcess(self._app_reference, self.name)
        self.started_at = time.time()
        self._forget()

    def hear(self, message: dict[str, Any]) -> None:
        """Takes note of what the process says it is at."""
        match message["event"]:
            case "began":
                self.claim = Claim(message["job"], message["token"])
                self._began = time.monotonic()
                self._timeout = message["timeout"]
            case "saving":
                self._is_saving = True
            case "ended":
                self._forget()

    def is_responding(self, patience: float) -> bool:
        """Whether the process does anything; one that somebody has halted for too long is killed.

        Args:
            patience: for how many seconds it may be halted.
        """
        if not self.child.is_halted:
            self._halted_since = None
            return True
        moment = time.monotonic()
        if self._halted_since is None:
            self._halted_since = moment
        elif moment - self._halted_since >= patience:
            self._why = self._why or "halted"
            self.child.kill()
        return False

    def stop(self, why: str) -> None:
        """Stops the job at hand: in good order if its op listens, by killing the process if it does not.

        Args:
            why: ``canceled``, ``timeout``, or ``lost`` where the job belongs to another worker.
        """
        if self.claim is None or (self._is_saving and why != "lost"):
            return  # what is being saved is past stopping
        moment = time.monotonic()
        if self._why is None:
            self._why, self._asked = why, moment
        if moment - self._asked >= GRACE_SECONDS:
            self.child.kill()
        else:
            self.child.order(order="stop", job=self.claim.job_id, token=self.claim.token, why=self._why)

    def leave(self) -> None:
        """Lets the process leave once it has no job."""
        if not self._is_leaving:
            self._is_leaving = True
            self.child.order(order="leave")

    def look(self, store: JobStore | None) -> None:
        """Stops a job whose time is over, or goes on stopping it."""
        if self.claim is None:
            return
        if self._why is not None and self._why != "halted":
            self.stop(self._why)
        elif self._timeout is not None and time.monotonic() - self._began >= self._timeout:
            self.stop("timeout")

    def bury(self, store: JobStore | None, status: int) -> None:
        """Writes the end of a job whose process ended before it could.

        Args:
            store: the jobs.
            status: how the process ended.
        """
        self.child.close()
        if self.claim is not None:
            _logger.warning("worker %s: the process of job %s ended: %s", self.name, self.claim.job_id, in_words(status))
            self._settle(store, status)
        self._forget()

    def give_back(self, store: JobStore | None) -> None:
        """Ends the process at once; the job at hand goes back to the queue."""
        self._why = "released"
        status = self.child.kill()
        for message in self.child.messages():
            self.hear(message)
        self.bury(store, status)

    def _settle(self, store: JobStore | None, status: int) -> None:
        if store is None or self.claim is None or self._why == "lost":
            return
        try:
            job = store.get(self.claim.job_id)
            if job is None or job.token != self.claim.token or job.status is not JobStatus.running:
                return  # it had come to its end
            ending: Ending
            match self._why:
                case "canceled":
                    ending = Canceled()
                case "timeout":
                    ending = Raised(timed_out(job).problem())
                case "released":
                    ending = Released()
                case "halted":
                    ending = Lost("its process was halted and did not come back")
                case _:
                    ending = Lost(f"its process ended ({in_words(status)})")
            store.settle(replace(ended(job, ending), token=self.claim.token))
        except ChariotsError as error:
            _logger.warning(
                "worker %s: the end of job %s cannot be written, so others will take the worker for dead: %s",
                self.name,
                self.claim.job_id,
                error,
            )

    def _forget(self) -> None:
        self.claim: Claim | None = None
        self._began = self._asked = 0.0
        self._timeout: float | None = None
        self._is_saving = self._is_leaving = False
        self._why: str | None = None
        self._halted_since: float | None = None
