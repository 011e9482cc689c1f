"""How are jobs described in OpenAPI?"""

from __future__ import annotations

from typing import Any

from chariots.serving.job_requests import KEY_HEADER
from chariots.serving.openapi_operations import operation
from chariots.workers.job_status import JobStatus

__all__ = ["NO_OPTIONS_WITHOUT_WORKER", "STATUSES", "option_properties", "paths", "schemas"]

STATUSES = [status.value for status in JobStatus]
_LONGEST = 3_000_000_000  # seconds, 95 years
_LARGEST = 2**31 - 1
_WORDS: dict[str, tuple[dict[str, Any], str]] = {
    "priority": (
        {"type": "integer", "minimum": -_LARGEST, "maximum": _LARGEST},
        "Of two jobs that wait, the one with the greater number runs first.",
    ),
    "timeout": ({"type": "number", "minimum": 0.001, "maximum": _LONGEST}, "How many seconds one attempt may take."),
    "retries": (
        {
            "anyOf": [
                {"type": "integer", "minimum": 0, "maximum": _LARGEST - 1},
                {"$ref": "#/components/schemas/RetryPolicy"},
            ]
        },
        "How often it is tried again after a failure.",
    ),
    "at": ({"type": ["string", "number"]}, "Not before this time: ISO 8601, or seconds since the epoch."),
    "every": ({"type": "number", "minimum": 1, "maximum": _LONGEST}, "Seconds from one run to the next."),
    "after": (
        {"type": "array", "items": {"type": "string", "minLength": 1}, "maxItems": 100},
        "The ids of jobs that must be done first.",
    ),
    "idempotency_key": (
        {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"},
        f"Asking again with the same key gives the first job; the header {KEY_HEADER} says it as well.",
    ),
    "result_ttl": (
        {"type": "number", "minimum": 0, "maximum": _LONGEST},
        "How many seconds the result, or the failure, is kept.",
    ),
    "concurrency": (
        {"type": "integer", "minimum": 1, "maximum": _LARGEST},
        "How many jobs of the pipeline may run at once.",
    ),
}
NO_OPTIONS_WITHOUT_WORKER: dict[str, Any] = {
    "if": {"properties": {"use_worker": {"const": False}}, "required": ["use_worker"]},
    "then": {"properties": {name: {"type": "null"} for name in _WORDS}},
}
_LOOKING = ["404", "409", "422", "503"]
_DOING = ["404", "409", "413", "503"]


def option_properties() -> dict[str, Any]:
    """The properties of a request that say how its job is to be run."""
    return {
        name: {"anyOf": [described, {"type": "null"}], "description": words}
        for name, (described, words) in _WORDS.items()
    }


def schemas() -> dict[str, Any]:
    """The schemas that the paths refer to, beside ``PipelineResponse`` and ``Problem``."""
    seconds = {"type": ["number", "null"], "description": "Seconds since the epoch."}
    number, text = {"type": "number"}, {"type": "string"}
    versions = {"$ref": "#/components/schemas/Versions"}
    return {
        "Job": {
            "type": "object",
            "required": ["id", "app", "kind", "target", "status"],
            "properties": {
                **dict.fromkeys(("id", "app", "kind", "target"), text),
                "status": {"enum": STATUSES},
                **dict.fromkeys(("created_at", "run_at", "started_at", "ended_at", "expires_at"), seconds),
                "times": {"type": "object", "additionalProperties": {"type": "string", "format": "date-time"}},
                "attempts": {"type": "integer"},
                "progress": {"anyOf": [{"$ref": "#/components/schemas/Progress"}, {"type": "null"}]},
                "error": {"anyOf": [{"$ref": "#/components/schemas/Problem"}, {"type": "null"}]},
                "versions_used": versions,
                "versions_produced": versions,
                "worker": {"type": ["string", "null"]},
                "cancel_requested": {"type": "boolean"},
                "is_expired": {"type": "boolean"},
                "hint": {"type": "string", "description": "What keeps the job from being executed."},
                "detail": {"type": "string"},
            },
        },
        "Progress": {
            "type": "object",
            "required": ["current", "total", "message", "node"],
            "properties": {
                "current": number,
                "total": {"type": ["number", "null"]},
                "message": {"type": "string"},
                "node": {"type": ["string", "null"]},
            },
        },
        "LogLine": _all_required(
            number={"type": "integer"}, at=number, level={"type": "string"}, text={"type": "string"}
        ),
        "WorkerInfo": _all_required(
            name={"type": "string"},
            app={"type": "string"},
            host={"type": "string"},
            pid={"type": "integer"},
            started_at=number,
            job_id={"type": ["string", "null"]},
        ),
        "RetryPolicy": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "attempts": {"type": "integer", "minimum": 1},
                "base": {"type": "number", "minimum": 0},
                "maximum": {"type": "number", "minimum": 0},
                "jitter": {"type": "number", "minimum": 0, "maximum": 1},
            },
        },
    }


def paths() -> dict[str, Any]:
    """The paths of everything that is about jobs."""
    job = {"$ref": "#/components/schemas/Job"}
    response = {"$ref": "#/components/schemas/PipelineResponse"}
    wait = _query("wait", {"type": "number", "minimum": 0}, "How many seconds to wait for a change, 30 at most.")
    after = _query("after", {"type": "integer", "minimum": 0}, "Only lines behind this number.")
    asked = {
        "type": "object",
        "required": ["target"],
        "additionalProperties": False,
        "properties": {
            "kind": {"enum": ["pipeline", "promote", None]},
            "target": {"type": "string"},
            "input": {},
            "use_worker": {"type": ["boolean", "null"]},
            **option_properties(),
        },
    }
    fetched = {"type": "object", "required": ["job_id"], "properties": {"job_id": {"type": "string"}}}
    word = "|".join(STATUSES)
    listed = {
        "parameters": [
            _query(
                "status",
                {"type": "string", "pattern": f"^({word})(,({word}))*$"},
                "Only those in this state; several, between commas.",
            ),
            _query("pipeline", {"type": "string"}, "Only those of this pipeline."),
            _query("limit", {"type": "integer", "minimum": 1, "maximum": 1000}, "How many at most."),
            _query("before", {"type": "string"}, "Only jobs older than the one with this id."),
        ]
    }
    seen = _query("seen", {"type": "string"}, "The ETag of the state that is known; another is told at once.")
    made = {"200": "The first job of the same key.", "201": "The job."}
    stopped = {"200": "The job, in its final state.", "202": "The job, which is told to stop and still runs."}
    found = {
        "/jobs/fetch/": {
            "post": operation(
                "How far is a job, and what is its result?",
                response,
                ["400", "404", "409", "410", "413", "422", "503"],
                body=fetched,
            )
        },
        "/jobs": {
            "get": operation(
                "Which jobs are there?",
                _all_required(jobs={"type": "array", "items": job}, next={"type": ["string", "null"]}),
                ["409", "422", "503"],
            )
            | listed,
            "post": operation(
                "Ask for a job.", job, ["400", "404", "409", "413", "422", "503"], body=asked, statuses=made
            ),
        },
        "/jobs/{job_id}": {
            "get": operation("What is known of a job?", job, _LOOKING) | {"parameters": [wait, seen]},
        },
        "/jobs/{job_id}/result": {
            "get": operation("What did the pipeline return?", response, [*_LOOKING, "410"]) | {"parameters": [wait]},
        },
        "/jobs/{job_id}/log": {
            "get": operation(
                "What has a job logged?",
                _all_required(lines={"type": "array", "items": {"$ref": "#/components/schemas/LogLine"}}),
                _LOOKING,
            )
            | {"parameters": [after]},
        },
        "/jobs/{job_id}/events": {
            "get": operation(
                "What happens to a job? (events: status, progress, log)",
                {"type": "string"},
                _LOOKING,
                media_type="text/event-stream",
            )
            | {"parameters": [after]},
        },
        "/jobs/{job_id}/cancel": {"post": operation("End a job.", job, _DOING, statuses=stopped)},
        "/jobs/{job_id}/rerun": {"post": operation("Queue a failed or canceled job once more.", job, _DOING)},
        "/workers": {
            "get": operation(
                "Which workers are alive?",
                _all_required(workers={"type": "array", "items": {"$ref": "#/components/schemas/WorkerInfo"}}),
                ["409", "503"],
            )
        },
    }
    identity = {"name": "job_id", "in": "path", "required": True, "schema": {"type": "string"}}
    return {path: item | ({"parameters": [identity]} if "{" in path else {}) for path, item in found.items()}


def _query(name: str, described: dict[str, Any], words: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "description": words, "schema": described}


def _all_required(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": list(properties), "properties": properties}
