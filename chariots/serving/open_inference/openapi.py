"""How are the routes of the Open Inference Protocol described in OpenAPI?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["paths", "schemas"]

_JSON = "application/json"
_DATATYPES = (
    *("BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64"),
    *("FP16", "FP32", "FP64", "BYTES"),
)
_FAILURES = {
    "400": "The request is not one, or its tensors do not fit.",
    "404": "There is no model, version or output of that name.",
    "409": "The pipeline is executed by workers.",
    "413": "The body is too large.",
    "415": "The body is encoded in a way that is not read.",
    "500": "An op of the pipeline failed, or its output is no tensor.",
    "503": "The pipeline is not loaded, or the op store does not answer.",
}


def paths(names: Iterable[str]) -> dict[str, Any]:
    """Describes the routes.

    Args:
        names: of the pipelines.

    Returns:
        path items, by path.
    """
    model: dict[str, Any] = {
        "name": "name",
        "in": "path",
        "required": True,
        "schema": {"type": "string", "enum": list(names)},
    }
    version: dict[str, Any] = {
        "name": "version",
        "in": "path",
        "required": True,
        "schema": {"type": "string", "minLength": 1},
    }
    found: dict[str, Any] = {
        "/v2": {"get": _operation("Which server is this?", _ref("V2Server"), ())},
        "/v2/health/live": {"get": _operation("Is the process alive?", _flag("live"), ())},
        "/v2/health/ready": {"get": _operation("Can the server answer?", _flag("ready"), ("503",))},
    }
    if not model["schema"]["enum"]:
        return found
    for path, parameters in (
        ("/v2/models/{name}", [model]),
        ("/v2/models/{name}/versions/{version}", [model, version]),
    ):
        ready = _flag("ready", name={"type": "string"})
        infer = _operation("Call it.", _ref("V2InferResponse"), tuple(_FAILURES), body=_ref("V2InferRequest"))
        found[path] = {"parameters": parameters, "get": _operation("What is it?", _ref("V2Model"), ("404",))}
        found[f"{path}/ready"] = {"parameters": parameters, "get": _operation("Is it loaded?", ready, ("404", "503"))}
        found[f"{path}/infer"] = {"parameters": parameters, "post": infer}
    return found


def schemas() -> dict[str, Any]:
    """The schemas that these descriptions refer to."""
    text, whole = {"type": "string"}, {"type": "integer"}
    name, datatype = {"type": "string", "minLength": 1}, {"enum": list(_DATATYPES)}
    parameters = {"type": ["object", "null"]}
    length = {"type": "integer", "minimum": 0}
    described = _object(name=text, datatype=datatype, shape={"type": "array", "items": whole})
    asked = _object(name=name, datatype=datatype, shape={"type": "array", "items": length, "maxItems": 32})
    asked["properties"] |= {
        "parameters": parameters,
        "data": {"type": "array", "description": "Flat or nested, in row-major order."},
    }
    answered = _object(name=text, datatype=datatype, shape={"type": "array", "items": length})
    answered["properties"] |= {"parameters": parameters, "data": {"type": "array"}}
    request = _object(inputs={"type": "array", "items": asked})
    request["properties"] |= {
        "id": {"type": ["string", "null"]},
        "parameters": parameters,
        "outputs": {"type": ["array", "null"], "items": {**_object(name=name), "additionalProperties": False}},
    }
    response = _object(model_name=text, model_version=text, outputs={"type": "array", "items": answered})
    response["properties"] |= {"id": text}
    tensors = {"type": "array", "items": described}
    texts = {"type": "array", "items": text}
    return {
        "V2Error": _object(error=text),
        "V2Server": _object(name=text, version=text, extensions=texts),
        "V2Model": _object(name=text, versions=texts, platform=text, inputs=tensors, outputs=tensors),
        "V2InferRequest": request,
        "V2InferResponse": response,
    }


def _operation(
    summary: str, answer: Mapping[str, Any], failures: tuple[str, ...], body: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    error = {_JSON: {"schema": _ref("V2Error")}}
    described: dict[str, Any] = {
        "summary": f"Open Inference Protocol: {summary}",
        "responses": {
            "200": {"description": "The answer.", "content": {_JSON: {"schema": answer}}},
            **{status: {"description": _FAILURES[status], "content": error} for status in failures},
        },
    }
    if body is not None:
        described["requestBody"] = {"required": True, "content": {_JSON: {"schema": body}}}
    return described


def _parameter(name: str, described: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": described}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _flag(flag: str, **others: Mapping[str, Any]) -> dict[str, Any]:
    return _object(**others, **{flag: {"type": "boolean"}})


def _object(**properties: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": list(properties), "properties": dict(properties)}
