"""How does a client get what a generator makes, piece by piece, while it is made?"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

from chariots import schema
from chariots.errors import ChariotsError, ConflictError, MalformedRequestError, UnreachableError
from chariots.schema.forms import form_named
from chariots.serving.calling import FormName, lower_case, name_of, request_in_form, response_of
from chariots.serving.exchange import Exchange, Open, Read, Tell, as_documented, ask
from chariots.versioning import Version

if TYPE_CHECKING:
    from chariots.pipelines import Pipeline

__all__ = ["AsyncPipelineStream", "PipelineStream", "stream"]

_LINES = "application/x-ndjson"


class PipelineStream(Iterator[Any]):
    """What a pipeline makes, piece by piece, while it is made; an iterator, to be used once.

    Nothing is sent before the first piece is asked for. The generator on the server ends when this one is closed, as it
    is at the end of its ``with`` block.

    Attributes:
        versions: the version of every node that took part, by node name; from the first piece on, or from the end on
            where they are too many for a header.
    """

    def __init__(self, pieces: Generator[Any], versions: dict[str, Version]) -> None:
        self._pieces = pieces
        self.versions = versions

    def __next__(self) -> Any:
        return next(self._pieces)

    def close(self) -> None:
        """Closes the connection, where it is not at its end already."""
        self._pieces.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncPipelineStream(AsyncIterator[Any]):
    """The same as `PipelineStream` in an event loop; an asynchronous iterator, to be used once.

    Attributes:
        versions: the version of every node that took part, by node name; from the first piece on, or from the end on
            where they are too many for a header.
    """

    def __init__(self, pieces: AsyncGenerator[Any], versions: dict[str, Version]) -> None:
        self._pieces = pieces
        self.versions = versions

    async def __anext__(self) -> Any:
        return await anext(self._pieces)

    async def aclose(self) -> None:
        """Closes the connection, where it is not at its end already."""
        await self._pieces.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


def stream(
    pipeline: Pipeline | str,
    pipeline_input: Any,
    format: FormName,
    versions: dict[str, Version],
    caller: str | None = None,
) -> Exchange[None]:
    """Calls a pipeline, and tells each piece of its output.

    Args:
        pipeline: the pipeline.
        pipeline_input: its input.
        format: the name of the form in which the input is sent.
        versions: where to put the versions of the nodes when they are known.
        caller: who asks, if that is to be said.

    Raises:
        ChariotsError: what the answer reports, before the first piece or after it.
        UnreachableError: if the answer breaks off.
    """
    # A worker would answer with a job, and not with what it makes.
    request = request_in_form(pipeline, pipeline_input, False, {}, form_named(format), _LINES, caller)
    try:
        head = yield Open(request)
    except ChariotsError as error:
        raise as_documented(error)  # noqa: B904  # mostly the same one, and its cause is the stack on the server
    whole = (yield from ask(request)) if head is None else None
    answer = head if whole is None else whole
    headers = lower_case(answer.headers)
    if headers.get("content-type", "").partition(";")[0].strip().lower() != _LINES:
        if whole is None:
            whole = yield from _read_whole(head)
        yield Tell(_only_value(whole, pipeline, versions))
        return
    with suppress(ValueError, TypeError, AttributeError):  # a hint; what counts is at the end of the stream
        _note(json.loads(headers.get("x-chariots-versions", "{}")), versions)
    lines = _Lines(answer.asked)
    if whole is not None:
        for piece in lines.feed(whole.body):
            yield Tell(piece)
    else:
        while (chunk := (yield Read())) is not None:
            for piece in lines.feed(chunk):
                yield Tell(piece)
    _note(lines.versions(), versions)


class _Lines:
    """Reads the lines of a stream from its bytes, whoever waits for them."""

    def __init__(self, asked: str) -> None:
        self._asked = asked
        self._begun: list[bytes] = []  # joined once, however many chunks a large piece comes in
        self._pieces = 0
        self._end: Mapping[str, Any] | None = None

    def feed(self, chunk: bytes) -> Iterator[Any]:
        """The pieces that end in further bytes."""
        *lines, rest = chunk.split(b"\n")
        for line in lines:
            text, self._begun = b"".join((*self._begun, line)), []
            values = self._read(text) if text.strip() else {}
            if "pipeline_output" in values:
                self._pieces += 1
                yield values["pipeline_output"]
            elif "error" in values:
                raise as_documented(_problem(values["error"]))
            elif values:
                self._end = values
        if rest:
            self._begun.append(rest)

    def versions(self) -> Any:
        """What the last line says; it is the sign that all of it came."""
        if self._end is None:
            raise UnreachableError(
                f"{self._asked} was not answered: the answer broke off after {self._pieces} "
                f"{'piece' if self._pieces == 1 else 'pieces'}, without a word about its end. "
                "Look at the log of the service."
            )
        return self._end.get("versions") or {}

    def _read(self, line: bytes) -> dict[str, Any]:
        try:
            values = schema.loads(line)
        except MalformedRequestError as error:
            raise self._strange(line) from error
        if not isinstance(values, dict):
            raise self._strange(line)
        return values

    def _strange(self, line: bytes) -> ValueError:
        return ValueError(
            f"{self._asked} was answered with a line that is not an object in JSON: "
            f"{line[:80].decode(errors='replace')!r}. Check that the address is that of a pipelines server."
        )


def _read_whole(head: Any) -> Exchange[Any]:
    from chariots.web import Reply

    chunks: list[bytes] = []
    while (chunk := (yield Read())) is not None:
        chunks.append(chunk)
    return Reply(head.status, head.headers, b"".join(chunks), head.asked)


def _only_value(reply: Any, pipeline: Pipeline | str, versions: dict[str, Version]) -> Any:
    """The output in an answer that does not come in pieces."""
    response = response_of(reply, pipeline).raise_for_failure()
    if not response.is_final:
        raise ConflictError(
            f"the pieces of pipeline {name_of(pipeline)!r} were asked for, but the server has made job "
            f"{response.job_id!r} of the call. Wait for that: client.wait({response.job_id!r})."
        )
    versions.update(response.versions)
    return response.value


def _problem(problem: Any) -> ChariotsError:
    from chariots.web import error_from_problem

    return error_from_problem(problem if isinstance(problem, Mapping) else {"detail": str(problem)})


def _note(told: Mapping[str, str], versions: dict[str, Version]) -> None:
    versions.update({name: Version.parse(text) for name, text in told.items()})
