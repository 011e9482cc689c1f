"""How do ops leave an op store as one file?"""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from chariots.errors import DamagedError, UnknownNameError, nearest
from chariots.op_store import rows, tables
from chariots.op_store.maintenance import archive
from chariots.op_store.maintenance.inventory import name_of, unhurried_reading
from chariots.op_store.maintenance.reports import ExportReport
from chariots.op_store.registry import Registry
from chariots.op_store.rows import utc
from chariots.op_store.savers.base import writing_name

__all__ = ["export_ops"]

_ROWS = 1000  # in memory at once
_VERSION, _LINK = tables.version.c, tables.link.c


def export_ops(
    registry: Registry, ops: Sequence[str] | None, path: str | Path, *, newest: int | None = None
) -> ExportReport:
    """Writes versions of ops, the links between them and their bytes into one file.

    Bytes are verified on the way. The file appears under its name when it is whole, and not before.

    Args:
        registry: the store.
        ops: the names of the ops; None for every op.
        path: the file; one that is there is replaced.
        newest: how many of the newest versions of each op; None for all that have not been given up.

    Returns:
        what is in the file.

    Raises:
        UnknownNameError: if there is no op of a name.
        DamagedError: if bytes are not those that were saved.
        StoreError: if bytes are lost.
        OSError: if the file cannot be written.
    """
    path = Path(path).absolute()
    part = path.with_name(writing_name())
    try:
        with zipfile.ZipFile(part, "x", zipfile.ZIP_STORED) as file:
            with unhurried_reading(registry.database) as connection:
                numbers = _ops(connection, ops)
                report = ExportReport(sorted(numbers))
                blobs = _write_rows(connection, file, numbers, newest, report)
            for sha256, number in blobs.items():
                _write_blob(registry, file, sha256, number)
        with part.open("rb") as written:
            os.fsync(written.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return report


def _ops(connection: sa.Connection, wanted: Sequence[str] | None) -> dict[str, int]:
    if wanted is None:
        return {row.name: row.id for row in connection.execute(sa.select(tables.op.c.name, tables.op.c.id))}
    found = rows.op_ids(connection, wanted)
    for name in wanted:
        if name not in found:
            raise UnknownNameError(
                f"op {name!r} was to be exported, but the op store knows no op of that name; correct the name "
                f"(nothing was written).{nearest(name, rows.known_names(connection, tables.op))}"
            )
    return found


def _write_rows(
    connection: sa.Connection,
    file: zipfile.ZipFile,
    ops: dict[str, int],
    newest: int | None,
    report: ExportReport,
) -> dict[str, int]:
    """Writes everything but the bytes; returns, for each hash of bytes, one version that has them."""
    chosen = _chosen(list(ops.values()), newest)
    blobs: dict[str, int] = {}
    members: dict[str, Any] = {}

    def versions() -> Iterator[dict[str, Any]]:
        for row in _streamed(connection, _versions(chosen)):
            if row.sha256 and row.sha256 not in blobs:
                blobs[row.sha256] = row.id
                report.size += row.size
            yield _version(row)

    members[archive.VERSIONS] = archive.write_lines(file, archive.VERSIONS, versions())
    links = _links(chosen, list(ops.values()))
    members[archive.LINKS] = archive.write_lines(
        file, archive.LINKS, (dict(row._mapping) for row in _streamed(connection, links))
    )
    members[archive.SAVES] = archive.write_lines(
        file, archive.SAVES, (_dated(row) for row in _streamed(connection, _saves(chosen)))
    )
    members[archive.ACCEPTANCES] = archive.write_lines(
        file, archive.ACCEPTANCES, (_dated(row) for row in _streamed(connection, _acceptances(links)))
    )
    report.versions = members[archive.VERSIONS]["count"]
    report.links = members[archive.LINKS]["count"]
    report.blobs = len(blobs)
    report.linked = _left_behind(connection, chosen, list(ops.values()))
    archive.write_manifest(file, ops, members, report.size)
    return blobs


def _chosen(ops: Sequence[int], newest: int | None) -> sa.Subquery:
    """The numbers of the versions to write."""
    place = sa.func.row_number().over(partition_by=_VERSION.op_id, order_by=_VERSION.id.desc()).label("place")
    placed = sa.select(_VERSION.id, place).where(_VERSION.op_id.in_(ops), _VERSION.pruned_at.is_(None)).subquery()
    query = sa.select(placed.c.id)
    if newest is not None:
        query = query.where(placed.c.place <= newest)
    return query.subquery()


def _versions(chosen: sa.Subquery) -> sa.Select[Any]:
    extra = (_VERSION.fields, _VERSION.fingerprint, _VERSION.training, _VERSION.follows)
    columns = (*rows.STORED, *extra, _VERSION.created_at, _VERSION.save_id)
    return sa.select(*columns).join(tables.op).join(chosen, chosen.c.id == _VERSION.id).order_by(_VERSION.id)


def _links(chosen: sa.Subquery, ops: Sequence[int]) -> sa.Select[Any]:
    """The links whose two ends are both in the file; a link to any version of an op needs that op."""
    down = chosen.alias()
    either = sa.or_(
        down.c.id.is_not(None), sa.and_(_LINK.downstream_version_id.is_(None), _LINK.downstream_op_id.in_(ops))
    )
    return (
        sa.select(
            _LINK.upstream_version_id.label("upstream"),
            _LINK.downstream_version_id.label("downstream"),
            tables.op.c.name.label("downstream_op"),
            _LINK.event_id.label("acceptance"),
        )
        .join(tables.op, tables.op.c.id == _LINK.downstream_op_id)
        .join(chosen, chosen.c.id == _LINK.upstream_version_id)
        .outerjoin(down, down.c.id == _LINK.downstream_version_id)
        .where(either)
        .order_by(_LINK.id)
    )


def _left_behind(connection: sa.Connection, chosen: sa.Subquery, ops: Sequence[int]) -> list[str]:
    """The names of the ops at the other ends of links that do not come along."""
    ends = (
        (_LINK.downstream_version_id, _LINK.upstream_op_id),
        (_LINK.upstream_version_id, _LINK.downstream_op_id),
    )
    found: set[str] = set()
    for here, there in ends:
        linked = sa.select(there).join(chosen, chosen.c.id == here).where(there.not_in(ops)).distinct()
        found.update(connection.scalars(sa.select(tables.op.c.name).where(tables.op.c.id.in_(linked))))
    return sorted(found)


def _saves(chosen: sa.Subquery) -> sa.Select[Any]:
    save, wanted = tables.save.c, sa.select(_VERSION.save_id).join(chosen, chosen.c.id == _VERSION.id)
    columns = (save.id, tables.pipeline.c.name.label("pipeline"), save.created_at)
    return (
        sa.select(*columns, save.who, save.host, save.git_commit, save.code_version)
        .outerjoin(tables.pipeline, tables.pipeline.c.id == save.pipeline_id)
        .where(save.id.in_(wanted))
        .order_by(save.id)
    )


def _acceptances(links: sa.Select[Any]) -> sa.Select[Any]:
    event, found = tables.event.c, links.order_by(None).subquery()
    columns = (event.id, tables.pipeline.c.name.label("pipeline"), event.created_at)
    return (
        sa.select(*columns, event.before, event.after, event.who, event.reason)
        .join(tables.pipeline)
        .where(event.id.in_(sa.select(found.c.acceptance)))
        .order_by(event.id)
    )


def _version(row: rows.StoredRow) -> dict[str, Any]:
    stored = rows.stored_version(row)
    return {
        "id": stored.id,
        "op": stored.op,
        "version": stored.version,
        "code_version": stored.code_version,
        "sha256": stored.sha256,
        "size": stored.size,
        "format": stored.format,
        "signature": stored.signature,
        "signed_by": stored.signed_by,
        "fields": row.fields,
        "fingerprint": row.fingerprint,
        "training": row.training,
        "follows": row.follows,
        "created_at": utc(row.created_at),
        "save": row.save_id,
    }


def _dated(row: rows.StoredRow) -> dict[str, Any]:
    return {**row._mapping, "created_at": utc(row.created_at)}


def _streamed(connection: sa.Connection, query: sa.Select[Any]) -> Iterable[rows.StoredRow]:
    return connection.execution_options(stream_results=True, yield_per=_ROWS).execute(query)


def _write_blob(registry: Registry, file: zipfile.ZipFile, sha256: str, number: int) -> None:
    digest = hashlib.sha256()
    pieces = registry.blobs.open(sha256)
    with archive.open_blob(file, sha256) as member:
        for piece in pieces:
            digest.update(piece)
            member.write(piece)
    if digest.hexdigest() != sha256:
        with unhurried_reading(registry.database) as connection:
            (owner,) = name_of(connection, [number])
        raise DamagedError(
            f"the bytes {sha256} of op {owner} were to be exported, but they are damaged: their SHA-256 is "
            f"{digest.hexdigest()}; bring them back from a backup, save the op again, or export other versions "
            "(nothing was written)",
            sha256=sha256,
        )
