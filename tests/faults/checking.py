"""Is what a reader sees whole? (asked after every fault)"""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from chariots.op_store import BaseOpStoreClient, OpStoreServer, tables
from tests.op_store.support import blob_files, file_store, query

PAIR = ("pca", "forest")


def served_pair(client: BaseOpStoreClient) -> str | None:
    """What a reader gets of the two ops that `save_pair` saves: the name of one save, or None before the first.

    Fails if the two come from different saves, if one is missing or if bytes are not those that were saved.
    """
    found = client.resolve("predict", [query(name, "optional") for name in PAIR], [PAIR])
    assert found.problems == []
    if not found.versions:
        return None
    assert set(found.versions) == set(PAIR), f"only {set(found.versions)} can be loaded"
    saves = {}
    for name, stored in found.versions.items():
        owner, _, save = client.read_blob(str(stored.sha256)).decode().rstrip(".").partition(" ")
        assert owner == name
        saves[name] = save
    assert len(set(saves.values())) == 1, f"a mixed set: {saves}"
    return saves["pca"]


def check_rows(store: OpStoreServer) -> int:
    """Fails unless every save is there with both of its versions and its link, once; returns how many there are."""
    version, link, op = tables.version, tables.link, tables.op
    with store.registry.database.reading() as connection:
        names = connection.scalars(sa.select(op.c.name)).all()
        rows = connection.execute(sa.select(version.c.id, version.c.op_id, version.c.major, version.c.sha256)).all()
        links = connection.execute(sa.select(link.c.upstream_version_id, link.c.downstream_version_id)).all()
    assert len(names) == len(set(names))
    assert len({(row.op_id, row.major) for row in rows}) == len(rows), "a version is there twice"
    assert len(set(links)) == len(links), "a link is there twice"
    assert len(rows) == 2 * len(links)
    assert {number for pair in links for number in pair} == {row.id for row in rows}
    return len(links)


def check_everything(folder: Path) -> int:
    """Fails unless every version of a store has its bytes and all rows belong together; returns how many saves."""
    store = file_store(folder)
    with store.registry.database.reading() as connection:
        rows = connection.execute(sa.select(tables.version.c.sha256, tables.version.c.size)).all()
    for row in rows:
        assert len(store.registry.blobs.read(row.sha256)) == row.size
    saves = check_rows(store)
    store.registry.database.engine.dispose()
    return saves


def half_written(folder: Path) -> list[Path]:
    """The files that a save left behind without finishing them."""
    return [path for path in blob_files(folder) if path.name.startswith(".")]
