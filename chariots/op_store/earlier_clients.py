"""What do clients of chariots 0.2 ask for? (versions by their text, links without a downstream version)"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import sqlalchemy as sa

from chariots.op_store import rows, tables
from chariots.op_store.checks import check_name, check_version
from chariots.op_store.decisions import deployments
from chariots.pipelines.store import VersionRecord

if TYPE_CHECKING:
    from chariots.op_store.registry import Registry

__all__ = [
    "all_versions",
    "op_bytes",
    "pipeline_exists",
    "register_pipeline",
    "register_valid_link",
    "save_op_bytes",
    "validated_links",
]


def all_versions(registry: Registry, op: str) -> list[str] | None:
    """The text of every version of an op, each once, oldest first; None if the op is not known.

    Args:
        registry: the store.
        op: the name of the op.
    """
    check_name(op, "desired_op_name")
    with registry.database.reading() as connection:
        number = rows.op_id(connection, op)
        if number is None:
            return None
        query = sa.select(tables.version).where(tables.version.c.op_id == number).order_by(tables.version.c.id)
        return rows.version_texts(connection.execute(query))


def validated_links(registry: Registry, downstream_op: str, upstream_op: str) -> list[str] | None:
    """The text of the upstream versions that are valid for a downstream op; None if the two never met.

    Args:
        registry: the store.
        downstream_op: the name of the op that reads.
        upstream_op: the name of the op whose output is read.
    """
    check_name(downstream_op, "downstream_op_name")
    check_name(upstream_op, "upstream_op_name")
    with registry.database.reading() as connection:
        numbers = rows.op_ids(connection, (downstream_op, upstream_op))
        if len(numbers) < len({downstream_op, upstream_op}):
            return None
        found = _validated(connection, numbers[upstream_op], numbers[downstream_op])
        return rows.version_texts(found) or None


def op_bytes(registry: Registry, op: str, version: str) -> bytes:
    """The bytes of a version of an op, verified.

    Args:
        registry: the store.
        op: the name of the op.
        version: the text of the version.

    Raises:
        UnknownNameError: if there is no such op, no such version or no bytes of it.
        UntrustedError: if the store trusts them no longer.
        StoreError: if the bytes are lost or damaged.
    """
    return registry.blobs.read(str(registry.find_version(op, version).sha256))


def save_op_bytes(registry: Registry, op: str, version: str, data: bytes) -> None:
    """Keeps the bytes of a version of an op, registering both where they are new.

    Args:
        registry: the store.
        op: the name of the op.
        version: the text of the version.
        data: the bytes.

    Raises:
        UntrustedError: if the store does not trust them.
    """
    check_name(op, "op_name")
    check_version(version, "version")
    record = VersionRecord(op=op, version=version, sha256=hashlib.sha256(data).hexdigest(), size=len(data))
    registry.trust.check(record, "saved")
    registry.blobs.write(data)
    registry.add_version(record)


def register_valid_link(registry: Registry, downstream_op: str | None, upstream_op: str, upstream_version: str) -> None:
    """Vouches for a version of an upstream op, for any version of a downstream op.

    Args:
        registry: the store.
        downstream_op: the name of the op that reads; None to register the version alone: nothing reads it yet.
        upstream_op: the name of the op whose output is read.
        upstream_version: the text of its version.
    """
    if downstream_op is not None:
        check_name(downstream_op, "downstream_op_name")
    check_name(upstream_op, "upstream_op_name")
    parsed = check_version(upstream_version, "upstream_op_version")
    record = VersionRecord(op=upstream_op, version=upstream_version)
    with registry.database.writing() as connection:
        numbers = rows.add_ops(connection, [upstream_op, *([downstream_op] if downstream_op else [])])
        source = rows.add_version(connection, numbers[upstream_op], parsed, record)
        if downstream_op is not None:
            link = {
                "upstream_op_id": numbers[upstream_op],
                "upstream_version_id": source,
                "downstream_op_id": numbers[downstream_op],
                "downstream_version_id": None,
            }
            rows.insert_new(connection, tables.link, [link])


def pipeline_exists(registry: Registry, pipeline: str) -> bool:
    """Whether a pipeline of that name was saved or registered; one that is only served does not count.

    Args:
        registry: the store.
        pipeline: the name.
    """
    check_name(pipeline, "pipeline_name")
    query = sa.select(tables.pipeline.c.id).where(
        tables.pipeline.c.name == pipeline, tables.pipeline.c.last_op.is_not(None)
    )
    with registry.database.reading() as connection:
        return connection.execute(query).first() is not None


def register_pipeline(registry: Registry, pipeline: str, last_op: str) -> None:
    """Registers a pipeline, or changes which op is its last.

    Args:
        registry: the store.
        pipeline: the name of the pipeline.
        last_op: the name of the op.
    """
    check_name(pipeline, "pipeline_name")
    check_name(last_op, "last_op_name")
    with registry.database.writing() as connection:
        deployments.add_pipeline(connection, pipeline, last_op)


def _validated(connection: sa.Connection, upstream: int, downstream: int) -> Sequence[rows.StoredRow]:
    """The rows of the upstream versions that are valid for some version of a downstream op, oldest first."""
    linked = sa.select(tables.link.c.upstream_version_id).where(
        tables.link.c.upstream_op_id == upstream, tables.link.c.downstream_op_id == downstream
    )
    query = sa.select(*rows.STORED).join(tables.op).where(tables.version.c.id.in_(linked))
    return connection.execute(query.order_by(tables.version.c.id)).all()
