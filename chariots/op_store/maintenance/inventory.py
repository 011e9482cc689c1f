"""What does a store have on its shelves, and what does its database say that it has? (one shelf at a time)

A shelf is the bytes whose SHA-256 begins with the same one or two digits. Walking them one by one, 16 in a small store
and 256 in a large one, takes little memory however much a store holds, and one request each where it is done over HTTP.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Any

import sqlalchemy as sa

from chariots.op_store import rows, tables
from chariots.op_store.blobs import BlobStore, blob_path, check_sha256
from chariots.op_store.checks import invalid
from chariots.op_store.database import Database
from chariots.op_store.savers.base import Kept, is_leftover

__all__ = [
    "Contents",
    "Named",
    "check_shelf",
    "contents",
    "database_time",
    "name_of",
    "named",
    "shelves",
    "unhurried",
    "unhurried_reading",
]

_DIGITS = "0123456789abcdef"
_MANY = 200_000  # versions; fewer fit into memory as 16 shelves, and 256 would cost more than they hold


@dataclass(frozen=True, slots=True)
class Named:
    """Bytes as the database knows them.

    Attributes:
        alive: the numbers of the versions that have them.
        pruned: the numbers of the versions that had them until `gc` gave them up.
        size: how many bytes there should be.
    """

    alive: tuple[int, ...]
    pruned: tuple[int, ...]
    size: int


@dataclass(frozen=True, slots=True)
class Contents:
    """What a saver keeps on one shelf.

    Attributes:
        blobs: the bytes that are named by a SHA-256, by it.
        leftovers: what was being written.
        foreign: everything else.
    """

    blobs: Mapping[str, Kept]
    leftovers: list[Kept]
    foreign: list[Kept]


def shelves(database: Database) -> tuple[str, ...]:
    """The shelves to walk, by the digits that the hashes on each begin with.

    Args:
        database: the database of the store.
    """
    with unhurried_reading(database) as connection:
        last = connection.scalar(sa.select(sa.func.max(tables.version.c.id))) or 0
    return tuple(_DIGITS) if last < _MANY else tuple(first + second for first in _DIGITS for second in _DIGITS)


def check_shelf(shelf: str) -> str:
    """Returns the digits of a shelf if they are some.

    Args:
        shelf: what was given.

    Raises:
        InputError: if it is anything but one or two lower-case hexadecimal digits.
    """
    if len(shelf) not in (1, 2) or not set(shelf) <= set(_DIGITS):
        raise invalid("shelf", "one or two lower-case hexadecimal digits", shelf)
    return shelf


def contents(blobs: BlobStore, shelf: str) -> Contents | None:
    """Looks what is on a shelf.

    Args:
        blobs: the bytes of the store.
        shelf: its one or two digits.

    Returns:
        what is there; None if the saver cannot list what it keeps.
    """
    folders = [shelf] if len(shelf) == 2 else [shelf + digit for digit in _DIGITS]
    found: dict[str, Kept] = {}
    leftovers, foreign = [], []
    try:
        for kept in chain.from_iterable(blobs.saver.list(f"blobs/{folder}") for folder in folders):
            sha256 = kept.path.rpartition("/")[2]
            if is_leftover(kept.path):
                leftovers.append(kept)
            elif _is_sha256(sha256) and kept.path == blob_path(sha256):
                found[sha256] = kept
            else:
                foreign.append(kept)
    except NotImplementedError:
        return None
    return Contents(found, leftovers, foreign)


def named(connection: sa.Connection, shelf: str) -> dict[str, Named]:
    """Reads which bytes of a shelf the database names, and for which versions.

    Args:
        connection: the transaction.
        shelf: its one or two digits.

    Returns:
        for each SHA-256 who has it.
    """
    version = tables.version.c
    # 'g' comes after the last hexadecimal digit, in every collation.
    query = (
        sa.select(version.sha256, version.id, version.pruned_at, version.size)
        .where(version.sha256 >= shelf, version.sha256 <= f"{shelf}g")
        .order_by(version.sha256, version.id)
    )
    alive: dict[str, list[int]] = {}
    pruned: dict[str, list[int]] = {}
    sizes: dict[str, int] = {}
    for sha256, number, given_up, size in connection.execute(query):
        (alive if given_up is None else pruned).setdefault(sha256, []).append(number)
        sizes[sha256] = size
    return {
        sha256: Named(tuple(alive.get(sha256, ())), tuple(pruned.get(sha256, ())), size)
        for sha256, size in sizes.items()
    }


def name_of(connection: sa.Connection, numbers: Iterable[int], most: int = 5) -> list[str]:
    """Words which versions these are, the newest first.

    Args:
        connection: the transaction.
        numbers: their numbers.
        most: how many to name; how many there are beyond is said in a last entry.
    """
    wanted = sorted(numbers, reverse=True)
    query = sa.select(*rows.STORED).join(tables.op).where(tables.version.c.id.in_(wanted[:most]))
    found = connection.execute(query.order_by(tables.version.c.id.desc())).all()
    told = [f"{row.op!r} version number {row.id} ({rows.version_text(row)})" for row in found]
    return told + [f"{len(wanted) - most} more"] * (len(wanted) > most)


def unhurried(connection: sa.Connection) -> None:
    """Lets the statements of a transaction take longer than an answer to a request may.

    Args:
        connection: the transaction.
    """
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
        connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")


@contextmanager
def unhurried_reading(database: Database) -> Iterator[sa.Connection]:
    """Yields a reading transaction whose statements may take their time.

    Args:
        database: the database.
    """
    with database.reading() as connection:
        unhurried(connection)
        yield connection


def database_time(connection: sa.Connection) -> datetime:
    """What the clock of the database says, by which its rows are dated.

    Args:
        connection: the transaction.
    """
    now: Any = connection.scalar(sa.select(sa.func.current_timestamp()))
    return rows.utc(datetime.fromisoformat(now) if isinstance(now, str) else now)


def _is_sha256(text: str) -> bool:
    try:
        check_sha256(text, "")
    except ValueError:
        return False
    return True
