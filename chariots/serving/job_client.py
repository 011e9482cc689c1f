"""How does a Python program ask for jobs, wait for them, look at them and stop them?"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode
from uuid import uuid4

from chariots import schema
from chariots.errors import UnreachableError
from chariots.pipelines import Pipeline
from chariots.serving.carrying import Carrier, object_of
from chariots.serving.job_events import JobEvent, between, parse, read_as
from chariots.serving.job_names import AnyJob, given_options, id_of
from chariots.serving.pacing import Pace
from chariots.serving.response import PipelineResponse
from chariots.workers.job import Job, LogLine, Progress, WorkerInfo
from chariots.workers.job_status import JobStatus

if TYPE_CHECKING:
    from rich.console import Console

    from chariots.web import RetryPolicy

__all__ = ["JobClient"]

_PAGE = 1000
_NO_SEAT_SECONDS = 1.0  # before a stream is asked for again that the server had no place for


class JobClient(Carrier):
    """The part of a client that is about jobs; see `AbstractPipelinesClient`."""

    def enqueue(
        self,
        target: Pipeline | str,
        input: Any = None,
        kind: str = "pipeline",
        *,
        priority: int | None = None,
        timeout: float | None = None,
        retries: int | RetryPolicy | None = None,
        at: datetime | float | str | None = None,
        every: float | None = None,
        after: AnyJob | Iterable[AnyJob] | None = None,
        idempotency_key: str | None = None,
        result_ttl: float | None = None,
    ) -> Job:
        """Asks for a job, and returns at once.

        Args:
            target: the pipeline.
            input: what to feed it; for a promotion ``{"alias": ..., "reason": ...}`` or nothing.
            kind: ``pipeline`` to run it, ``promote`` to promote its newest versions.
            priority: of two jobs that wait, the one with the greater number runs first.
            timeout: how many seconds one attempt may take.
            retries: how often it is tried again after a failure, or a whole policy.
            at: not before this time; UTC where it names no zone.
            every: seconds from one run to the next, until it is canceled.
            after: the job, or the jobs, that must be done first.
            idempotency_key: asking again with the same key gives the first job.
            result_ttl: how many seconds the result, or the failure, is kept.

        Raises:
            UnknownNameError: (a ValueError) if the server has no such pipeline, or no such job to wait for.
            InputError: (a ValueError) if the input or an option cannot be.
            ConflictError: if the server has no workers, or they may not be used.
        """
        options = given_options(
            priority=priority,
            timeout=timeout,
            retries=retries,
            at=at,
            every=every,
            after=after,
            idempotency_key=idempotency_key or uuid4().hex,  # so that a lost answer can be asked for again
            result_ttl=result_ttl,
        )
        name = target.name if isinstance(target, Pipeline) else target
        rest = schema.dumps({"kind": kind, "target": name, **options}, where="")
        body = b'{"input":%b,%b' % (schema.dumps(input, where="input"), rest[1:])
        return _job(self._checked(self.send("POST", "/jobs", body)))

    # -- waiting --------------------------------------------------------------------------------------------------

    def wait(self, job: AnyJob, timeout: float | None = None) -> PipelineResponse:
        """Waits for the end of a job; to stop waiting, with Ctrl-C for instance, leaves the job alone.

        Args:
            job: the job. The response of a call that was answered at once is returned as it is.
            timeout: how many seconds to wait at most; None for as long as it takes.

        Returns:
            the final response; that of a job that failed has ``error``. See `PipelineResponse.raise_for_failure`.

        Raises:
            TimeoutError: if the job is not final in time.
            UnknownNameError: (a ValueError) if there is no such job.
            ExpiredError: if its result is gone.
            UnreachableError: if the server was away for a minute.
        """
        if isinstance(job, PipelineResponse) and (job.job_id is None or job.is_final):
            return job
        job_id, pace = id_of(job), Pace(timeout)
        while True:
            seconds = pace.next_wait(self.longest_wait)
            try:
                path = _path(job_id, "result", wait=f"{seconds:.3f}")
                response = PipelineResponse.from_request(object_of(self._checked(self.send("GET", path))), job_id)
            except UnreachableError as error:
                pace.lost(error)
                continue
            if response.is_final:
                return response
            if pace.is_over:
                raise TimeoutError(
                    f"job {job_id!r} was waited for, but after {timeout:g} s it is "
                    f"{getattr(response.job_status, 'value', 'under way')}. It goes on: wait again, or cancel it."
                )
            pace.rest()

    def watch(self, job: AnyJob, *, console: Console | None = None) -> PipelineResponse:
        """Waits for the end of a job, and shows how far it is: a bar, and what it logs.

        Args:
            job: the job.
            console: where to show it; standard error by default.

        Returns:
            the final response, as `wait` does.
        """
        from chariots.serving.job_watching import watch

        return watch(self, job, console)

    def stream(self, job: AnyJob) -> Iterator[JobEvent]:
        """Tells what happens to a job while it happens, from the beginning of its log to its end.

        Args:
            job: the job.

        Returns:
            an iterator of events that ends after a final status. It goes on where it was when the server starts again.

        Raises:
            UnknownNameError: (a ValueError) if there is no such job.
            UnreachableError: if the server was away for a minute.
        """
        job_id = id_of(job)
        status: tuple[JobStatus, int, int] | None = None
        progress: Progress | None = None
        for event in self._events(job_id):
            # A stream that was opened again begins with what is known already.
            match event.data:
                case Job() as found:
                    if status == (status := (found.status, found.attempts, found.reruns)):
                        continue
                case Progress() as told:
                    if progress == (progress := told):
                        continue
            yield event

    # -- looking and doing ----------------------------------------------------------------------------------------

    def job(self, job: AnyJob) -> Job:
        """Looks up a job, whatever it has come to.

        Raises:
            UnknownNameError: (a ValueError) if there is no such job.
        """
        return _job(self._checked(self.send("GET", _path(id_of(job)), quick=True)))

    def jobs(
        self,
        status: str | JobStatus | Iterable[str | JobStatus] | None = None,
        pipeline: Pipeline | str | None = None,
        limit: int = 100,
    ) -> list[Job]:
        """Lists jobs, the newest first.

        Args:
            status: only those in this state, or in one of these.
            pipeline: only those of this pipeline.
            limit: how many at most.
        """
        asked: dict[str, Any] = {}
        if status is not None:
            several = [status] if isinstance(status, str | JobStatus) else status
            asked["status"] = ",".join(each.value if isinstance(each, JobStatus) else each for each in several)
        if pipeline is not None:
            asked["pipeline"] = pipeline.name if isinstance(pipeline, Pipeline) else pipeline
        found: list[Job] = []
        while len(found) < limit:
            query = urlencode({**asked, "limit": min(limit - len(found), _PAGE)})
            page = object_of(self._checked(self.send("GET", f"/jobs?{query}", quick=True)))
            found += map(Job.from_mapping, page["jobs"])
            if page.get("next") is None:
                break
            asked["before"] = page["next"]
        return found

    def log(self, job: AnyJob) -> list[LogLine]:
        """What a job has logged so far.

        Raises:
            UnknownNameError: (a ValueError) if there is no such job.
        """
        return self._lines(id_of(job), 0)

    def cancel(self, job: AnyJob) -> Job:
        """Ends a job that waits, or has its worker stop it.

        Returns:
            the job. One that runs has some seconds to stop; if it is still running then, it is told to stop all the
            same, and ``cancel_requested`` says so.

        Raises:
            UnknownNameError: (a ValueError) if there is no such job.
            ConflictError: if it has come to its end already.
        """
        return _job(self._checked(self.send("POST", _path(id_of(job), "cancel"), b"{}", idempotent=False)))

    def rerun(self, job: AnyJob) -> Job:
        """Queues a job once more that failed or was canceled.

        Raises:
            UnknownNameError: (a ValueError) if there is no such job.
            ConflictError: if it has not come to such an end, or its input is gone.
        """
        return _job(self._checked(self.send("POST", _path(id_of(job), "rerun"), b"{}", idempotent=False)))

    def workers(self) -> list[WorkerInfo]:
        """The workers that are alive."""
        found = object_of(self._checked(self.send("GET", "/workers", quick=True)))
        return [read_as(WorkerInfo, worker) for worker in found["workers"]]

    # -- how ------------------------------------------------------------------------------------------------------

    def _events(self, job_id: str) -> Iterator[JobEvent]:
        """The events of a job, over as many streams as it takes."""
        after, pace = 0, Pace(None)
        while True:
            opened = self.open_stream(_path(job_id, "events", after=after))
            if opened is None:
                yield from self._polled(job_id)
                return
            try:
                with opened as chunks:
                    for event in parse(chunks):
                        pace.found()
                        after = event.data.number if isinstance(event.data, LogLine) else after
                        yield event
                        if isinstance(event.data, Job) and event.data.status.is_final:
                            return
            except UnreachableError as error:
                pace.lost(error)
            else:
                time.sleep(_NO_SEAT_SECONDS)

    def _polled(self, job_id: str) -> Iterator[JobEvent]:
        """The events of a job where answers come as a whole."""
        seen: Job | None = None
        after, mark, pace = 0, "", Pace(None)
        while True:
            wait = {"wait": f"{pace.next_wait(self.longest_wait):.3f}"} if mark else {}
            reply = self._checked(self.send("GET", _path(job_id, seen=mark, **wait)))
            job, mark = _job(reply), _mark(reply)
            lines = self._lines(job_id, after) if job.logged > after else []
            after = lines[-1].number if lines else after
            yield from between(seen, job, lines)
            if job.status.is_final:
                return
            if job != seen:
                pace.found()
            seen = job
            pace.rest()

    def _lines(self, job_id: str, after: int) -> list[LogLine]:
        found: list[LogLine] = []
        while True:
            reply = self._checked(self.send("GET", _path(job_id, "log", after=after), quick=True))
            page = [read_as(LogLine, line) for line in object_of(reply)["lines"]]
            if not page:
                return found
            found += page
            after = page[-1].number


def _path(job_id: str, action: str = "", **query: Any) -> str:
    path = f"/jobs/{quote(job_id, safe='')}" + (f"/{action}" if action else "")
    given: Mapping[str, Any] = {name: value for name, value in query.items() if value != ""}
    return f"{path}?{urlencode(given)}" if given else path


def _job(reply: Any) -> Job:
    try:
        return Job.from_mapping(object_of(reply))
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{reply.asked} was answered, but not with a job ({type(error).__name__}: {error}). "
            "Check that the server is of the same version as this client."
        ) from error


def _mark(reply: Any) -> str:
    """What the server calls the state of the job that it told."""
    return next((str(text).strip('"') for name, text in reply.headers.items() if name.lower() == "etag"), "")
