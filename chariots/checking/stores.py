"""How is a store reached that is only to be looked at?"""

from __future__ import annotations

import os
import sqlite3
import tempfile
import weakref
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from chariots.errors import ChariotsError, StoreError, UnknownNameError
from chariots.op_store.baseline import Baseline, KnownVersion, LivePipeline
from chariots.op_store.decisions.shapes import Shape

if TYPE_CHECKING:
    from chariots.op_store import BaseOpStoreClient

__all__ = ["ask_baseline", "open_store"]

TOKEN = "CHARIOTS_OP_STORE_TOKEN"


def open_store(against: str) -> BaseOpStoreClient:
    """Opens the store that a check is held against.

    Args:
        against: the URL of an op store, or the folder of an embedded one. A server that wants a token gets the one in
            the variable ``CHARIOTS_OP_STORE_TOKEN``; reading is all it has to allow.

    Returns:
        a client of the store.

    Raises:
        UnknownNameError: if there is no such folder, or no store in it.
        ValueError: if that is another kind of URL.
    """
    if "://" in against:
        from chariots.op_store import OpStoreClient

        if urlsplit(against).scheme not in ("http", "https"):
            raise ValueError(
                f"the store {against!r} was asked for, and only stores at http:// and https:// and folders can be; "
                "give the URL at which `chariots op-store serve` answers, or the folder of an embedded store"
            )
        return OpStoreClient(against, token=os.environ.get(TOKEN) or None)
    return _open_folder(Path(against))


def _open_folder(folder: Path) -> BaseOpStoreClient:
    from chariots.op_store import OpStoreServer
    from chariots.op_store.folder import StoreFolder, sqlite_url
    from chariots.op_store.savers import FileSaver
    from chariots.op_store.tables import SCHEMA_REVISION

    kept = StoreFolder(folder.absolute())
    database = kept.database
    if not database.is_file():
        missing = f"it holds no {database.name}" if folder.is_dir() else "there is no such folder"
        raise UnknownNameError(
            f"the store in the folder {folder} was asked for, and {missing}; give the path of Chariots(pipelines, "
            "path), the one of `chariots op-store serve --path`, or the URL of a store"
        )
    copies = None if _revision(database) == SCHEMA_REVISION else tempfile.TemporaryDirectory(prefix="chariots-look-")
    if copies is not None:
        # A store upgrades its tables when it is used, and a server of the older release may run on this one.
        database = _copied(database, Path(copies.name))
    client = OpStoreServer(FileSaver(str(kept.ops)), sqlite_url(database)).client()
    if copies is not None:
        weakref.finalize(client, copies.cleanup)
    return client


def _revision(database: Path) -> str | None:
    with closing(_only_reading(database)) as connection:
        if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").fetchone() is None:
            return None
        found = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        return None if found is None else str(found[0])


def _copied(database: Path, folder: Path) -> Path:
    """A copy of a database as it is at this moment, whoever writes to it meanwhile."""
    copy = folder / database.name
    with closing(_only_reading(database)) as connection, closing(sqlite3.connect(copy)) as target:
        connection.backup(target)
    return copy


def _only_reading(database: Path) -> sqlite3.Connection:
    try:
        connection = sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)
        connection.execute("SELECT 1 FROM sqlite_master")
    except sqlite3.Error as error:
        raise StoreError(
            f"the store in the folder {database.parent} was asked for, and its {database.name} cannot be read "
            f"({error}); look whether it is the database of an op store, and whether this user may read and write in "
            "the folder"
        ) from error
    return connection


def ask_baseline(store: BaseOpStoreClient, ops: Sequence[str], pipelines: Sequence[str], alias: str | None) -> Baseline:
    """Asks a store, in one request, what is trained and live.

    Args:
        store: the store.
        ops: the names of the ops.
        pipelines: the names of the pipelines.
        alias: the alias that says what a pipeline serves; None to look at deployments alone.

    Returns:
        the facts.

    Raises:
        StoreError: if the store is of a release that cannot tell.
        ChariotsError: if it does not answer.
    """
    asked = {"ops": list(dict.fromkeys(ops)), "pipelines": list(dict.fromkeys(pipelines)), "alias": alias}
    try:
        answer = store.post("/v2/baseline", asked)
    except ChariotsError as error:
        if error.status != 404:
            raise
        raise StoreError(
            "the op store was asked what is trained and live, and does not know that question: it runs an older "
            "release of chariots, or this is not the address of an op store; upgrade it, or correct the address"
        ) from error
    return Baseline(
        ops={name: [KnownVersion(**version) for version in known] for name, known in answer["ops"].items()},
        pipelines={name: _live_pipeline(**live) for name, live in answer["pipelines"].items()},
        others=answer["others"],
    )


def _live_pipeline(*, shape: Mapping[str, Any] | None, **live: Any) -> LivePipeline:
    return LivePipeline(**live, shape=None if shape is None else Shape.from_json(shape))
