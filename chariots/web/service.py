"""What does every chariots service do around its own routes?"""

from __future__ import annotations

import sys
from collections.abc import Callable, Container, Mapping
from functools import partial
from typing import Any

import flask
from flask import current_app, request
from flask.signals import got_request_exception
from werkzeug.exceptions import (
    ClientDisconnected,
    HTTPException,
    InternalServerError,
    LengthRequired,
    NotFound,
    RequestEntityTooLarge,
)
from werkzeug.routing import Rule

from chariots._version import __version__
from chariots.errors import BodyTooLargeError, ChariotsError, MalformedRequestError, nearest
from chariots.schema import dumps, loads
from chariots.schema.places import printable
from chariots.web import health, request_ids, tracing
from chariots.web.access import INSIDE, Access, Scope, open_to_all
from chariots.web.around import Around
from chariots.web.bypass import bypassed_when
from chariots.web.page import show_page
from chariots.web.problems import PROBLEM_TYPE, problem_of
from chariots.web.rules import OneWayRule
from chariots.web.whole_bodies import in_one_piece

__all__ = [
    "install",
    "surrounding",
    "read_json",
    "read_body",
    "json_response",
    "accept_any_size",
    "broken_body",
    "openapi_document",
]

_EXTENSION = "chariots.web"
_JSON = "application/json"


def install(
    app: flask.Flask,
    *,
    title: str,
    openapi: Callable[[], dict[str, Any]] | None = None,
    ready: Callable[[], Mapping[str, Any] | None] | None = None,
    max_body: int | None = 64 * 2**20,
    access: Access | None = None,
    scopes: tuple[Scope, ...] = (),
    pipelines: Container[str] = (),
    measured: Callable[[Any, bool], None] | None = None,
) -> None:
    """Gives a flask application what every service has.

    Request ids in and out, every error as ``application/problem+json`` (error handlers of the application
    itself still come first), a limit on bodies, ``/livez``, ``/readyz``, ``/metrics``, ``/openapi.json``, a page,
    ``/docs``, that shows it, and what `chariots.web.settings` says.

    Args:
        app: the application.
        title: the name of the service in its OpenAPI document.
        openapi: makes the document; without it only the routes of this function are described.
        ready: tells what is still in the way of answering, as members of a problem body (``detail`` holds the
            sentence); None or an empty mapping when nothing is.
        max_body: the largest request body in bytes, None for no limit; ``MAX_CONTENT_LENGTH`` in the
            configuration of the application comes first.
        access: who may ask what, and from where; ``/livez``, ``/readyz`` and ``/docs`` stay open. Where it is None, the
            settings decide if there are ``scopes``; everybody may ask anything otherwise.
        scopes: what tokens of the settings can allow, each including those before it.
        pipelines: the names that metrics may tell, if a view has one of them among its arguments.
        measured: called when it is known that something is measured; see `Around`.

    Raises:
        ValueError: when the application has been through this before.
    """
    if _EXTENSION in app.extensions:
        raise ValueError(f"{app!r} already has the base of a chariots service; install it once")
    wrapped = Around(app, app.wsgi_app, title, pipelines=pipelines, access=access, scopes=scopes, measured=measured)
    app.extensions[_EXTENSION] = wrapped
    tracing.name_service(title)
    app.wsgi_app = wrapped  # type: ignore[method-assign]  # as Flask documents it
    if app.url_rule_class is Rule:
        app.url_rule_class = OneWayRule
    if app.config.get("MAX_CONTENT_LENGTH") is None:
        app.config["MAX_CONTENT_LENGTH"] = wrapped.default_limit = max_body
    if access is not None or scopes:
        app.before_request(bypassed_when(wrapped.admits_a_call)(partial(wrapped.check)))  # a method has no attributes
    # One handler, at the widest class: any handler that the application registers is more specific and wins.
    if Exception not in app.error_handler_spec[None][None]:
        app.register_error_handler(Exception, _answer_error)

    def livez() -> flask.Response:
        return json_response({"status": "alive"})

    def readyz() -> flask.Response:
        if health.leaving.is_set():
            missing: Mapping[str, Any] | None = {
                "detail": "This process was told to stop; send requests to another one."
            }
        else:
            missing = ready() if ready is not None else None
        if not missing:
            return json_response({"status": "ready"})
        base = {"type": "urn:chariots:not-ready", "title": "Not ready", "status": 503}
        detail = "This service cannot answer yet; ask again in a moment."
        return _problem_response({**base, "detail": detail, **missing}, 503)

    def document() -> flask.Response:
        return json_response(openapi() if openapi is not None else openapi_document(title))

    app.add_url_rule("/livez", "chariots_livez", open_to_all(livez))
    app.add_url_rule("/readyz", "chariots_readyz", open_to_all(readyz))
    app.add_url_rule("/metrics", "chariots_metrics", _metrics)
    app.add_url_rule("/openapi.json", "chariots_openapi", document)
    app.add_url_rule("/docs", "chariots_page", open_to_all(show_page))  # it tells nothing but what it asks for


def surrounding(app: flask.Flask) -> Around:
    """What `install` has put around an application.

    Raises:
        KeyError: if it was not installed.
    """
    found: Around = app.extensions[_EXTENSION]
    return found


def read_json(empty: Any = None) -> Any:
    """Reads the body of the current request as JSON, whatever its content type says.

    Args:
        empty: what an empty body stands for.

    Returns:
        the decoded body.

    Raises:
        MalformedRequestError: when the body is not JSON, or not whole.
        BodyTooLargeError: when it is larger than the application accepts (as the HTTP exception 413).
    """
    body = read_body()
    return loads(body) if body else empty


def read_body(*, keep: bool = True) -> bytes:
    """Reads the body of the current request.

    Args:
        keep: whether it can be read again; a large one takes its room for as long as the request lasts.

    Raises:
        MalformedRequestError: when the body is not whole.
        BodyTooLargeError: when it is larger than the application accepts (as the HTTP exception 413).
    """
    current: flask.Request = getattr(request, "_get_current_object")()  # noqa: B009  # typed as a Request
    try:
        body = in_one_piece(current, keep=keep)
        if body is None:
            body = current.get_data(cache=keep)
    except ClientDisconnected as error:
        raise MalformedRequestError("The body broke off before its end. Send it again.") from error
    except broken_body() as error:  # the connection broke, or the server lost patience
        raise MalformedRequestError(f"The body broke off: {error}. Send it again.") from error
    if "HTTP_TRANSFER_ENCODING" in current.environ:
        _check_chunked(len(body))
    return body


def json_response(value: Any, status: int = 200) -> flask.Response:
    """Answers the current request with JSON.

    Args:
        value: anything `chariots.schema.dumps` can write.
        status: the HTTP status.

    Returns:
        a response of type ``application/json``.

    Raises:
        TypeError: when a part of the value has no form in JSON; the message names the place.
    """
    return current_app.response_class(dumps(value, where=""), status, content_type=_JSON)


def broken_body() -> tuple[type[Exception], ...]:
    """What reading a body may raise although this service is well: it broke off, came too slowly, or is torn."""
    # Gunicorn has errors of its own for chunks that are none; whoever sent those is told, and no stack is logged.
    gunicorn = sys.modules.get("gunicorn.http.errors")
    return (OSError,) if gunicorn is None else (OSError, gunicorn.ParseException)


def _check_chunked(size: int) -> None:
    """Notices a body without declared length of which werkzeug handed out the beginning only, or nothing."""
    if not request.environ.get("wsgi.input_terminated"):
        raise LengthRequired("This server cannot read chunked bodies. Send the request with a Content-Length.")
    if size == request.max_content_length and request.environ["wsgi.input"].read(1):
        raise RequestEntityTooLarge


def accept_any_size() -> None:
    """Lifts the limit on the body of the current request, for views that stream it."""
    # Not None: Flask reads that as "whatever the configuration says".
    request.max_content_length = sys.maxsize


def openapi_document(
    title: str,
    paths: Mapping[str, Any] | None = None,
    schemas: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Makes an OpenAPI 3.1 document, with the routes and the problem schema that every service has.

    Args:
        title: the name of the service.
        paths: the path items of the service's own routes.
        schemas: entries for ``#/components/schemas``.

    Returns:
        the document.
    """
    problem = {
        "type": "object",
        "required": ["type", "title", "status", "detail"],
        "properties": {
            "type": {"type": "string"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
            "request_id": {"type": "string"},
        },
    }
    status = {"type": "object", "required": ["status"], "properties": {"status": {"type": "string"}}}
    answer = {"description": "yes", "content": {_JSON: {"schema": status}}}
    refusal = {
        "description": "what is in the way, and what to do",
        "content": {PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": __version__},
        "paths": {
            **(paths or {}),
            "/livez": {"get": {"summary": "Is the process alive?", "responses": {"200": answer}}},
            "/readyz": {"get": {"summary": "Can it answer?", "responses": {"200": answer, "503": refusal}}},
        },
        "components": {
            "schemas": {**(schemas or {}), "Problem": problem},
            "responses": {"Problem": refusal},
        },
    }


def _metrics() -> flask.Response:
    if surrounding(current_app).metrics is None:
        raise NotFound
    from chariots.web.metrics import measured

    text, content_type = measured(request.headers.get("Accept", ""))
    return current_app.response_class(text, 200, content_type=content_type)


def _problem_response(problem: dict[str, Any], status: int) -> flask.Response:
    problem["request_id"] = request_ids.of_flask_request()
    try:
        body = dumps(problem)
    except TypeError:  # an exception's message or members may hold anything
        body = dumps({name: status if name == "status" else printable(problem[name]) for name in problem})
    response = current_app.response_class(body, status, content_type=PROBLEM_TYPE)
    if status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _answer_error(exc: Exception) -> Any:
    """Answers any exception that no handler of the application took."""
    if isinstance(exc, InternalServerError) and exc.original_exception is not None:
        tracing.failed(request.environ, exc.original_exception)
        return _problem_response(problem_of(exc.original_exception), 500)
    if isinstance(exc, HTTPException):
        return _answer_http_exception(exc)
    status = exc.status if isinstance(exc, ChariotsError) else 500
    if status >= 500:
        tracing.failed(request.environ, exc)
        if current_app.config.get("PROPAGATE_EXCEPTIONS") or _has_own_handler():
            raise exc
        if request.environ.get(INSIDE) is not True:  # there, whoever asked gets the failure itself and reports it
            _report(exc)
    return _problem_response(problem_of(exc), status)


def _report(exc: Exception) -> None:
    """Does what flask does with an unexpected exception: tells listeners, and the log."""
    app: flask.Flask = getattr(current_app, "_get_current_object")()  # noqa: B009  # typed as a Flask
    got_request_exception.send(app, _async_wrapper=app.ensure_sync, exception=exc)
    app.log_exception(sys.exc_info())


def _has_own_handler() -> bool:
    """Whether the application registered a handler for 500, which flask then calls itself."""
    handlers = current_app.error_handler_spec
    return any(handlers[name][500] for name in (*request.blueprints, None) if name in handlers)


def _answer_http_exception(exc: HTTPException) -> Any:
    if exc.code is None or exc.code < 400 or exc.response is not None:
        return exc
    problem = problem_of(exc)
    if isinstance(exc, RequestEntityTooLarge):
        limit = request.max_content_length
        size = f"{limit:,} bytes" if limit is not None else "the limit"
        problem = BodyTooLargeError(
            f"The body of {request.method} {request.path} is larger than this service accepts ({size}). "
            f"Send less at once, or raise MAX_CONTENT_LENGTH on the server.",
            limit=limit,
        ).problem()
    elif exc.code == 404 and request.routing_exception is exc:
        problem |= {"type": "urn:chariots:unknown-route", "title": "Unknown route", "detail": _no_route()}
    elif exc.code == 405:
        allowed = ", ".join(sorted(getattr(exc, "valid_methods", None) or ()))
        detail = f"{request.method} is not possible on {request.path[:200]!r}. Use {allowed or 'another method'}."
        problem |= {
            "type": "urn:chariots:method-not-allowed",
            "title": "Method not allowed",
            "detail": detail,
        }
    response = _problem_response(problem, exc.code)
    for name, value in exc.get_headers(request.environ):
        if name.lower() not in ("content-type", "content-length"):
            response.headers[name] = value
    return response


def _no_route() -> str:
    path = request.path[:200]
    known = [rule.rule for rule in current_app.url_map.iter_rules() if request.method in (rule.methods or ())]
    hint = nearest(path, known) if len(path) < 200 else ""
    return f"{request.method} {path!r} is no route of this service.{hint} GET /openapi.json lists the routes."
