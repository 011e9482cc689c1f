"""What does a client say to call, load and save pipelines, and what does it make of the answers?"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import quote
from uuid import uuid4

from chariots import schema
from chariots.errors import ConflictError, InputError, MalformedRequestError, NoWorkerPoolError, VersionError
from chariots.schema.forms import JSON, Form, form_named, form_of_media_type
from chariots.serving.exchange import Exchange, Request, as_documented, ask, object_of
from chariots.serving.response import PipelineResponse
from chariots.versioning import Version
from chariots.web.request_ids import CALLER_HEADER

if TYPE_CHECKING:
    from chariots.pipelines import Pipeline
    from chariots.web import Reply

__all__ = [
    "PLAIN",
    "FormName",
    "call",
    "fetch_job",
    "is_loaded",
    "lower_case",
    "name_of",
    "order",
    "request_in_form",
    "response_of",
    "route",
    "versions",
]

PLAIN: Final = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) != "%")
"""What is sent in a header as it is; everything else is percent-encoded."""

FormName = Literal["json", "npy", "arrow", "msgpack"]
_PLAIN = (("json", None), ("json", "json"))


def call(
    pipeline: Pipeline | str,
    pipeline_input: Any,
    use_worker: bool | None,
    options: Mapping[str, Any],
    forms: tuple[FormName, FormName | None],
    caller: str | None = None,
) -> Exchange[PipelineResponse]:
    """Calls a pipeline.

    Args:
        pipeline: the pipeline.
        pipeline_input: its input.
        use_worker: whether a worker executes it.
        options: about the job that it becomes.
        forms: the names of the form that is sent, and of the one that is asked for; None for the same.
        caller: who asks, if that is to be said.

    Returns:
        the response.

    Raises:
        TypeError: if the input has no such form, or a job was asked for with a form that holds the input alone.
        ValueError: if there is no form of that name.
        MissingExtraError: if a library is not installed that writes or reads it.
    """
    if forms not in _PLAIN:
        sent, wanted = form_named(forms[0]), form_named(forms[1] or forms[0])
        accept = JSON if wanted is None else f"{wanted.media_type}, {JSON};q=0.5"
        return response_of(
            (yield from ask(request_in_form(pipeline, pipeline_input, use_worker, options, sent, accept, caller))),
            pipeline,
        )
    text = schema.dumps(pipeline_input, where="pipeline_input")
    if "idempotency_key" in options or use_worker is False or not (use_worker or options):
        return (yield from _call_in_json(pipeline, text, use_worker, options, caller))
    keyed = {**options, "idempotency_key": uuid4().hex}
    try:
        # With a key of our own a lost answer can be asked for again, and the job is made once.
        return (yield from _call_in_json(pipeline, text, use_worker, keyed, caller))
    except (InputError, ConflictError) as error:
        if not _is_about_the_key(error, options):
            raise
    # No job is made: somebody says no to a worker, or the pool knows jobs without options only.
    return (yield from _call_in_json(pipeline, text, use_worker, options, caller))


def fetch_job(job_id: str, pipeline: Pipeline | str) -> Exchange[PipelineResponse]:
    """Asks how far a job is; see `AbstractPipelinesClient.fetch_job`."""
    body = schema.dumps({"job_id": job_id})
    reply = yield from ask(Request("POST", "/jobs/fetch/", body, quick=True))
    return PipelineResponse.from_request(object_of(reply), pipeline)


def is_loaded(pipeline: Pipeline | str) -> Exchange[bool]:
    """Asks whether a pipeline can answer; see `AbstractPipelinesClient.is_pipeline_loaded`."""
    reply: Reply = yield Request("GET", route(pipeline, "health_check"), quick=True)
    if reply.status == VersionError.status:
        return False
    if reply.status >= 300:
        raise as_documented(reply.error())
    return bool(object_of(reply).get("is_loaded"))


def order(pipeline: Pipeline | str, action: Literal["load", "save"]) -> Exchange[None]:
    """Lets the server load or save a pipeline.

    Args:
        pipeline: the pipeline.
        action: which of the two.
    """
    yield from ask(Request("POST", route(pipeline, action), b"{}"))


def versions(pipeline: Pipeline | str) -> Exchange[dict[str, Version]]:
    """Asks which versions the server runs; see `AbstractPipelinesClient.pipeline_versions`."""
    reply = yield from ask(Request("POST", route(pipeline, "versions"), b"{}", quick=True))
    return {name: Version.parse(text) for name, text in object_of(reply).items()}


# -- how ----------------------------------------------------------------------------------------------------------


def request_in_form(
    pipeline: Pipeline | str,
    pipeline_input: Any,
    use_worker: bool | None,
    options: Mapping[str, Any],
    form: Form | None,
    accept: str,
    caller: str | None = None,
) -> Request:
    """The request that calls a pipeline with an input in one form, for an output in another.

    Args:
        pipeline: the pipeline.
        pipeline_input: its input.
        use_worker: whether a worker executes it.
        options: about the job that it becomes.
        form: how the input is sent; None for JSON.
        accept: the header of that name.
        caller: who asks, if that is to be said.

    Raises:
        TypeError: if the input has no such form, or a job was asked for with a form that holds the input alone.
        MissingExtraError: if a library is not installed that writes it.
    """
    path = route(pipeline, "main")
    headers = {**_told_of(caller), "Accept": accept, "Content-Type": JSON if form is None else form.media_type}
    body: bytes | None
    if form is None or form.is_object:
        body = _written({"pipeline_input": pipeline_input, "use_worker": use_worker, **options}, form)
    else:
        if use_worker or options:
            raise TypeError(
                f"a job was asked for with format={form.name!r}, in which a worker cannot get its input; "
                'use "json" or "msgpack"'
            )
        body = _alone(pipeline_input, form)
        path += "" if use_worker is None else "?use_worker=false"
    return Request("POST", path, body, idempotent="idempotency_key" in options, headers=headers)


def response_of(reply: Reply, pipeline: Pipeline | str) -> PipelineResponse:
    """Reads an answer in the form that it came in.

    Args:
        reply: the answer.
        pipeline: the pipeline that was called.

    Raises:
        ValueError: if this is not the answer of a pipelines server.
        MissingExtraError: if a library is not installed that reads it.
    """
    headers = lower_case(reply.headers)
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
    return f"/pipelines/{quote(name_of(pipeline), safe='')}/{action}"


def name_of(pipeline: Pipeline | str) -> str:
    """The name of a pipeline that was given as an object or by its name."""
    return pipeline if isinstance(pipeline, str) else pipeline.name


def lower_case(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers of an answer under names in lower case, for they come in any."""
    return {name.lower(): value for name, value in headers.items()}


def _call_in_json(
    pipeline: Pipeline | str, text: bytes, use_worker: bool | None, options: Mapping[str, Any], caller: str | None
) -> Exchange[PipelineResponse]:
    rest = schema.dumps({"use_worker": use_worker, **options}, where="")
    body = b'{"pipeline_input":%b,%b' % (text, rest[1:])
    # Under a key there is one job, however often it is asked for.
    is_idempotent = "idempotency_key" in options
    told = _told_of(caller) or None
    reply = yield from ask(Request("POST", route(pipeline, "main"), body, idempotent=is_idempotent, headers=told))
    return PipelineResponse.from_request(object_of(reply), pipeline)


def _told_of(caller: str | None) -> dict[str, str]:
    """The header that says who asks."""
    return {} if caller is None else {CALLER_HEADER: quote(caller, safe=PLAIN)}


def _is_about_the_key(error: InputError | ConflictError, options: Mapping[str, Any]) -> bool:
    """Whether a request may be welcome without the key that we gave it."""
    if isinstance(error, ConflictError):
        return not options and not isinstance(error, NoWorkerPoolError)
    return any(each.get("loc") == ["idempotency_key"] for each in error.extra.get("errors", ()))


def _beside(value: Any, headers: Mapping[str, str]) -> dict[str, Any]:
    """The object that JSON would have been, from a value and the headers that came with it."""
    told = json.loads(headers.get("x-chariots-versions", "{}"))
    return {"pipeline_output": value, "versions": told, "job_status": headers.get("x-chariots-job-status", "done")}


def _written(members: Mapping[str, Any], form: Form | None) -> bytes:
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
