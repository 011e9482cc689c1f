"""Was this saved before, under the key it carries? (so that a job which runs again adds nothing twice)"""

from __future__ import annotations

import sqlalchemy as sa

from chariots.errors import AlreadySavedError
from chariots.op_store import rows, tables
from chariots.op_store.checks import LARGEST_NUMBER, check_name, invalid
from chariots.pipelines.store import Origin, SaveKey

__all__ = ["add_save", "check_key", "earlier_numbers", "note_numbers", "saved_attempt"]


def check_key(once: SaveKey) -> None:
    """Refuses what cannot be a key.

    Raises:
        InputError: if the key is no name, or the attempt no number.
    """
    check_name(once.key, "once.key")
    if not 0 <= once.attempt <= LARGEST_NUMBER:
        raise invalid("once.attempt", "the number of an attempt, 0 or more", once.attempt)


def earlier_numbers(connection: sa.Connection, once: SaveKey) -> dict[str, int] | None:
    """What was answered when the same attempt saved before; None if nothing was saved under the key.

    Args:
        connection: the transaction.
        once: the key, and which attempt it is now.

    Raises:
        AlreadySavedError: if another attempt saved under the key.
    """
    table = tables.save.c
    row = connection.execute(sa.select(table.attempt, table.numbers).where(table.key == once.key)).first()
    if row is None:
        return None
    if row.attempt != once.attempt:
        raise AlreadySavedError(
            f"attempt {once.attempt} was to save under the key {once.key!r}, but attempt {row.attempt} has saved under "
            "it before; take what that one saved, or save under another key (nothing was added)",
            attempt=row.attempt,
        )
    return dict(row.numbers)


def add_save(connection: sa.Connection, pipeline: int | None, origin: Origin | None, once: SaveKey) -> int | None:
    """Notes that something is being saved under a key.

    Args:
        connection: the transaction.
        pipeline: the number of the pipeline; None where ops are saved without one.
        origin: what is known of who saves.
        once: the key.

    Returns:
        the number of the save; None if somebody else has just saved under the key.
    """
    values = {**rows.save_values(pipeline, origin), "key": once.key, "attempt": once.attempt}
    rows.insert_new(connection, tables.save, [values])
    table = tables.save.c
    # On PostgreSQL this waited for whoever saves under the key at the same moment; their row has its numbers.
    found = connection.execute(sa.select(table.id, table.numbers).where(table.key == once.key)).one()
    return int(found.id) if found.numbers is None else None


def note_numbers(connection: sa.Connection, save: int, numbers: dict[str, int]) -> None:
    """Keeps what a save is answered with, in case that the answer gets lost.

    Args:
        connection: the transaction.
        save: the number of the save.
        numbers: the store's number for the version of each op.
    """
    connection.execute(sa.update(tables.save).where(tables.save.c.id == save).values(numbers=numbers))


def saved_attempt(connection: sa.Connection, key: str) -> int | None:
    """Which attempt saved under a key; None if none did.

    Args:
        connection: the transaction.
        key: the key.
    """
    attempt: int | None = connection.scalar(sa.select(tables.save.c.attempt).where(tables.save.c.key == key))
    return attempt
