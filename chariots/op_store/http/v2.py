"""What do clients of today ask the op store? (one request for a save or a load; bytes as a streamed body)"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

import flask
from werkzeug.wsgi import wrap_file

from chariots.op_store.blobs import blob_path, check_sha256
from chariots.op_store.http.raw_body import raw_body
from chariots.op_store.http.routes import Route
from chariots.op_store.http.v1 import LARGEST_TEXT, decode_bytes
from chariots.op_store.registry import Registry
from chariots.pipelines.store import NodeQuery, Origin, SaveKey, VersionRecord
from chariots.web import accept_any_size, json_response, needs

__all__ = ["ROUTES", "RAW_PATHS", "add_blob_routes"]

_PIECE = 2**20


@dataclass(frozen=True)
class Resolve:
    """Which versions would a pipeline load, and do they fit?"""

    pipeline: str
    nodes: list[NodeQuery]
    edges: list[tuple[str, str]]
    pinned: dict[str, int] | None = None


@dataclass(frozen=True)
class Save:
    """Register everything that one save of a pipeline holds."""

    pipeline: str
    last_op: str
    versions: list[VersionRecord]
    links: list[tuple[str, str]]
    origin: Origin | None = None
    once: SaveKey | None = None


@dataclass(frozen=True)
class SavedAttempt:
    """Which attempt has saved under a key?"""

    key: str


@dataclass(frozen=True)
class Deployment:
    """A pipeline now serves these versions."""

    pipeline: str
    versions: dict[str, int]


@dataclass(frozen=True)
class LastDeployment:
    """Which versions did a pipeline serve last?"""

    pipeline: str


@dataclass(frozen=True)
class FindVersion:
    """Which bytes does a version of an op have?"""

    op: str
    version: str


@dataclass(frozen=True)
class BlobOf:
    """Bytes, by their SHA-256."""

    sha256: str


@dataclass(frozen=True)
class BlobText:
    """Bytes as base64 text, for clients that can only send JSON."""

    bytes: str


def _resolve(registry: Registry, asked: Resolve) -> Any:
    return registry.resolve(asked.pipeline, asked.nodes, asked.edges, asked.pinned)


def _save(registry: Registry, asked: Save) -> Any:
    numbers = registry.commit_save(asked.pipeline, asked.last_op, asked.versions, asked.links, asked.origin, asked.once)
    return {"versions": numbers}


def _saved_attempt(registry: Registry, asked: SavedAttempt) -> Any:
    return {"attempt": registry.saved_attempt(asked.key)}


def _add_version(registry: Registry, asked: VersionRecord) -> Any:
    return {"id": registry.add_version(asked)}


def _find_version(registry: Registry, asked: FindVersion) -> Any:
    return registry.find_version(asked.op, asked.version)


def _record_deployment(registry: Registry, asked: Deployment) -> Any:
    registry.record_deployment(asked.pipeline, asked.versions)
    return {}


def _last_deployment(registry: Registry, asked: LastDeployment) -> Any:
    return {"versions": registry.last_deployment(asked.pipeline)}


def _write_blob(registry: Registry, asked: BlobText) -> Any:
    return {"sha256": registry.blobs.write(decode_bytes(asked.bytes, "bytes"))}


def _read_blob(registry: Registry, asked: BlobOf) -> Any:
    data = registry.blobs.read(check_sha256(asked.sha256, "sha256"))
    return {"bytes": base64.b64encode(data).decode()}


def _check_blob(registry: Registry, asked: BlobOf) -> Any:
    problem = registry.blobs.problem(check_sha256(asked.sha256, "sha256"))
    return {"intact": problem is None, "problem": problem}


ROUTES = (
    Route("/v2/resolve", "Which versions would a pipeline load, and do they fit?", Resolve, _resolve),
    Route("/v2/saves", "Register everything that one save of a pipeline holds.", Save, _save, scope="write"),
    Route("/v2/saves/attempt", "Which attempt has saved under a key?", SavedAttempt, _saved_attempt),
    Route("/v2/versions", "Register one version of an op.", VersionRecord, _add_version, scope="write"),
    Route("/v2/versions/find", "Which bytes does a version of an op have?", FindVersion, _find_version),
    Route("/v2/deployments", "Remember what a pipeline serves.", Deployment, _record_deployment, scope="write"),
    Route("/v2/deployments/last", "What did a pipeline serve last?", LastDeployment, _last_deployment),
    Route("/v2/blobs", "Keep bytes sent as base64.", BlobText, _write_blob, max_body=LARGEST_TEXT, scope="write"),
    Route("/v2/blobs/read", "Read bytes as base64.", BlobOf, _read_blob),
    Route("/v2/blobs/check", "Are these bytes there, and undamaged?", BlobOf, _check_blob),
)


def add_blob_routes(app: flask.Flask, registry: Registry) -> None:
    """Adds the routes on which bytes travel as they are, in pieces, so that neither side holds them all.

    Args:
        app: the application to add them to.
        registry: what keeps the bytes.
    """

    def put(sha256: str) -> flask.Response:
        accept_any_size()
        registry.blobs.put(check_sha256(sha256, "sha256"), raw_body())
        return json_response({"sha256": sha256})

    def get(sha256: str) -> flask.Response:
        pieces: Any = registry.blobs.open(check_sha256(sha256, "sha256"))
        if hasattr(pieces, "fileno"):
            # A file: the WSGI server may hand it to the kernel instead of reading and sending it.
            pieces = wrap_file(flask.request.environ, pieces, _PIECE)
        answer = flask.Response(pieces, mimetype="application/octet-stream", direct_passthrough=True)
        size = registry.blobs.saver.size(blob_path(sha256))
        if size is not None:
            answer.content_length = size
        return answer

    app.add_url_rule("/v2/blobs/<sha256>", "put_blob", needs("write")(put), methods=["PUT"])
    app.add_url_rule("/v2/blobs/<sha256>", "get_blob", get, methods=["GET"])


_BINARY = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
_PROBLEM = {"$ref": "#/components/responses/Problem"}
RAW_PATHS: dict[str, Any] = {
    "/v2/blobs/{sha256}": {
        "parameters": [
            {
                "name": "sha256",
                "in": "path",
                "required": True,
                "schema": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
            }
        ],
        "get": {
            "summary": "Read bytes, unverified: whoever reads them compares their SHA-256.",
            "responses": {"200": {"description": "the bytes", "content": _BINARY}, "4XX": _PROBLEM},
        },
        "put": {
            "summary": "Keep bytes, if they have the SHA-256 that the path names.",
            "requestBody": {"required": True, "content": _BINARY},
            "responses": {
                "200": {"description": "the bytes are kept", "content": {"application/json": {"schema": {}}}},
                "4XX": _PROBLEM,
            },
        },
    }
}
