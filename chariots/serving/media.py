"""In which form does a request bring its input, and in which one does it want its answer?

JSON, MessagePack (the same object), or the value alone: an array as ``.npy``, or a table as an Arrow stream. Where the
body is the value alone, the rest of the answer is in the headers, and the rest of the request in the query.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from flask import Response, request
from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header

from chariots import web
from chariots.errors import MediaTypeError, NotAcceptableError
from chariots.schema.forms import JSON, Form, form_of_media_type
from chariots.schema.places import UnsupportedError
from chariots.serving import execution, streams
from chariots.serving.bodies import Body, checked_members, read_object

if TYPE_CHECKING:
    from chariots.serving.server import PipelinesServer
    from chariots.serving.snapshots import Snapshot

__all__ = ["STATUS_HEADER", "VERSIONS_HEADER", "answer", "is_plain", "read_call", "refuse_for_a_worker", "tell"]

VERSIONS_HEADER = "X-Chariots-Versions"
STATUS_HEADER = "X-Chariots-Job-Status"
_LONGEST_HEADER = 4000  # characters; many proxies refuse answers whose headers take more than 4 or 8 kB in all
_PLAIN = (None, "*/*", JSON)
_ANY = ("*/*", "application/*")
_WISHES = {"true": True, "false": False, "null": None}


def is_plain(content_type: str | None, accept: str | None) -> bool:
    """Whether a request brings JSON and wants JSON first; needs no request to be under way.

    Args:
        content_type: its header of that name.
        accept: its header of that name.
    """
    return form_of_media_type(content_type) is None and _wanted(accept)[0] is None


def read_call(input_key: str, *, may_stay_raw: bool = False, if_said: bytes = b"") -> Body:
    """Reads what the current request sends to a pipeline.

    Args:
        input_key: which member is the input.
        may_stay_raw: whether a large input is to be left as it came, if it is JSON.
        if_said: what has to be somewhere in the body for that.

    Returns:
        the members of the object; where the body is the value alone, the input and what the query says.

    Raises:
        MalformedRequestError: when the body is not what its content type promises, or not whole.
        BodyTooLargeError: when it is larger than the application accepts (as the HTTP exception 413).
        InputError: when it is JSON or MessagePack, and not an object.
        MissingExtraError: when a library is not installed that reads it.
    """
    form = form_of_media_type(request.environ.get("CONTENT_TYPE"))
    if form is None:
        return read_object(input_key, may_stay_raw=may_stay_raw, if_said=if_said)
    text = web.read_body()
    if form.is_object:
        return Body(checked_members(form.loads(text) if text else {}, input_key), form=form)
    members: dict[str, Any] = {}
    wish = request.args.get("use_worker")
    if wish is not None:
        members["use_worker"] = _WISHES.get(wish, wish)
    if text:
        members[input_key] = form.loads(text)
    return Body(members, form=form)


def refuse_for_a_worker(body: Body, name: str, input_key: str) -> None:
    """Refuses an input that was sent as a value alone, where a worker would have to be told it.

    Args:
        body: what was sent.
        name: the pipeline.
        input_key: which member is the input.

    Raises:
        MediaTypeError: if it was.
    """
    form = body.form
    if form is None or form.is_object or input_key not in body.members:
        return
    raise MediaTypeError(
        f"pipeline {name!r} was to be executed by a worker, which gets its input as JSON, and the input came as "
        f"{form.media_type}. Send JSON or MessagePack, or ask for no worker (?use_worker=false)."
    )


def answer(app: PipelinesServer, name: str, output: Any, snapshot: Snapshot) -> Response:
    """Answers a call that was executed here, in the first form that the request accepts and the output has.

    Args:
        app: the server.
        name: the pipeline.
        output: what it returned.
        snapshot: what made it.

    Raises:
        OutputError: if the output has no form in JSON, and JSON is accepted.
        NotAcceptableError: if it has none of the forms that are accepted.
        BackendError: if it comes piece by piece, and the op fails before the first of them.
    """
    refusals: list[str] = []
    wanted = _wanted(request.environ.get("HTTP_ACCEPT"))
    if isinstance(output, Iterator):  # it has no other form; it is better sent in a stream that is wanted less
        wanted = [form for form in wanted if isinstance(form, str)] or wanted
    for form in wanted:
        if isinstance(form, str):
            return streams.stream(app, name, output, snapshot, form, tell(snapshot))
        if form is None:
            return Response(execution.answer_json(name, output, snapshot), 200, content_type=JSON)
        try:
            if form.is_object:
                return Response(form.dumps(_members(output, snapshot)), 200, content_type=form.media_type)
            return Response(form.dumps(output), 200, tell(snapshot), content_type=form.media_type)
        except UnsupportedError as error:
            refusals.append(f"as {form.media_type} (it holds {form.holds}): {error}")
    raise NotAcceptableError(
        f"pipeline {name!r} ran, but its output cannot be sent {'; nor '.join(refusals)}. Accept application/json too.",
        versions=dict(snapshot.versions),
    )


def tell(snapshot: Snapshot) -> dict[str, str]:
    """The headers that carry what has no place in the body.

    Args:
        snapshot: what made the answer.

    Returns:
        the status and the versions of the nodes, as JSON in ASCII; without the versions where they are too many for a
        header.
    """
    headers = {STATUS_HEADER: "done"}
    versions = json.dumps(dict(snapshot.versions), separators=(",", ":"))
    if len(versions) <= _LONGEST_HEADER:
        headers[VERSIONS_HEADER] = versions
    return headers


def _members(output: Any, snapshot: Snapshot) -> dict[str, Any]:
    return {
        "pipeline_output": output,
        "versions": dict(snapshot.versions),
        "job_id": None,
        "job_status": "done",
    }


def _wanted(accept: str | None) -> list[Form | str | None]:
    """The forms that a request accepts, best first: a form, the type of a stream, or None for JSON.

    It is JSON where nothing is said that is known here.
    """
    if accept in _PLAIN:
        return [None] if accept != "*/*" else [None, streams.LINES]
    found: list[Form | str | None] = []
    for media_type, quality in parse_accept_header(accept, MIMEAccept):
        if quality <= 0:
            continue
        kind = media_type.partition(";")[0].strip().lower()
        form = form_of_media_type(kind)
        if form is not None or kind == JSON:
            found.append(form)
        elif kind in _ANY:
            found += [None, streams.LINES]
        elif kind in (streams.EVENTS, streams.LINES):
            found.append(kind)
    return found or [None]
