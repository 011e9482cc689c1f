"""How does the op store reach its database, in which transactions, and with which tables?

On SQLite several threads and processes share one file: write-ahead logging lets readers go on while somebody
writes, every writing transaction takes its lock when it begins (a transaction that reads first and upgrades
its lock later can only fail), and waiting for that lock is left to SQLite for up to half a minute.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from chariots.errors import StoreError
from chariots.op_store.tables import SCHEMA_REVISION

__all__ = ["MIGRATIONS", "Database"]

MIGRATIONS = Path(__file__).parent / "migrations"
BUSY_SECONDS = 30.0
_READ_ONLY = "chariots_read_only"
_SCHEMA_LOCK_NUMBER = 0x63686172  # any number will do, as long as every process asks PostgreSQL for the same
_migrating = threading.Lock()  # Alembic keeps the migration under way in module globals


class Database:
    """A database, its transactions and its schema.

    Args:
        url: an SQLAlchemy URL for SQLite or PostgreSQL. A relative SQLite path starts at the working
            directory, and missing directories are made; ``sqlite:///:memory:`` lives as long as this object.

    Raises:
        ValueError: if the URL is of another kind.
    """

    def __init__(self, url: str) -> None:
        self.url = _absolute(url)
        self.engine = _engine(self.url)
        self._schema_checked = False
        _databases.add(self)

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """Yields a connection whose queries all see the same state of the database."""
        self.check_schema()
        options: dict[str, Any] = {_READ_ONLY: True}
        if self.engine.dialect.name == "postgresql":
            options["isolation_level"] = "REPEATABLE READ"
        with self._reporting(), self.engine.connect() as connection:
            connection.execution_options(**options)
            with connection.begin():
                yield connection

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """Yields a connection whose changes all become visible together at the end, or never."""
        self.check_schema()
        with self._reporting(), self.engine.begin() as connection:
            yield connection

    def check_schema(self) -> None:
        """Makes or upgrades the tables where that is needed; looks once in the life of this object.

        Raises:
            StoreError: if the tables were made by a newer release or by another program.
        """
        if not self._schema_checked:
            self.upgrade()

    def upgrade(self) -> bool:
        """Makes the tables what this release needs, all at once or not at all.

        Returns:
            whether there was anything to do.

        Raises:
            StoreError: if the tables were made by a newer release or by another program.
        """
        with _migrating, self._reporting():
            if self._revision() == SCHEMA_REVISION:
                self._schema_checked = True
                return False
            with self.engine.begin() as connection:
                if connection.dialect.name == "postgresql":
                    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_SCHEMA_LOCK_NUMBER)))
                _run_migrations(connection)
            self._schema_checked = True
            return True

    def _revision(self) -> str | None:
        """The revision of the tables that are there; checked here because importing Alembic takes longer."""
        with self.engine.connect() as connection:
            connection.execution_options(**{_READ_ONLY: True})
            if not sa.inspect(connection).has_table("alembic_version"):
                return None
            revision = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
        known = {path.name.partition("_")[0] for path in (MIGRATIONS / "versions").glob("*.py")}
        if revision is not None and revision not in known:
            raise StoreError(
                f"the op store database {self._shown_url()} has tables of revision {revision!r}, which this "
                f"release of chariots does not know (it goes up to {SCHEMA_REVISION!r}); upgrade chariots, "
                "or give the op store a database of its own"
            )
        return None if revision is None else str(revision)

    @contextmanager
    def _reporting(self) -> Iterator[None]:
        """Turns a database that cannot be reached or used into the failure that callers know."""
        try:
            yield
        except sa.exc.DatabaseError as error:
            if isinstance(error, (sa.exc.IntegrityError, sa.exc.ProgrammingError, sa.exc.DataError)):
                raise
            failure = StoreError(
                f"the op store cannot use its database {self._shown_url()}: {error.orig}; check that it is "
                "there, that it has room and that this process may read and write it, then try again"
            )
            failure.status = 503
            raise failure from error

    def _shown_url(self) -> str:
        return self.url.render_as_string(hide_password=True)


def _absolute(url: str) -> sa.URL:
    parsed = sa.make_url(url)
    kind = parsed.get_backend_name()
    if kind not in ("sqlite", "postgresql"):
        raise ValueError(
            f"an op store keeps its versions in SQLite or PostgreSQL, not in {kind!r}; give a URL such as "
            "'sqlite:////var/lib/chariots/db.sqlite' or 'postgresql://user:password@host/name'"
        )
    if kind == "sqlite" and not _in_memory(parsed) and not _is_uri(parsed):
        path = Path(parsed.database or "").absolute()
        path.parent.mkdir(parents=True, exist_ok=True)
        parsed = parsed.set(database=str(path))
    return parsed


def _in_memory(url: sa.URL) -> bool:
    return url.database in (None, "", ":memory:")


def _is_uri(url: sa.URL) -> bool:
    return bool(url.query.get("uri"))


def _engine(url: sa.URL) -> sa.Engine:
    if url.get_backend_name() == "postgresql":
        return sa.create_engine(url, pool_pre_ping=True)
    if _in_memory(url):
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
        engine = sa.create_engine(url, pool_timeout=BUSY_SECONDS, connect_args={"timeout": BUSY_SECONDS})
    sa.event.listen(engine, "connect", _configure_sqlite)
    sa.event.listen(engine, "begin", _begin_sqlite)
    return engine


def _configure_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    # By default the driver begins transactions when it sees fit, and none around CREATE TABLE.
    connection.isolation_level = None
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA synchronous = FULL")
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
    read_only = connection.get_execution_options().get(_READ_ONLY)
    connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")


def _run_migrations(connection: sa.Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    command.upgrade(config, "head")


_databases: weakref.WeakSet[Database] = weakref.WeakSet()
_inherited: list[sa.Pool] = []


def _start_afresh_in_child() -> None:
    global _migrating
    _migrating = threading.Lock()  # another thread of the parent may have held it
    # Connections must not be used, nor even closed, by the child of the process that opened them.
    for database in list(_databases):
        if database.url.get_backend_name() != "sqlite" or not _in_memory(database.url):
            _inherited.append(database.engine.pool)
            database.engine.dispose(close=False)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_afresh_in_child)
