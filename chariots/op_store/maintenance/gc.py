"""How are versions that nobody needs given up, without harm to what is saved or loaded at the same time?

The row of a version stays for ever: links and history name it, and its number is never given to another. What goes is
its bytes. They go in transactions beside which nobody else writes, and only after a last look whether a version names
them, so that a save finds its bytes or says that they are gone (see `chariots.op_store.presence`).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta

import sqlalchemy as sa

from chariots.op_store import tables
from chariots.op_store.blobs import blob_path
from chariots.op_store.maintenance import GRACE_SECONDS
from chariots.op_store.maintenance.inventory import (
    contents,
    database_time,
    named,
    shelves,
    unhurried,
    unhurried_reading,
)
from chariots.op_store.maintenance.reports import CollectionReport
from chariots.op_store.maintenance.retention import (
    Highest,
    Plan,
    Policy,
    highest,
    in_batches,
    make_plan,
    needed_since,
)
from chariots.op_store.registry import Registry
from chariots.op_store.savers.base import BaseSaver

__all__ = ["collect"]

# How much is done in one transaction, which keeps writers waiting: a bucket may take 20 ms to delete one object.
_ROWS = 10_000
_OBJECTS = 50
_GIVEN_UP_AFTER = timedelta(days=1)  # a run that did not end for so long was killed


def collect(
    registry: Registry, policy: Policy | None = None, *, delete: bool = False, grace: float = GRACE_SECONDS
) -> CollectionReport:
    """Gives up versions that nobody needs, and bytes that belong to none; the store may go on serving.

    Args:
        registry: the store.
        policy: what to keep.
        delete: whether to do it; otherwise only the report is made.
        grace: how old in seconds bytes without a version must be: younger ones may belong to a save under way.

    Returns:
        what went, or would go.

    Raises:
        StoreUnavailableError: if the database or the place of the bytes cannot be reached; asking again goes on.
        NotImplementedError: if the saver cannot delete; nothing was given up then.
    """
    policy = policy or Policy()
    if not delete:
        with unhurried_reading(registry.database) as connection:
            plan = make_plan(connection, policy)
        report = CollectionReport(versions=plan.by_op, kept=plan.kept)
        for shelf in shelves(registry.database):
            _sweep(registry, shelf, grace, report, expected=plan.numbers)
        return report
    if type(registry.blobs.saver).delete is BaseSaver.delete:
        raise NotImplementedError(
            f"`gc` was to delete bytes, but {type(registry.blobs.saver).__name__} does not define `delete`; define it, "
            "or keep every version (nothing was given up)"
        )
    report = CollectionReport(deleted=True)
    with _noted(registry, report) as (run, before):
        with unhurried_reading(registry.database) as connection:
            plan = make_plan(connection, policy)
        _give_up(registry, plan, before, report)
        for shelf in shelves(registry.database):
            _sweep(registry, shelf, grace, report, run=run)
    return report


@contextmanager
def _noted(registry: Registry, report: CollectionReport) -> Iterator[tuple[int, Highest]]:
    """Leaves a row that says that bytes are being deleted, and closes it at the end."""
    table = tables.collection
    with registry.database.writing(alone=True) as connection:
        unhurried(connection)
        now = database_time(connection)
        abandoned = sa.and_(table.c.finished_at.is_(None), table.c.started_at < now - _GIVEN_UP_AFTER)
        connection.execute(sa.update(table).where(abandoned).values(finished_at=now))
        run = int(connection.execute(sa.insert(table).values(versions=0).returning(table.c.id)).scalar_one())
        connection.execute(sa.delete(table).where(table.c.finished_at.is_not(None)))
        before = highest(connection)
    try:
        yield run, before
    finally:
        with registry.database.writing() as connection:
            done = {"versions": report.version_count, "bytes": report.size}
            ended = sa.update(table).where(table.c.id == run)
            connection.execute(ended.values(finished_at=sa.func.current_timestamp(), **done))


def _give_up(registry: Registry, plan: Plan, before: Highest, report: CollectionReport) -> None:
    """Marks the versions of a plan, except those that are needed by now."""
    given_up: set[int] = set()
    table = tables.version
    for batch in in_batches(plan.numbers, _ROWS):
        with registry.database.writing(alone=True) as connection:
            unhurried(connection)
            free = set(batch) - needed_since(connection, before)
            now = database_time(connection)
            for some in in_batches(free):
                marked = sa.update(table).where(table.c.id.in_(some), table.c.pruned_at.is_(None))
                connection.execute(marked.values(pruned_at=now))
        given_up |= free
    chosen = {op: [number for number in numbers if number in given_up] for op, numbers in plan.by_op.items()}
    report.versions = {op: numbers for op, numbers in chosen.items() if numbers}
    report.kept = plan.kept + len(plan.numbers) - len(given_up)


def _sweep(
    registry: Registry,
    shelf: str,
    grace: float,
    report: CollectionReport,
    *,
    expected: frozenset[int] = frozenset(),
    run: int | None = None,
) -> None:
    """Removes the bytes of one shelf that no version has, or counts those that none would have.

    Args:
        registry: the store.
        shelf: the digits that their SHA-256 begins with.
        grace: how old in seconds bytes must be that never had a version.
        report: where they are counted.
        expected: the versions that would be given up.
        run: the number of this run; None where nothing is to be removed.
    """
    older = time.time() - grace
    found = contents(registry.blobs, shelf)
    with unhurried_reading(registry.database) as connection:
        known = named(connection, shelf)
    unused = {
        sha256: entry.size
        for sha256, entry in known.items()
        if expected.issuperset(entry.alive)
        and (sha256 in found.blobs if found is not None else run is not None or bool(entry.alive))
    }
    orphans = set()
    if found is None:
        report.listed = False
    else:
        unused = {sha256: found.blobs[sha256].size for sha256 in unused}
        orphans = {sha256 for sha256, kept in found.blobs.items() if sha256 not in known and kept.modified < older}
        unused.update((sha256, found.blobs[sha256].size) for sha256 in orphans)
    removed = sorted(unused)
    if run is not None:
        removed = _remove(registry, removed, run)
    report.blobs += len(removed)
    report.orphans += len(orphans.intersection(removed))
    report.size += sum(unused[sha256] for sha256 in removed)
    for kept in found.leftovers if found is not None else ():
        if kept.modified < older:
            if run is not None:
                with suppress(FileNotFoundError):
                    registry.blobs.saver.delete(kept.path)
            report.leftovers += 1
            report.size += kept.size


def _remove(registry: Registry, unused: Sequence[str], run: int) -> list[str]:
    """Deletes bytes that no version has, and returns the hashes of those that were there."""
    removed = []
    for start in range(0, len(unused), _OBJECTS):
        some = unused[start : start + _OBJECTS]
        with registry.database.writing(alone=True) as connection:
            unhurried(connection)
            # Another run may have taken this one for dead.
            table = tables.collection
            connection.execute(sa.update(table).where(table.c.id == run).values(finished_at=None))
            version = tables.version.c
            in_use = sa.select(version.sha256).where(version.sha256.in_(some), version.pruned_at.is_(None)).distinct()
            for sha256 in sorted(set(some) - set(connection.scalars(in_use))):
                with suppress(FileNotFoundError):
                    registry.blobs.saver.delete(blob_path(sha256))
                    removed.append(sha256)
    return removed
