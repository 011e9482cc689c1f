"""Which versions did a pipeline serve last? (each function works inside a transaction it is given)"""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa

from chariots.errors import UnknownNameError
from chariots.op_store import rows, tables
from chariots.op_store.decisions.sets import versions_instead

__all__ = ["add_pipeline", "earlier", "last", "last_number", "record"]

_PAGE = 100  # deployments that are looked at together


def add_pipeline(connection: sa.Connection, name: str, last_op: str | None) -> int:
    """Registers a pipeline unless it is known, and notes its last op where one is given.

    Args:
        connection: the transaction.
        name: the name of the pipeline.
        last_op: the name of its last op; None for a pipeline that is served but was never saved.

    Returns:
        the number of the pipeline.
    """
    table = tables.pipeline
    query = sa.select(table).where(table.c.name == name)
    found = connection.execute(query).first()
    if found is None:
        rows.insert_new(connection, table, [{"name": name, "last_op": last_op}])
        found = connection.execute(query).one()
    if last_op is not None and found.last_op != last_op:
        connection.execute(sa.update(table).where(table.c.id == found.id).values(last_op=last_op))
    return int(found.id)


def last(connection: sa.Connection, pipeline: str) -> dict[str, int] | None:
    """Returns the versions a pipeline served last.

    Args:
        connection: the transaction.
        pipeline: its name.

    Returns:
        the number of the version of each node; None if it never served any.
    """
    number = last_number(connection, pipeline)
    return None if number is None else _versions(connection, number)


def last_number(connection: sa.Connection, pipeline: str) -> int | None:
    """The number of the last deployment of a pipeline; None if it never served."""
    newest = (
        sa.select(tables.deployment.c.id)
        .join(tables.pipeline)
        .where(tables.pipeline.c.name == pipeline)
        .order_by(tables.deployment.c.id.desc())
        .limit(1)
    )
    number = connection.scalar(newest)
    return None if number is None else int(number)


def earlier(
    connection: sa.Connection, pipeline: int, other_than: Mapping[str, int], up_to: int | None
) -> tuple[int, dict[str, int]] | None:
    """Looks for what a pipeline served before.

    Args:
        connection: the transaction.
        pipeline: the number of the pipeline.
        other_than: versions that do not count.
        up_to: the number of the newest deployment that counts; None if none does.

    Returns:
        the newest deployment with other versions, as its number and its versions; None if there is none.
    """
    table = tables.deployment
    while up_to is not None:
        query = sa.select(table.c.id).where(table.c.pipeline_id == pipeline, table.c.id <= up_to)
        numbers = connection.scalars(query.order_by(table.c.id.desc()).limit(_PAGE)).all()
        for number in numbers:
            versions = _versions(connection, number)
            if versions != dict(other_than):
                return int(number), versions
        up_to = numbers[-1] - 1 if numbers else None
    return None


def _versions(connection: sa.Connection, deployment: int) -> dict[str, int]:
    served = tables.deployment_version
    query = sa.select(served.c.node, served.c.version_id).where(served.c.deployment_id == deployment)
    return {node: int(version) for node, version in connection.execute(query)}


def record(connection: sa.Connection, pipeline: str, versions: Mapping[str, int]) -> None:
    """Adds a deployment to the history of a pipeline.

    Args:
        connection: the transaction.
        pipeline: the name of the pipeline.
        versions: the number of the version of each node.

    Raises:
        UnknownNameError: if a number is not that of a version.
    """
    for node, version in versions.items():
        if connection.scalar(sa.select(tables.version.c.id).where(tables.version.c.id == version)) is None:
            raise UnknownNameError(
                f"node {node!r} was to be remembered as serving the version number {version}, which the op "
                f"store does not have ({versions_instead(connection, node)}); load the pipeline from this store first"
            )
    number = add_pipeline(connection, pipeline, None)
    insert = sa.insert(tables.deployment).values(pipeline_id=number).returning(tables.deployment.c.id)
    deployment = connection.execute(insert).scalar_one()
    rows.insert_new(
        connection,
        tables.deployment_version,
        [{"deployment_id": deployment, "node": node, "version_id": version} for node, version in versions.items()],
    )
