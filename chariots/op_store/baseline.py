"""What is trained and live, for a change of the code to be held against? (facts only; `chariots.checking` judges)"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from chariots.op_store import rows, tables
from chariots.op_store.decisions import deployments, events, shapes
from chariots.op_store.decisions.shapes import Shape

__all__ = ["Baseline", "KnownVersion", "LivePipeline", "read_baseline"]

_MOST_OTHERS = 1000  # names of pipelines that were not asked about
_BATCH = 1000


@dataclass(frozen=True, slots=True)
class KnownVersion:
    """One version of an op with all that tells which code made it.

    Attributes:
        id: the store's number.
        op: the name of the op.
        version: the text of the version.
        code_version: the text of the class version; None if a 0.2 client saved it.
        fields: the declared fields: name -> ``value``, ``affects``, ``hash``.
        fingerprint: the code fingerprint; None where there was none.
        has_bytes: whether it is the version of an op with a state.
        saved_by: the name of the pipeline whose save brought it; None if it came alone.
        who: who saved it, where that is known.
        created_at: when, as ISO 8601 text in UTC.
    """

    id: int
    op: str
    version: str
    code_version: str | None
    fields: Mapping[str, Any]
    fingerprint: str | None
    has_bytes: bool
    saved_by: str | None = None
    who: str | None = None
    created_at: str | None = None


@dataclass(frozen=True, slots=True)
class LivePipeline:
    """What a pipeline serves.

    Attributes:
        is_known: whether the pipeline was ever saved or served.
        alias: the versions that the alias stands for, by node; None if it was never promoted.
        deployment: the versions that were last put into service, by node; None if there were none.
        shape: what the pipeline was made of when it was last saved or served; None if nobody said.
    """

    is_known: bool = False
    alias: Mapping[str, int] | None = None
    deployment: Mapping[str, int] | None = None
    shape: Shape | None = None

    @property
    def versions(self) -> Mapping[str, int] | None:
        """The versions that serve now, by node: the alias decides where there is one."""
        return self.alias if self.alias is not None else self.deployment


@dataclass(frozen=True, slots=True)
class Baseline:
    """What a store knows about the ops and pipelines of an app.

    Attributes:
        ops: for each op, its newest version and those that serve, the newest first; none for an unknown op.
        pipelines: what each pipeline serves.
        others: the names of the pipelines that serve something and were not asked about, the newest first.
    """

    ops: Mapping[str, Sequence[KnownVersion]] = field(default_factory=dict)
    pipelines: Mapping[str, LivePipeline] = field(default_factory=dict)
    others: Sequence[str] = ()


def read_baseline(
    connection: sa.Connection, ops: Sequence[str], pipelines: Sequence[str], alias: str | None
) -> Baseline:
    """Collects what is known about some ops and pipelines.

    Args:
        connection: the transaction.
        ops: the names of the ops.
        pipelines: the names of the pipelines.
        alias: the alias that says what a pipeline serves; None to look at deployments alone.

    Returns:
        the facts.
    """
    known = _known_pipelines(connection, pipelines)
    live = {name: _live(connection, name, known.get(name), alias) for name in dict.fromkeys(pipelines)}
    wanted = set(_newest_versions(connection, list(rows.op_ids(connection, ops).values())))
    serving = {number for one in live.values() for number in (one.versions or {}).values()}
    found: dict[str, list[KnownVersion]] = {name: [] for name in dict.fromkeys(ops)}
    for version in _read_versions(connection, sorted(wanted | serving, reverse=True)):
        found.setdefault(version.op, []).append(version)
    return Baseline(ops=found, pipelines=live, others=_others(connection, set(live)))


def _known_pipelines(connection: sa.Connection, names: Iterable[str]) -> dict[str, int]:
    known: dict[str, int] = {}
    for batch in _batches(sorted(set(names))):
        query = sa.select(tables.pipeline.c.name, tables.pipeline.c.id).where(tables.pipeline.c.name.in_(batch))
        known.update((name, int(number)) for name, number in connection.execute(query))
    return known


def _live(connection: sa.Connection, name: str, number: int | None, alias: str | None) -> LivePipeline:
    if number is None:
        return LivePipeline()
    event = None if alias is None else events.newest(connection, number, alias)
    meaning = None if event is None else event.after or None
    return LivePipeline(True, meaning, deployments.last(connection, name), shapes.read(connection, name))


def _newest_versions(connection: sa.Connection, numbers: Sequence[int]) -> Iterator[int]:
    """The newest version of each op, and the newest that says which code made it."""
    version = tables.version
    told = sa.func.max(sa.case((version.c.code_major.is_not(None), version.c.id)))
    for batch in _batches(numbers):
        query = sa.select(sa.func.max(version.c.id), told).where(version.c.op_id.in_(batch)).group_by(version.c.op_id)
        for row in connection.execute(query):
            yield from (int(number) for number in row if number is not None)


def _read_versions(connection: sa.Connection, numbers: Sequence[int]) -> Iterator[KnownVersion]:
    version, save = tables.version, tables.save
    for batch in _batches(numbers):
        query = (
            sa.select(
                *rows.STORED,
                version.c.fields,
                version.c.fingerprint,
                version.c.created_at,
                save.c.who,
                tables.pipeline.c.name.label("saved_by"),
            )
            .select_from(version)
            .join(tables.op, tables.op.c.id == version.c.op_id)
            .outerjoin(save, save.c.id == version.c.save_id)
            .outerjoin(tables.pipeline, tables.pipeline.c.id == save.c.pipeline_id)
            .where(version.c.id.in_(batch))
            .order_by(version.c.id.desc())
        )
        for row in connection.execute(query):
            stored = rows.stored_version(row)
            yield KnownVersion(
                id=stored.id,
                op=stored.op,
                version=stored.version,
                code_version=stored.code_version,
                fields=row.fields,
                fingerprint=row.fingerprint,
                has_bytes=stored.sha256 is not None,
                saved_by=row.saved_by,
                who=row.who,
                created_at=None if row.created_at is None else row.created_at.isoformat(),
            )


def _others(connection: sa.Connection, asked: set[str]) -> list[str]:
    newest = sa.func.max(tables.deployment.c.id)
    query = (
        sa.select(tables.pipeline.c.name)
        .join(tables.deployment, tables.deployment.c.pipeline_id == tables.pipeline.c.id)
        .group_by(tables.pipeline.c.id, tables.pipeline.c.name)
        .order_by(newest.desc())
        .limit(_MOST_OTHERS + len(asked))
    )
    return [name for name in connection.scalars(query) if name not in asked][:_MOST_OTHERS]


def _batches(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(items), _BATCH):
        yield items[start : start + _BATCH]
