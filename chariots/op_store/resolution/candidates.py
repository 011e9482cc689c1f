"""What is the newest version that each node may load, and do those fit? (two statements, however many nodes)"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from chariots.op_store import rows, tables
from chariots.op_store.resolution.asked import asked
from chariots.op_store.resolution.compatibility import LEVELS, Choice, Edge
from chariots.pipelines.store import NodeQuery
from chariots.versioning import Version

__all__ = ["EdgeState", "NODE_COLUMNS", "alike", "code_of", "edge_states", "made_by", "newest_choices", "usable"]

EdgeState = int  # 0: the two never met; 1: they met, in versions that do not fit; 2: they fit

_WHOLE = sa.BigInteger
_TEXT = sa.Text
NODE_COLUMNS = {
    "place": _WHOLE,
    "name": _TEXT,
    "code_major": _TEXT,
    "code_minor": _TEXT,
    "code_patch": _TEXT,
    "pinned": _WHOLE,
}
_EDGE = {
    "place": _WHOLE,
    "upstream_op": _WHOLE,
    "downstream_op": _WHOLE,
    "upstream_version": _WHOLE,
    "downstream_version": _WHOLE,
    "major": _TEXT,
    "minor": _TEXT,
    "patch": _TEXT,
}


def usable(version: Any) -> sa.ColumnElement[bool]:
    """Whether a version has bytes that are kept, and so may be loaded.

    Args:
        version: the table of versions, or an alias of it.
    """
    return sa.and_(version.c.sha256 != "", version.c.pruned_at.is_(None))


def newest_choices(
    connection: sa.Connection, nodes: Sequence[NodeQuery], pinned: Mapping[str, int]
) -> tuple[dict[str, Choice], dict[str, int]]:
    """Finds the newest version that each node may load, whatever its neighbours are; in one statement.

    Args:
        connection: the transaction.
        nodes: the nodes.
        pinned: for some nodes, the number of the only version to take.

    Returns:
        what each node would load, by name, and the numbers of the ops that the store knows.
    """
    given = asked(
        connection,
        NODE_COLUMNS,
        [(place, node.name, *code_of(node), pinned.get(node.name)) for place, node in enumerate(nodes)],
    )
    version = tables.version.alias("candidate")
    mine = sa.and_(version.c.op_id == tables.op.c.id, usable(version))
    # Two questions instead of one with OR: each is one step in an index.
    made_by_it, made_by_unknown = (
        sa.select(version.c.id).where(mine, made).order_by(version.c.id.desc()).limit(1).scalar_subquery()
        for made in (made_by(version, given), version.c.code_major.is_(None))
    )
    either = sa.or_(made_by(version, given), version.c.code_major.is_(None))
    exactly = sa.select(version.c.id).where(mine, version.c.id == given.c.pinned, either).scalar_subquery()
    newer = sa.func.coalesce(made_by_it, 0) >= sa.func.coalesce(made_by_unknown, 0)
    number = sa.case((given.c.pinned.is_not(None), exactly), (newer, made_by_it), else_=made_by_unknown)
    chosen = (
        sa.select(given.c.place, tables.op.c.id.label("op_id"), tables.op.c.name.label("op"), number.label("number"))
        .select_from(given.join(tables.op, tables.op.c.name == given.c.name))
        .subquery("chosen")
    )
    found_version = [column for column in rows.STORED if column.name != "op"]
    query = sa.select(chosen.c.place, chosen.c.op_id, chosen.c.op, *found_version).select_from(
        chosen.outerjoin(tables.version, tables.version.c.id == chosen.c.number)
    )
    choices = {node.name: Choice(node, pinned=pinned.get(node.name)) for node in nodes}
    ops: dict[str, int] = {}
    for row in connection.execute(query):
        node = nodes[row.place]
        ops[node.name] = row.op_id
        if node.role != "code" and row.id is not None:
            choices[node.name] = Choice(node, chosen=rows.stored_version(row), pinned=pinned.get(node.name))
    return choices, ops


def edge_states(
    connection: sa.Connection, edges: Sequence[Edge], choices: Mapping[str, Choice], ops: Mapping[str, int]
) -> list[EdgeState]:
    """Tells of each edge whether the versions chosen at its two ends fit; in one statement.

    Args:
        connection: the transaction.
        edges: the edges.
        choices: what each node would load.
        ops: the numbers of the ops.

    Returns:
        the state of each edge.
    """
    given = asked(connection, _EDGE, _ends(edges, choices, ops))
    link, source = tables.link, tables.version.alias("source")
    of_pair = sa.and_(link.c.upstream_op_id == given.c.upstream_op, link.c.downstream_op_id == given.c.downstream_op)
    same_key = alike(source, given)
    same_version = link.c.upstream_version_id == given.c.upstream_version
    same_reader = link.c.downstream_version_id == given.c.downstream_version
    any_reader = link.c.downstream_version_id.is_(None)
    same_op = link.c.downstream_op_id == given.c.downstream_op

    def exists(*conditions: sa.ColumnElement[bool], by_version: bool = False) -> sa.ColumnElement[bool]:
        start = link.join(source, source.c.id == link.c.upstream_version_id) if by_version else link
        # A subquery with a limit: for EXISTS, PostgreSQL may read the whole table first.
        first = sa.select(link.c.id).select_from(start).where(*conditions).limit(1).correlate(given)
        return first.scalar_subquery().is_not(None)

    is_code = given.c.downstream_version.is_(None)
    state = sa.case(
        (sa.and_(~is_code, exists(same_version, same_reader)), 2),
        # Two questions instead of one: there is an index for the links with a downstream version, one for the others.
        (sa.and_(is_code, exists(same_version, same_op, ~any_reader)), 2),
        (exists(same_version, same_op, any_reader), 2),
        (sa.and_(~is_code, exists(of_pair, same_reader, same_key, by_version=True)), 2),
        (sa.and_(~is_code, exists(of_pair, any_reader, same_key, by_version=True)), 2),
        # Plain code was not trained on anything: whatever it once was fed by is as good today.
        (sa.and_(is_code, exists(of_pair, same_key, by_version=True)), 2),
        (exists(of_pair), 1),
        else_=0,
    )
    found = {place: known for place, known in connection.execute(sa.select(given.c.place, state))}  # noqa: C416  # rows are no tuples to mypy
    return [found.get(place, 0) for place in range(len(edges))]


def code_of(node: NodeQuery) -> tuple[str, str | None, str | None]:
    """The digests that the code version of a candidate must have; None where any will do.

    Args:
        node: the node that is to load it.
    """
    version = Version.parse(node.code_version)
    finest = LEVELS.index(node.mismatch_on)
    return version.major, version.minor if finest >= 1 else None, version.patch if finest >= 2 else None


def alike(version: Any, given: sa.Subquery) -> sa.ColumnElement[bool]:
    """Whether a version has the digests that are asked for, as far as they are.

    Args:
        version: the table of versions, or an alias of it.
        given: what is asked, with columns ``major``, ``minor`` and ``patch``; NULL for any.
    """
    return sa.and_(
        version.c.major == given.c.major,
        sa.or_(given.c.minor.is_(None), version.c.minor == given.c.minor),
        sa.or_(given.c.patch.is_(None), version.c.patch == given.c.patch),
    )


def made_by(version: Any, given: sa.Subquery) -> sa.ColumnElement[bool]:
    """Whether a version was made by the code that is asked for.

    Args:
        version: the table of versions, or an alias of it.
        given: what is asked, with columns as `code_of` gives them.
    """
    return sa.and_(
        version.c.code_major == given.c.code_major,
        sa.or_(given.c.code_minor.is_(None), version.c.code_minor == given.c.code_minor),
        sa.or_(given.c.code_patch.is_(None), version.c.code_patch == given.c.code_patch),
    )


def _ends(
    edges: Sequence[Edge], choices: Mapping[str, Choice], ops: Mapping[str, int]
) -> list[tuple[int | str | None, ...]]:
    ends: list[tuple[int | str | None, ...]] = []
    for place, edge in enumerate(edges):
        source, reader = choices[edge.upstream.name], choices[edge.downstream.name]
        if edge.upstream.name not in ops or edge.downstream.name not in ops:
            continue  # nothing is known of the pair
        digests = [*source.key, None, None]
        ends.append(
            (
                place,
                ops[edge.upstream.name],
                ops[edge.downstream.name],
                None if source.chosen is None else source.chosen.id,
                None if reader.chosen is None else reader.chosen.id,
                *digests[:3],
            )
        )
    return ends
