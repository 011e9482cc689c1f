"""Does a set of versions stand for something that can be loaded, and how is it put into words?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NoReturn

import sqlalchemy as sa

from chariots.errors import ConflictError, UnknownNameError, nearest
from chariots.op_store import rows, tables

__all__ = ["check_live", "described", "versions_instead"]

_BATCH = 1000  # numbers in one statement; databases limit the parameters of a statement
_MOST_SHOWN = 20


def described(versions: Mapping[str, int] | None) -> str:
    """A set of versions in words, by the names of the nodes.

    Args:
        versions: the number of the version of each node; None for an alias that stands for nothing.
    """
    if not versions:
        return "nothing"
    shown = [f"{node} {number}" for node, number in sorted(versions.items())]
    more = len(shown) - _MOST_SHOWN
    return ", ".join(shown[:_MOST_SHOWN]) + (f" and {more} more" if more > 0 else "")


def check_live(connection: sa.Connection, versions: Mapping[str, int], done: str, *, with_bytes: bool = True) -> None:
    """Refuses a set that names what is not there.

    Args:
        connection: the transaction.
        versions: the number of the version of each node.
        done: what was to be done with the set, for the message.
        with_bytes: whether each must have bytes; False where the version of plain code will do.

    Raises:
        UnknownNameError: if a number is not that of a version of the op.
        ConflictError: if the bytes of a version are not kept any more.
    """
    found = {int(row.id): row for batch in _batches(sorted(set(versions.values()))) for row in _rows(connection, batch)}
    for node, number in versions.items():
        row = found.get(number)
        if row is None or row.op != node or (with_bytes and not row.sha256):
            _refuse(connection, node, number, done)
        if row.pruned_at is not None:
            raise ConflictError(
                f"version {number} of {node!r} was to be {done}, but its bytes were given up by `gc`; choose a version "
                "that is still kept, or bring its bytes back from a backup (nothing was changed)"
            )


def versions_instead(connection: sa.Connection, node: str) -> str:
    """Which versions may be named in place of one that is not there, in words.

    Args:
        connection: the transaction.
        node: the name of the op.
    """
    table = tables.version
    query = (
        sa.select(table.c.id)
        .join(tables.op)
        .where(tables.op.c.name == node, table.c.sha256 != "", table.c.pruned_at.is_(None))
        .order_by(table.c.id.desc())
        .limit(5)
    )
    newest = connection.scalars(query).all()
    if newest:
        return f"its newest saved versions are {', '.join(map(str, newest))}"
    suggestion = nearest(node, rows.known_names(connection, tables.op))
    return f"it has no saved version{f'.{suggestion}' if suggestion else '; save it first'}"


def _rows(connection: sa.Connection, numbers: Sequence[int]) -> Sequence[rows.StoredRow]:
    table = tables.version
    query = sa.select(table.c.id, tables.op.c.name.label("op"), table.c.sha256, table.c.pruned_at).join(tables.op)
    return connection.execute(query.where(table.c.id.in_(numbers))).all()


def _refuse(connection: sa.Connection, node: str, number: int, done: str) -> NoReturn:
    raise UnknownNameError(
        f"version {number} of {node!r} was to be {done}, but the op store has no such version with bytes: "
        f"{versions_instead(connection, node)} (nothing was changed)"
    )


def _batches(numbers: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(numbers), _BATCH):
        yield numbers[start : start + _BATCH]
