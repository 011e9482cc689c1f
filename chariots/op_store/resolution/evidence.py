"""What does the database know that explains a refusal? (a few statements, however many edges are broken)"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from chariots.op_store import rows, tables
from chariots.op_store.resolution.asked import asked, joined
from chariots.op_store.resolution.candidates import usable
from chariots.op_store.resolution.compatibility import Choice, Edge, Key
from chariots.op_store.resolution.refusals import Known

__all__ = ["known_versions", "newest_of_any_code", "pipelines_that_saved", "trained_with"]

_WHOLE = sa.BigInteger
_MOST_TRAINED = 20  # versions that an op was trained with, for one edge
_MOST_SAVES = 50  # the newest versions of an op, in which to look for the pipelines that saved it


def newest_of_any_code(connection: sa.Connection, ops: Mapping[str, int]) -> dict[str, Known]:
    """The newest version with bytes of each op, whatever code made it; in one statement.

    Args:
        connection: the transaction.
        ops: the numbers of the ops, by name.
    """
    given = asked(connection, {"op": _WHOLE}, [(number,) for number in ops.values()])
    version = tables.version.alias("candidate")
    newest = (
        sa.select(version.c.id)
        .where(version.c.op_id == given.c.op, usable(version))
        .order_by(version.c.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    found = sa.select(newest.label("number")).select_from(given).subquery("newest")
    query = (
        sa.select(*rows.STORED, tables.version.c.fields, tables.version.c.fingerprint)
        .select_from(found.join(tables.version, tables.version.c.id == found.c.number))
        .join(tables.op, tables.op.c.id == tables.version.c.op_id)
    )
    return {row.op: _known(row) for row in connection.execute(query)}


def trained_with(
    connection: sa.Connection, edges: Sequence[Edge], choices: Mapping[str, Choice], ops: Mapping[str, int]
) -> list[list[int]]:
    """The upstream versions, by number, that are valid for the downstream version of each edge, the newest first.

    Args:
        connection: the transaction.
        edges: the edges.
        choices: what each node would load.
        ops: the numbers of the ops.
    """
    columns = {"place": _WHOLE, "upstream_op": _WHOLE, "downstream_op": _WHOLE, "reader": _WHOLE}
    given = asked(
        connection,
        columns,
        [
            (place, ops.get(edge.upstream.name), ops.get(edge.downstream.name), _number(choices[edge.downstream.name]))
            for place, edge in enumerate(edges)
        ],
    )
    link = tables.link
    of_pair = sa.and_(link.c.upstream_op_id == given.c.upstream_op, link.c.downstream_op_id == given.c.downstream_op)
    wanted = [given.c.place, link.c.upstream_version_id]
    parts = [
        joined(connection, given, link, sa.and_(of_pair, whose), wanted, (link.c.upstream_version_id, _MOST_TRAINED))
        for whose in (
            link.c.downstream_version_id == given.c.reader,
            link.c.downstream_version_id.is_(None),
            given.c.reader.is_(None),
        )
    ]
    numbers: list[set[int]] = [set() for _ in edges]
    for place, number in connection.execute(sa.union(*parts)):
        numbers[place].add(number)
    return [sorted(found, reverse=True)[:_MOST_TRAINED] for found in numbers]


def known_versions(connection: sa.Connection, numbers: Iterable[int]) -> dict[int, Known]:
    """What is known of versions, by number; in two statements.

    Args:
        connection: the transaction.
        numbers: their numbers.
    """
    given = asked(connection, {"number": _WHOLE}, [(number,) for number in sorted(set(numbers))])
    query = (
        sa.select(*rows.STORED, tables.version.c.fields, tables.version.c.fingerprint)
        .select_from(given.join(tables.version, tables.version.c.id == given.c.number))
        .join(tables.op, tables.op.c.id == tables.version.c.op_id)
    )
    known = {row.id: _known(row) for row in connection.execute(query)}
    link, source = tables.link, tables.version.alias("source")
    start = link.join(source, source.c.id == link.c.upstream_version_id)
    condition = link.c.downstream_version_id == given.c.number
    digests = [source.c.major, source.c.minor, source.c.patch]
    parents: dict[int, dict[int, set[Key]]] = {number: {} for number in known}
    wanted = [given.c.number, link.c.upstream_op_id, *digests]
    for number, op, *key in connection.execute(joined(connection, given, start, condition, wanted)):
        parents[number].setdefault(op, set()).add(tuple(key))
    return {
        number: replace(found, parents={op: frozenset(keys) for op, keys in parents[number].items()})
        for number, found in known.items()
    }


def pipelines_that_saved(connection: sa.Connection, ops: Mapping[str, int]) -> dict[str, list[str]]:
    """The names of the pipelines that have saved each op, the latest first; in one statement.

    Args:
        connection: the transaction.
        ops: the numbers of the ops, by name.
    """
    given = asked(connection, {"op": _WHOLE}, [(number,) for number in ops.values()])
    version = tables.version.alias("candidate")
    wanted = [given.c.op, version.c.id, version.c.save_id]
    newest = joined(
        connection, given, version, version.c.op_id == given.c.op, wanted, (version.c.id, _MOST_SAVES)
    ).subquery("newest")
    query = (
        sa.select(newest.c.op, tables.pipeline.c.name)
        .select_from(newest.join(tables.save, tables.save.c.id == newest.c.save_id))
        .join(tables.pipeline, tables.pipeline.c.id == tables.save.c.pipeline_id)
        .order_by(newest.c.id.desc())
    )
    names = {number: name for name, number in ops.items()}
    found: dict[str, dict[str, None]] = {name: {} for name in ops}
    for number, pipeline in connection.execute(query):
        found[names[number]][pipeline] = None
    return {name: list(pipelines) for name, pipelines in found.items()}


def _known(row: Any) -> Known:
    return Known(rows.stored_version(row), row.fields or {}, row.fingerprint)


def _number(choice: Choice) -> int | None:
    return None if choice.chosen is None else choice.chosen.id
