"""Which versions does a store still need, and which may it give up?

Kept is what is among the newest of its op, what is young, what serves or stands under an alias, what going back one
step would bring back, what a pipeline would load now, and whatever one of those learned with, however far upstream. Of
the versions that learned with one that serves, the newest of every op stay as well: without them it would stand alone
in the next load.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from chariots.op_store import tables
from chariots.op_store.decisions import events
from chariots.op_store.decisions.shapes import Shape
from chariots.op_store.maintenance.inventory import database_time
from chariots.op_store.resolution import lookup

__all__ = ["Highest", "Plan", "Policy", "highest", "in_batches", "make_plan", "needed_since"]

_BATCH = 1000  # numbers in one statement; databases limit the parameters of a statement


@dataclass(frozen=True, slots=True)
class Policy:
    """What a store is to keep, whatever else it gives up.

    Attributes:
        keep: how many of the newest versions of every op; at least 1.
        younger_than: versions younger than this many seconds.
    """

    keep: int = 10
    younger_than: float = 30 * 24 * 3600.0

    def __post_init__(self) -> None:
        if self.keep < 1:
            raise ValueError(
                f"`gc` was to keep the newest {self.keep} versions of every op, and then a pipeline that is not served "
                "could not be loaded; keep at least 1"
            )
        if not 0 <= self.younger_than < 1e11:
            raise ValueError(
                f"`gc` was to keep what is younger than {self.younger_than} s, which is no age; give seconds from 0 on"
            )


@dataclass(frozen=True, slots=True)
class Plan:
    """The versions that may go.

    Attributes:
        numbers: their numbers.
        by_op: the same by the name of the op, ascending.
        kept: how many versions stay.
    """

    numbers: frozenset[int]
    by_op: dict[str, list[int]]
    kept: int


@dataclass(frozen=True, slots=True)
class Highest:
    """The greatest number in each table that may name a version."""

    version: int
    link: int
    deployment: int
    event: int


def make_plan(connection: sa.Connection, policy: Policy) -> Plan:
    """Decides which versions may go.

    Args:
        connection: the transaction, which sees one state of the database.
        policy: what to keep.
    """
    oldest = database_time(connection) - timedelta(seconds=policy.younger_than)
    placed = _placed()
    near = sa.or_(placed.c.place <= policy.keep, placed.c.created_at >= oldest)
    needed = set(connection.scalars(sa.select(placed.c.id).where(near)))
    in_use = _in_use(connection)
    needed |= in_use
    needed |= _learned_with(connection, in_use, policy.keep)
    needed |= _loadable(connection)
    needed |= set(connection.scalars(_vouched_for_any(policy.keep)))
    needed |= _upstream(connection, needed)

    far = sa.select(placed.c.op_id, placed.c.id).where(sa.not_(near)).order_by(placed.c.op_id, placed.c.id)
    numbers: dict[int, list[int]] = {}
    for op, number in connection.execute(far):
        if number not in needed:
            numbers.setdefault(op, []).append(number)
    alive = connection.scalar(sa.select(sa.func.count()).select_from(tables.version).where(*_ALIVE)) or 0
    names = _names(connection, list(numbers))
    chosen = frozenset(number for found in numbers.values() for number in found)
    by_op = {names[op]: numbers[op] for op in sorted(numbers, key=names.__getitem__)}
    return Plan(numbers=chosen, by_op=by_op, kept=alive - len(chosen))


def highest(connection: sa.Connection) -> Highest:
    """Notes where every table ends.

    Args:
        connection: a transaction beside which nobody else writes: what is committed later has greater numbers.
    """
    found = (
        connection.scalar(sa.select(sa.func.max(table.c.id)))
        for table in (tables.version, tables.link, tables.deployment, tables.event)
    )
    return Highest(*(number or 0 for number in found))


def needed_since(connection: sa.Connection, before: Highest) -> set[int]:
    """The versions that are needed because of what was written since.

    Args:
        connection: a transaction beside which nobody else writes.
        before: where the tables ended.
    """
    link, served = tables.link.c, tables.deployment_version.c
    needed = set(connection.scalars(sa.select(tables.version.c.id).where(tables.version.c.id > before.version)))
    for column in (link.upstream_version_id, link.downstream_version_id):
        needed.update(connection.scalars(sa.select(column).where(link.id > before.link, column.is_not(None))))
    needed.update(connection.scalars(sa.select(served.version_id).where(served.deployment_id > before.deployment)))
    named = sa.select(tables.event.c.before, tables.event.c.after).where(tables.event.c.id > before.event)
    for replaced, chosen in connection.execute(named):
        needed.update(_numbers(replaced), _numbers(chosen))
    return needed | _upstream(connection, needed)


def in_batches(numbers: Iterable[int], size: int = _BATCH) -> Iterator[Sequence[int]]:
    """Cuts numbers into lists that a statement can take.

    Args:
        numbers: the numbers.
        size: how many at most in each.
    """
    ordered = sorted(numbers)
    for start in range(0, len(ordered), size):
        yield ordered[start : start + size]


_ALIVE = (tables.version.c.sha256 != "", tables.version.c.pruned_at.is_(None))


def _placed() -> sa.Subquery:
    """Every version with bytes and its place in its op, 1 for the newest."""
    version = tables.version.c
    place = sa.func.row_number().over(partition_by=version.op_id, order_by=version.id.desc()).label("place")
    return sa.select(version.id, version.op_id, version.created_at, place).where(*_ALIVE).subquery()


def _in_use(connection: sa.Connection) -> set[int]:
    """What every pipeline serves and served before, what every alias stands for and stood for before."""
    deployment, served = tables.deployment.c, tables.deployment_version.c
    place = sa.func.row_number().over(partition_by=deployment.pipeline_id, order_by=deployment.id.desc())
    placed = sa.select(deployment.id, place.label("place")).subquery()
    last = sa.select(placed.c.id).where(placed.c.place <= 2)
    found = set(connection.scalars(sa.select(served.version_id).where(served.deployment_id.in_(last))))
    for event in events.standing(connection):
        found.update(_numbers(event.after), _numbers(event.before))
        restored = None if event.restores is None else events.numbered(connection, event.restores)
        if restored is not None:
            found.update(_numbers(restored.before))
    return found


def _learned_with(connection: sa.Connection, upstream: set[int], keep: int) -> set[int]:
    """The newest versions of each op that learned with one of these versions."""
    link = tables.link.c
    place = (
        sa.func.row_number()
        .over(
            partition_by=(link.upstream_version_id, link.downstream_op_id), order_by=link.downstream_version_id.desc()
        )
        .label("place")
    )
    found: set[int] = set()
    for batch in in_batches(upstream):
        placed = (
            sa.select(link.downstream_version_id, place)
            .join(tables.version, tables.version.c.id == link.downstream_version_id)
            .where(link.upstream_version_id.in_(batch), *_ALIVE)
            .subquery()
        )
        found.update(connection.scalars(sa.select(placed.c.downstream_version_id).where(placed.c.place <= keep)))
    return found


def _loadable(connection: sa.Connection) -> set[int]:
    """What every pipeline would load now, with the code that was seen last; that may be older than the newest."""
    shape = tables.pipeline.c.shape
    found: set[int] = set()
    for described in connection.scalars(sa.select(shape).where(shape.is_not(None))).all():
        if described is not None:  # NULL in JSON
            pipeline = Shape.from_json(described)
            resolved = lookup.resolve(connection, pipeline.nodes, pipeline.edges, {})
            if not resolved.problems:
                found.update(version.id for version in resolved.versions.values())
    return found


def _vouched_for_any(keep: int) -> sa.Select[Any]:
    """The newest versions that clients of chariots 0.2 vouched for, for any version of a downstream op."""
    link = tables.link.c
    place = sa.func.row_number().over(
        partition_by=(link.upstream_op_id, link.downstream_op_id), order_by=link.upstream_version_id.desc()
    )
    placed = (
        sa.select(link.upstream_version_id, place.label("place"))
        .join(tables.version, tables.version.c.id == link.upstream_version_id)
        .where(link.downstream_version_id.is_(None), *_ALIVE)
        .subquery()
    )
    return sa.select(placed.c.upstream_version_id).where(placed.c.place <= keep)


def _upstream(connection: sa.Connection, start: set[int]) -> set[int]:
    """Everything that these versions learned with, and what that learned with, and so on."""
    link = tables.link.c
    found: set[int] = set()
    front = start
    while front:
        reached: set[int] = set()
        for batch in in_batches(front):
            query = sa.select(link.upstream_version_id).where(link.downstream_version_id.in_(batch)).distinct()
            reached.update(connection.scalars(query))
        front = reached - found - start
        found |= reached
    return found


def _names(connection: sa.Connection, ops: Sequence[int]) -> dict[int, str]:
    names: dict[int, str] = {}
    for batch in in_batches(ops):
        query = sa.select(tables.op.c.id, tables.op.c.name).where(tables.op.c.id.in_(batch))
        names.update((number, name) for number, name in connection.execute(query))
    return names


def _numbers(described: Any) -> list[int]:
    return [int(number) for number in (described or {}).values()]
