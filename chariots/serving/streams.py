"""How does the output of a generator reach a client piece by piece, while it is made?

An op whose ``execute`` is a generator is run by whoever sends the answer. What fails before the first piece is an
ordinary failure; what fails later ends the stream with a problem, for the head of the answer is sent by then.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from flask import Response, request, stream_with_context

from chariots import schema, web
from chariots.errors import ChariotsError
from chariots.serving import execution
from chariots.web import request_ids, tracing
from chariots.web.around import for_request

if TYPE_CHECKING:
    from chariots.serving.server import PipelinesServer
    from chariots.serving.snapshots import Snapshot

__all__ = ["EVENTS", "LINES", "stream"]

EVENTS, LINES = "text/event-stream", "application/x-ndjson"
_END: Any = object()


def stream(
    app: PipelinesServer, name: str, output: Any, snapshot: Snapshot, media_type: str, headers: dict[str, str]
) -> Response:
    """Answers with an output piece by piece; one that is no iterator is one piece.

    Args:
        app: the server.
        name: the pipeline.
        output: what it returned.
        snapshot: what made it.
        media_type: `EVENTS` or `LINES`.
        headers: further headers.

    Raises:
        BackendError: if the op fails before the first piece.
    """
    parts = output if isinstance(output, Iterator) else iter((output,))
    first = _next(app, name, parts)
    pieces = _pieces(app, name, parts, first, snapshot, _event if media_type == EVENTS else _line)
    unbuffered = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
    return Response(stream_with_context(pieces), 200, headers | unbuffered, content_type=media_type)


def _pieces(
    app: PipelinesServer,
    name: str,
    parts: Iterator[Any],
    part: Any,
    snapshot: Snapshot,
    written: Callable[[str, bytes], bytes],
) -> Iterator[bytes]:
    try:
        while part is not _END:
            yield written("output", execution.output_json(name, part, snapshot))
            part = _next(app, name, parts)
        yield written("done", b'{"versions":%b,"job_status":"done"}' % snapshot.versions_json)
    except Exception as error:  # noqa: BLE001  # whatever it is, the client has to be told in the stream itself
        app.log_exception(sys.exc_info())
        told = error if isinstance(error, ChariotsError) else execution.op_failure(name, error)
        tracing.failed(request.environ, told)
        problem = web.problem_of(told) | {"request_id": request_ids.of_flask_request()}
        yield written("problem", schema.dumps(problem))
    finally:
        close = getattr(parts, "close", None)  # the client may have gone before the end
        if close is not None:
            close()


def _next(app: PipelinesServer, name: str, parts: Iterator[Any]) -> Any:
    try:
        with for_request(request.environ):
            return next(parts, _END)
    except SystemExit as error:
        raise execution.op_failure(name, RuntimeError(f"an op called sys.exit({error.code!r})")) from error
    except Exception as error:
        if execution.is_handled(app, error):
            raise
        raise execution.op_failure(name, error) from error


def _event(kind: str, text: bytes) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), text)


def _line(kind: str, text: bytes) -> bytes:
    if kind == "output":
        return b'{"pipeline_output":%b}\n' % text
    return text + b"\n" if kind == "done" else b'{"error":%b,"job_status":"failed"}\n' % text
