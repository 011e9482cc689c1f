"""How do all rows of an op store get into another database, of the same kind or the other?"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from chariots.op_store import tables
from chariots.op_store.database import Database
from chariots.op_store.folder import sqlite_url
from chariots.op_store.maintenance.inventory import unhurried, unhurried_reading
from chariots.op_store.rows import utc
from chariots.op_store.savers.base import is_leftover, writing_name

__all__ = ["clear", "copy_rows", "put_in_place", "snapshot", "snapshot_of_file"]

_ROWS = 1000  # in one statement, and in memory
_WAIT_SECONDS = 30.0  # for the lock of another process


@contextmanager
def snapshot(source: Database, folder: Path) -> Iterator[Database]:
    """Yields a copy of one state of a database as an SQLite file, which is removed at the end.

    Args:
        source: the database; it may be written to meanwhile.
        folder: where there is room for the copy.
    """
    if source.engine.dialect.name == "sqlite":
        with _temporary(folder) as path:
            with source.reading() as connection, closing(sqlite3.connect(path)) as copy:
                _driver(connection).backup(copy)
            with _opened(path) as copied:
                _leave_out_others(copied)
                yield copied
    else:
        with _temporary(folder) as path, _opened(path) as copied:
            with unhurried_reading(source) as connection, copied.writing() as target:
                copy_rows(connection, target)
            yield copied


@contextmanager
def snapshot_of_file(source: Path, folder: Path) -> Iterator[Database]:
    """Yields a copy of an SQLite file in the form of this release; the file itself may be of an older one.

    Args:
        source: the file, which is only read.
        folder: where there is room for the copy.
    """
    with _temporary(folder) as path:
        address = f"{source.absolute().as_uri()}?mode=ro"
        with (
            closing(sqlite3.connect(address, uri=True, timeout=_WAIT_SECONDS)) as original,
            closing(sqlite3.connect(path)) as copy,
        ):
            original.backup(copy)
        with _opened(path) as copied:
            yield copied


def clear(folder: Path, grace: float) -> None:
    """Removes the snapshots that runs left behind which were killed.

    Args:
        folder: where snapshots are made.
        grace: how old they must be, in seconds; a younger one may be in use.
    """
    for path in folder.glob("*.sqlite*"):
        with suppress(FileNotFoundError):
            if is_leftover(path.name) and path.stat().st_mtime < time.time() - grace:
                path.unlink()


@contextmanager
def _temporary(folder: Path) -> Iterator[Path]:
    path = folder / f"{writing_name()}.sqlite"
    try:
        yield path
    finally:
        for suffix in ("", "-wal", "-shm", "-journal"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)


@contextmanager
def _opened(path: Path) -> Iterator[Database]:
    copied = Database(sqlite_url(path))
    try:
        copied.upgrade()
        yield copied
    finally:
        copied.engine.dispose()


def _leave_out_others(copied: Database) -> None:
    """Empties the tables that are no part of the op store: a job that came back from a backup would run once more."""
    with copied.writing() as connection:
        others = set(sa.inspect(connection).get_table_names()) - set(tables.metadata.tables) - {"alembic_version"}
        removed = sum(connection.execute(sa.delete(sa.table(name))).rowcount for name in sorted(others))
    if removed:
        with copied.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("VACUUM")  # the room they took would be copied with every backup


def put_in_place(copied: Database, path: Path) -> None:
    """Replaces what an SQLite file holds by what a snapshot holds, all of it or nothing.

    The file is not renamed into its place: what SQLite keeps beside it would belong to another file then.

    Args:
        copied: the snapshot.
        path: the file; it need not be there.
    """
    with copied.reading() as connection, closing(sqlite3.connect(path, timeout=_WAIT_SECONDS)) as target:
        _driver(connection).backup(target)


def copy_rows(source: sa.Connection, target: sa.Connection) -> None:
    """Copies every row, numbers included, into tables that are empty.

    Args:
        source: a transaction on the one database.
        target: a transaction on the other.
    """
    unhurried(target)
    for table in tables.metadata.sorted_tables:
        # Streamed: a million versions need not fit into memory. By number, so that rows come after those they name.
        query = sa.select(table).order_by(*table.primary_key.columns)
        found = source.execution_options(stream_results=True, yield_per=_ROWS).execute(query)
        insert = sa.insert(_plain(table))
        for rows in found.mappings().partitions(_ROWS):
            target.execute(insert, [_utc(row) for row in rows])
        if target.dialect.name == "postgresql" and "id" in table.c:
            last = sa.select(sa.func.max(table.c.id)).scalar_subquery()
            sequence = sa.func.pg_get_serial_sequence(table.name, "id")
            target.execute(sa.select(sa.func.setval(sequence, last)).where(last.is_not(None)))


def _plain(table: sa.Table) -> sa.TableClause:
    """The table, for inserts that leave NULL as it is: a JSON column would take None for the JSON value null."""
    columns: Sequence[sa.ColumnClause[Any]] = [
        sa.column(column.name, sa.JSON(none_as_null=True) if isinstance(column.type, sa.JSON) else column.type)
        for column in table.columns
    ]
    return sa.table(table.name, *columns)


def _utc(row: sa.RowMapping) -> dict[str, Any]:
    return {name: utc(value) if isinstance(value, datetime) else value for name, value in row.items()}


def _driver(connection: sa.Connection) -> sqlite3.Connection:
    driver = connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    return driver
