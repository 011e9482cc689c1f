"""What do the tests of the maintenance of a store share? Old versions, old files, and what is left of them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from chariots.op_store import BaseOpStoreClient, OpStoreServer, tables
from tests.op_store.support import blob_files, record, version

DAY = 24 * 3600.0


def save(
    client: BaseOpStoreClient, pipeline: str, ops: Sequence[str], number: object, links: Iterable[tuple[str, str]] = ()
) -> dict[str, int]:
    """Saves ops that were trained together; links are between those and versions they were saved with before."""
    records = [record(client, op, f"{op} {number}".encode(), version(f"{op} {number}")) for op in ops]
    return dict(client.commit_save(pipeline, ops[-1], records, list(links)))


def again(client: BaseOpStoreClient, pairs: Iterable[tuple[str, object, str, object]]) -> None:
    """Links versions that were saved apart: (upstream op, its number, downstream op, its number)."""
    for upstream, first, downstream, second in pairs:
        records = [
            record(client, op, f"{op} {number}".encode(), version(f"{op} {number}"))
            for op, number in ((upstream, first), (downstream, second))
        ]
        client.commit_save("train", downstream, records, [(upstream, downstream)])


def make_old(store: OpStoreServer, days: float = 100) -> None:
    """Lets everything that was saved so far be older."""
    moment = datetime.now(UTC) - timedelta(days=days)
    with store.registry.database.writing() as connection:
        connection.execute(sa.update(tables.version).values(created_at=moment))


def make_files_old(folder: Path, days: float = 2) -> None:
    """Lets every file that holds bytes be older."""
    moment = time.time() - days * DAY
    for path in (folder / "ops").rglob("*"):
        os.utime(path, (moment, moment))


def alive(store: OpStoreServer) -> dict[str, list[int]]:
    """The numbers of the versions that have bytes, by op."""
    found: dict[str, list[int]] = {}
    version_ = tables.version.c
    query = sa.select(tables.op.c.name, version_.id).join(tables.op).order_by(version_.id)
    with store.registry.database.reading() as connection:
        for op, number in connection.execute(query.where(version_.sha256 != "", version_.pruned_at.is_(None))):
            found.setdefault(op, []).append(number)
    return found


def rows(store: OpStoreServer) -> dict[str, list[tuple[object, ...]]]:
    """Everything in the database of a store."""
    with store.registry.database.reading() as connection:
        return {
            name: [tuple(row) for row in connection.execute(sa.select(table).order_by(*table.primary_key.columns))]
            for name, table in tables.metadata.tables.items()
        }


def file_names(folder: Path) -> set[str]:
    """The names of the files that hold bytes."""
    return {path.name for path in blob_files(folder)}
