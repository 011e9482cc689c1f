"""Which routes are there for jobs?"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from flask import Response, request
from werkzeug.routing import BaseConverter

from chariots import schema, web
from chariots.errors import ChariotsError, ConflictError, InputError, nearest
from chariots.serving import execution, job_requests
from chariots.serving.bodies import read_object
from chariots.serving.job_events import HEARTBEAT, JobEvent, between, written
from chariots.serving.job_json import hint_for, log_line, mark_of, shown, worker_info
from chariots.serving.waiting import MOST_WAITING, SEATS_KEY, WaitingRoom
from chariots.workers import app_reference
from chariots.workers.job_status import JobStatus
from chariots.workers.job_store import JobQuery
from chariots.workers.store_pool import KINDS

if TYPE_CHECKING:
    from chariots.serving.server import PipelinesServer
    from chariots.workers import BaseWorkerPool
    from chariots.workers.job import Job, LogLine

__all__ = ["INPUT_KEY", "JobViews"]

INPUT_KEY = "input"
LONGEST_WAIT = 30.0  # seconds
MOST_LISTED = 1000
_STOP_SECONDS = 5.0  # how long a running job that was canceled may take to stop while its caller waits
_HEARTBEAT_SECONDS = 10.0
_JSON = "application/json"


class JobIdConverter(BaseConverter):
    """Takes any id for that of a job but the one word that is a route of its own."""

    part_isolating = True
    regex = "(?!fetch$)[^/]+"


class JobViews:
    """The views of one server that are about jobs.

    Args:
        app: the server.
    """

    def __init__(self, app: PipelinesServer) -> None:
        app.url_map.converters.setdefault("chariots_job", JobIdConverter)
        self._app = app
        self._room: WaitingRoom | None = None

    def routes(self) -> Iterator[tuple[str, str, Callable[..., Response]]]:
        """Every route, with its method and its view."""
        yield "/jobs/fetch/", "POST", self.fetch_job
        yield "/jobs", "GET", self.list_jobs
        yield "/jobs", "POST", self.enqueue_job
        yield "/jobs/<chariots_job:job_id>", "GET", self.show_job
        yield "/jobs/<chariots_job:job_id>/result", "GET", self.job_result
        yield "/jobs/<chariots_job:job_id>/log", "GET", self.job_log
        yield "/jobs/<chariots_job:job_id>/events", "GET", self.job_events
        yield "/jobs/<chariots_job:job_id>/cancel", "POST", self.cancel_job
        yield "/jobs/<chariots_job:job_id>/rerun", "POST", self.rerun_job
        yield "/workers", "GET", self.list_workers

    # -- asking ---------------------------------------------------------------------------------------------------

    def fetch_job(self) -> Response:
        """Shows how far a job is, and its result when it is done."""
        job_id = read_object("job_id").members.get("job_id")
        if not isinstance(job_id, str):
            got = "nothing" if job_id is None else type(job_id).__name__
            raise InputError(
                f'job_id should be the text that a call with use_worker answered, not {got}. Send {{"job_id": ...}}.',
                errors=[{"loc": ["job_id"], "expected": "text", "got": got}],
            )
        pool = job_requests.pool_of(self._app, f"job {job_id[:80]!r} was asked for")
        return Response(pool.get_pipeline_response_json_for_id(job_id), 200, content_type=_JSON)

    def enqueue_job(self) -> Response:
        """Asks for a job."""
        app = self._app
        pool = job_requests.job_pool_of(app, "a job was asked for")
        body = read_object(INPUT_KEY, may_stay_raw=True)
        rest = {name: value for name, value in body.members.items() if name != INPUT_KEY}
        kind, target = _kind(rest.pop("kind", None)), _target(rest.pop("target", None))
        wish = job_requests.read_wish(rest, strict=True)
        served = app.served_pipeline(target)
        if not execution.wants_worker(True, wish.use_worker, served.use_worker, app.use_workers):
            raise ConflictError(
                f"a job of pipeline {target!r} was asked for, but the request, the pipeline or the server says no to a "
                f"worker. Allow one, or call the pipeline at /pipelines/{target}/main."
            )
        began = time.time()
        job = job_requests.submit(app, served, kind, body, INPUT_KEY, wish.options)
        # A job that the first request of its key made is older than this request.
        return web.json_response(shown(job, hint_for(job, pool)), 201 if job.created_at >= began else 200)

    def list_jobs(self) -> Response:
        """Lists jobs, the newest first."""
        asked = request.args
        limit = _integer("limit", 100, least=1, most=MOST_LISTED)
        query = JobQuery(
            app=self._reference(),
            statuses=tuple(_status(word) for text in asked.getlist("status") for word in text.split(",")),
            target=asked.get("pipeline"),
            limit=limit + 1,
            before=asked.get("before"),
        )
        found = self._pool().jobs(query)
        following = found[limit - 1].id if len(found) > limit else None
        return web.json_response({"jobs": [shown(job) for job in found[:limit]], "next": following})

    def list_workers(self) -> Response:
        """Lists the workers that are alive."""
        return web.json_response({"workers": [worker_info(worker) for worker in self._pool().workers()]})

    # -- looking --------------------------------------------------------------------------------------------------

    def show_job(self, job_id: str) -> Response:
        """Shows a job; with ``wait`` not before it has changed, or is final."""
        pool = self._pool(job_id)
        job = pool.job(job_id)
        if request.args.get("seen", mark_of(job)) == mark_of(job):
            job = self._changed(pool, job, _wait())
        return self._told(job, pool)

    def job_result(self, job_id: str) -> Response:
        """Gives the answer to the call that became a job; with ``wait`` not before the job is final."""
        pool = job_requests.pool_of(self._app, f"job {job_id[:80]!r} was asked for")
        seconds = _wait()
        if job_requests.knows_jobs(pool):
            answer = pool.answer_of(self._final(pool, pool.job(job_id), seconds))
        else:
            answer = pool.get_pipeline_response_json_for_id(job_id)
        return Response(answer, 200, content_type=_JSON)

    def job_log(self, job_id: str) -> Response:
        """Shows what a job has logged."""
        after = _integer("after", 0, least=0)
        pool = self._pool(job_id)
        pool.job(job_id)  # where there is none, that is not an empty log
        lines = pool.log(job_id, after)
        return web.json_response({"lines": [log_line(line) for line in lines]})

    def job_events(self, job_id: str) -> Response:
        """Tells what happens to a job while it happens (server-sent events)."""
        pool = self._pool(job_id)
        job = pool.job(job_id)
        text = request.headers.get("Last-Event-ID", "")
        after = int(text) if text.isascii() and text.isdigit() else _integer("after", 0, least=0)
        headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
        return Response(self._stream(pool, job, after), 200, headers, content_type="text/event-stream")

    # -- doing ----------------------------------------------------------------------------------------------------

    def cancel_job(self, job_id: str) -> Response:
        """Ends a job that waits, or stops one that runs."""
        pool = self._pool(job_id)
        job = self._final(pool, pool.cancel(job_id), _STOP_SECONDS)
        if not job.status.is_final:
            detail = (
                f"Job {job_id} is told to stop, and still {job.status.value}: its worker ends it as soon as it hears "
                "of it. Look again in a moment."
            )
            return self._told(job, pool, 202, detail)
        ended = "canceled" if job.status is JobStatus.canceled else f"{job.status.value} before it could be stopped"
        return self._told(job, pool, 200, f"Job {job_id} is {ended}.")

    def rerun_job(self, job_id: str) -> Response:
        """Queues a job once more that failed or was canceled."""
        pool = self._pool(job_id)
        return self._told(pool.rerun(job_id), pool)

    # -- how ------------------------------------------------------------------------------------------------------

    def _pool(self, job_id: str | None = None) -> BaseWorkerPool:
        asked = "jobs were asked for" if job_id is None else f"job {job_id[:80]!r} was asked for"
        return job_requests.job_pool_of(self._app, asked)

    def _reference(self) -> str | None:
        """The name of this server's app, whose jobs are its own; None where it has none that a job could have."""
        try:
            return app_reference.find(self._app)
        except ConflictError:
            return None

    def _told(self, job: Job, pool: BaseWorkerPool, status: int = 200, detail: str | None = None) -> Response:
        values = shown(job, hint_for(job, pool)) | ({} if detail is None else {"detail": detail})
        response = web.json_response(values, status)
        response.headers["ETag"] = f'"{mark_of(job)}"'
        return response

    def _changed(self, pool: BaseWorkerPool, job: Job, seconds: float) -> Job:
        """Waits until a job is another, where there is a place to wait."""
        if seconds <= 0 or job.status.is_final:
            return job
        with self._seats.seat() as is_seated:
            return pool.wait(job, seconds) if is_seated else job

    def _final(self, pool: BaseWorkerPool, job: Job, seconds: float) -> Job:
        """Waits until a job is final, where there is a place to wait."""
        until = time.monotonic() + seconds
        with self._seats.seat() as is_seated:
            while is_seated and not job.status.is_final and (left := until - time.monotonic()) > 0:
                job = pool.wait(job, left)
        return job

    def _stream(self, pool: BaseWorkerPool, job: Job, after: int) -> Iterator[bytes]:
        yield b"retry: 1000\n\n"
        seen: Job | None = None
        try:
            with self._seats.seat() as is_seated:
                while True:
                    for event in self._events(pool, seen, job, after):
                        after = getattr(event.data, "number", after)
                        yield written(event)
                    if job.status.is_final or not is_seated:
                        return  # where there is no place to wait, the other side comes back after its pause
                    seen, job = job, pool.wait(job, _HEARTBEAT_SECONDS)
                    if seen == job:
                        yield HEARTBEAT
        except ChariotsError as error:  # the head of the answer is sent already
            yield b"event: problem\ndata: %b\n\n" % schema.dumps(web.problem_of(error))

    def _events(self, pool: BaseWorkerPool, seen: Job | None, job: Job, after: int) -> Iterator[JobEvent]:
        lines: list[LogLine] = []
        while job.logged > after:
            page = pool.log(job.id, after)
            if not page:
                break
            lines += page
            after = page[-1].number
        return between(seen, job, lines)

    @property
    def _seats(self) -> WaitingRoom:
        """Made at first use, for the app is configured after it is made."""
        if self._room is None:
            self._room = WaitingRoom(int(self._app.config.get(SEATS_KEY, MOST_WAITING)))
        return self._room


# -- what a request says ------------------------------------------------------------------------------------------


def _kind(given: Any) -> str:
    if given is None:
        return KINDS[0]
    if given in KINDS:
        return str(given)
    raise _unfit("kind", f"one of {', '.join(KINDS)}", given, nearest(given, KINDS) if isinstance(given, str) else "")


def _target(given: Any) -> str:
    if isinstance(given, str):
        return given
    raise _unfit("target", "the name of a pipeline", given)


def _status(word: str) -> JobStatus:
    try:
        return JobStatus(word)
    except ValueError:
        known = [status.value for status in JobStatus]
        raise _unfit("status", f"one of {', '.join(known)}", word, nearest(word, known)) from None


def _wait() -> float:
    text = request.args.get("wait", "0")
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if seconds >= 0:
        return min(seconds, LONGEST_WAIT)
    raise _unfit("wait", "a number of seconds, 0 or more", text)


def _integer(name: str, default: int, *, least: int, most: int = 2**53) -> int:
    text = request.args.get(name)
    if text is None:
        return default
    if text.isascii() and text.isdigit() and len(text) < 20 and least <= int(text) <= most:
        return int(text)
    raise _unfit(name, f"a whole number from {least} to {most}", text)


def _unfit(name: str, expected: str, got: Any, hint: str = "") -> InputError:
    told = schema.dumps(got)[:80].decode("utf-8", "ignore")
    return InputError(
        f"{name} should be {expected}, not {told}.{hint} Correct it and ask again.",
        errors=[{"loc": [name], "expected": expected, "got": told}],
    )
