"""What does a client say to ask for jobs, wait for them and stop them, and what does it make of the answers?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode
from uuid import uuid4

from chariots import schema
from chariots.errors import UnreachableError
from chariots.serving.calling import lower_case, name_of
from chariots.serving.exchange import Exchange, Open, Pause, Read, Request, Tell, ask, object_of
from chariots.serving.job_events import EventReader, JobEvent, between, read_as
from chariots.serving.job_names import AnyJob, id_of
from chariots.serving.pacing import Pace
from chariots.serving.response import PipelineResponse
from chariots.workers.job import Job, LogLine, Progress, WorkerInfo
from chariots.workers.job_status import JobStatus

if TYPE_CHECKING:
    from chariots.pipelines import Pipeline
    from chariots.web import Reply

__all__ = ["act", "enqueue", "events", "job", "jobs", "log", "wait", "workers"]

_PAGE = 1000
_NO_SEAT_SECONDS = 1.0  # before a stream is asked for again that the server had no place for


def enqueue(target: Pipeline | str, input: Any, kind: str, options: Mapping[str, Any]) -> Exchange[Job]:
    """Asks for a job; see `JobClient.enqueue`.

    Args:
        target: the pipeline.
        input: what to feed it.
        kind: what is done with it.
        options: how the job is run.
    """
    key = options.get("idempotency_key") or uuid4().hex  # so that a lost answer can be asked for again
    rest = schema.dumps({"kind": kind, "target": name_of(target), **options, "idempotency_key": key}, where="")
    body = b'{"input":%b,%b' % (schema.dumps(input, where="input"), rest[1:])
    return _job((yield from ask(Request("POST", "/jobs", body))))


def wait(asked: AnyJob, timeout: float | None, longest_wait: float) -> Exchange[PipelineResponse]:
    """Waits for the end of a job; see `JobClient.wait`.

    Args:
        asked: the job.
        timeout: how many seconds to wait at most.
        longest_wait: how many seconds one request may wait at the server.
    """
    if isinstance(asked, PipelineResponse) and (asked.job_id is None or asked.is_final):
        return asked
    job_id, pace = id_of(asked), Pace(timeout)
    while True:
        seconds = pace.next_wait(longest_wait)
        try:
            reply = yield from ask(Request("GET", _path(job_id, "result", wait=f"{seconds:.3f}"), lingers=True))
        except UnreachableError as error:
            yield Pause(pace.lost(error))
            continue
        response = PipelineResponse.from_request(object_of(reply), job_id)
        if response.is_final:
            return response
        if pace.is_over:
            raise TimeoutError(
                f"job {job_id!r} was waited for, but after {timeout:g} s it is "
                f"{getattr(response.job_status, 'value', 'under way')}. It goes on: wait again, or cancel it."
            )
        yield Pause(pace.rest())


def events(asked: AnyJob, longest_wait: float) -> Exchange[None]:
    """Tells what happens to a job, over as many streams as it takes; see `JobClient.stream`.

    Args:
        asked: the job.
        longest_wait: how many seconds one request may wait at the server.
    """
    job_id, after, pace, news = id_of(asked), 0, Pace(None), _News()
    while True:
        try:
            request = Request("GET", _path(job_id, "events", after=after))
            if (yield Open(request, has_heartbeat=True)) is None:
                yield from _polled(job_id, longest_wait, news)
                return
            reader = EventReader()
            while (chunk := (yield Read())) is not None:
                for event in reader.feed(chunk):
                    pace.found()
                    after = event.data.number if isinstance(event.data, LogLine) else after
                    for new in news.of(event):
                        yield Tell(new)
                    if isinstance(event.data, Job) and event.data.status.is_final:
                        return
        except UnreachableError as error:
            yield Pause(pace.lost(error))
        else:
            yield Pause(_NO_SEAT_SECONDS)


def job(asked: AnyJob) -> Exchange[Job]:
    """Looks up a job; see `JobClient.job`."""
    return _job((yield from ask(Request("GET", _path(id_of(asked)), quick=True))))


def jobs(
    status: str | JobStatus | Iterable[str | JobStatus] | None, pipeline: Pipeline | str | None, limit: int
) -> Exchange[list[Job]]:
    """Lists jobs, the newest first; see `JobClient.jobs`."""
    asked: dict[str, Any] = {}
    if status is not None:
        several = [status] if isinstance(status, str | JobStatus) else status
        asked["status"] = ",".join(each.value if isinstance(each, JobStatus) else each for each in several)
    if pipeline is not None:
        asked["pipeline"] = name_of(pipeline)
    found: list[Job] = []
    while len(found) < limit:
        query = urlencode({**asked, "limit": min(limit - len(found), _PAGE)})
        page = object_of((yield from ask(Request("GET", f"/jobs?{query}", quick=True))))
        found += map(Job.from_mapping, page["jobs"])
        if page.get("next") is None:
            break
        asked["before"] = page["next"]
    return found


def log(asked: AnyJob, after: int = 0) -> Exchange[list[LogLine]]:
    """Asks for what a job has logged.

    Args:
        asked: the job.
        after: the number of the last line that is known.
    """
    found: list[LogLine] = []
    while True:
        reply = yield from ask(Request("GET", _path(id_of(asked), "log", after=after), quick=True))
        page = [read_as(LogLine, line) for line in object_of(reply)["lines"]]
        if not page:
            return found
        found += page
        after = page[-1].number


def act(asked: AnyJob, action: str) -> Exchange[Job]:
    """Cancels a job, or runs it again; see `JobClient.cancel` and `JobClient.rerun`."""
    return _job((yield from ask(Request("POST", _path(id_of(asked), action), b"{}", idempotent=False))))


def workers() -> Exchange[list[WorkerInfo]]:
    """Asks for the workers that are alive."""
    found = object_of((yield from ask(Request("GET", "/workers", quick=True))))
    return [read_as(WorkerInfo, worker) for worker in found["workers"]]


# -- how ----------------------------------------------------------------------------------------------------------


class _News:
    """Lets an event pass that says something new; a stream that was opened again begins with what is known already."""

    def __init__(self) -> None:
        self._status: tuple[JobStatus, int, int] | None = None
        self._progress: Progress | None = None

    def of(self, event: JobEvent) -> Iterator[JobEvent]:
        match event.data:
            case Job() as found:
                if self._status == (found.status, found.attempts, found.reruns):
                    return
                self._status = (found.status, found.attempts, found.reruns)
            case Progress() as told:
                if self._progress == told:
                    return
                self._progress = told
        yield event


def _polled(job_id: str, longest_wait: float, news: _News) -> Exchange[None]:
    """Tells the events of a job where answers come as a whole."""
    seen: Job | None = None
    after, mark, pace = 0, "", Pace(None)
    while True:
        wait = {"wait": f"{pace.next_wait(longest_wait):.3f}"} if mark else {}
        reply = yield from ask(Request("GET", _path(job_id, seen=mark, **wait), lingers=bool(mark)))
        found, mark = _job(reply), lower_case(reply.headers).get("etag", "").strip('"')
        lines = (yield from log(job_id, after)) if found.logged > after else []
        after = lines[-1].number if lines else after
        for event in between(seen, found, lines):
            for new in news.of(event):
                yield Tell(new)
        if found.status.is_final:
            return
        if found != seen:
            pace.found()
        seen = found
        yield Pause(pace.rest())


def _path(job_id: str, action: str = "", **query: Any) -> str:
    path = f"/jobs/{quote(job_id, safe='')}" + (f"/{action}" if action else "")
    given: Mapping[str, Any] = {name: value for name, value in query.items() if value != ""}
    return f"{path}?{urlencode(given)}" if given else path


def _job(reply: Reply) -> Job:
    try:
        return Job.from_mapping(object_of(reply))
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{reply.asked} was answered, but not with a job ({type(error).__name__}: {error}). "
            "Check that the server is of the same version as this client."
        ) from error
