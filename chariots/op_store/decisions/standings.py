"""What are many pipelines to serve? (three statements at most, however many pipelines, versions and decisions)

An alias comes before what was deployed last. The number of an entry is enough to know whether anything is new: whoever
writes one holds the lock of its pipeline, so that the numbers of a pipeline become visible in their order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

import sqlalchemy as sa

from chariots.op_store import tables
from chariots.pipelines.standings import Standing, Standings, mark_of

__all__ = ["read"]

Item = TypeVar("Item")

_AT_ONCE = 500  # names or numbers in one statement; databases bound their number


def read(connection: sa.Connection, pipelines: Sequence[str], alias: str | None, seen: str | None) -> Standings | None:
    """Reads what pipelines are to serve.

    Args:
        connection: the transaction.
        pipelines: their names.
        alias: the alias that comes before the last deployment; None if none does.
        seen: the mark of the answer that is known.

    Returns:
        what they are to serve; None if that is what is known.
    """
    promotions, deployments = _numbers(connection, pipelines, alias)
    entries = {name: f"promotion {number}" for name, number in promotions.items()}
    entries |= {name: f"deployment {number}" for name, number in deployments.items()}
    mark = mark_of(entries.items())
    if mark == seen:
        return None
    versions = _promoted(connection, promotions) | _deployed(connection, deployments)
    return Standings(mark, {name: Standing(entry, versions.get(name, {})) for name, entry in entries.items()})


def _numbers(
    connection: sa.Connection, pipelines: Sequence[str], alias: str | None
) -> tuple[dict[str, int], dict[str, int]]:
    """The newest event of the alias, or else the newest deployment, of each pipeline that has one."""
    table, event, deployment = tables.pipeline, tables.event, tables.deployment
    newest_event = sa.select(event.c.id).where(event.c.pipeline_id == table.c.id, event.c.alias == alias)
    newest_deployment = sa.select(deployment.c.id).where(deployment.c.pipeline_id == table.c.id)
    promoted = newest_event.order_by(event.c.id.desc()).limit(1).scalar_subquery()
    deployed = newest_deployment.order_by(deployment.c.id.desc()).limit(1).scalar_subquery()
    columns = [table.c.name, (sa.null() if alias is None else promoted).label("promoted"), deployed.label("deployed")]
    promotions, deployments = {}, {}
    for names in _parts(pipelines):
        for name, promotion, number in connection.execute(sa.select(*columns).where(table.c.name.in_(names))):
            if promotion is not None:
                promotions[name] = int(promotion)
            elif number is not None:
                deployments[name] = int(number)
    return promotions, deployments


def _promoted(connection: sa.Connection, numbers: dict[str, int]) -> dict[str, dict[str, int]]:
    """What was promoted, by the name of the pipeline."""
    names = {number: name for name, number in numbers.items()}
    table = tables.event
    found: dict[str, dict[str, int]] = {}
    for part in _parts(list(names)):
        for number, after in connection.execute(sa.select(table.c.id, table.c.after).where(table.c.id.in_(part))):
            found[names[number]] = dict(after or {})
    return found


def _deployed(connection: sa.Connection, numbers: dict[str, int]) -> dict[str, dict[str, int]]:
    """What was deployed, by the name of the pipeline."""
    names = {number: name for name, number in numbers.items()}
    table = tables.deployment_version
    found: dict[str, dict[str, int]] = {name: {} for name in numbers}
    for part in _parts(list(names)):
        query = sa.select(table.c.deployment_id, table.c.node, table.c.version_id)
        for number, node, version in connection.execute(query.where(table.c.deployment_id.in_(part))):
            found[names[number]][node] = int(version)
    return found


def _parts(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    for start in range(0, len(items), _AT_ONCE):
        yield items[start : start + _AT_ONCE]
