"""What does a worker know of one process that runs jobs, and of the job it is at?"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from chariots.errors import ChariotsError
from chariots.workers.child_process import ChildProcess, in_words
from chariots.workers.job_run import timed_out
from chariots.workers.job_status import JobStatus
from chariots.workers.job_store import Claim
from chariots.workers.rules import Canceled, Ending, Lost, Raised, Released, ended

if TYPE_CHECKING:
    from chariots.workers.job import Job
    from chariots.workers.job_store import JobStore

__all__ = ["Slot"]

GRACE_SECONDS = 3.0  # how long an op may take to clean up when it is to stop, before its process is killed

# Why a job is ended before its time: somebody asked for it, it took too long, it belongs to another worker by now, this
# worker has to leave at once, or its process does nothing any more.
Reason = Literal["canceled", "timeout", "lost", "released", "halted"]

_logger = logging.getLogger(__name__)


@dataclass(slots=True)
class _AtHand:
    """The job that a process is at."""

    claim: Claim
    timeout: float | None
    began: float = field(default_factory=time.monotonic)
    is_saving: bool = False  # past stopping
    reason: Reason | None = None  # why it is being stopped
    asked: float = 0.0  # since when


class Slot:
    """A place for one job at a time, and the process in it.

    Args:
        app_reference: where the app is.
        name: the name of the worker in this place.

    Attributes:
        child: the process that runs the jobs.
        is_ready: whether it has imported the app.
        started_at: when the process was started, in seconds since the epoch.
    """

    def __init__(self, app_reference: str, name: str) -> None:
        self.name = name
        self._app_reference = app_reference
        self._at_hand: _AtHand | None = None
        self.start()

    def start(self) -> None:
        """Starts the process, the first time or anew."""
        self.child = ChildProcess(self._app_reference, self.name)
        self.started_at = time.time()
        self.is_ready = False
        self._is_leaving = False
        self._halted_since: float | None = None

    @property
    def claim(self) -> Claim | None:
        """The job at hand, and the attempt at it; None while there is none."""
        return None if self._at_hand is None else self._at_hand.claim

    def hear(self, message: dict[str, Any]) -> None:
        """Takes note of what the process says it is at."""
        match message["event"]:
            case "began":
                self._at_hand = _AtHand(Claim(message["job"], message["token"]), message["timeout"])
            case "saving" if self._at_hand is not None:
                self._at_hand.is_saving = True
            case "ended":
                self._at_hand = None

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
            self._kill("halted")
        return False

    def stop(self, reason: Reason) -> None:
        """Stops the job at hand: in good order if its op listens, by killing the process if it does not.

        Args:
            reason: why.
        """
        job = self._at_hand
        if job is None or (job.is_saving and reason != "lost"):
            return
        moment = time.monotonic()
        if job.reason is None:
            job.reason, job.asked = reason, moment
        if moment - job.asked >= GRACE_SECONDS:
            self._kill(reason)
        else:
            self.child.order(order="stop", job=job.claim.job_id, token=job.claim.token, why=job.reason)

    def leave(self) -> None:
        """Lets the process leave once it has no job."""
        if not self._is_leaving:
            self._is_leaving = True
            self.child.order(order="leave")

    def look(self) -> None:
        """Stops a job whose time is over, and goes on with stopping one."""
        job = self._at_hand
        if job is None:
            return
        if job.reason is not None:
            self.stop(job.reason)
        elif job.timeout is not None and time.monotonic() - job.began >= job.timeout:
            self.stop("timeout")

    def bury(self, store: JobStore | None, status: int) -> None:
        """Writes the end of a job whose process ended before it could.

        Args:
            store: the jobs.
            status: how the process ended.
        """
        self.child.close()
        job, self._at_hand = self._at_hand, None
        if job is None:
            return
        _logger.warning("worker %s: the process of job %s ended: %s", self.name, job.claim.job_id, in_words(status))
        if store is None or job.reason == "lost":
            return
        try:
            found = store.get(job.claim.job_id)
            if found is not None and found.token == job.claim.token and found.status is JobStatus.running:
                store.settle(ended(found, _ending(found, job.reason, status)))
        except ChariotsError as error:
            # Others see that nobody speaks for the job, and take this worker for dead.
            _logger.warning("worker %s: the end of job %s was not written: %s", self.name, job.claim.job_id, error)

    def give_back(self, store: JobStore | None) -> None:
        """Ends the process at once; the job at hand goes back to the queue."""
        status = self._kill("released")
        for message in self.child.messages():
            self.hear(message)
        if self._at_hand is not None:
            self._at_hand.reason = "released"
        self.bury(store, status)

    def _kill(self, reason: Reason) -> int:
        if self._at_hand is not None:
            self._at_hand.reason = self._at_hand.reason or reason
        return self.child.kill()


def _ending(job: Job, reason: Reason | None, status: int) -> Ending:
    match reason:
        case "canceled":
            return Canceled()
        case "timeout":
            return Raised(timed_out(job).problem())
        case "released":
            return Released()
        case "halted":
            return Lost("its process was halted and did not come back")
    return Lost(f"its process ended ({in_words(status)})")
