"""Which pool do the tests of asking use, so that they decide what a job does, and when?

`StagedPool` keeps everything that a pool has to, by the rules that every pool follows, in memory. Nothing happens to a
job by itself: a test runs the next one, or plays the worker.
"""

from __future__ import annotations

import threading
import time
from dataclasses import replace

from chariots import schema
from chariots.errors import ConflictError, ExpiredError, UnknownNameError
from chariots.web import problem_of
from chariots.workers import BaseWorkerPool
from chariots.workers.job import LogLine, WorkerInfo
from chariots.workers.job_status import JobStatus
from chariots.workers.jobs import response_text
from chariots.workers.rules import Canceled, Raised, Succeeded, ended, new_job

APP = "tests_app:app"


class StagedPool(BaseWorkerPool):
    """Keeps jobs in memory, and runs them when a test says so."""

    def __init__(self):
        self.known, self.bodies, self.results, self.lines = {}, {}, {}, {}
        self.alive: list[WorkerInfo] = []
        self.app = None
        self.changed = threading.Condition()

    # -- what tests do --------------------------------------------------------------------------------------------

    def run_next(self):
        """Runs the oldest job that is queued, to its end."""
        job = next(job for job in self.known.values() if job.status is JobStatus.queued)
        self.begin(job.id)
        try:
            response = self.app.execute_pipeline(job.target, schema.loads(self.bodies[job.id]))
        except Exception as error:  # noqa: BLE001  # whatever an op raises
            self.end(job.id, Raised(problem_of(error)))
        else:
            versions = {name: str(version) for name, version in response.versions.items()}
            self.end(job.id, Succeeded(versions), schema.dumps(response.value))
        return job.id

    def begin(self, job_id):
        """Gives a job to a worker."""
        self.change(job_id, status=JobStatus.running, attempts=self.known[job_id].attempts + 1, started_at=time.time())

    def end(self, job_id, ending, result=None):
        """Ends a job that runs."""
        self.results[job_id] = result
        with self.changed:
            self.known[job_id] = ended(self.known[job_id], ending)
            self.changed.notify_all()

    def change(self, job_id, **members):
        """Changes what is known of a job, as a worker does."""
        with self.changed:
            self.known[job_id] = replace(self.known[job_id], **members)
            self.changed.notify_all()

    def say(self, job_id, *texts):
        """Logs lines for a job."""
        lines = self.lines[job_id]
        lines += [LogLine(len(lines) + n, time.time(), "INFO", text) for n, text in enumerate(texts, start=1)]
        self.change(job_id, logged=len(lines))

    def hire(self, app=APP):
        """Has a worker live."""
        self.alive.append(WorkerInfo("w1", app, "here", 1, time.time()))

    # -- what a pool does -----------------------------------------------------------------------------------------

    @property
    def n_workers(self):
        return len(self.alive)

    def spawn_worker(self):
        self.hire()

    def execute_pipeline_async(self, pipeline, pipeline_input, app):
        raise AssertionError("a pool that knows jobs is asked for jobs")

    def get_pipeline_response_json_for_id(self, job_id):
        job = self.job(job_id)
        if job.is_expired:
            raise ExpiredError(f"the result of job {job_id!r} is gone")
        error = job.error if job.status is JobStatus.failed else None
        return response_text(job_id, job.status, self.results.get(job_id), job.versions, error)

    def submit(self, app, kind, target, body, options):
        self.app = app
        for job in self.known.values():
            if options.idempotency_key is not None and job.idempotency_key == options.idempotency_key:
                if self.bodies[job.id] != body:
                    raise ConflictError(f"the key {options.idempotency_key!r} belongs to another request")
                return job
        for parent in options.after:
            self.job(parent)
        job = new_job(APP, kind, target, options, input_sha256="", input_size=len(body), result_ttl=60.0)
        self.known[job.id], self.bodies[job.id], self.lines[job.id] = job, body, []
        return job

    def job(self, job_id):
        if job_id not in self.known:
            raise UnknownNameError(f"there is no job {job_id!r}")
        return self.known[job_id]

    def jobs(self, query):
        newest = list(reversed(self.known.values()))
        if query.before is not None:
            newest = newest[[job.id for job in newest].index(query.before) + 1 :]
        fits = (
            job
            for job in newest
            if (not query.statuses or job.status in query.statuses) and query.target in (None, job.target)
        )
        return list(fits)[: query.limit]

    def log(self, job_id, after=0):
        return self.lines.get(job_id, [])[after:]

    def wait(self, seen, seconds):
        with self.changed:
            self.changed.wait_for(lambda: self.known[seen.id] != seen, seconds)
        return self.known[seen.id]

    def cancel(self, job_id):
        job = self.job(job_id)
        if job.status.is_final:
            raise ConflictError(f"job {job_id!r} is {job.status.value} already")
        if job.status is JobStatus.running:
            self.change(job_id, cancel_requested=True)
        else:
            self.end(job_id, Canceled())
        return self.job(job_id)

    def rerun(self, job_id):
        job = self.job(job_id)
        if job.status not in (JobStatus.failed, JobStatus.canceled):
            raise ConflictError(f"job {job_id!r} is {job.status.value}")
        self.change(job_id, status=JobStatus.queued, error=None, ended_at=None, reruns=job.reruns + 1)
        return self.job(job_id)

    def workers(self):
        return list(self.alive)
