"""How are jobs kept in a database? (SQLite in WAL mode or PostgreSQL; that of the op store)

What somebody asked for is safe from a power cut when the call returns. What workers write is safe from the end of any
process of ours, which is much faster; a power cut, or a crash of PostgreSQL, may take back its last moments, and such a
job runs again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import sqlalchemy as sa

from chariots.op_store.database import Database
from chariots.op_store.engines import in_memory
from chariots.workers.in_sql import asking, endings, quick, rows, working
from chariots.workers.in_sql.changes import announce, changes_of, wait_until
from chariots.workers.job import Job, LogLine, Progress, WorkerInfo
from chariots.workers.job_status import JobStatus
from chariots.workers.job_store import Claim, JobQuery, JobStore
from chariots.workers.leases import Beat

__all__ = ["SQLJobStore"]


class SQLJobStore(JobStore):
    """Jobs in a database.

    Args:
        db_url: the address of the database, as an `OpStoreServer` has it.

    Raises:
        ValueError: if the address is none, or that of a database which other processes cannot see.
    """

    def __init__(self, db_url: str) -> None:
        self._durable = Database(db_url)
        if self._durable.url.get_backend_name() == "sqlite" and in_memory(self._durable.url):
            raise ValueError(
                f"jobs were to be kept in {db_url!r}, which lives in the memory of one process, where no worker can "
                "see it; give the address of a file, such as 'sqlite:////var/lib/chariots/db.sqlite', or of PostgreSQL"
            )
        self._relaxed = Database(db_url, relaxed=True)
        self._changes = changes_of(self._relaxed)

    # -- asking ---------------------------------------------------------------------------------------------------

    def add(self, job: Job, body: bytes) -> Job:
        """Keeps a new job and its input; see `JobStore`."""
        if not job.after and len(body) < rows.PIECE:
            self._check_schema()
            with quick.transaction(self._durable) as begun:
                if quick.add(begun, job, body):
                    return job
        with self._asked() as connection:
            return asking.add(connection, job, body)

    def get(self, job_id: str) -> Job | None:
        """Looks up a job; see `JobStore`."""
        with quick.transaction(self._relaxed, read_only=True) as begun:
            return quick.get(begun, job_id)

    def input_of(self, job_id: str) -> bytearray | None:
        """The input of a job; see `JobStore`."""
        return self._body(job_id, rows.INPUT)

    def result_of(self, job: Job) -> bytes | None:
        """The result of a job; see `JobStore`."""
        if job.result_attempt is None:
            return None
        found = self._body(job.id, job.result_attempt)
        return None if found is None else bytes(found)

    def find(self, query: JobQuery) -> list[Job]:
        """Lists jobs; see `JobStore`."""
        with self._relaxed.reading() as connection:
            return asking.find(connection, query)

    def log_of(self, job_id: str, after: int = 0, limit: int = 1000) -> list[LogLine]:
        """The lines a job has logged; see `JobStore`."""
        with self._relaxed.reading() as connection:
            return rows.lines_of(connection, job_id, after, limit)

    def wait_for_change(self, seen: Job, seconds: float) -> Job | None:
        """Waits until a job is no longer as it was seen; see `JobStore`."""
        job: Job | None = seen

        def look() -> bool | None:
            nonlocal job
            job = self.get(seen.id)
            return None if job == seen else True

        wait_until(look, self._changes, seconds)
        return job

    def cancel(self, job_id: str) -> Job | None:
        """Ends a job, or asks for its end; see `JobStore`."""
        with self._asked() as connection:
            return asking.cancel(connection, job_id)

    def rerun(self, job_id: str) -> Job | None:
        """Queues a job once more; see `JobStore`."""
        with self._asked() as connection:
            return asking.rerun(connection, job_id)

    # -- working --------------------------------------------------------------------------------------------------

    def claim(self, worker: str, app: str) -> Job | None:
        """Gives the next job to a worker; see `JobStore`."""
        with quick.transaction(self._relaxed) as begun:
            return quick.claim(begun, worker, app)

    def wait_for_work(self, app: str, seconds: float) -> None:
        """Returns when there may be something to claim; see `JobStore`."""

        def look() -> bool | None:
            with quick.transaction(self._relaxed, read_only=True) as begun:
                return quick.has_work(begun, app) or None

        wait_until(look, self._changes, seconds)

    def beat(self, claims: Sequence[Claim]) -> dict[str, Job | None]:
        """Says that the workers of some running jobs live; see `JobStore`."""
        if not claims:
            return {}
        with self._relaxed.changing() as connection:
            return working.beat(connection, claims)

    def report(self, claim: Claim, progress: Progress | None, lines: Sequence[LogLine] = ()) -> bool:
        """Notes how far a job is, and what it logged; see `JobStore`."""
        with self._worked() as connection:
            return working.report(connection, claim, progress, lines)

    def keep(self, job: Job, result: bytes | None) -> bool:
        """Puts the outcome of an attempt aside; see `JobStore`."""
        with self._durably() as connection:  # of no interest to those who wait
            return working.keep(connection, job, result)

    def kept(self, claim: Claim) -> Job | None:
        """What an attempt has put aside; see `JobStore`."""
        with self._relaxed.reading() as connection:
            return working.kept(connection, claim)

    def settle(self, job: Job, result: bytes | None = None) -> bool:
        """Ends an attempt; see `JobStore`."""
        if job.status is JobStatus.done and job.every is None and result is not None and len(result) < rows.PIECE:
            with quick.transaction(self._relaxed) as begun:
                if quick.end(begun, job, result):
                    return True
        with self._worked() as connection:
            return endings.settle(connection, job, result)

    def running(self) -> list[Beat]:
        """The beats of every running job; see `JobStore`."""
        with self._relaxed.reading() as connection:
            return working.running(connection)

    def release_due(self) -> int:
        """Queues, or fails, what has waited long enough; see `JobStore`."""
        with self._relaxed.reading() as connection:
            if not endings.has_due(connection):
                return 0
        with self._worked() as connection:
            return endings.release_due(connection)

    def expire(self) -> int:
        """Gives up what is over; see `JobStore`."""
        with self._relaxed.reading() as connection:
            if not endings.has_expired(connection):
                return 0
        with self._worked() as connection:
            return endings.expire(connection)

    # -- workers --------------------------------------------------------------------------------------------------

    def greet(self, worker: WorkerInfo) -> None:
        """Says that a worker is there; see `JobStore`."""
        with self._relaxed.changing() as connection:
            working.greet(connection, worker)

    def part(self, name: str) -> None:
        """Says that a worker is gone; see `JobStore`."""
        with self._relaxed.changing() as connection:
            working.part(connection, name)

    def workers(self) -> list[WorkerInfo]:
        """The workers that have spoken of late; see `JobStore`."""
        with self._relaxed.reading() as connection:
            return working.workers(connection)

    # -- elsewhere ------------------------------------------------------------------------------------------------

    def describe(self) -> str:
        """Describes the store to another process of ours; see `JobStore`."""
        return json.dumps({"kind": "sql", "url": self._durable.url.render_as_string(hide_password=False)})

    def close(self) -> None:
        """Gives up connections; see `JobStore`."""
        self._changes.close()
        self._durable.engine.dispose()
        self._relaxed.engine.dispose()

    def _body(self, job_id: str, attempt: int) -> bytearray | None:
        with quick.transaction(self._relaxed, read_only=True) as begun:
            piece = quick.first_piece(begun, job_id, attempt)
        if piece is None or len(piece) < rows.PIECE:
            return None if piece is None else bytearray(piece)
        with self._relaxed.reading() as connection:  # which sees all pieces of one state
            return rows.read_body(connection, job_id, attempt)

    @contextmanager
    def _asked(self) -> Iterator[sa.Connection]:
        """A transaction that is safe from a power cut, and told to those who wait."""
        with self._durably() as connection:
            yield connection
            announce(connection)

    @contextmanager
    def _durably(self) -> Iterator[sa.Connection]:
        """A transaction that is safe from a power cut."""
        self._check_schema()
        with self._durable.changing() as connection:
            yield connection

    def _check_schema(self) -> None:
        """Makes sure that both databases, or neither, know the file that is in use."""
        self._relaxed.check_schema()

    @contextmanager
    def _worked(self) -> Iterator[sa.Connection]:
        """A transaction that is safe from the end of any process of ours, and told to those who wait."""
        with self._relaxed.changing() as connection:
            yield connection
            announce(connection)
