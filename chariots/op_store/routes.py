"""How does the op store answer over HTTP? (one table of routes, from which views and OpenAPI are made)"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import flask

from chariots.schema import adapter
from chariots.web import json_response, openapi_document, read_json

if TYPE_CHECKING:
    from chariots.op_store.registry import Registry

__all__ = ["Route", "add_routes", "openapi"]

_REFERENCES = "#/components/schemas/{model}"


@dataclass(frozen=True)
class Route:
    """One question that the store answers: ``POST`` with a JSON object, answered with JSON.

    Attributes:
        path: the path of the route.
        summary: the question, for the OpenAPI document.
        request: a dataclass whose fields are the members of the object.
        answer: makes the answer from the registry and an instance of that dataclass.
        max_body: the largest body in bytes, where it is another than the server's.
    """

    path: str
    summary: str
    request: type
    answer: Callable[[Registry, Any], Any]
    max_body: int | None = None


def add_routes(app: flask.Flask, registry: Registry, routes: Iterable[Route]) -> None:
    """Adds a view for every route.

    Args:
        app: the application to add them to.
        registry: what answers.
        routes: the table.
    """
    for route in routes:
        app.add_url_rule(route.path, route.path, _view(registry, route), methods=["POST"])


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
        schemas[route.request.__name__] = schema
        reference = {"$ref": _REFERENCES.format(model=route.request.__name__)}
        described[route.path] = {
            "post": {
                "summary": route.summary,
                "requestBody": {"required": True, "content": {"application/json": {"schema": reference}}},
                "responses": {
                    "200": {"description": "the answer", "content": {"application/json": {"schema": {}}}},
                    "4XX": {"$ref": "#/components/responses/Problem"},
                },
            }
        }
    return openapi_document(title, described, schemas)


def _view(registry: Registry, route: Route) -> Callable[[], flask.Response]:
    def view() -> flask.Response:
        if route.max_body is not None:
            flask.request.max_content_length = route.max_body
        asked = adapter(route.request).decode(read_json())
        return json_response(route.answer(registry, asked))

    return view
