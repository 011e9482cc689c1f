"""Where does a version come from, and what was made with it? (every query reads a few rows of one index)"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from chariots.errors import UnknownNameError, nearest
from chariots.op_store import rows, tables
from chariots.op_store.checks import LARGEST_PAGE, LONGEST_NAME, check_name, check_numbers, check_page, invalid
from chariots.op_store.decisions.overview import known_pipelines
from chariots.op_store.details import LinkedVersion, OpDetails, PipelineDetails, VersionDetails
from chariots.pipelines.store import Origin, StoredVersion

__all__ = ["Lineage"]

_MOST_PAGES = 100  # in one statement: SQLite puts at most 500 queries together

_DETAILS = (
    *rows.STORED,
    tables.version.c.fields,
    tables.version.c.fingerprint,
    tables.version.c.created_at,
    tables.version.c.pruned_at,
    tables.version.c.save_id,
    tables.version.c.training,
    tables.pipeline.c.name.label("pipeline"),
    tables.save.c.who,
    tables.save.c.host,
    tables.save.c.git_commit,
    tables.save.c.code_version.label("project_version"),
)
_FROM = (
    tables.version.join(tables.op)
    .outerjoin(tables.save, tables.save.c.id == tables.version.c.save_id)
    .outerjoin(tables.pipeline, tables.pipeline.c.id == tables.save.c.pipeline_id)
)


class Lineage:
    """Questions about where versions come from.

    Lists come in pages of up to `limit` entries. To get the next page, give what its last entry was sorted by.

    Args:
        reading: opens a transaction to ask in, such as `Database.reading`; each question has one of its own, unless
            this gives the same one again.
    """

    def __init__(self, reading: Callable[[], AbstractContextManager[sa.Connection]]) -> None:
        self._reading = reading

    def ops(self, limit: int = 100, after: str = "") -> list[OpDetails]:
        """The ops of the store, by name.

        Args:
            limit: how many at most.
            after: only those whose name comes after this one.

        Raises:
            InputError: if the limit is out of range.
        """
        _check_names_page(limit, after)
        newest = (
            sa.select(sa.func.max(tables.version.c.id))
            .where(tables.version.c.op_id == tables.op.c.id)
            .correlate(tables.op)
            .scalar_subquery()
        )
        found = (
            sa.select(tables.op.c.name, newest.label("newest"))
            .where(tables.op.c.name > after)
            .order_by(tables.op.c.name)
            .limit(limit)
            .subquery()
        )
        query = (
            sa.select(found.c.name, found.c.newest, tables.version.c.created_at)
            .outerjoin_from(found, tables.version, tables.version.c.id == found.c.newest)
            .order_by(found.c.name)
        )
        return [OpDetails(row.name, row.newest, _moment(row.created_at)) for row in self._all(query)]

    def pipelines(self, limit: int = 100, after: str = "") -> list[PipelineDetails]:
        """The pipelines of the store with what they serve, by name.

        Args:
            limit: how many at most.
            after: only those whose name comes after this one.

        Raises:
            InputError: if the limit is out of range.
        """
        _check_names_page(limit, after)
        with self._reading() as connection:
            return known_pipelines(connection, limit, after)

    def versions(self, op: str, limit: int = 100, before: int | None = None) -> list[VersionDetails]:
        """The versions of an op, newest first.

        Args:
            op: its name.
            limit: how many at most.
            before: only those with a smaller number.

        Raises:
            InputError: if the limit or the number is out of range.
            UnknownNameError: if the store does not know the op.
        """
        check_name(op, "op")
        found = self.versions_of([op], limit, before)[op]
        if not found:
            self._check_known(op)
        return found

    def versions_of(self, ops: Sequence[str], limit: int, before: int | None) -> dict[str, list[VersionDetails]]:
        """The versions of several ops, in one query; see `versions`. There are none for an op that is not known."""
        newest = check_page(limit, before)
        version = tables.version.c
        pages = [
            sa.select(version.id, sa.literal(name).label("op"))
            .where(version.op_id == sa.select(tables.op.c.id).where(tables.op.c.name == name).scalar_subquery())
            .where(version.id < newest)
            .order_by(version.id.desc())
            .limit(limit)
            for name in dict.fromkeys(ops)
        ]
        numbers = sorted(((row.id, row.op) for row in self._pages(pages)), reverse=True)
        details = self._detailed(number for number, _ in numbers)
        found: dict[str, list[VersionDetails]] = {name: [] for name in ops}
        for number, name in numbers:
            found[name].append(details[number])
        return found

    def version(self, number: int) -> VersionDetails:
        """One version, by the store's number for it.

        Raises:
            InputError: if that cannot be the number of a version.
            UnknownNameError: if the store has no such version.
        """
        found = self.versions_by_number([number])
        if number not in found:
            newest = self._all(sa.select(sa.func.max(tables.version.c.id)))[0][0]
            has = f"numbers go up to {newest}" if newest else "it holds no versions yet"
            raise UnknownNameError(
                f"the version number {number} was asked for, which the op store does not have ({has}); take a "
                "number from the versions of an op"
            )
        return found[number]

    def versions_by_number(self, numbers: Collection[int]) -> dict[int, VersionDetails]:
        """Those of some versions that the store has, by number.

        Args:
            numbers: the store's numbers, up to 1,000 of them.

        Raises:
            InputError: if there are more, or one of them cannot be the number of a version.
        """
        check_numbers(numbers, "numbers")
        if len(numbers) > LARGEST_PAGE:
            raise invalid("numbers", f"up to {LARGEST_PAGE} numbers at once", f"{len(numbers)} numbers")
        query = sa.select(*_DETAILS).select_from(_FROM).where(tables.version.c.id.in_(sorted(set(numbers))))
        return {row.id: _details(row) for row in self._all(query)} if numbers else {}

    def parents(self, number: int, limit: int = 100, before: int | None = None) -> list[LinkedVersion]:
        """The upstream versions that a version was trained with, newest first.

        What a client of chariots 0.2 vouched for is not among them: it names no version that was trained.

        Args:
            number: the store's number of the downstream version.
            limit: how many at most.
            before: only those with a smaller number.

        Raises:
            InputError: if a number or the limit is out of range.
            UnknownNameError: if the store has no such version.
        """
        return self._linked(self.parents_of, number, limit, before)

    def children(self, number: int, limit: int = 100, before: int | None = None) -> list[LinkedVersion]:
        """The downstream versions that were trained with a version, newest first.

        Args:
            number: the store's number of the upstream version.
            limit: how many at most.
            before: only those with a smaller number.

        Raises:
            InputError: if a number or the limit is out of range.
            UnknownNameError: if the store has no such version.
        """
        return self._linked(self.children_of, number, limit, before)

    def parents_of(self, numbers: Iterable[int], limit: int, before: int | None) -> dict[int, list[LinkedVersion]]:
        """The parents of several versions, in one query; see `parents`."""
        link = tables.link.c
        return self._other_sides(link.downstream_version_id, link.upstream_version_id, numbers, limit, before)

    def children_of(self, numbers: Iterable[int], limit: int, before: int | None) -> dict[int, list[LinkedVersion]]:
        """The children of several versions, in one query; see `children`."""
        link = tables.link.c
        return self._other_sides(link.upstream_version_id, link.downstream_version_id, numbers, limit, before)

    def _linked(self, ask: Any, number: int, limit: int, before: int | None) -> list[LinkedVersion]:
        found: dict[int, list[LinkedVersion]] = ask([number], limit, before)
        if not found.get(number):
            self.version(number)  # tells an unknown version from one without links
        return found.get(number, [])

    def _other_sides(
        self,
        known: sa.ColumnElement[int],
        wanted: sa.ColumnElement[int],
        numbers: Iterable[int],
        limit: int,
        before: int | None,
    ) -> dict[int, list[LinkedVersion]]:
        """For each of some versions on one side of links, the newest on the other side."""
        asked = sorted(set(numbers))
        check_numbers(asked, "number")
        newest = check_page(limit, before)
        ends = (known.label("known"), wanted.label("wanted"), tables.link.c.event_id)
        conditions = (tables.link.c.downstream_version_id.is_not(None), wanted < newest)
        pages = [
            sa.select(*ends).where(known == number, *conditions).order_by(wanted.desc()).limit(limit)
            for number in asked
        ]
        links = sorted(self._pages(pages), key=lambda row: -row.wanted)
        details = self._detailed(row.wanted for row in links)
        found: dict[int, list[LinkedVersion]] = {number: [] for number in asked}
        for row in links:
            found[row.known].append(LinkedVersion(details[row.wanted], row.event_id))
        return found

    def _check_known(self, op: str) -> None:
        if self._all(sa.select(tables.op.c.id).where(tables.op.c.name == op)):
            return
        with self._reading() as connection:
            suggestion = nearest(op, rows.known_names(connection, tables.op))
        raise UnknownNameError(
            f"the versions of op {op!r} were asked for, but the op store knows no op of that name; save it first, "
            f"or correct the name.{suggestion}"
        )

    def _pages(self, pages: Sequence[sa.Select[Any]]) -> list[rows.StoredRow]:
        """The rows of several pages, joined: a step in an index each, where a window function would read every row."""
        found: list[rows.StoredRow] = []
        for start in range(0, len(pages), _MOST_PAGES):
            batch = [sa.select(page.subquery()) for page in pages[start : start + _MOST_PAGES]]
            found.extend(self._all(sa.union_all(*batch)))
        return found

    def _detailed(self, numbers: Iterable[int]) -> dict[int, VersionDetails]:
        wanted = sorted(set(numbers))
        found: dict[int, VersionDetails] = {}
        for start in range(0, len(wanted), LARGEST_PAGE):
            found.update(self.versions_by_number(wanted[start : start + LARGEST_PAGE]))
        return found

    def _all(self, query: sa.Select[Any] | sa.CompoundSelect[Any]) -> Sequence[rows.StoredRow]:
        with self._reading() as connection:
            return connection.execute(query).all()


def _check_names_page(limit: int, after: str) -> None:
    check_page(limit)
    if len(after) > LONGEST_NAME or "\0" in after:
        raise invalid("after", "the last name of the page before", after)


def _moment(stored: datetime | None) -> datetime | None:
    return None if stored is None else rows.utc(stored)


def _details(row: rows.StoredRow) -> VersionDetails:
    stored = rows.stored_version(row)
    training = _mapping(row.training)
    return VersionDetails(
        **{name: getattr(stored, name) for name in StoredVersion.__dataclass_fields__},
        fields=_mapping(row.fields),
        fingerprint=row.fingerprint,
        saved_at=_moment(row.created_at),
        pruned_at=_moment(row.pruned_at),
        pipeline=row.pipeline,
        save=row.save_id,
        origin=Origin(row.who, row.host, row.git_commit, row.project_version),
        metrics=_mapping(training.get("metrics")),
        parameters=_mapping(training.get("parameters")),
        data_fingerprint=_one_of(training.get("data_fingerprint"), str),
        duration=_one_of(training.get("duration"), int, float),
        trained_at=_one_of(training.get("trained_at"), int, float),
    )


# Whoever saves may write into `training` what they like: what has another form than ours is left out.
def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _one_of(value: Any, *kinds: type) -> Any:
    return value if isinstance(value, kinds) and not isinstance(value, bool) else None
