"""Has anything changed in the database since the last look? (asked many times a second, so it has to be cheap)

SQLite counts the commits of other connections in its memory that all processes share; asking takes a few
microseconds. On PostgreSQL whoever changes a job says so with NOTIFY, and a connection that LISTENs is told.
"""

from __future__ import annotations

import os
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, TypeVar

import sqlalchemy as sa

from chariots.op_store.database import Database

__all__ = ["NOTIFY", "Changes", "announce", "changes_of", "wait_until"]

CHANNEL = "chariots_jobs"
# Where something has just changed more is likely to follow; where nothing does, an idle process should cost nothing.
SHORT_PAUSE = 0.0005
LONG_PAUSE = 0.010
BUSY_SECONDS = 0.5
_LOOK_AGAIN = 1.0  # seconds after which somebody looks though nothing was told: the file may have been replaced
_SETTLED = 0.001  # seconds for which one answer is good enough for all threads

Found = TypeVar("Found")


class Changes(ABC):
    """A number that is another one whenever somebody has changed something; safe to share between threads."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._connection: Any = None
        self._owner = 0
        self._inherited: list[Any] = []  # never closed: they belong to the process that forked this one
        self._number = 0
        self._asked_at = 0.0
        self._changed_at = 0.0
        driver: Any = database.engine.dialect.dbapi
        self._driver_error: type[Exception] = driver.Error

    def number(self) -> int:
        """The number as it is now."""
        with self._lock:
            if self._owner != os.getpid():
                self._inherited.append(self._connection)
                self._connection, self._owner = None, os.getpid()
            now = time.monotonic()
            if self._connection is None or now - self._asked_at >= _SETTLED:
                before, self._number = self._number, self._ask()
                self._asked_at = now
                if self._number != before:
                    self._changed_at = now
            return self._number

    @property
    def pause(self) -> float:
        """For how many seconds not to ask again."""
        return SHORT_PAUSE if time.monotonic() - self._changed_at < BUSY_SECONDS else LONG_PAUSE

    def close(self) -> None:
        """Gives its connection up; it opens another one if it is asked again."""
        with self._lock:
            if self._connection is not None and self._owner == os.getpid():
                self._connection.close()
            self._connection = None

    def _ask(self) -> int:
        """Asks the database, by a connection that is used for nothing else."""
        try:
            if self._connection is None:
                # Not through the pool: it would be given back to others, and its own commits do not count.
                with self._database.reading():
                    pass  # so that a database that is away is reported as everywhere else
                borrowed: Any = self._database.engine.raw_connection()
                borrowed.detach()
                self._connection = borrowed
                self._begin(borrowed.dbapi_connection)
            return self._count(self._connection.dbapi_connection)
        except (sa.exc.DBAPIError, self._driver_error):
            # Whoever looks for what changed finds out what is wrong, and says so.
            self._connection = None
            return self._number + 1

    @abstractmethod
    def _begin(self, driver: Any) -> None:
        """Prepares a new connection."""

    @abstractmethod
    def _count(self, driver: Any) -> int:
        """Gives the number."""


class _SQLiteChanges(Changes):
    def _begin(self, driver: Any) -> None:
        return

    def _count(self, driver: Any) -> int:
        number: int = driver.execute("PRAGMA data_version").fetchone()[0]
        return number


class _PostgreSQLChanges(Changes):
    def _begin(self, driver: Any) -> None:
        driver.autocommit = True
        driver.execute(f"LISTEN {CHANNEL}")
        self._number += 1  # something may have been said before

    def _count(self, driver: Any) -> int:
        return self._number + sum(1 for _ in driver.notifies(timeout=0))


class _UntoldChanges(Changes):
    """For drivers of PostgreSQL whose way of listening is not known: everything may have changed, now and then."""

    def _ask(self) -> int:
        return int(time.monotonic() / (3 * LONG_PAUSE))

    def _begin(self, driver: Any) -> None:
        return

    def _count(self, driver: Any) -> int:
        return self._number


def changes_of(database: Database) -> Changes:
    """What tells of the changes in a database.

    Args:
        database: the database.
    """
    if database.url.get_backend_name() == "sqlite":
        return _SQLiteChanges(database)
    return (_PostgreSQLChanges if database.url.get_driver_name() == "psycopg" else _UntoldChanges)(database)


def announce(connection: sa.Connection) -> None:
    """Says that a transaction changes jobs; others hear of it when it ends.

    Args:
        connection: the transaction.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(NOTIFY)


NOTIFY = sa.select(sa.func.pg_notify(CHANNEL, ""))


def wait_until(look: Callable[[], Found | None], changes: Changes, seconds: float) -> Found | None:
    """Looks for something at once and after each change, until it is there.

    Args:
        look: gives what is looked for; None while it is not there.
        changes: tells when to look again.
        seconds: how long to wait at most.

    Returns:
        what was found; None if the time was over before.
    """
    deadline = time.monotonic() + seconds
    while True:
        number = changes.number()  # before the look: what changes while it looks is not missed
        found = look()
        looked_at = now = time.monotonic()
        if found is not None or now >= deadline:
            return found
        while now < deadline and now - looked_at < _LOOK_AGAIN and changes.number() == number:
            time.sleep(min(changes.pause, deadline - now))
            now = time.monotonic()
