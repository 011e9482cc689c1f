"""Which are the newest versions of each op, so many of them, and what were they trained with? (to search among)"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from chariots.op_store import tables
from chariots.op_store.resolution.asked import asked, joined
from chariots.op_store.resolution.candidates import NODE_COLUMNS, alike, code_of, made_by, usable
from chariots.op_store.resolution.compatibility import LEVELS, Choice, Edge, Key, key_of
from chariots.pipelines.store import NodeQuery

__all__ = ["Window", "read_links", "read_older_readers", "read_windows"]

_WHOLE = sa.BigInteger
_TEXT = sa.Text


@dataclass(slots=True)
class Window:
    """The newest versions that a node may load.

    Attributes:
        keys: what counts of each when it is read by others, by number.
        cut: the number of the oldest of them, where there are older ones.
    """

    keys: dict[int, Key] = field(default_factory=dict)
    cut: int | None = None


def read_windows(
    connection: sa.Connection, nodes: Sequence[NodeQuery], ops: Mapping[str, int], most: int | None
) -> dict[str, Window]:
    """Reads the newest versions that each node may load; in one statement.

    Args:
        connection: the transaction.
        nodes: nodes whose ops the store knows.
        ops: the numbers of the ops.
        most: how many versions of each; None for all.

    Returns:
        the window of each node, by name.
    """
    columns = {**NODE_COLUMNS, "op": _WHOLE}
    given = asked(
        connection,
        columns,
        [(place, node.name, *code_of(node), None, ops[node.name]) for place, node in enumerate(nodes)],
    )
    version = tables.version.alias("candidate")
    mine = sa.and_(version.c.op_id == given.c.op, usable(version))
    wanted = [given.c.place, version.c.id, version.c.major, version.c.minor, version.c.patch]
    newest = None if most is None else (version.c.id, most + 1)  # one more, to know whether there are more
    parts = [
        joined(connection, given, version, sa.and_(mine, made), wanted, newest)
        for made in (made_by(version, given), version.c.code_major.is_(None))
    ]
    keys: list[dict[int, Key]] = [{} for _ in nodes]
    for place, number, *digests in connection.execute(sa.union_all(*parts)):
        keys[place][number] = key_of(digests, nodes[place].mismatch_on)
    windows = {}
    for node, found in zip(nodes, keys, strict=True):
        if most is None or len(found) <= most:
            windows[node.name] = Window(found)
        else:
            # Of those made by this code and those made by unknown code, each part may end elsewhere.
            newest_first = sorted(found, reverse=True)[:most]
            windows[node.name] = Window({number: found[number] for number in newest_first}, newest_first[-1])
    return windows


def read_links(
    connection: sa.Connection, edges: Sequence[Edge], windows: Mapping[str, Window], ops: Mapping[str, int]
) -> list[dict[int | None, set[Key]]]:
    """Reads what the versions in windows were trained with; in one statement.

    Args:
        connection: the transaction.
        edges: the edges.
        windows: the versions to look at; the nodes of plain code have none.
        ops: the numbers of the ops.

    Returns:
        for each edge, the keys that are valid for each downstream version, and under None those valid for all.
    """
    rows_asked = []
    for place, edge in enumerate(edges):
        window = windows.get(edge.downstream.name)
        oldest = min(window.keys, default=0) if window is not None else None
        finest = LEVELS.index(edge.upstream.mismatch_on)
        rows_asked.append(
            (place, ops.get(edge.upstream.name), ops.get(edge.downstream.name), oldest, finest >= 1, finest >= 2)
        )
    columns = {
        "place": _WHOLE,
        "upstream_op": _WHOLE,
        "downstream_op": _WHOLE,
        "oldest": _WHOLE,
        "minor_counts": sa.Boolean,
        "patch_counts": sa.Boolean,
    }
    given = asked(connection, columns, rows_asked)
    link, source = tables.link, tables.version.alias("source")
    of_pair = sa.and_(link.c.upstream_op_id == given.c.upstream_op, link.c.downstream_op_id == given.c.downstream_op)
    start = link.join(source, source.c.id == link.c.upstream_version_id)
    # What is the same for the question is told once, however many versions it stands for.
    minor = sa.case((given.c.minor_counts, source.c.minor), else_="").label("minor")
    patch = sa.case((given.c.patch_counts, source.c.patch), else_="").label("patch")
    reader = link.c.downstream_version_id.label("reader")
    anybody = sa.cast(sa.null(), _WHOLE).label("reader")
    parts = [
        joined(
            connection,
            given,
            start,
            sa.and_(of_pair, link.c.downstream_version_id >= given.c.oldest),
            [given.c.place, reader, source.c.major, minor, patch],
        ),
        joined(
            connection,
            given,
            start,
            sa.and_(of_pair, link.c.downstream_version_id.is_(None)),
            [given.c.place, anybody, source.c.major, minor, patch],
        ),
        joined(
            connection,
            given,
            start,
            sa.and_(of_pair, given.c.oldest.is_(None)),
            [given.c.place, anybody, source.c.major, minor, patch],
        ),
    ]
    found: list[dict[int | None, set[Key]]] = [{} for _ in edges]
    for place, number, *digests in connection.execute(sa.union(*parts)):
        found[place].setdefault(number, set()).add(key_of(digests, edges[place].upstream.mismatch_on))
    return found


def read_older_readers(
    connection: sa.Connection,
    edges: Sequence[Edge],
    windows: Mapping[str, Window],
    choices: Mapping[str, Choice],
    ops: Mapping[str, int],
) -> list[set[Key]]:
    """Finds out which upstream versions in windows were ever met by a downstream version older than its window.

    Args:
        connection: the transaction.
        edges: the edges.
        windows: the versions that were read.
        choices: what each node would load.
        ops: the numbers of the ops.

    Returns:
        for each edge, the keys that some older downstream version was validated with; in one statement for all.
    """
    keys: list[tuple[int, Key]] = []
    rows_asked: list[tuple[Any, ...]] = []
    for place, edge in enumerate(edges):
        reader = windows.get(edge.downstream.name)
        if reader is None or reader.cut is None or edge.upstream.name not in ops:
            continue
        source = windows.get(edge.upstream.name)
        for key in {choices[edge.upstream.name].key} if source is None else set(source.keys.values()):
            ends = (ops[edge.upstream.name], ops[edge.downstream.name], reader.cut)
            rows_asked.append((len(keys), *ends, *[*key, None, None][:3]))
            keys.append((place, key))
    columns: dict[str, Any] = {
        "place": _WHOLE,
        "upstream_op": _WHOLE,
        "downstream_op": _WHOLE,
        "oldest": _WHOLE,
        **dict.fromkeys(LEVELS, _TEXT),
    }
    given = asked(connection, columns, rows_asked)
    link, source_version = tables.link, tables.version.alias("source")
    met = (
        sa.select(link.c.id)
        .select_from(source_version.join(link, link.c.upstream_version_id == source_version.c.id))
        .where(
            source_version.c.op_id == given.c.upstream_op,
            alike(source_version, given),
            link.c.downstream_op_id == given.c.downstream_op,
            link.c.downstream_version_id < given.c.oldest,
        )
        .limit(1)
        .correlate(given)
        .scalar_subquery()
    )
    found: list[set[Key]] = [set() for _ in edges]
    for (number,) in connection.execute(sa.select(given.c.place).where(met.is_not(None))):
        place, key = keys[number]
        found[place].add(key)
    return found
