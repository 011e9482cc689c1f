"""How does an alias come to stand for nothing again?"""

from __future__ import annotations

import sqlalchemy as sa

from chariots.errors import ConflictError
from chariots.op_store.decisions import events
from chariots.op_store.decisions.events import Event, NewEvent

__all__ = ["withdraw"]


def withdraw(
    connection: sa.Connection,
    number: int,
    stands: Event | None,
    *,
    pipeline: str,
    alias: str,
    who: str | None,
    reason: str | None,
    key: str | None,
) -> Event:
    """Adds to the history that an alias stands for nothing.

    Args:
        connection: the transaction, which holds the lock of the pipeline.
        number: the number of the pipeline.
        stands: the event that says what the alias stands for; None if it never stood for anything.
        pipeline: the name of the pipeline.
        alias: the name of the alias.
        who: who withdraws it.
        reason: why.
        key: chosen by who asks.

    Returns:
        the event; the one that is there, if the alias was withdrawn already.

    Raises:
        ConflictError: if the alias never stood for anything.
    """
    if stands is None:
        raise ConflictError(
            f"alias {alias!r} of pipeline {pipeline!r} was to be withdrawn, but it never stood for anything; "
            f"`chariots aliases {pipeline}` shows those that do"
        )
    if not stands.after:
        return stands
    new = NewEvent("withdraw", {}, alias=alias, before=stands.after, who=who, reason=reason, key=key)
    return events.add(connection, number, new)
