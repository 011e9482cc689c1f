"""What must hold wherever jobs are kept? (SQLite, PostgreSQL, Redis: one set of steps, each of them atomic)

A job that runs belongs to the attempt whose number is its ``token``. Every write of a worker names that number, and is
refused once the job belongs to another attempt, or to none: so a worker that was taken for dead, and comes back, can
change nothing. Whether a worker is dead is told by its beats and not by a clock; see `chariots.workers.leases`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chariots.workers.job import Job, LogLine, Progress, WorkerInfo
from chariots.workers.job_status import JobStatus

if TYPE_CHECKING:
    from chariots.workers.leases import Beat, LeaseWatch

__all__ = ["Claim", "JobQuery", "JobStore"]


@dataclass(frozen=True, slots=True)
class Claim:
    """The right of one attempt to write.

    Attributes:
        job_id: the job.
        token: the number of the attempt.
    """

    job_id: str
    token: int


@dataclass(frozen=True, slots=True)
class JobQuery:
    """Which jobs somebody wants to see, the newest first.

    Attributes:
        app: those of one app; None for every app.
        statuses: those in one of these states; empty for any.
        target: those of one pipeline; None for any.
        limit: how many at most.
        before: only jobs that were asked for before this one, which is how a list goes on.
    """

    app: str | None = None
    statuses: tuple[JobStatus, ...] = ()
    target: str | None = None
    limit: int = 100
    before: str | None = None


class JobStore(ABC):
    """The jobs of one or several apps, where they survive the processes that asked for them.

    Every method is one atomic step, safe to call from several threads and processes. A store that cannot be reached
    raises a `ChariotsError` that travels as 503, and nothing is half done.
    """

    # -- asking ---------------------------------------------------------------------------------------------------

    @abstractmethod
    def add(self, job: Job, body: bytes) -> Job:
        """Keeps a new job and its input.

        Args:
            job: the job, ``queued`` or ``deferred``.
            body: its input, as JSON.

        Returns:
            the job; the first one where another of the same app has its idempotency key.

        Raises:
            UnknownNameError: if it waits for a job that is not known.
            ConflictError: if the one with its key has another target or another input.
        """

    @abstractmethod
    def get(self, job_id: str) -> Job | None:
        """Looks up a job; None if there is none, or it ended so long ago that nothing of it is left."""

    @abstractmethod
    def input_of(self, job_id: str) -> bytearray | None:
        """The input of a job, as JSON, for the caller to use up; None if there is none any more."""

    @abstractmethod
    def result_of(self, job: Job) -> bytes | None:
        """The result of a job, as JSON; None if it has none, or none any more."""

    @abstractmethod
    def find(self, query: JobQuery) -> list[Job]:
        """Lists jobs, the newest first."""

    @abstractmethod
    def log_of(self, job_id: str, after: int = 0, limit: int = 1000) -> list[LogLine]:
        """The lines a job has logged, from the one behind number ``after`` on."""

    @abstractmethod
    def wait_for_change(self, seen: Job, seconds: float) -> Job | None:
        """Waits until a job is no longer as it was seen.

        Args:
            seen: the job as the caller knows it.
            seconds: how long to wait at most.

        Returns:
            the job as it is now; None if it is gone.
        """

    @abstractmethod
    def cancel(self, job_id: str) -> Job | None:
        """Ends a job that does not run, and asks the worker of one that does to stop it.

        Returns:
            the job as it is now: ``canceled``, final already, or running with ``cancel_requested``; None if there is
            none.
        """

    @abstractmethod
    def rerun(self, job_id: str) -> Job | None:
        """Queues a job once more that failed or was canceled, with its input, as if it had never run.

        Returns:
            the job as it is now; unchanged if it is of another status, or its input is gone; None if there is none.
        """

    # -- working --------------------------------------------------------------------------------------------------

    @abstractmethod
    def claim(self, worker: str, app: str) -> Job | None:
        """Gives the next job to a worker: of those that are queued for its app, the one of the greatest priority, and
        of these the oldest; those whose target has as many running jobs as it may have are passed over.

        Args:
            worker: the name of the worker.
            app: the app it has imported.

        Returns:
            the job, running, with a token of its own; None if there is none to be had.
        """

    @abstractmethod
    def wait_for_work(self, app: str, seconds: float) -> None:
        """Returns when there may be something to claim, at the latest after so many seconds."""

    @abstractmethod
    def beat(self, claims: Sequence[Claim]) -> dict[str, Job | None]:
        """Says that the workers of some running jobs live.

        Args:
            claims: which attempts at which jobs.

        Returns:
            for each job id, the job as it is now (``cancel_requested`` tells whether to stop); None for a job that does
            not belong to that attempt any more.
        """

    @abstractmethod
    def report(self, claim: Claim, progress: Progress | None, lines: Sequence[LogLine] = ()) -> bool:
        """Notes how far a job is, and what it logged.

        Args:
            claim: the attempt that says so.
            progress: how far it is; None to leave that as it is.
            lines: lines to add, to be numbered.

        Returns:
            whether the job still belongs to that attempt; if not, nothing is noted.
        """

    @abstractmethod
    def keep(self, job: Job, result: bytes | None) -> bool:
        """Puts the outcome of an attempt aside, before it takes effect elsewhere; the job goes on running.

        Args:
            job: the job as it will be, with the token of the attempt.
            result: its result, as JSON.

        Returns:
            whether the job still belongs to that attempt; if not, nothing is kept.
        """

    @abstractmethod
    def kept(self, claim: Claim) -> Job | None:
        """What an attempt has put aside with `keep`; None if nothing."""

    @abstractmethod
    def settle(self, job: Job, result: bytes | None = None) -> bool:
        """Ends an attempt.

        A job that would be queued again, or deferred, is canceled instead if that was asked for meanwhile. One that
        comes to its end frees those that wait for it, and a series gets its next job.

        Args:
            job: the job as it is from now on, with the token of the attempt; see `chariots.workers.rules.ended`. Its
                ``result_attempt`` names the attempt whose kept outcome holds the result, where ``result`` is None.
            result: its result, as JSON, where it has one.

        Returns:
            whether the job still belonged to that attempt; if not, nothing is changed.
        """

    @abstractmethod
    def running(self) -> Iterable[Beat]:
        """The beats of every running job."""

    @abstractmethod
    def release_due(self) -> int:
        """Queues the deferred jobs whose time has come and whose parents are done, and fails those whose parents
        failed; returns how many there were."""

    @abstractmethod
    def expire(self) -> int:
        """Gives up the results whose time is over, and forgets the jobs whose results have been gone for long; returns
        how many there were."""

    def sweep(self, watch: LeaseWatch) -> int:
        """Does what has to be done for jobs that nobody speaks for; safe to be done by many at once.

        Args:
            watch: what the caller remembers of earlier beats.

        Returns:
            how many jobs were changed.
        """
        from chariots.workers.leases import LEASE_SECONDS
        from chariots.workers.rules import Lost, ended  # here, for servers without jobs look after none

        changed = 0
        for beat in watch.overdue(self.running()):
            job = self.get(beat.job_id)
            if job is not None and job.status is JobStatus.running and job.token == beat.token:
                why = f"worker {job.worker!r} gave no sign of life for {LEASE_SECONDS:g} s"
                changed += self.settle(ended(job, Lost(why)))
        return changed + self.release_due() + self.expire()

    # -- workers --------------------------------------------------------------------------------------------------

    @abstractmethod
    def greet(self, worker: WorkerInfo) -> None:
        """Says that a worker is there, and what it is at; to be said again every few seconds."""

    @abstractmethod
    def part(self, name: str) -> None:
        """Says that a worker is gone."""

    @abstractmethod
    def workers(self) -> list[WorkerInfo]:
        """The workers that have spoken within the last seconds."""

    # -- elsewhere ------------------------------------------------------------------------------------------------

    @abstractmethod
    def describe(self) -> str:
        """Describes the store to another process of ours, for `chariots.workers.stores.open_store`; the text may hold a
        password and is not for people."""

    def close(self) -> None:
        """Gives up connections."""
        return
