"""Which set of versions did an alias stand for before? (so that going back twice goes back further)

Every promotion puts a set on top of those before; a rollback to an earlier one takes those above away. So the set
before is that of the promotion under the one that stands, and not what was there a moment ago: two rollbacks one after
the other would only go to and fro.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from chariots.errors import ConflictError, UnknownNameError
from chariots.op_store.decisions import deployments, events
from chariots.op_store.decisions.events import Event
from chariots.op_store.decisions.sets import described

__all__ = ["Target", "target_of"]

_MOST_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Target:
    """Where a rollback goes.

    Attributes:
        after: the versions that come back.
        before: those that go.
        restores: the promotion that named them; None if they were only served.
        deployment: the deployment that served them; None if they were promoted.
    """

    after: Mapping[str, int]
    before: Mapping[str, int]
    restores: int | None = None
    deployment: int | None = None


def target_of(
    connection: sa.Connection, pipeline: str, number: int, alias: str, stands: Event | None, to: int | None
) -> Target:
    """Finds the set that comes back.

    Args:
        connection: the transaction, which holds the lock of the pipeline.
        pipeline: the name of the pipeline.
        number: its number.
        alias: the name of the alias.
        stands: the event that says what the alias stands for; None if it stands for nothing.
        to: the number of the event whose set is to come back; the one before if None.

    Raises:
        UnknownNameError: if there is no such event of this alias.
        ConflictError: if there is nothing to go back to.
    """
    if to is not None:
        return _to_event(connection, pipeline, number, alias, stands, to)
    if stands is None:
        last = deployments.last_number(connection, pipeline)
        served = deployments.last(connection, pipeline) or {}
        return _to_deployment(connection, pipeline, number, alias, served, last)
    if stands.kind == "withdraw":
        before = events.newest(connection, number, alias, before=stands.id)
        if before is not None:
            return _as(before, stands.after)
    promotion = _promotion_of(connection, stands)
    if promotion is None:
        return _to_deployment(connection, pipeline, number, alias, stands.after, (stands.deployment or 1) - 1)
    below = events.newest(connection, number, alias, before=promotion.id)
    if below is None:
        return _to_deployment(connection, pipeline, number, alias, stands.after, promotion.deployment)
    return _as(below, stands.after)


def _to_event(
    connection: sa.Connection, pipeline: str, number: int, alias: str, stands: Event | None, to: int
) -> Target:
    found = events.numbered(connection, to)
    if found is None or found.pipeline != pipeline or found.alias != alias:
        known = [str(event.id) for event in events.page(connection, number, _MOST_SHOWN, None, alias)]
        listed = f"its newest events are {', '.join(known)}" if known else "it has no events yet"
        raise UnknownNameError(
            f"alias {alias!r} of pipeline {pipeline!r} was to go back to event {to}, which is none of its events: "
            f"{listed}; choose one of them (nothing was changed)"
        )
    if stands is not None and stands.after == found.after:
        raise ConflictError(
            f"alias {alias!r} of pipeline {pipeline!r} was to go back to event {to}, but it stands for that set "
            f"already: {described(stands.after)}; there is nothing to do"
        )
    return _as(found, {} if stands is None else stands.after)


def _as(event: Event, before: Mapping[str, int]) -> Target:
    """The set that an event named; whatever that event restored itself is what is restored."""
    if event.kind == "promote":
        return Target(event.after, before, restores=event.id)
    return Target(event.after, before, restores=event.restores, deployment=event.deployment)


def _promotion_of(connection: sa.Connection, event: Event) -> Event | None:
    """The promotion that named the set for which an event stands; None if the set was only served."""
    if event.kind == "promote":
        return event
    return None if event.restores is None else events.numbered(connection, event.restores)


def _to_deployment(
    connection: sa.Connection,
    pipeline: str,
    number: int,
    alias: str,
    present: Mapping[str, int],
    up_to: int | None,
) -> Target:
    """The newest deployment, up to one, of another set than the present one."""
    found = deployments.earlier(connection, number, present, up_to)
    if found is None or not found[1]:
        raise ConflictError(
            f"alias {alias!r} of pipeline {pipeline!r} was to go back, but there is nothing before what it stands for: "
            f"{described(present)}; promote the versions you want with `chariots promote {pipeline} --pin NODE=NUMBER` "
            "(nothing was changed)"
        )
    deployment, versions = found
    return Target(versions, present, deployment=deployment)
