"""What do clients of chariots 0.2 ask the op store? (JSON in and out, bytes as base64 text)"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Any

from chariots.op_store import earlier_clients
from chariots.op_store.checks import invalid
from chariots.op_store.http.routes import Route
from chariots.op_store.registry import Registry

__all__ = ["LARGEST_TEXT", "ROUTES", "decode_bytes"]

# Bytes. Base64 is held in memory several times over, so larger ops need the other routes.
LARGEST_TEXT = 2**30


@dataclass(frozen=True)
class AllVersions:
    """Which versions does an op have?"""

    desired_op_name: str


@dataclass(frozen=True)
class ValidatedLinks:
    """Which upstream versions are valid for a downstream op?"""

    downstream_op_name: str
    upstream_op_name: str


@dataclass(frozen=True)
class OpBytes:
    """What are the bytes of a version of an op?"""

    desired_op_name: str
    version: str


@dataclass(frozen=True)
class SaveOpBytes:
    """Keep the bytes of a version of an op."""

    op_name: str
    version: str
    bytes: str


@dataclass(frozen=True)
class RegisterValidLink:
    """A downstream op accepts a version of an upstream op; without a downstream op, the version exists."""

    downstream_op_name: str | None
    upstream_op_name: str
    upstream_op_version: str


@dataclass(frozen=True)
class PipelineExists:
    """Was a pipeline registered?"""

    pipeline_name: str


@dataclass(frozen=True)
class RegisterNewPipeline:
    """Register a pipeline."""

    pipeline_name: str
    last_op_name: str


def decode_bytes(text: str, where: str) -> bytes:
    """Reads bytes that came as base64 text.

    Args:
        text: the text.
        where: the name of the field.

    Raises:
        InputError: if it is not base64.
    """
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise invalid(where, "base64 text", text) from error


def _all_versions(registry: Registry, asked: AllVersions) -> Any:
    versions = earlier_clients.all_versions(registry, asked.desired_op_name)
    return None if versions is None else {"op_name": asked.desired_op_name, "all_versions": versions}


def _validated_links(registry: Registry, asked: ValidatedLinks) -> Any:
    versions = earlier_clients.validated_links(registry, asked.downstream_op_name, asked.upstream_op_name)
    if versions is None:
        return None
    return {
        "downstream_op_name": asked.downstream_op_name,
        "upstream_op_name": asked.upstream_op_name,
        "upstream_versions": versions,
    }


def _op_bytes(registry: Registry, asked: OpBytes) -> Any:
    data = earlier_clients.op_bytes(registry, asked.desired_op_name, asked.version)
    return {
        "op_name": asked.desired_op_name,
        "op_version": asked.version,
        "bytes": base64.b64encode(data).decode(),
    }


def _save_op_bytes(registry: Registry, asked: SaveOpBytes) -> Any:
    earlier_clients.save_op_bytes(registry, asked.op_name, asked.version, decode_bytes(asked.bytes, "bytes"))
    return {}


def _register_valid_link(registry: Registry, asked: RegisterValidLink) -> Any:
    earlier_clients.register_valid_link(
        registry, asked.downstream_op_name, asked.upstream_op_name, asked.upstream_op_version
    )
    return {}


def _pipeline_exists(registry: Registry, asked: PipelineExists) -> Any:
    return {"exists": earlier_clients.pipeline_exists(registry, asked.pipeline_name)}


def _register_new_pipeline(registry: Registry, asked: RegisterNewPipeline) -> Any:
    earlier_clients.register_pipeline(registry, asked.pipeline_name, asked.last_op_name)
    return {}


ROUTES = (
    Route("/v1/get_all_versions_of_op", "Which versions does an op have?", AllVersions, _all_versions),
    Route(
        "/v1/get_validated_links",
        "Which upstream versions are valid for a downstream op?",
        ValidatedLinks,
        _validated_links,
    ),
    Route("/v1/get_op_bytes_for_version", "What are the bytes of a version of an op?", OpBytes, _op_bytes),
    Route(
        "/v1/save_op_bytes",
        "Keep the bytes of a version of an op.",
        SaveOpBytes,
        _save_op_bytes,
        max_body=LARGEST_TEXT,
        scope="write",
    ),
    Route(
        "/v1/register_valid_link",
        "Vouch for a version of an upstream op.",
        RegisterValidLink,
        _register_valid_link,
        scope="write",
    ),
    Route("/v1/pipeline_exists", "Was a pipeline registered?", PipelineExists, _pipeline_exists),
    Route(
        "/v1/register_new_pipeline",
        "Register a pipeline.",
        RegisterNewPipeline,
        _register_new_pipeline,
        scope="write",
    ),
)
