"""What is the same for every pool whose jobs lie in a `JobStore`?"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
import time
from abc import abstractmethod
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from chariots import schema
from chariots.errors import ConflictError, ExpiredError, UnknownNameError
from chariots.web import tracing
from chariots.workers import app_reference
from chariots.workers.base_worker_pool import BaseWorkerPool
from chariots.workers.job_options import DAY, JobOptions
from chariots.workers.job_status import JobStatus
from chariots.workers.jobs import response_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chariots.pipelines import Pipeline
    from chariots.serving import PipelinesServer
    from chariots.workers.job import Job, LogLine, WorkerInfo
    from chariots.workers.job_store import JobQuery, JobStore
    from chariots.workers.sweeping import Sweeper

__all__ = ["IN_WORKER", "KINDS", "LEAVES_WITH", "StoreWorkerPool"]

KINDS = ("pipeline", "promote")
IN_WORKER = "CHARIOTS_IN_WORKER"  # set in the processes that run jobs
LEAVES_WITH = "CHARIOTS_WORKER_LEAVES_WITH"  # set where a worker is to leave when its standard input ends
SEEN_SECONDS = 1.0  # for which a worker that was seen is not looked for again
MIB = 2**20


class StoreWorkerPool(BaseWorkerPool):
    """A pool whose jobs lie in a `JobStore`; subclasses say in which.

    The same `chariots worker module:app` works for all of them. A server process looks after jobs whose workers died as
    soon as it has asked for one.

    Args:
        result_ttl: how many seconds results and failures are kept.
        max_result_bytes: the largest output of a job, in bytes of JSON; a job with a larger one fails, and what it
            has learned is kept.
        defaults: options for jobs that neither the call nor the pipeline gives.
    """

    def __init__(
        self,
        *,
        result_ttl: float = DAY,
        max_result_bytes: int = 256 * MIB,
        defaults: JobOptions | None = None,
    ) -> None:
        self.result_ttl = result_ttl
        self.max_result_bytes = max_result_bytes
        self.defaults = defaults or JobOptions()
        self._spawned: list[subprocess.Popen[bytes]] = []
        self._app_reference: str | None = None
        self._sweeper: Sweeper | None = None
        self._starting = threading.Lock()
        self._seen_worker: dict[str, float] = {}

    @property
    @abstractmethod
    def job_store(self) -> JobStore:
        """Where the jobs lie; opened when it is first asked for."""

    def worker_store(self) -> JobStore:
        """The jobs, as a worker finds them; another place only where the environment names one."""
        return self.job_store

    def environment(self) -> Mapping[str, str]:
        """What the worker processes that this pool starts are told beside the app."""
        return {}

    # -- the four documented members --------------------------------------------------------------------------------

    @property
    def n_workers(self) -> int:
        """How many workers are alive, idle and busy together, on all machines."""
        return len(self.job_store.workers())

    def spawn_worker(self) -> subprocess.Popen[bytes]:
        """Starts a worker on this machine; it counts in `n_workers` once it has imported the app.

        Returns:
            the process of the worker, to wait for or to terminate.

        Raises:
            ConflictError: if no app in an importable module uses this pool; the message says what to do.
        """
        self._spawned = [process for process in self._spawned if process.poll() is None]
        process = self._launch(self._app_reference or self._find_reference())
        self._spawned.append(process)
        return process

    def _launch(
        self,
        reference: str,
        *arguments: str,
        stdin: int = subprocess.DEVNULL,
        told: Mapping[str, str] = MappingProxyType({}),
    ) -> subprocess.Popen[bytes]:
        # What can be imported here can be imported there. Nothing secret on the command line, which everybody can read.
        path = os.pathsep.join(filter(None, sys.path))
        known = {"PYTHONPATH": path, app_reference.VARIABLE: reference, **tracing.environment()}
        known |= {**self.environment(), **told}
        command = [sys.executable, "-m", "chariots", "worker", reference, *arguments]
        return subprocess.Popen(command, stdin=stdin, env={**os.environ, **known})

    def execute_pipeline_async(self, pipeline: Pipeline, pipeline_input: Any, app: PipelinesServer) -> str:
        """Queues a job that executes a pipeline; where no worker is alive, it waits for one.

        Args:
            pipeline: the pipeline to execute.
            pipeline_input: what to feed it; anything that can be written as JSON.
            app: the app the pipeline belongs to, which workers must be able to import.

        Returns:
            the id of the job.

        Raises:
            ConflictError: if workers could not import the app.
            TypeError: if the input cannot be written as JSON.
            ChariotsError: (503) if the jobs cannot be reached.
        """
        body = schema.dumps(pipeline_input, where="pipeline_input")
        return self.submit(app, "pipeline", pipeline.name, body, JobOptions()).id

    def get_pipeline_response_json_for_id(self, job_id: str) -> str:
        """Looks up what a job has come to.

        Args:
            job_id: what `execute_pipeline_async` returned.

        Returns:
            JSON text; see `BaseWorkerPool.get_pipeline_response_json_for_id`.

        Raises:
            UnknownNameError: if there is no such job.
            ExpiredError: if its result is gone.
            ChariotsError: (503) if the jobs cannot be reached.
        """
        return self.answer_of(self.job(job_id))

    def answer_of(self, job: Job) -> str:
        """Says what a job has come to; see `BaseWorkerPool.answer_of`."""
        result = self.job_store.result_of(job) if job.status is JobStatus.done and not job.is_expired else None
        if job.is_expired or (job.status is JobStatus.done and result is None):
            raise ExpiredError(
                f"the result of job {job.id!r} was asked for, but it was kept for {job.result_ttl:g} s after the "
                "end of the job, and is gone. Run the job again, with a greater result_ttl."
            )
        error = job.error if job.status is JobStatus.failed else None
        return response_text(job.id, job.status, result, job.versions, error)

    # -- beyond them ------------------------------------------------------------------------------------------------

    def submit(self, app: PipelinesServer, kind: str, target: str, body: bytes, options: JobOptions) -> Job:
        """Asks for a job with options, and returns at once; see `BaseWorkerPool.submit`."""
        if kind not in KINDS:
            raise UnknownNameError(f"a job of kind {kind!r} was asked for, but there are: {', '.join(KINDS)}.")
        from chariots.workers.rules import new_job  # many servers are never asked for a job

        self._app_reference = reference = app_reference.find(app)
        job = new_job(
            reference,
            kind,
            target,
            options.over(self.defaults),
            input_sha256=hashlib.sha256(body).hexdigest(),
            input_size=len(body),
            result_ttl=self.result_ttl,
            traceparent=tracing.traceparent(),
        )
        added = self.job_store.add(job, body)
        self.look_after()
        return added

    def job(self, job_id: str) -> Job:
        """Looks up a job; see `BaseWorkerPool.job`."""
        return self._known(self.job_store.get(job_id), job_id)

    def jobs(self, query: JobQuery) -> list[Job]:
        """Lists jobs, the newest first; see `BaseWorkerPool.jobs`."""
        return self.job_store.find(query)

    def log(self, job_id: str, after: int = 0) -> list[LogLine]:
        """The lines a job has logged; see `BaseWorkerPool.log`."""
        return self.job_store.log_of(job_id, after)

    def wait(self, seen: Job, seconds: float) -> Job:
        """Waits until a job is no longer as it was seen; see `BaseWorkerPool.wait`."""
        return self._known(self.job_store.wait_for_change(seen, seconds), seen.id)

    def cancel(self, job_id: str) -> Job:
        """Ends a job that waits, and asks the worker of one that runs to stop it; see `BaseWorkerPool.cancel`."""
        before = self.job(job_id)
        if not before.status.is_final:
            before = self._known(self.job_store.cancel(job_id), job_id)
            if before.status is JobStatus.canceled or not before.status.is_final:
                return before
        raise ConflictError(
            f"job {job_id!r} was to be canceled, but it is {before.status.value} already. There is nothing left "
            "to stop."
        )

    def rerun(self, job_id: str) -> Job:
        """Queues a job once more that failed or was canceled; see `BaseWorkerPool.rerun`."""
        before = self.job(job_id)
        if before.is_expired or before.status not in (JobStatus.failed, JobStatus.canceled):
            state = "expired, with its input" if before.is_expired else before.status.value
            raise ConflictError(
                f"job {job_id!r} was to run again, but it is {state}. Only a job that failed or was canceled can run "
                "again; ask for a new one."
            )
        found = self._known(self.job_store.rerun(job_id), job_id)
        if found.reruns == before.reruns:  # a quick one may have run again by now, and failed again
            raise ConflictError(f"job {job_id!r} was to run again, but its input is gone. Ask for a new one.")
        self.look_after()
        return found

    def workers(self) -> list[WorkerInfo]:
        """The workers that are alive, on all machines."""
        return self.job_store.workers()

    def has_worker(self, app: str) -> bool:
        """Whether a worker is alive that runs the jobs of an app; one that was seen a moment ago is."""
        moment = time.monotonic()
        if moment - self._seen_worker.get(app, -SEEN_SECONDS) < SEEN_SECONDS:
            return True
        found = super().has_worker(app)
        if found:
            self._seen_worker[app] = moment
        return found

    def look_after(self) -> None:
        """Lets this process look after jobs whose workers died, from now on; does nothing in a worker, which does."""
        if self._sweeper is not None and self._sweeper.is_alive():
            return
        with self._starting:
            if (self._sweeper is None or not self._sweeper.is_alive()) and not os.environ.get(IN_WORKER):
                from chariots.workers.sweeping import Sweeper  # as above

                self._sweeper = Sweeper(self.job_store, self._tend)
                self._sweeper.start()

    def close(self) -> None:
        """Stops to look after jobs in this process, and gives up its connections; jobs and workers stay as they are."""
        if self._sweeper is not None:
            self._sweeper.leave()
            self._sweeper.join()
        self.job_store.close()

    def resume(self) -> None:
        """Called by a server process with its first request."""

    def _tend(self) -> None:
        """What else is to be done every second by a process that looks after jobs."""

    def _known(self, job: Job | None, job_id: str) -> Job:
        if job is None:
            raise UnknownNameError(
                f"job {str(job_id)[:80]!r} was asked for, but there is none. Either it never existed, or it ended so "
                "long ago that nothing of it was kept."
            )
        return job

    def _find_reference(self) -> str:
        flask = sys.modules.get("flask")
        found = flask and app_reference.find_where(
            lambda value: isinstance(value, flask.Flask) and getattr(value, "worker_pool", None) is self
        )
        if not found:
            raise ConflictError(
                "a worker was asked for, but it must import an app, and no app at the top of an importable "
                "module uses this pool. Start the worker by hand: chariots worker module:app"
            )
        return found
