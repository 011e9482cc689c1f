"""How do jobs run with nothing but Python and a database?"""

from __future__ import annotations

import logging
import subprocess
import threading
import time
from typing import TYPE_CHECKING, Any

from chariots.errors import ChariotsError, ConflictError
from chariots.workers.job_status import JobStatus
from chariots.workers.job_store import JobQuery
from chariots.workers.store_pool import LEAVES_WITH, StoreWorkerPool

if TYPE_CHECKING:
    from pathlib import Path

    from chariots.serving import PipelinesServer
    from chariots.workers.job_store import JobStore

__all__ = ["LocalWorkerPool"]

_LONGEST_PAUSE = 30.0  # seconds between two starts of a worker that ends again and again
_RESUME_SECONDS = 0.5  # after the first call of a server: its answer is to have the interpreter for itself

_logger = logging.getLogger(__name__)


class LocalWorkerPool(StoreWorkerPool):
    """A pool whose jobs lie in an SQL database, SQLite or PostgreSQL: that of the op store, as a rule.

    The server process that asks for a job starts the workers, starts them again when they die, and takes them with it
    when it goes; a server that starts again goes on with the jobs that are left. More workers, on this machine or, with
    PostgreSQL, on others, are started with ``chariots worker module:app``.

    Args:
        db_url: the SQLAlchemy URL of the database; that of the op store, if it is not given and the server has its op
            store in its own process.
        workers: how many jobs the workers that a server starts run at a time; 0 to start none.
        result_ttl: how many seconds results and failures are kept.
        **kwargs: further arguments of `StoreWorkerPool`.

    Raises:
        ValueError: if the database is none that other processes can open, or the number of workers is negative.
    """

    def __init__(self, db_url: str | None = None, workers: int = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if workers < 0:
            raise ValueError(f"a worker pool was asked for with workers={workers}; give 0 or more")
        self.db_url: str | None = None
        self._file: Path | None = None  # in which the database is, if it is in one
        if db_url is not None:
            self.db_url, self._file = _shared(db_url)
        self.workers_wanted = workers
        self._store: JobStore | None = None
        self._opening = threading.Lock()
        self._kept: subprocess.Popen[bytes] | None = None
        self._pause, self._next_start = 0.5, 0.0
        self._resuming: threading.Timer | None = None

    @property
    def job_store(self) -> JobStore:
        """Where the jobs lie; opened when it is first asked for."""
        if self._store is None:
            from chariots.workers.in_sql.store import SQLJobStore

            if self.db_url is None:
                raise ConflictError(
                    "a LocalWorkerPool was asked for its jobs, but it was given no database, and the server has no op "
                    "store in its own process whose database it could use. Give it one: LocalWorkerPool(db_url=...)"
                )
            with self._opening:
                if self._store is None:
                    self._store = SQLJobStore(self.db_url)
        return self._store

    def adopt(self, app: PipelinesServer) -> None:
        """Takes the database of the server's op store, where none was given."""
        embedded = getattr(app.op_store_client, "server", None)
        if self.db_url is None and embedded is not None:
            url = embedded.registry.database.url
            self.db_url, self._file = _shared(url.render_as_string(hide_password=False))

    def close(self) -> None:
        """Ends the worker that this process keeps, once it has finished the job at hand, and all that belongs to it."""
        if self._resuming is not None:
            self._resuming.cancel()
            self._resuming.join()
        super().close()
        if self._kept is not None:
            self._kept.communicate()
            self._kept = None

    def resume(self) -> None:
        """Goes on with the jobs that an earlier server process has left, if there are any; a thread asks for them."""
        self._resuming = threading.Timer(_RESUME_SECONDS, self._resume)
        self._resuming.name, self._resuming.daemon = "chariots-jobs-left", True
        self._resuming.start()

    def _resume(self) -> None:
        if self._file is not None and not self._file.exists():
            return  # nothing was left, or the folder is gone by now and is not to be made again
        waiting = (JobStatus.queued, JobStatus.running, JobStatus.deferred)
        try:
            if self.job_store.find(JobQuery(statuses=waiting, limit=1)):
                self.look_after()
        except ChariotsError as error:
            _logger.warning("the jobs of this server cannot be reached: %s", error)

    def _tend(self) -> None:
        """Keeps the workers of this server process alive."""
        if self._kept is not None:
            if self._kept.poll() is None:
                return
            self._kept = None
            self._next_start = time.monotonic() + self._pause
            self._pause = min(self._pause * 2, _LONGEST_PAUSE)
        if not self.workers_wanted or time.monotonic() < self._next_start:
            return
        try:
            reference = self._app_reference or self._find_reference()
        except ConflictError:
            return  # whoever asks for a job is told so
        if any(worker.app == reference for worker in self.job_store.workers()):
            return  # somebody else keeps some
        # It leaves when this process is gone and the pipe with it, even if that was by kill -9.
        self._kept = self._launch(
            reference, "--processes", str(self.workers_wanted), stdin=subprocess.PIPE, told={LEAVES_WITH: "1"}
        )


def _shared(db_url: str) -> tuple[str, Path | None]:
    """Refuses a database that no other process could open; gives back any other, with its file."""
    from chariots.op_store.engines import absolute, file_of, in_memory

    url = absolute(db_url)
    if url.get_backend_name() == "sqlite" and in_memory(url):
        raise ValueError(
            f"a worker pool was given {db_url!r}, but workers are other processes, and the memory of this one is "
            "closed to them. Give it a file: sqlite:////var/lib/chariots/db.sqlite"
        )
    return db_url, file_of(url)
