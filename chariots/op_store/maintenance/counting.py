"""How much does an op store hold, and of which op?"""

from __future__ import annotations

import sqlalchemy as sa

from chariots.op_store import tables
from chariots.op_store.maintenance.inventory import unhurried_reading
from chariots.op_store.maintenance.reports import OpStats, StoreStats
from chariots.op_store.registry import Registry
from chariots.op_store.rows import utc

__all__ = ["stats"]


def stats(registry: Registry) -> StoreStats:
    """Counts what a store holds, in one state of its database.

    Args:
        registry: the store.

    Raises:
        StoreUnavailableError: if the database cannot be reached.
    """
    version = tables.version
    has_bytes = sa.and_(version.c.sha256 != "", version.c.pruned_at.is_(None))
    counted = (
        sa.select(
            version.c.op_id,
            sa.func.count().label("versions"),
            sa.func.count(sa.case((has_bytes, 1))).label("with_bytes"),
            sa.func.count(version.c.pruned_at).label("pruned"),
            sa.func.coalesce(sa.func.sum(sa.case((has_bytes, version.c.size))), 0).label("bytes"),
            sa.func.max(version.c.id).label("newest"),
        )
        .group_by(version.c.op_id)
        .subquery()
    )
    by_op = (
        sa.select(tables.op.c.name, counted, version.c.created_at)
        .join(counted, counted.c.op_id == tables.op.c.id)
        .join(version, version.c.id == counted.c.newest)
        .order_by(tables.op.c.name)
    )
    different = sa.select(sa.func.max(version.c.size).label("size")).where(has_bytes).group_by(version.c.sha256)
    stored = different.subquery()
    with unhurried_reading(registry.database) as connection:
        ops = [
            OpStats(
                op=row.name,
                versions=row.versions,
                with_bytes=row.with_bytes,
                pruned=row.pruned,
                size=int(row.bytes),
                newest=row.newest,
                newest_at=utc(row.created_at).isoformat(),
            )
            for row in connection.execute(by_op)
        ]
        room = sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(stored.c.size), 0)).select_from(stored)
        blobs, size = connection.execute(room).one()
        latest = max(ops, key=lambda op: op.newest, default=None)
        return StoreStats(
            ops=ops,
            versions=sum(op.versions for op in ops),
            with_bytes=sum(op.with_bytes for op in ops),
            pruned=sum(op.pruned for op in ops),
            links=_count(connection, tables.link),
            blobs=blobs,
            size=int(size),
            pipelines=_count(connection, tables.pipeline),
            saves=_count(connection, tables.save),
            deployments=_count(connection, tables.deployment),
            events=_count(connection, tables.event),
            newest=None if latest is None else latest.newest,
            newest_at=None if latest is None else latest.newest_at,
        )


def _count(connection: sa.Connection, table: sa.Table) -> int:
    return connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0
