"""What does the database know about the nodes and edges of one pipeline? (facts for `compatibility` to judge)

Each query below reads a few rows of one index, however many versions the ops have.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import sqlalchemy as sa

from chariots.op_store import rows, tables
from chariots.op_store.compatibility import LinkFacts, NodeFacts, edges_to_check, link_problem, node_problem
from chariots.pipelines.store import NodeQuery, Resolution, StoredVersion
from chariots.versioning import Version

__all__ = ["known_ops", "resolve", "validated_versions"]

_MOST_NAMES = 10_000  # to look through for a suggestion


def resolve(
    connection: sa.Connection,
    nodes: Sequence[NodeQuery],
    edges: Sequence[tuple[str, str]],
    pinned: Mapping[str, int],
) -> Resolution:
    """Chooses a version for every node that loads one, and lists everything that stands in the way.

    Args:
        connection: the transaction.
        nodes: the nodes of the pipeline.
        edges: pairs of their names, (upstream, downstream).
        pinned: for some nodes, the number of the version to take.

    Returns:
        the chosen versions and the problems; none where the versions may be loaded.
    """
    numbers = rows.op_ids(connection, [node.name for node in nodes])
    facts = {node.name: _node_facts(connection, node, numbers.get(node.name), pinned.get(node.name)) for node in nodes}
    problems = [node_problem(fact) for fact in facts.values()]
    if any(problems):
        known = known_ops(connection)
        problems = [node_problem(fact, known) for fact in facts.values()]
    unfit = {name for name, problem in zip(facts, problems, strict=True) if problem}
    for upstream, downstream in edges_to_check(nodes, edges):
        if upstream.name in unfit or downstream.name in unfit:
            continue
        source, reader = facts[upstream.name], facts[downstream.name]
        links = _link_facts(connection, numbers, source, reader)
        problems.append(link_problem(source, reader, links))
    return Resolution(
        versions={name: fact.chosen for name, fact in facts.items() if fact.chosen is not None},
        problems=[problem for problem in problems if problem],
    )


def known_ops(connection: sa.Connection) -> list[str]:
    """The names of the ops in the store, for suggestions."""
    query = sa.select(tables.op.c.name).order_by(tables.op.c.id.desc()).limit(_MOST_NAMES)
    return list(connection.scalars(query))


def validated_versions(connection: sa.Connection, upstream: int, downstream: int) -> Sequence[rows.StoredRow]:
    """The rows of the upstream versions that are valid for some version of a downstream op, oldest first."""
    linked = sa.select(tables.link.c.upstream_version_id).where(
        tables.link.c.upstream_op_id == upstream, tables.link.c.downstream_op_id == downstream
    )
    query = sa.select(*rows.STORED).join(tables.op).where(tables.version.c.id.in_(linked))
    return connection.execute(query.order_by(tables.version.c.id)).all()


def _node_facts(connection: sa.Connection, node: NodeQuery, number: int | None, pinned: int | None) -> NodeFacts:
    if node.role == "code":
        return NodeFacts(node)
    if number is None:
        return NodeFacts(node, pinned=pinned)
    saved = (
        sa.select(*rows.STORED)
        .join(tables.op)
        .where(tables.version.c.op_id == number, tables.version.c.sha256 != "")
        .order_by(tables.version.c.id.desc())
        .limit(1)
    )
    if pinned is not None:
        saved = saved.where(tables.version.c.id == pinned)
    major = Version.parse(node.code_version).major
    # Two queries instead of one with OR: each is one step in an index.
    fitting = [
        connection.execute(saved.where(condition)).first()
        for condition in (tables.version.c.code_major == major, tables.version.c.code_major.is_(None))
    ]
    chosen = max(_stored(fitting), key=lambda version: version.id, default=None)
    newest = chosen
    if newest is None:
        newest = next(iter(_stored([connection.execute(saved).first()])), None)
    return NodeFacts(node, chosen=chosen, newest=newest, pinned=pinned)


def _stored(found: Sequence[rows.StoredRow]) -> list[StoredVersion]:
    return [rows.stored_version(row) for row in found if row is not None]


def _link_facts(
    connection: sa.Connection, numbers: Mapping[str, int], upstream: NodeFacts, downstream: NodeFacts
) -> LinkFacts:
    source, reader = numbers.get(upstream.query.name), numbers.get(downstream.query.name)
    if source is None or reader is None:
        return LinkFacts()
    link = tables.link
    pair = (link.c.upstream_op_id == source, link.c.downstream_op_id == reader)
    majors = (
        sa.select(tables.version.c.major)
        .distinct()
        .select_from(link.join(tables.version, tables.version.c.id == link.c.upstream_version_id))
        .where(*pair)
    )
    found: set[str] = set()
    if downstream.chosen is None:
        # Plain code was not trained on anything: whatever it once was fed by is as good today.
        found.update(connection.scalars(majors))
    else:
        found.update(connection.scalars(majors.where(link.c.downstream_version_id == downstream.chosen.id)))
        found.update(connection.scalars(majors.where(link.c.downstream_version_id.is_(None))))
    met = bool(found) or connection.execute(sa.select(link.c.id).where(*pair).limit(1)).first() is not None
    return LinkFacts(met=met, majors=frozenset(found))
