"""Which pipelines does a store know, and what does each of them serve? (three queries for a page of them)"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from chariots.op_store import rows, tables
from chariots.op_store.decisions import events
from chariots.op_store.decisions.events import Event
from chariots.op_store.details import PipelineDetails

__all__ = ["known_pipelines"]


def known_pipelines(connection: sa.Connection, limit: int, after: str) -> list[PipelineDetails]:
    """The pipelines that were ever saved or served, by name.

    Args:
        connection: the transaction.
        limit: how many at most.
        after: only those whose name comes after this one.
    """
    pipeline, deployment = tables.pipeline.c, tables.deployment
    last = (
        sa.select(sa.func.max(deployment.c.id))
        .where(deployment.c.pipeline_id == pipeline.id)
        .correlate(tables.pipeline)
        .scalar_subquery()
    )
    page = (
        sa.select(pipeline.id, pipeline.name, last.label("last"))
        .where(pipeline.name > after)
        .order_by(pipeline.name)
        .limit(limit)
        .subquery()
    )
    query = (
        sa.select(page.c.id, page.c.name, page.c.last, deployment.c.created_at)
        .outerjoin_from(page, deployment, deployment.c.id == page.c.last)
        .order_by(page.c.name)
    )
    found = connection.execute(query).all()
    serves = _served(connection, [row.last for row in found if row.last is not None])
    aliases: dict[str, list[Event]] = {}
    for event in events.standing(connection, [row.id for row in found]):
        aliases.setdefault(event.pipeline, []).append(event)
    return [
        PipelineDetails(
            name=row.name,
            serves=serves.get(row.last, {}),
            serves_since=None if row.created_at is None else rows.utc(row.created_at),
            aliases=aliases.get(row.name, []),
        )
        for row in found
    ]


def _served(connection: sa.Connection, numbers: Sequence[int]) -> dict[int, dict[str, int]]:
    """The versions of some deployments, by node."""
    served = tables.deployment_version.c
    query = sa.select(served.deployment_id, served.node, served.version_id).where(served.deployment_id.in_(numbers))
    found: dict[int, dict[str, int]] = {}
    for row in connection.execute(query.order_by(served.deployment_id, served.node)):
        found.setdefault(row.deployment_id, {})[row.node] = int(row.version_id)
    return found
