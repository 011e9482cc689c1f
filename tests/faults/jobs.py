"""What do the tests of lost jobs share? An app wherever jobs may lie, workers to kill, and a count of effects."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest
import sqlalchemy as sa

from chariots import schema
from chariots.op_store.tables import save
from chariots.serving import Chariots
from chariots.workers import Job, JobOptions, JobQuery, JobStatus

MODULE = "tests.workers.apps.contract"
PATIENCE = 120.0  # seconds; a slow machine may take its time, a lost job takes for ever

Found = TypeVar("Found")


def beginnings(folder: Path) -> list[str]:
    """The processes in which the op of ``wait`` has begun with a folder, one for each time."""
    file = folder / "begun"
    return file.read_text().split() if file.exists() else []


class Shop:
    """The app of the contracts in a store of its own, the workers that run its jobs, and who asks for them.

    Args:
        app: the app, as this process has imported it.
        environment: what its workers find in their environment.
    """

    def __init__(self, app: Chariots, environment: dict[str, str]) -> None:
        self.app = app
        self.pool: Any = app.worker_pool
        self._environment = {**os.environ, **environment, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        self.workers: list[subprocess.Popen[bytes]] = []

    def hire(self, processes: int = 1) -> subprocess.Popen[bytes]:
        """Starts a worker, without waiting for it."""
        command = [sys.executable, "-m", "chariots", "worker", f"{MODULE}:app", "--processes", str(processes)]
        worker = subprocess.Popen(command, env=self._environment, stdin=subprocess.DEVNULL)
        self.workers.append(worker)
        return worker

    def wait_for_workers(self, count: int = 1) -> None:
        """Waits until so many are ready."""
        self.until(lambda: self.pool.n_workers >= count, f"{count} workers")

    def ask(self, target: str, value: Any, **options: Any) -> Job:
        """Asks for a job."""
        return self.pool.submit(self.app, "pipeline", target, schema.dumps(value), JobOptions.read(options))

    def end_of(self, job: Job) -> Job:
        """Waits for the end of a job."""

        def look() -> Job | None:
            found = self.pool.job(job.id)
            return found if found.status.is_final else None

        return self.until(look, f"the end of job {job.id}")

    def saves_of(self, job: Job) -> int:
        """How often what a job has learned was saved."""
        with self.app.op_store_server.registry.database.reading() as connection:
            keys = sa.select(sa.func.count()).where(save.c.key.startswith(f"job {job.id} "))
            return int(connection.scalar(keys) or 0)

    def counts(self) -> dict[JobStatus, int]:
        """How many jobs there are in each state."""
        jobs = self.pool.jobs(JobQuery(limit=10_000))
        return {status: sum(job.status is status for job in jobs) for status in {job.status for job in jobs}}

    def until(self, look: Callable[[], Found | None], what: str) -> Found:
        """Looks until there is something to see."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            found = look()
            if found:
                return found
            time.sleep(0.02)
        raise AssertionError(f"{what} did not come within {PATIENCE:g} s; there are {self.counts()}")

    def close(self) -> None:
        """Ends every worker and what it started."""
        children = [] if not self.workers else [worker.pid for worker in self.pool.workers()]
        for worker in self.workers:
            worker.kill()
            worker.wait()
        for child in children:
            kill(child)
        self.pool.close()


def kill(pid: int, how: signal.Signals = signal.SIGKILL) -> None:
    """Sends a signal to a process that may be gone."""
    try:
        os.kill(pid, how)
    except ProcessLookupError:
        return


@contextmanager
def shop(url: str, folder: Path) -> Iterator[Shop]:
    """The app on jobs at an address: of a database, or of a Redis."""
    environment = {"CHARIOTS_TEST_JOBS": url, "CHARIOTS_TEST_FOLDER": str(folder)}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        patch.delitem(sys.modules, MODULE, raising=False)
        opened = Shop(importlib.import_module(MODULE).app, environment)
        try:
            yield opened
        finally:
            opened.close()
            sys.modules.pop(MODULE, None)
