"""How is an op store copied while it serves, and how does it come back from the copy?

A backup is a store of its own: a folder with an SQLite file and the bytes, which `chariots op-store serve --path` can
serve as it is. The database is copied first, in one state; bytes never change, so they may follow.
"""

from __future__ import annotations

import json
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from chariots._version import __version__
from chariots.errors import ConflictError, DamagedError, InputError, UnknownNameError
from chariots.op_store import tables
from chariots.op_store.blobs import BlobStore, blob_path
from chariots.op_store.database import Database
from chariots.op_store.folder import StoreFolder
from chariots.op_store.maintenance import GRACE_SECONDS
from chariots.op_store.maintenance.copying import clear, copy_rows, put_in_place, snapshot, snapshot_of_file
from chariots.op_store.maintenance.inventory import Named, database_time, name_of, named, shelves
from chariots.op_store.maintenance.reports import BackupReport, Finding
from chariots.op_store.registry import Registry
from chariots.op_store.savers.file import FileSaver

__all__ = ["back_up", "restore"]

_MARK = "backup.json"  # says that a folder holds a backup
_THREADS = 4  # a bucket answers several requests at once
# Tables that only grow, and what never changes in their rows.
_GROWING = {
    "op": ("id", "name"),
    "version": ("id", "op_id", "major", "minor", "patch", "creation_time"),
    "pipeline": ("id", "name"),
    "deployment": ("id", "pipeline_id", "created_at"),
    "save": ("id", "created_at"),
    "event": ("id", "pipeline_id", "kind", "created_at"),
}


def back_up(registry: Registry, folder: str | Path) -> BackupReport:
    """Copies a store into a folder, or brings the backup there up to date; the store may go on serving.

    Bytes that the folder has already are not copied again. A backup that is killed leaves the one before as it was.

    Args:
        registry: the store.
        folder: where to; made if it is not there.

    Returns:
        what was copied.

    Raises:
        ConflictError: if the folder holds something else than an earlier backup of this store.
        StoreUnavailableError: if the store cannot be reached.
        OSError: if the folder cannot be written to.
    """
    place = StoreFolder(Path(folder).absolute())
    _check_folder(registry, place)
    place.path.mkdir(parents=True, exist_ok=True)
    clear(place.path, GRACE_SECONDS)
    kept = BlobStore(FileSaver(str(place.ops)))
    with snapshot(registry.database, place.path) as copied:
        _check_same_store(place, copied)
        report = _copy_bytes(copied, registry.blobs, kept, partial(_is_alive, registry.database))
        with copied.reading() as connection:
            made_at = database_time(connection).isoformat()
        put_in_place(copied, place.database)
    mark = {"chariots": __version__, "made_at": made_at, "versions": report.versions, "blobs": report.blobs}
    FileSaver(str(place.path)).save(f"{json.dumps(mark, indent=2)}\n".encode(), _MARK)
    return report


def restore(registry: Registry, folder: str | Path) -> BackupReport:
    """Fills an empty store from a backup, or from the folder of any store that keeps its bytes in files.

    The kinds of database may differ, so this also is how a store moves from SQLite to PostgreSQL. Every version keeps
    its number.

    Args:
        registry: the store to fill; it must not hold anything.
        folder: the backup; it is left as it is.

    Returns:
        what was copied.

    Raises:
        UnknownNameError: if the folder holds no store.
        ConflictError: if the store is not empty; nothing was changed.
    """
    place = StoreFolder(Path(folder).absolute())
    if not place.database.is_file():
        raise UnknownNameError(
            f"an op store was to be restored from {place.path}, but there is no {place.database.name} in that folder; "
            "give the folder that `chariots op-store backup` wrote"
        )
    with registry.database.reading() as connection:
        _refuse_rows(connection, registry.database)
    # From a copy, because the backup may be of an older release, and must not be changed.
    with (
        tempfile.TemporaryDirectory(prefix="chariots-restore-") as room,
        snapshot_of_file(place.database, Path(room)) as copied,
    ):
        kept = BlobStore(FileSaver(str(place.ops)))
        report = _copy_bytes(copied, kept, registry.blobs, lambda sha256: True)
        with copied.reading() as connection, registry.database.writing(alone=True) as target:
            _refuse_rows(target, registry.database)
            copy_rows(connection, target)
    return report


def _copy_bytes(
    copied: Database, source: BlobStore, target: BlobStore, is_alive: Callable[[str], bool]
) -> BackupReport:
    """Copies the bytes of every version from one place to another.

    Args:
        copied: the snapshot that names them.
        source: where they are.
        target: where they are to be.
        is_alive: tells whether some version still has the bytes under a hash.

    Returns:
        what was copied. Bytes that `gc` removed meanwhile are taken out of the snapshot as well.
    """
    report = BackupReport()
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="chariots-copy") as threads:
        for shelf in shelves(copied):
            with copied.reading() as connection:
                alive = {sha256: entry for sha256, entry in named(connection, shelf).items() if entry.alive}
            report.versions += sum(len(entry.alive) for entry in alive.values())
            report.blobs += len(alive)
            outcomes = threads.map(partial(_copy_one, source, target), alive, alive.values())
            for sha256, (size, problem) in zip(alive, outcomes, strict=True):
                if problem is None:
                    report.copied += size is not None
                    report.size += size or 0
                elif is_alive(sha256):
                    report.findings.append(_finding(copied, sha256, alive[sha256], problem))
                else:
                    report.blobs -= 1
                    report.versions -= len(alive[sha256].alive)
                    with copied.writing() as connection:
                        lost = sa.update(tables.version).where(tables.version.c.sha256 == sha256)
                        connection.execute(lost.values(pruned_at=database_time(connection)))
    return report


class _UnreadableError(Exception):
    """The place that bytes come from failed; not the one they go to."""


def _copy_one(source: BlobStore, target: BlobStore, sha256: str, entry: Named) -> tuple[int | None, str | None]:
    """Copies some bytes; returns how many, None if they were there, and what is wrong with them."""
    path = blob_path(sha256)
    if target.saver.exists(path) and target.saver.size(path) in (None, entry.size):
        return None, None
    passed = [0]
    try:
        target.put(sha256, _pieces(source, path, passed))
    except _UnreadableError as error:
        return None, str(error)
    except (InputError, DamagedError):
        return None, f"are damaged (there are {passed[0]} bytes, and their SHA-256 is another)"
    return passed[0], None


def _pieces(source: BlobStore, path: str, passed: list[int]) -> Iterator[bytes]:
    try:
        for piece in source.saver.load_stream(path):
            passed[0] += len(piece)
            yield piece
    except FileNotFoundError as error:
        raise _UnreadableError("are lost") from error
    except OSError as error:
        raise _UnreadableError(f"cannot be read ({error})") from error


def _finding(copied: Database, sha256: str, entry: Named, problem: str) -> Finding:
    with copied.reading() as connection:
        owners = name_of(connection, entry.alive)
    return Finding(
        "missing" if problem == "are lost" else "damaged",
        f"the bytes {sha256} of op {', '.join(owners)} {problem} and were not copied; save the op again, or bring them "
        "back from another backup",
        path=blob_path(sha256),
        versions=owners,
    )


def _is_alive(database: Database, sha256: str) -> bool:
    with database.reading() as connection:
        entry = named(connection, sha256).get(sha256)
    return entry is not None and bool(entry.alive)


def _check_folder(registry: Registry, place: StoreFolder) -> None:
    """Refuses a folder with something in it that a backup would destroy."""
    if registry.database.url.database == str(place.database):
        told = f"the op store in {place.path} was to be backed up into its own folder; give another folder"
        raise ConflictError(told)
    if place.database.exists() and not (place.path / _MARK).exists():
        raise ConflictError(
            f"an op store was to be backed up into {place.path}, but the {place.database.name} there is not that of a "
            f"backup (there is no {_MARK} beside it) and would be lost; give another folder"
        )


def _check_same_store(place: StoreFolder, copied: Database) -> None:
    """Refuses a backup that knows what the store does not: it is of another store, or was served since.

    Stores go apart from one another, and rows are never removed; so it is enough to look at the newest of a table.
    """
    if not place.database.exists():
        return
    try:
        with closing(sqlite3.connect(place.database)) as connection:
            newest = {name: _newest(connection, name) for name in _GROWING}
    except sqlite3.DatabaseError as error:
        raise ConflictError(
            f"an op store was to be backed up into {place.path}, but the {place.database.name} there cannot be read "
            f"({error}); move it away, or give another folder"
        ) from error
    for name, there in newest.items():
        with copied.reading() as connection:
            here = connection.execute(_by_number(name), {"number": there[0]}).first() if there else None
        if there is not None and (here is None or tuple(here) != there):
            raise ConflictError(
                f"an op store was to be backed up into {place.path}, but that folder holds {name} number {there[0]}, "
                f"and the op store has {'none of that number' if here is None else 'another of that number'}: it is "
                "the backup of another store, or was written to since; give another folder"
            )


def _newest(connection: sqlite3.Connection, name: str) -> tuple[Any, ...] | None:
    """What never changes of the newest row of a table; None if there is none, or an older release has no such table."""
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", [name]).fetchone():
        return None
    row: tuple[Any, ...] | None = connection.execute(
        f"SELECT {', '.join(_GROWING[name])} FROM {name} ORDER BY id DESC LIMIT 1"
    ).fetchone()
    return row


def _by_number(name: str) -> sa.TextClause:
    return sa.text(f"SELECT {', '.join(_GROWING[name])} FROM {name} WHERE id = :number")


def _refuse_rows(connection: sa.Connection, database: Database) -> None:
    for table in (tables.op, tables.pipeline):
        if connection.execute(sa.select(table.c.id).limit(1)).first() is not None:
            raise ConflictError(
                f"an op store was to be restored into {database.url.render_as_string(hide_password=True)}, but that "
                "database holds ops or pipelines already; give an empty one, or use `chariots op-store import` to add "
                "ops (nothing was changed)"
            )
