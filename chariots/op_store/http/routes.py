"""How does the op store answer over HTTP? (one table of routes, from which views and OpenAPI are made)"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import UnionType
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin, get_type_hints

import flask

from chariots.schema import adapter
from chariots.web import json_response, needs, openapi_document, read_json
from chariots.web.access import Scope

if TYPE_CHECKING:
    from chariots.op_store.registry import Registry

__all__ = ["Route", "Scope", "add_routes", "both_ways", "openapi"]

_REFERENCES = "#/components/schemas/{model}"


@dataclass(frozen=True)
class Route:
    """One question that the store answers with JSON.

    Attributes:
        path: the path of the route.
        summary: the question, for the OpenAPI document.
        request: a dataclass whose fields are the members of the JSON object in the body; with ``method="GET"``
            they are the parameters of the query string, and each is text, a number or a flag, or a list of them,
            whose parameter may come several times.
        answer: makes the answer from the registry and an instance of that dataclass.
        max_body: the largest body in bytes, where it is another than the server's.
        scope: what a token must allow for this question to be answered; admin includes write, write includes read.
        method: how the question is asked.
    """

    path: str
    summary: str
    request: type
    answer: Callable[[Registry, Any], Any]
    max_body: int | None = None
    scope: Scope = "read"
    method: Literal["GET", "POST"] = "POST"


def both_ways(path: str, summary: str, request: type, answer: Callable[[Registry, Any], Any]) -> tuple[Route, Route]:
    """The same question as a ``GET`` for people, with its members in the query string, and as a ``POST`` of JSON.

    Args:
        path: the path of the routes.
        summary: the question.
        request: the dataclass of its members.
        answer: makes the answer.
    """
    return Route(path, summary, request, answer, method="GET"), Route(path, summary, request, answer)


def add_routes(app: flask.Flask, registry: Registry, routes: Iterable[Route]) -> None:
    """Adds a view for every route.

    Args:
        app: the application to add them to.
        registry: what answers.
        routes: the table.
    """
    for route in routes:
        view = needs(route.scope)(_view(registry, route))
        app.add_url_rule(route.path, f"{route.method} {route.path}", view, methods=[route.method])


def openapi(title: str, routes: Iterable[Route], paths: dict[str, Any]) -> dict[str, Any]:
    """Describes the routes of a store.

    Args:
        title: the name of the service.
        routes: the table.
        paths: what to say about routes that are not in the table.

    Returns:
        an OpenAPI document.
    """
    schemas: dict[str, Any] = {}
    described = dict(paths)
    for route in routes:
        schema = adapter(route.request).json_schema(_REFERENCES)
        schemas.update(schema.pop("$defs", {}))
        if route.method == "GET":
            asked: dict[str, Any] = {"parameters": _parameters(schema)}
        else:
            schemas[route.request.__name__] = schema
            reference = {"$ref": _REFERENCES.format(model=route.request.__name__)}
            asked = {"requestBody": {"required": True, "content": {"application/json": {"schema": reference}}}}
        described.setdefault(route.path, {})[route.method.lower()] = {
            "summary": f"{route.summary} (needs the scope {route.scope}, where tokens are used)",
            **asked,
            "responses": {
                "200": {"description": "the answer", "content": {"application/json": {"schema": {}}}},
                "4XX": {"$ref": "#/components/responses/Problem"},
            },
        }
    return openapi_document(title, described, schemas)


def _view(registry: Registry, route: Route) -> Callable[[], flask.Response]:
    def view() -> flask.Response:
        if route.max_body is not None:
            flask.request.max_content_length = route.max_body
        members = _query_string(route.request) if route.method == "GET" else read_json()
        asked = adapter(route.request).decode(members)
        return json_response(route.answer(registry, asked))

    return view


def _parameters(schema: dict[str, Any]) -> list[dict[str, Any]]:
    required = schema.get("required", ())
    return [
        {"name": name, "in": "query", "required": name in required, "schema": described}
        for name, described in schema.get("properties", {}).items()
    ]


def _query_string(kind: type) -> dict[str, Any]:
    """The parameters of the current request, in the form they would have in JSON."""
    hints = get_type_hints(kind)
    members: dict[str, Any] = {}
    for name, texts in flask.request.args.lists():
        hint = hints.get(name)
        kinds = {*get_args(hint)} if get_origin(hint) in (Union, UnionType) else {hint}
        listed = next((one for one in kinds if get_origin(one) in (list, tuple)), None)
        if listed is not None:
            members[name] = [_from_text(text, set(get_args(listed))) for text in texts]
        else:
            members[name] = _from_text(texts[-1], kinds)
    return members


def _from_text(text: str, kinds: set[Any]) -> Any:
    """A number or a flag where one is declared and the text is one; the text itself where not."""
    if bool in kinds and text in ("true", "false"):
        return text == "true"
    for number in (int, float):
        if number in kinds:
            try:
                return number(text)
            except ValueError:
                continue
    return text
