"""In which transactions does the op store use its database, with which tables, and what if it cannot?

On SQLite several threads and processes share one file: write-ahead logging lets readers go on while somebody
writes, every writing transaction takes its lock when it begins (a transaction that reads first and upgrades
its lock later can only fail), and waiting for that lock is left to SQLite for up to half a minute. On PostgreSQL
writers of the same op wait for one another at the row of that op.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine.interfaces import DBAPIConnection

from chariots.errors import InputError, StoreError, StoreFullError, StoreUnavailableError
from chariots.op_store.engines import BUSY_SECONDS, READ_ONLY, absolute, begin_writing, file_of, in_memory, make_engine
from chariots.op_store.tables import SCHEMA_REVISION, metadata

__all__ = ["MIGRATIONS", "Database"]

MIGRATIONS = Path(__file__).parent / "migrations"
_SCHEMA_LOCK_NUMBER = 0x63686172  # any number will do, as long as every process asks PostgreSQL for the same
_WRITERS_LOCK_NUMBER = 0x77726974
_CLOSED = ("42501", "42P01", "3F000")  # PostgreSQL: insufficient_privilege, undefined_table, invalid_schema_name
_migrating = threading.Lock()  # Alembic keeps the migration under way in module globals


class Database:
    """A database, its transactions and its schema.

    Args:
        url: an SQLAlchemy URL for SQLite or PostgreSQL. A relative SQLite path starts at the working
            directory, and missing directories are made; ``sqlite:///:memory:`` lives as long as this object.
        relaxed: whether a power cut, or a crash of PostgreSQL, may take back what was changed last, which makes
            changes much faster. What is left then is whole, and the end of a process of ours takes nothing back.

    Raises:
        ValueError: if the URL is of another kind.
    """

    def __init__(self, url: str, *, relaxed: bool = False) -> None:
        self.url = absolute(url)
        self.engine = make_engine(self.url, relaxed=relaxed)
        driver: Any = self.engine.dialect.dbapi
        self._driver_error: Any = driver.Error
        self._schema_checked = False
        self._file = file_of(self.url)
        self._file_in_use: tuple[int, int] | None = None
        _databases.add(self)

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """Yields a connection whose queries all see the same state of the database."""
        self.check_schema()
        options: dict[str, Any] = {READ_ONLY: True}
        if self.engine.dialect.name == "postgresql":
            options |= {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        with self._reporting("read"), self.engine.connect() as connection:
            connection.execution_options(**options)
            with connection.begin():
                yield connection

    @contextmanager
    def writing(self, *, alone: bool = False) -> Iterator[sa.Connection]:
        """Yields a connection whose changes all become visible together at the end, or never.

        Args:
            alone: whether nobody else may be writing until the end, as when bytes are deleted that nothing names.
        """
        with self.changing() as connection:
            if connection.dialect.name == "postgresql":  # on SQLite there is one writer at a time anyway
                lock = sa.func.pg_advisory_xact_lock if alone else sa.func.pg_advisory_xact_lock_shared
                connection.execute(sa.select(lock(_WRITERS_LOCK_NUMBER)))
            yield connection

    @contextmanager
    def changing(self) -> Iterator[sa.Connection]:
        """Yields a connection as `writing` does, for tables that `gc` has nothing to do with, and need not wait for."""
        self.check_schema()
        with self._reporting("change"), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def driving(self, *, read_only: bool = False) -> Iterator[DBAPIConnection]:
        """Yields the driver's own connection, in a transaction as that of `changing`.

        For the few statements that are done for every job: SQLAlchemy takes 0.2 ms for a transaction and 0.08 ms for a
        statement in it, SQLite takes 0.02 ms for both.

        Args:
            read_only: whether nothing is changed, and only one statement is to see one state of the database.
        """
        self.check_schema()
        with self._reporting("read" if read_only else "change"):
            borrowed = None
            try:
                borrowed = self.engine.raw_connection()
                driver = borrowed.dbapi_connection
                assert driver is not None
                if not read_only and self.engine.dialect.name == "sqlite":  # other drivers begin by themselves
                    begin_writing(driver)  # type: ignore[arg-type]  # that of SQLite
                yield driver
                if not read_only:
                    driver.commit()
            except self._driver_error as error:
                if borrowed is not None and self.engine.dialect.is_disconnect(error, borrowed, None):
                    borrowed.invalidate(error)
                raise sa.exc.DBAPIError.instance(
                    None, None, error, self._driver_error, dialect=self.engine.dialect
                ) from error
            finally:
                if borrowed is not None:
                    borrowed.close()  # rolls back what was not committed

    def check_schema(self) -> None:
        """Makes or upgrades the tables where that is needed; looks once, and again if the file was replaced.

        Raises:
            StoreError: if the tables were made by a newer release or by another program.
            StoreUnavailableError: if the file was moved or deleted since.
        """
        if not self._schema_checked or self._is_replaced():
            self.upgrade()

    def upgrade(self) -> bool:
        """Makes the tables what this release needs, all at once or not at all.

        Returns:
            whether there was anything to do.

        Raises:
            StoreError: if the tables were made by a newer release or by another program.
        """
        with _migrating, self._reporting("make or upgrade the tables of"):
            if self._is_replaced():
                self.engine.dispose()
            if self._revision() == SCHEMA_REVISION:
                self._has_checked()
                return False
            with self.engine.begin() as connection:
                if connection.dialect.name == "postgresql":
                    # A large table takes its time, and whoever comes second waits for the first to finish.
                    connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
                    connection.exec_driver_sql("SET LOCAL lock_timeout = 0")
                    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_SCHEMA_LOCK_NUMBER)))
                _run_migrations(connection)
            self._has_checked()
            return True

    def _has_checked(self) -> None:
        self._schema_checked = True
        self._file_in_use = self._identity()

    def _is_replaced(self) -> bool:
        """Whether another file stands now where the one in use stood; open connections would not notice.

        Raises:
            StoreUnavailableError: if there is none: what is saved into a deleted file is gone with this process.
        """
        if self._file_in_use is None:
            return False
        found = self._identity()
        if found is None:
            raise StoreUnavailableError(
                f"the op store was to use its database {self._shown_url()}, but that file was moved or deleted since "
                "this process opened it; bring it back (nothing was changed), or restart with another"
            )
        return found != self._file_in_use

    def _identity(self) -> tuple[int, int] | None:
        """What tells the file from another of the same name; None if there is none."""
        if self._file is None:
            return None
        try:
            found = self._file.stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        return found.st_dev, found.st_ino

    def _revision(self) -> str | None:
        """The revision of the tables that are there; checked here because importing Alembic takes longer."""
        with self.engine.connect() as connection:
            connection.execution_options(**{READ_ONLY: True})
            # In one question: tables that somebody makes between two would be taken for those of another program.
            there = {name.lower() for name in sa.inspect(connection).get_table_names()}
            revision = None
            if "alembic_version" in there:
                revision = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
        taken = sorted(there & set(metadata.tables))
        if revision is None and taken:
            raise StoreError(
                f"the op store was to make its tables in the database {self._shown_url()}, but another program has a "
                f"table {taken[0]!r} there; give the op store a database of its own (nothing was changed)"
            )
        known = {path.name.partition("_")[0] for path in (MIGRATIONS / "versions").glob("*.py")}
        if revision is not None and revision not in known:
            raise StoreError(
                f"the op store database {self._shown_url()} has tables of revision {revision!r}, which this "
                f"release of chariots does not know (it goes up to {SCHEMA_REVISION!r}); upgrade chariots, "
                "or give the op store a database of its own"
            )
        return None if revision is None else str(revision)

    @contextmanager
    def _reporting(self, done: str) -> Iterator[None]:
        """Turns a database that cannot be reached or used into the failure that callers know."""
        asked = f"the op store was to {done} its database {self._shown_url()}"
        try:
            yield
        except sa.exc.TimeoutError as error:
            raise StoreUnavailableError(
                f"{asked}, but all its connections were in use for {BUSY_SECONDS:.0f} s; try again, or share the "
                "work among more server processes (nothing was changed)"
            ) from error
        except (sa.exc.DatabaseError, sa.exc.InterfaceError) as error:
            if isinstance(error, (sa.exc.IntegrityError, sa.exc.ProgrammingError)) and not _is_closed(error.orig):
                raise
            reason = " ".join(str(error.orig).split())  # libpq says it in several lines
            if isinstance(error, sa.exc.DataError):  # what is known to be refused was refused before, by name
                raise InputError(
                    f"{asked}, and was given a value that this database cannot hold: {reason}; give another "
                    "(nothing was changed)"
                ) from error
            if _is_full(error.orig):
                raise StoreFullError(
                    f"{asked}, but there is no room left: {reason}; make room there, then try again (nothing was "
                    "changed)"
                ) from error
            raise StoreUnavailableError(
                f"{asked}, but {_tried(error.orig, reason)}; check that it is there and that this process may read "
                "and write it, then try again (nothing is half done)"
            ) from error

    def _shown_url(self) -> str:
        return self.url.render_as_string(hide_password=True)


def _is_full(error: object) -> bool:
    # The second is what SQLite says of the index beside a file in WAL mode, which whoever opens it first makes.
    full = ("SQLITE_FULL", "SQLITE_IOERR_SHMSIZE")
    return getattr(error, "sqlite_errorname", None) in full or getattr(error, "sqlstate", None) == "53100"


def _is_closed(error: object) -> bool:
    """Whether the database is there, but not for this user, or without its tables."""
    return getattr(error, "sqlstate", None) in _CLOSED


def _tried(error: object, reason: str) -> str:
    """What is in the way, and for how long something was tried where the driver only says that it gave up."""
    if str(getattr(error, "sqlite_errorname", "")).startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return f"another process held its lock for {BUSY_SECONDS:.0f} s ({reason})"
    return reason


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
        if database.url.get_backend_name() != "sqlite" or not in_memory(database.url):
            _inherited.append(database.engine.pool)
            database.engine.dispose(close=False)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_afresh_in_child)
