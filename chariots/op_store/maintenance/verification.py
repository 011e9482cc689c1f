"""Is everything that an op store keeps still what was saved?"""

from __future__ import annotations

import hashlib
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from chariots.op_store.blobs import BlobStore, blob_path
from chariots.op_store.maintenance import GRACE_SECONDS
from chariots.op_store.maintenance.inventory import (
    Contents,
    Named,
    contents,
    name_of,
    named,
    shelves,
    unhurried_reading,
)
from chariots.op_store.maintenance.reports import Finding, VerifyReport
from chariots.op_store.registry import Registry

__all__ = ["verify", "verify_database", "verify_shelf"]

# Read between two looks at the clock: an answer over HTTP must not take longer than its client waits.
_AT_ONCE = 32
_MOST_BYTES = 256 * 2**20  # unless one op alone has more


def verify(
    registry: Registry,
    *,
    grace: float = GRACE_SECONDS,
    progress: Callable[[float, VerifyReport], None] | None = None,
) -> VerifyReport:
    """Reads and hashes everything that a store keeps, while it goes on serving.

    Args:
        registry: the store.
        grace: how old in seconds bytes without a version must be to be told of.
        progress: called now and then with how much is done, 1 for all, and what was seen so far.

    Returns:
        what was seen.

    Raises:
        StoreUnavailableError: if the database or the place of the bytes cannot be reached.
    """
    report = VerifyReport(findings=verify_database(registry))
    walked = shelves(registry.database)
    for done, shelf in enumerate(walked, start=1):
        report.add(verify_shelf(registry, shelf, grace=grace)[0])
        if progress is not None:
            progress(done / len(walked), report)
    return report


def verify_database(registry: Registry) -> list[Finding]:
    """Asks SQLite whether its file is sound; PostgreSQL looks after that itself.

    Args:
        registry: the store.

    Returns:
        what is wrong.
    """
    with registry.database.reading() as connection:
        if connection.dialect.name != "sqlite":
            return []
        problems = [text for (text,) in connection.exec_driver_sql("PRAGMA integrity_check(10)") if text != "ok"]
        for table, row, other, _ in connection.exec_driver_sql("PRAGMA foreign_key_check").fetchmany(10):
            problems.append(f"row {row} of {table} names a row of {other} that is not there")
    advice = "restore the database from a backup with `chariots op-store restore`"
    return [Finding("database", f"the database is damaged: {problem}; {advice}") for problem in problems]


def verify_shelf(
    registry: Registry,
    shelf: str,
    *,
    grace: float = GRACE_SECONDS,
    after: str = "",
    seconds: float = math.inf,
) -> tuple[VerifyReport, str | None]:
    """Reads and hashes the bytes of one of the shelves of a store.

    Args:
        registry: the store.
        shelf: the one or two digits that the SHA-256 of the bytes begins with.
        grace: how old in seconds bytes without a version must be to be told of.
        after: the SHA-256 where an earlier call stopped; empty to begin.
        seconds: when to stop.

    Returns:
        what was seen, and where to go on; None for the latter at the end of the shelf.
    """
    started = time.monotonic()
    found = contents(registry.blobs, shelf)
    with unhurried_reading(registry.database) as connection:
        known = named(connection, shelf)
    report = VerifyReport(listed=found is not None)
    if found is not None and not after:
        report.findings += _unnamed(known, found, time.time() - grace)
    wanted = [sha256 for sha256, entry in known.items() if entry.alive and sha256 > after]
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1), thread_name_prefix="chariots-verify") as threads:
        for some in _batches(wanted, known):
            for sha256, (state, size) in zip(some, threads.map(partial(_read, registry.blobs), some), strict=True):
                report.versions += len(known[sha256].alive)
                report.blobs += 1
                report.size += size
                if state is not None:
                    report.findings += _loss(registry, sha256, state, size)
            if time.monotonic() - started > seconds and some[-1] != wanted[-1]:
                return report, some[-1]
    return report, None


def _batches(wanted: Sequence[str], known: Mapping[str, Named]) -> Iterator[list[str]]:
    """Cuts hashes into lists whose bytes are read without a look at the clock."""
    some: list[str] = []
    size = 0
    for sha256 in wanted:
        if some and (len(some) == _AT_ONCE or size + known[sha256].size > _MOST_BYTES):
            yield some
            some, size = [], 0
        some.append(sha256)
        size += known[sha256].size
    if some:
        yield some


def _read(blobs: BlobStore, sha256: str) -> tuple[str | None, int]:
    """What is wrong with some bytes, and how many of them were read."""
    found, size = hashlib.sha256(), 0
    try:
        for piece in blobs.saver.load_stream(blob_path(sha256)):
            found.update(piece)
            size += len(piece)
    except FileNotFoundError:
        return "are lost", size
    except OSError as error:
        return f"cannot be read ({error})", size
    if found.hexdigest() == sha256:
        return None, size
    return f"are damaged: the {size} bytes there have the SHA-256 {found.hexdigest()}", size


def _loss(registry: Registry, sha256: str, state: str, size: int) -> Iterator[Finding]:
    """Tells of bytes that are not as they were saved, unless `gc` gave them up just now."""
    with unhurried_reading(registry.database) as connection:
        entry = named(connection, sha256).get(sha256)
        if entry is None or not entry.alive:
            return
        owners = name_of(connection, entry.alive)
    yield Finding(
        "missing" if state == "are lost" else "damaged",
        f"the bytes {sha256} of op {', '.join(owners)} {state}; bring them back from a backup, or save the op again",
        path=blob_path(sha256),
        size=size,
        versions=owners,
    )


def _unnamed(known: dict[str, Named], found: Contents, older: float) -> Iterator[Finding]:
    for sha256, kept in found.blobs.items():
        entry = known.get(sha256)
        if entry is None and kept.modified < older:
            yield Finding(
                "orphaned",
                f"the {kept.size} bytes {sha256} belong to no version: a save ended before it was registered; "
                "`chariots op-store gc --delete` removes them",
                path=kept.path,
                size=kept.size,
            )
        elif entry is not None and not entry.alive:
            yield Finding(
                "orphaned",
                f"the {kept.size} bytes {sha256} were given up by `gc`, which ended before it removed them; "
                "`chariots op-store gc --delete` does so",
                path=kept.path,
                size=kept.size,
            )
    for kept in found.leftovers:
        if kept.modified < older:
            yield Finding(
                "leftover",
                f"{kept.path} is what a save that was killed had written; `chariots op-store gc --delete` removes it",
                path=kept.path,
                size=kept.size,
            )
    for kept in found.foreign:
        yield Finding(
            "foreign",
            f"{kept.path} is not the bytes of an op, and no op store put it there; move it to where it belongs",
            path=kept.path,
            size=kept.size,
        )
