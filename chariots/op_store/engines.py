"""How is a connection to the op store's database opened, set up and given up in time?

Waits have an end. SQLite waits up to half a minute for the lock of another writer. PostgreSQL gets five seconds to
take a connection, half a minute for a lock, a minute for a statement, and an idle transaction of a process that
hangs is ended after a minute; what the URL says instead (``?connect_timeout=20``) comes first. One wait has no end:
that for a PostgreSQL whose processes are stopped (SIGSTOP) with their connections open. Its machine goes on confirming
what is sent, and the limit of a statement is its own to keep.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from chariots.errors import StoreUnavailableError

__all__ = ["BUSY_SECONDS", "READ_ONLY", "absolute", "begin_writing", "file_of", "in_memory", "make_engine"]

BUSY_SECONDS = 30.0  # for a lock, and for a connection of the pool
READ_ONLY = "chariots_read_only"  # the execution option of a transaction that only reads
_POOL = {"pool_size": 10, "max_overflow": 20}  # a server answers with 8 threads for each of its processes
# What libpq understands. The keepalives and the last one notice a machine that is gone without having said so.
_POSTGRESQL = {
    "application_name": "chariots",
    "connect_timeout": "5",
    "keepalives_idle": "30",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "20000",
}
_POSTGRESQL_SETTINGS = {  # milliseconds
    "statement_timeout": 60_000,
    "lock_timeout": 30_000,
    "idle_in_transaction_session_timeout": 60_000,
}
_RELAXED = {"synchronous_commit": "off"}
# SQLite's write-ahead log is copied into the file when it has so many pages (16 MiB), which costs a sync of both.
_LOG_PAGES = 4000
_TURN_MILLISECONDS = 20  # in which SQLite looks for a lock after 1, 2, 5 and 10


def absolute(url: str | sa.URL) -> sa.URL:
    """Reads the URL of a database, so that it means the same whatever the working directory becomes.

    Args:
        url: an SQLAlchemy URL for SQLite or PostgreSQL. ``postgresql://`` and ``postgres://`` mean psycopg 3.

    Returns:
        the URL; the directories on the way to an SQLite file are there.

    Raises:
        ValueError: if it is none, or one of another kind of database.
        StoreUnavailableError: if those directories cannot be made.
    """
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError as error:
        raise ValueError(
            f"an op store was given {str(url)[:80]!r} for its database, which is not a URL; give one such as "
            "'sqlite:////var/lib/chariots/db.sqlite' or 'postgresql://user:password@host/name'"
        ) from error
    kind = parsed.get_backend_name()
    if kind not in ("sqlite", "postgresql", "postgres"):
        raise ValueError(
            f"an op store keeps its versions in SQLite or PostgreSQL, not in {kind!r}; give a URL such as "
            "'sqlite:////var/lib/chariots/db.sqlite' or 'postgresql://user:password@host/name'"
        )
    if parsed.drivername in ("postgresql", "postgres"):
        parsed = parsed.set(drivername="postgresql+psycopg")
    if kind == "sqlite" and not in_memory(parsed) and not parsed.query.get("uri"):
        path = Path(parsed.database or "").absolute()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreUnavailableError(
                f"the op store was to keep its versions in {path}, but the folder of that file cannot be made: "
                f"{error}; check that this process may write there, or name another file"
            ) from error
        parsed = parsed.set(database=str(path))
    return parsed


def file_of(url: sa.URL) -> Path | None:
    """The file that a database is kept in; None where it is no file, or the URL leaves that to SQLite.

    Args:
        url: the URL, as `absolute` gives it.
    """
    if url.get_backend_name() != "sqlite" or in_memory(url) or url.query.get("uri"):
        return None
    return Path(str(url.database))


def in_memory(url: sa.URL) -> bool:
    """Whether a URL of SQLite means a database that lives in the memory of this process.

    Args:
        url: the URL.
    """
    return url.database in (None, "", ":memory:")


def make_engine(url: sa.URL, *, relaxed: bool = False) -> sa.Engine:
    """Makes what opens connections; none is opened yet.

    Args:
        url: what `absolute` returned.
        relaxed: whether a transaction may end before it is safe from a power cut.

    Returns:
        the engine.

    Raises:
        ImportError: if the driver is not installed; the message says how to get it.
    """
    if url.get_backend_name() == "postgresql":
        return _postgresql_engine(url, _RELAXED if relaxed else {})
    if in_memory(url):
        # One connection for all threads, lent to one at a time: the database is gone when it closes.
        engine = sa.create_engine(
            url,
            poolclass=sa.pool.QueuePool,
            pool_size=1,
            max_overflow=0,
            pool_timeout=BUSY_SECONDS,
            connect_args={"check_same_thread": False},
        )
    else:
        engine = sa.create_engine(url, pool_timeout=BUSY_SECONDS, connect_args={"timeout": BUSY_SECONDS}, **_POOL)
    sa.event.listen(engine, "connect", partial(_configure_sqlite, synchronous="NORMAL" if relaxed else "FULL"))
    sa.event.listen(engine, "begin", _begin_sqlite)
    return engine


def _postgresql_engine(url: sa.URL, more: Mapping[str, str]) -> sa.Engine:
    settings = {name: value for name, value in _POSTGRESQL.items() if name not in url.query}
    options = " ".join(f"-c {name}={value}" for name, value in {**_POSTGRESQL_SETTINGS, **more}.items())
    given = url.query.get("options", "")
    # Given options come later, so that they win.
    settings["options"] = f"{options} {given if isinstance(given, str) else ' '.join(given)}".strip()
    try:
        # Before it lends a connection the pool asks whether it is alive: the database may have been away meanwhile.
        return sa.create_engine(url, pool_pre_ping=True, pool_timeout=BUSY_SECONDS, connect_args=settings, **_POOL)
    except ImportError as error:
        raise ImportError(
            f"an op store was to use the database {url.render_as_string(hide_password=True)}, but the driver "
            f"{error.name!r} for PostgreSQL is not installed; run `pip install 'chariots[postgresql]'` for "
            "psycopg, or install the one that the URL names"
        ) from error


def _configure_sqlite(connection: sqlite3.Connection, _record: object, *, synchronous: str) -> None:
    # By default the driver begins transactions when it sees fit, and none around CREATE TABLE.
    connection.isolation_level = None
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute(f"PRAGMA synchronous = {synchronous}")
    connection.execute(f"PRAGMA wal_autocheckpoint = {_LOG_PAGES}")
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            # SQLite does not wait by itself when two processes switch a new file to WAL at once.
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return


def _begin_sqlite(connection: sa.Connection) -> None:
    if connection.get_execution_options().get(READ_ONLY):
        connection.exec_driver_sql("BEGIN")
        return
    driver: Any = connection.connection.dbapi_connection
    try:
        begin_writing(driver)
    except sqlite3.Error as error:
        raise sa.exc.DBAPIError.instance(
            "BEGIN IMMEDIATE", None, error, sqlite3.Error, dialect=connection.dialect
        ) from error


def begin_writing(connection: sqlite3.Connection) -> None:
    """Begins a transaction of SQLite that writes, when those of others let it.

    SQLite itself looks less and less often the longer it waits, so that whoever has just come overtakes: of eight
    processes that write without a pause, one may wait for half a minute. Here all of them look equally often.

    Args:
        connection: the driver's own connection.

    Raises:
        sqlite3.OperationalError: if others have kept the database locked for as long as the connection waits.
    """
    patience: int = connection.execute("PRAGMA busy_timeout").fetchone()[0]  # milliseconds
    deadline = time.monotonic() + patience / 1000
    connection.execute(f"PRAGMA busy_timeout = {_TURN_MILLISECONDS}")
    try:
        while True:
            try:
                connection.execute("BEGIN IMMEDIATE")
                return
            except sqlite3.OperationalError as error:
                if not error.sqlite_errorname.startswith("SQLITE_BUSY") or time.monotonic() > deadline:
                    raise
    finally:
        connection.execute(f"PRAGMA busy_timeout = {patience}")
