"""How does a client send an input, and read an output, in other forms than JSON?"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol
from urllib.parse import quote

from chariots.errors import MalformedRequestError
from chariots.schema.forms import JSON, Form, form_named, form_of_media_type
from chariots.serving.carrying import object_of
from chariots.serving.response import PipelineResponse

if TYPE_CHECKING:
    from chariots.pipelines import Pipeline
    from chariots.web import Reply

__all__ = ["CALLER_HEADER", "PLAIN", "FormName", "call_in_forms", "response_of", "route"]

CALLER_HEADER: Final = "X-Chariots-Key"
"""The header of a request that says who asks, so that the same caller always gets the same versions."""
PLAIN: Final = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) != "%")
"""What is sent in a header as it is; everything else is percent-encoded."""

FormName = Literal["json", "npy", "arrow", "msgpack"]


class _Carrier(Protocol):
    def send(
        self, method: str, path: str, body: bytes | None = None, *, idempotent: bool, headers: Mapping[str, str]
    ) -> Reply: ...

    def _checked(self, reply: Reply) -> Reply: ...


def call_in_forms(
    carrier: _Carrier,
    pipeline: Pipeline | str,
    pipeline_input: Any,
    use_worker: bool | None,
    options: Mapping[str, Any],
    forms: tuple[str, str],
    headers: Mapping[str, str],
) -> PipelineResponse:
    """Calls a pipeline with an input, or for an output, in another form than JSON.

    Args:
        carrier: carries the request.
        pipeline: the pipeline.
        pipeline_input: its input.
        use_worker: whether a worker executes it.
        options: about the job that it becomes.
        forms: the names of the form that is sent, and of the one that is asked for.
        headers: what else is sent.

    Returns:
        the response.

    Raises:
        TypeError: if the input has no such form, or a job was asked for with a form that holds the input alone.
        ValueError: if there is no form of that name.
        MissingExtraError: if a library is not installed that writes or reads it.
    """
    sent, wanted = form_named(forms[0]), form_named(forms[1])
    path = route(pipeline, "main")
    headers = {**headers, "Accept": JSON if wanted is None else f"{wanted.media_type}, {JSON};q=0.5"}
    body: bytes | None
    if sent is None or sent.is_object:
        members = {"pipeline_input": pipeline_input, "use_worker": use_worker, **options}
        body, headers["Content-Type"] = _written(members, sent), JSON if sent is None else sent.media_type
    else:
        if use_worker or options:
            raise TypeError(
                f"a job was asked for with format={sent.name!r}, in which a worker cannot get its input; "
                'use "json" or "msgpack"'
            )
        body, headers["Content-Type"] = _alone(pipeline_input, sent), sent.media_type
        path += "" if use_worker is None else "?use_worker=false"
    reply = carrier.send("POST", path, body, idempotent="idempotency_key" in options, headers=headers)
    return response_of(carrier._checked(reply), pipeline)


def response_of(reply: Reply, pipeline: Pipeline | str) -> PipelineResponse:
    """Reads an answer in the form that it came in.

    Args:
        reply: the answer.
        pipeline: the pipeline that was called.

    Raises:
        ValueError: if this is not the answer of a pipelines server.
        MissingExtraError: if a library is not installed that reads it.
    """
    headers = {name.lower(): value for name, value in reply.headers.items()}
    form = form_of_media_type(headers.get("content-type"))
    if form is None:
        return PipelineResponse.from_request(object_of(reply), pipeline)
    try:
        value = form.loads(reply.body)
        members = value if form.is_object else _beside(value, headers)
    except MalformedRequestError as error:
        raise ValueError(
            f"{reply.asked} was answered with {form.media_type} that cannot be read. "
            "Check that the address is that of a pipelines server."
        ) from error
    return PipelineResponse.from_request(members, pipeline)


def route(pipeline: Pipeline | str, action: str) -> str:
    """The route of one thing that can be done with a pipeline.

    Args:
        pipeline: the pipeline, or its name.
        action: the last part of the route.
    """
    name = pipeline if isinstance(pipeline, str) else pipeline.name
    return f"/pipelines/{quote(name, safe='')}/{action}"


def _beside(value: Any, headers: Mapping[str, str]) -> dict[str, Any]:
    """The object that JSON would have been, from a value and the headers that came with it."""
    versions = json.loads(headers.get("x-chariots-versions", "{}"))
    return {"pipeline_output": value, "versions": versions, "job_status": headers.get("x-chariots-job-status", "done")}


def _written(members: Mapping[str, Any], form: Form | None) -> bytes:
    from chariots import schema

    if form is None:
        return schema.dumps(members, where="")
    try:
        return form.dumps(members)
    except TypeError as error:
        raise TypeError(f"pipeline_input cannot be sent as {form.media_type}: {error}") from error


def _alone(value: Any, form: Form) -> bytes | None:
    if value is None:
        return None
    try:
        return form.dumps(value)
    except TypeError as error:
        raise TypeError(
            f"pipeline_input cannot be sent as {form.media_type}, which holds {form.holds}: {error}. "
            "Send it as JSON, which is the default."
        ) from error
