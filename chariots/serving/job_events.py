"""What happens to a job while somebody looks, and how is that written into a stream? (server-sent events)

A stream tells the status, the progress and every line of the log, and ends after a final status. The lines are
numbered, so that a stream that broke off goes on where it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from functools import partial
from typing import Any, TypeVar

from chariots import schema
from chariots.serving.job_json import shown
from chariots.workers.job import Job, LogLine, Progress, WorkerInfo

__all__ = ["HEARTBEAT", "EventReader", "JobEvent", "between", "parse", "read_as", "written"]

Read = TypeVar("Read", Progress, LogLine, WorkerInfo)

HEARTBEAT = b": still there\n\n"  # a comment, which keeps proxies from closing a quiet connection


@dataclass(frozen=True, slots=True)
class JobEvent:
    """One thing that happened to a job.

    Attributes:
        kind: ``status``, ``progress`` or ``log``.
        data: the job, how far it is, or the line that it logged.
    """

    kind: str
    data: Job | Progress | LogLine


def between(seen: Job | None, job: Job, lines: Iterable[LogLine]) -> Iterator[JobEvent]:
    """Gives what happened between two looks at a job, the status last.

    Args:
        seen: the job at the first look; None where this is the first one.
        job: the job at the second look.
        lines: the lines it has logged meanwhile.
    """
    began = seen is None or seen.status is not job.status or seen.attempts != job.attempts
    if began and not job.status.is_final:
        yield JobEvent("status", job)  # before the progress and the lines of what has just begun
    for line in lines:
        yield JobEvent("log", line)
    if job.progress is not None and (seen is None or seen.progress != job.progress):
        yield JobEvent("progress", job.progress)
    if began and job.status.is_final:
        yield JobEvent("status", job)


def written(event: JobEvent) -> bytes:
    """Writes an event into a stream; a line of the log takes its number as the id of the event."""
    values = shown(event.data) if isinstance(event.data, Job) else asdict(event.data)
    number = b"id: %d\n" % event.data.number if isinstance(event.data, LogLine) else b""
    return b"event: %b\n%bdata: %b\n\n" % (event.kind.encode(), number, schema.dumps(values))


def parse(chunks: Iterable[bytes]) -> Iterator[JobEvent]:
    """Reads the events of a stream as they come.

    Args:
        chunks: the bytes of the stream, in pieces of any size.

    Raises:
        ChariotsError: if the stream says that the server could not go on.
    """
    reader = EventReader()
    for chunk in chunks:
        yield from reader.feed(chunk)


class EventReader:
    """Reads the events of a stream from its bytes, whoever waits for them."""

    def __init__(self) -> None:
        self._left = b""
        self._said: dict[str, str] = {}

    def feed(self, chunk: bytes) -> Iterator[JobEvent]:
        """Reads further bytes.

        Args:
            chunk: the bytes, of any number.

        Returns:
            the events that end in them.

        Raises:
            ChariotsError: if the stream says that the server could not go on.
        """
        from chariots.web import error_from_problem

        *lines, self._left = (self._left + chunk).split(b"\n")
        for line in lines:
            if line:
                name, _, value = line.partition(b":")
                self._said[name.decode()] = value.decode().removeprefix(" ")
                continue
            kind, data = self._said.get("event", ""), self._said.get("data")
            self._said = {}
            if data is None:
                continue
            values = schema.loads(data)
            if kind == "problem":
                raise error_from_problem(values)
            if kind in _READERS:
                yield JobEvent(kind, _READERS[kind](values))


def read_as(kind: type[Read], values: Mapping[str, Any]) -> Read:
    """Reads the members that a data class has, and passes over what a newer server tells beside them."""
    known = {field.name for field in fields(kind)}
    return kind(**{name: value for name, value in values.items() if name in known})


_READERS: dict[str, Callable[[dict[str, Any]], Job | Progress | LogLine]] = {
    "status": Job.from_mapping,
    "progress": partial(read_as, Progress),
    "log": partial(read_as, LogLine),
}
