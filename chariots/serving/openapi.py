"""What can be asked of a server, in a form that machines read? (OpenAPI 3.1)"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from chariots import schema, web
from chariots.serving import job_openapi
from chariots.serving.media_openapi import with_other_forms
from chariots.serving.open_inference import openapi as open_inference_openapi
from chariots.serving.openapi_operations import operation
from chariots.serving.outputs import output_hint

if TYPE_CHECKING:
    from chariots.pipelines import Pipeline
    from chariots.serving.served import ServedPipeline

__all__ = ["document"]


def document(title: str, served: Mapping[str, ServedPipeline]) -> dict[str, Any]:
    """Describes a server.

    Args:
        title: the name of the server.
        served: its pipelines.

    Returns:
        an OpenAPI 3.1 document in which every pipeline has paths of its own.
    """
    schemas: dict[str, Any] = {
        "Versions": {
            "type": "object",
            "description": "The version of every node, by name.",
            "additionalProperties": {"type": "string"},
        },
    }
    schemas["PipelineResponse"] = _response({})
    paths: dict[str, Any] = {}
    for number, (name, pipeline) in enumerate(served.items(), start=1):
        paths.update(_pipeline_paths(name, pipeline, f"pipeline{number}", schemas))
    paths["/health_check"] = {
        "get": operation(
            "Which pipelines can answer?",
            {"type": "object", "additionalProperties": {"type": "boolean"}},
            [],
        )
    }
    paths["/available_pipelines"] = {
        "get": operation("Which pipelines are there?", {"type": "array", "items": {"type": "string"}}, [])
    }
    schemas.update(job_openapi.schemas())
    paths.update(job_openapi.paths())
    schemas.update(open_inference_openapi.schemas())
    paths.update(open_inference_openapi.paths(served))
    return web.openapi_document(title, paths, schemas)


def _pipeline_paths(name: str, served: ServedPipeline, key: str, schemas: dict[str, Any]) -> dict[str, dict[str, Any]]:
    base = f"/pipelines/{quote(name, safe='')}"
    accepted = _hoisted(served.inputs.json_schema, f"{key}.input", schemas)
    output = _hoisted(lambda template: _output_schema(served.current.pipeline, template), f"{key}.output", schemas)
    needs_input = served.inputs.takes_input and not served.inputs.admits_none
    call = {
        "type": "object",
        "required": ["pipeline_input"] if needs_input else [],
        "properties": {
            "pipeline_input": accepted,
            "use_worker": {
                "type": ["boolean", "null"],
                "description": "Whether a worker executes it; null leaves that to the pipeline and the server.",
            },
            **job_openapi.option_properties(),
        },
        **job_openapi.NO_OPTIONS_WITHOUT_WORKER,
    }
    nothing = {"type": "object", "properties": {}}
    versions = {"$ref": "#/components/schemas/Versions"}
    loaded = {
        "type": "object",
        "required": ["is_loaded"],
        "properties": {
            "is_loaded": {"type": "boolean"},
            "behind": {"type": "string", "description": "Why what was put into service last is not served here."},
        },
    }
    failures = ["400", "409", "410", "413", "419", "422", "500", "503"]
    store_failures = ["409", "413", "419", "500", "503"]
    return {
        f"{base}/main": {
            "post": with_other_forms(
                operation(f"Call {name}.", _response(output), failures, body=call, body_required=needs_input)
            )
        },
        f"{base}/versions": {"post": operation(f"Which versions of its ops does {name} run?", versions, ["413"])},
        f"{base}/load": {
            "post": operation(f"Put the newest saved ops of {name} into service.", nothing, store_failures)
        },
        f"{base}/save": {"post": operation(f"Save what {name} has learned.", nothing, store_failures)},
        f"{base}/health_check": {"get": operation(f"Can {name} answer?", loaded, ["419"])},
    }


def _response(output: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["pipeline_output", "versions", "job_id", "job_status"],
        "properties": {
            # While a job is under way there is no output.
            "pipeline_output": {"anyOf": [output, {"type": "null"}]} if output else {},
            "versions": {"$ref": "#/components/schemas/Versions"},
            "job_id": {"type": ["string", "null"]},
            "job_status": {"enum": [*job_openapi.STATUSES, None]},
            "error": {"$ref": "#/components/schemas/Problem"},
            "hint": {"type": "string", "description": "What keeps the job from being executed."},
        },
    }


def _hoisted(describe: Callable[[str], dict[str, Any]], key: str, schemas: dict[str, Any]) -> dict[str, Any]:
    """Makes a schema whose definitions are among the components of the document, under a prefix of their own.

    Args:
        describe: makes the schema, given where its references should point.
        key: the prefix.
        schemas: the components; the definitions are added.
    """
    described = describe(f"#/components/schemas/{key}.{{model}}")
    definitions = described.pop("$defs", {})
    for part in described.get("allOf", ()):
        definitions.update(part.pop("$defs", {}))
    schemas.update({f"{key}.{model}": definition for model, definition in definitions.items()})
    return described


def _output_schema(pipeline: Pipeline, ref_template: str) -> dict[str, Any]:
    """What the signature of the last op says about the output; empty where it says nothing."""
    described: dict[str, Any] = _nullable(schema.adapter(output_hint(pipeline)).json_schema(ref_template))
    return described


def _nullable(described: Any) -> Any:
    """Lets every number be null as well: that is how NaN and infinity are sent."""
    if isinstance(described, list):
        return [_nullable(part) for part in described]
    if not isinstance(described, dict):
        return described
    changed = {name: _nullable(part) for name, part in described.items()}
    return changed | {"type": ["number", "null"]} if changed.get("type") == "number" else changed
