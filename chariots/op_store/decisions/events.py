"""What was promoted, rolled back and accepted, by whom and why? (rows that are added and never changed)

Each function works inside a transaction that it is given. Whoever adds an event holds the lock of its pipeline, so
that the events of a pipeline are written one after the other, and each says truly what it replaced.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa

from chariots.op_store import rows, tables

__all__ = ["Event", "EventKind", "NewEvent", "add", "by_key", "lock", "newest", "numbered", "page", "standing"]

EventKind = Literal["promote", "rollback", "withdraw", "accept"]


@dataclass(frozen=True, slots=True)
class Event:
    """One entry in the history of a pipeline.

    Attributes:
        id: the number of the entry; a greater one was written later, whatever the clocks say.
        pipeline: the name of the pipeline.
        kind: ``promote``, ``rollback``, ``withdraw`` or ``accept``.
        created_at: when, by the clock of the store's database.
        alias: the alias that stands for another set of versions since; None for an acceptance.
        before: what it stood for until then, as the number of the version of each node; None where it stood for
            nothing.
        after: what it stands for since, which after a withdrawal is nothing; for an acceptance the two versions that
            may run together.
        who: who did it.
        reason: why.
        restores: for a rollback, the number of the promotion whose set came back; None where a set came back that was
            served without being promoted.
        deployment: for a promotion, the last deployment when it was made; for a rollback to a deployment, that one.
        problems: what keeps the set from being loaded by the code that was seen last, one sentence each. Known only
            to who rolled back.
    """

    id: int
    pipeline: str
    kind: EventKind
    created_at: datetime
    alias: str | None = None
    before: Mapping[str, int] | None = None
    after: Mapping[str, int] = field(default_factory=dict)
    who: str | None = None
    reason: str | None = None
    restores: int | None = None
    deployment: int | None = None
    problems: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The event as JSON can hold it, the time in ISO 8601."""
        return {**asdict(self), "created_at": self.created_at.isoformat(), "problems": list(self.problems)}

    @classmethod
    def from_json(cls, described: Mapping[str, Any]) -> Event:
        """The event that `as_json` described; what only another release knows of it is left out."""
        known = {one.name: described[one.name] for one in fields(cls) if one.name in described}
        created = datetime.fromisoformat(described["created_at"])
        return cls(**{**known, "created_at": created, "problems": tuple(described.get("problems", ()))})


@dataclass(frozen=True, slots=True)
class NewEvent:
    """What is about to be added to the history of a pipeline; the attributes are those of `Event`.

    Attributes:
        key: chosen by who asks; the same event asked for again is not added again.
    """

    kind: EventKind
    after: Mapping[str, int]
    alias: str | None = None
    before: Mapping[str, int] | None = None
    who: str | None = None
    reason: str | None = None
    restores: int | None = None
    deployment: int | None = None
    key: str | None = None


_EVENTS = sa.select(tables.event, tables.pipeline.c.name.label("pipeline")).join(tables.pipeline)


def _event(row: rows.StoredRow) -> Event:
    return Event(
        id=int(row.id),
        pipeline=row.pipeline,
        kind=row.kind,
        created_at=rows.utc(row.created_at),
        alias=row.alias,
        before=row.before,
        after=row.after or {},
        who=row.who,
        reason=row.reason,
        restores=row.restores,
        deployment=row.deployment_id,
    )


def lock(connection: sa.Connection, pipeline: int) -> None:
    """Makes other writers of a pipeline's history wait until the transaction ends; SQLite locks as a whole."""
    connection.execute(sa.select(tables.pipeline.c.id).where(tables.pipeline.c.id == pipeline).with_for_update())


def add(connection: sa.Connection, pipeline: int, new: NewEvent) -> Event:
    """Adds an event.

    Args:
        connection: the transaction, which holds the lock of the pipeline.
        pipeline: the number of the pipeline.
        new: what to add.

    Returns:
        the event as it stands in the history.
    """
    values = {name: value for name, value in asdict(new).items() if value is not None}
    values["deployment_id"] = values.pop("deployment", None)
    insert = sa.insert(tables.event).values(pipeline_id=pipeline, **values).returning(tables.event.c.id)
    number = int(connection.execute(insert).scalar_one())
    return _event(connection.execute(_EVENTS.where(tables.event.c.id == number)).one())


def by_key(connection: sa.Connection, key: str | None) -> Event | None:
    """The event that was added when the same was asked for before."""
    if key is None:
        return None
    return _first(connection, _EVENTS.where(tables.event.c.key == key))


def numbered(connection: sa.Connection, number: int) -> Event | None:
    """The event of a number."""
    return _first(connection, _EVENTS.where(tables.event.c.id == number))


def newest(connection: sa.Connection, pipeline: int, alias: str, before: int | None = None) -> Event | None:
    """The event that says what an alias stands for.

    Args:
        connection: the transaction.
        pipeline: the number of the pipeline.
        alias: the name of the alias.
        before: only events with smaller numbers count.

    Returns:
        the newest event that names the alias; None if none does.
    """
    table = tables.event
    query = _EVENTS.where(table.c.pipeline_id == pipeline, table.c.alias == alias)
    if before is not None:
        query = query.where(table.c.id < before)
    return _first(connection, query.order_by(table.c.id.desc()))


def page(connection: sa.Connection, pipeline: int, limit: int, before: int | None, alias: str | None) -> list[Event]:
    """The events of a pipeline, newest first.

    Args:
        connection: the transaction.
        pipeline: the number of the pipeline.
        limit: how many at most.
        before: only events with smaller numbers.
        alias: only events of this alias.
    """
    table = tables.event
    query = _EVENTS.where(table.c.pipeline_id == pipeline)
    if alias is not None:
        query = query.where(table.c.alias == alias)
    if before is not None:
        query = query.where(table.c.id < before)
    return [_event(row) for row in connection.execute(query.order_by(table.c.id.desc()).limit(limit))]


def standing(connection: sa.Connection, pipelines: Collection[int] | None = None) -> list[Event]:
    """What every alias stands for at this moment.

    Args:
        connection: the transaction.
        pipelines: the numbers of some pipelines; all of them if not given.

    Returns:
        the newest event of each alias, by the names of the pipelines and of the aliases.
    """
    table = tables.event
    last = sa.select(sa.func.max(table.c.id)).where(table.c.alias.is_not(None))
    if pipelines is not None:
        last = last.where(table.c.pipeline_id.in_(pipelines))
    query = _EVENTS.where(table.c.id.in_(last.group_by(table.c.pipeline_id, table.c.alias)))
    return [_event(row) for row in connection.execute(query.order_by(tables.pipeline.c.name, table.c.alias))]


def _first(connection: sa.Connection, query: sa.Select[Any]) -> Event | None:
    row = connection.execute(query.limit(1)).first()
    return None if row is None else _event(row)
