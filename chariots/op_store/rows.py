"""How do versions and links become rows, and rows versions? (all inside a transaction that is given)

Rows are only ever added through unique constraints: whoever comes second finds the row of whoever came first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, TypeAlias

import sqlalchemy as sa

from chariots.op_store import tables
from chariots.op_store.resolution.asked import asked
from chariots.pipelines.store import Origin, StoredVersion, VersionRecord
from chariots.versioning import Version

__all__ = [
    "STORED",
    "StoredRow",
    "add_ops",
    "add_save",
    "add_version",
    "find_version",
    "insert_new",
    "known_names",
    "op_id",
    "op_ids",
    "save_values",
    "stored_version",
    "utc",
    "version_text",
    "version_texts",
    "version_values",
    "versions",
]

# A row of STORED columns. SQLAlchemy 2.0 and 2.1 write the type of a row differently.
StoredRow: TypeAlias = Any

_MOST_NAMES = 10_000  # to look through for a suggestion
_BATCH = 1000  # rows or names in one statement; databases limit the parameters of a statement

# What a StoredVersion is made of; to be selected from `version` joined with `op`.
STORED = (
    tables.version.c.id,
    tables.op.c.name.label("op"),
    tables.version.c.major,
    tables.version.c.minor,
    tables.version.c.patch,
    tables.version.c.creation_time,
    tables.version.c.code_major,
    tables.version.c.code_minor,
    tables.version.c.code_patch,
    tables.version.c.sha256,
    tables.version.c.size,
    tables.version.c.format,
    tables.version.c.signature,
    tables.version.c.signed_by,
)


def utc(moment: datetime) -> datetime:
    """A time from the database with its time zone; SQLite keeps none, and means UTC.

    Args:
        moment: the time.
    """
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def version_text(row: StoredRow) -> str:
    """The text of the version that a row of `version` holds."""
    return f"{row.major}.{row.minor}.{row.patch}_{row.creation_time}"


def version_texts(found: Iterable[StoredRow]) -> list[str]:
    """The text of each version once: one version may have several rows, with other bytes.

    Args:
        found: rows of `version`.
    """
    texts = {(row.major, row.minor, row.patch): version_text(row) for row in found}
    return list(texts.values())


def stored_version(row: StoredRow) -> StoredVersion:
    """The version that a row of `STORED` columns holds; when the class was made is not kept."""
    code = None if row.code_major is None else f"{row.code_major}.{row.code_minor}.{row.code_patch}_0.0"
    return StoredVersion(
        id=row.id,
        op=row.op,
        version=version_text(row),
        code_version=code,
        sha256=row.sha256 or None,
        size=row.size,
        format=row.format,
        signature=row.signature,
        signed_by=row.signed_by,
    )


def insert_new(connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Adds the rows that are not there yet, by whatever unique constraint the table has."""
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects.postgresql import insert as postgresql_insert

        statement: Any = postgresql_insert(table).on_conflict_do_nothing()
    else:
        from sqlalchemy.dialects.sqlite import insert as sqlite_insert

        statement = sqlite_insert(table).on_conflict_do_nothing()
    if rows:
        connection.execute(statement, [dict(row) for row in rows])


def known_names(connection: sa.Connection, table: sa.Table) -> list[str]:
    """The names of the ops or pipelines in the store, the latest first, for suggestions.

    Args:
        connection: the transaction.
        table: the table with the names.
    """
    query = sa.select(table.c.name).order_by(table.c.id.desc()).limit(_MOST_NAMES)
    return list(connection.scalars(query))


def op_id(connection: sa.Connection, name: str) -> int | None:
    """The number of an op; None if the store does not know it."""
    return op_ids(connection, (name,)).get(name)


def op_ids(connection: sa.Connection, names: Iterable[str]) -> dict[str, int]:
    """The numbers of those ops that the store knows."""
    found: dict[str, int] = {}
    for batch in _batches(sorted(set(names))):
        query = sa.select(tables.op.c.name, tables.op.c.id).where(tables.op.c.name.in_(batch))
        found.update((name, number) for name, number in connection.execute(query))
    return found


def add_ops(connection: sa.Connection, names: Iterable[str]) -> dict[str, int]:
    """Registers ops that are new, and makes other writers of these ops wait until the transaction ends."""
    wanted = sorted(set(names))
    known = op_ids(connection, wanted)
    insert_new(connection, tables.op, [{"name": name} for name in wanted if name not in known])
    found: dict[str, int] = {}
    for batch in _batches(wanted):
        # In one order for everybody, so that two writers never wait for one another. SQLite locks as a whole.
        query = (
            sa.select(tables.op.c.name, tables.op.c.id)
            .where(tables.op.c.name.in_(batch))
            .order_by(tables.op.c.id)
            .with_for_update()
        )
        found.update((name, number) for name, number in connection.execute(query))
    return found


def find_version(
    connection: sa.Connection,
    op: int,
    wanted: Version,
    *,
    with_bytes: bool = False,
    alive: bool = False,
) -> StoredRow | None:
    """The newest row of a version of an op.

    Args:
        connection: the transaction.
        op: the number of the op.
        wanted: the version; when it was created does not matter.
        with_bytes: whether it must have some.
        alive: whether it must still have them.

    Returns:
        a row of `STORED` columns, or None.
    """
    table = tables.version
    query = (
        sa.select(*STORED, table.c.pruned_at, table.c.fingerprint)
        .join(tables.op)
        .where(
            table.c.op_id == op,
            table.c.major == wanted.major,
            table.c.minor == wanted.minor,
            table.c.patch == wanted.patch,
        )
        # Not by the plain number: SQLite would then go through all versions of the op, the newest first, as there is an
        # index in that order. The few rows of one version are in the index of the digests.
        .order_by((table.c.id + 0).desc())
        .limit(1)
    )
    if with_bytes:
        query = query.where(table.c.sha256 != "")
    if alive:
        query = query.where(table.c.pruned_at.is_(None))
    return connection.execute(query).first()


def version_values(op: int, version: Version, record: VersionRecord, follows: int) -> dict[str, Any]:
    """What a row of `version` holds of a version on its way into the store.

    Args:
        op: the number of the op.
        version: the version, parsed.
        record: everything else about it.
        follows: the number of the row of the same version that it replaces as the newest; 0 for the first.
    """
    code = None if record.code_version is None else Version.parse(record.code_version)
    return {
        "op_id": op,
        "major": version.major,
        "minor": version.minor,
        "patch": version.patch,
        "creation_time": float(version.creation_time),
        "code_major": code and code.major,
        "code_minor": code and code.minor,
        "code_patch": code and code.patch,
        "sha256": record.sha256 or "",
        "follows": follows,
        "size": record.size,
        "fields": dict(record.fields),
        "fingerprint": record.fingerprint,
        "format": record.format,
        "signature": record.signature,
        "signed_by": record.signed_by,
        "training": dict(record.training),
    }


def add_version(
    connection: sa.Connection, op: int, version: Version, record: VersionRecord, save: Callable[[], int] | None = None
) -> int:
    """Registers a version, unless these are its newest bytes already.

    Args:
        connection: the transaction.
        op: the number of the op.
        version: the version, parsed.
        record: everything else about it. Without bytes it stands for any row of the same version, unless that
            is plain code with another fingerprint.
        save: gives the number of the save it is part of, if it is part of one; called only where the version is new.

    Returns:
        the store's number for it.
    """
    found = find_version(connection, op, version, with_bytes=record.sha256 is not None)
    if found is None or _is_another(record, found):
        row = version_values(op, version, record, follows=0 if found is None else found.id)
        insert_new(connection, tables.version, [{**row, "save_id": None if save is None else save()}])
        found = find_version(connection, op, version, with_bytes=record.sha256 is not None)
    if found is None:
        raise RuntimeError(f"the version {version} of {record.op!r} was inserted but cannot be found")
    if record.signature is not None and found.signature is None and found.format in (None, record.format):
        # The bytes were there before there was a key, or before this client had it. A signature covers the format.
        vouched = {"signature": record.signature, "signed_by": record.signed_by, "format": record.format}
        connection.execute(sa.update(tables.version).where(tables.version.c.id == found.id).values(vouched))
    if record.sha256 is not None and found.pruned_at is not None:
        # Its bytes had been given up, and were just sent again.
        revived = sa.update(tables.version).where(tables.version.c.id == found.id).values(pruned_at=None)
        connection.execute(revived)
    return int(found.id)


def _is_another(record: VersionRecord, found: StoredRow) -> bool:
    """Whether a version that is to be saved says something else than the row of the same version that is there."""
    if record.sha256 is not None:
        return bool(found.sha256 != record.sha256)
    # Plain code may change while none of its fields does: the version stays, and which code was saved is known anew.
    fingerprints = (record.fingerprint, found.fingerprint)
    return not found.sha256 and None not in fingerprints and record.fingerprint != found.fingerprint


def add_save(connection: sa.Connection, pipeline: int | None, origin: Origin | None) -> int:
    """Notes that something is being saved, by whom and with which code.

    Args:
        connection: the transaction.
        pipeline: the number of the pipeline; None where ops are saved without one.
        origin: what is known of it.

    Returns:
        the number of the save.
    """
    insert = sa.insert(tables.save).values(save_values(pipeline, origin)).returning(tables.save.c.id)
    return int(connection.execute(insert).scalar_one())


def save_values(pipeline: int | None, origin: Origin | None) -> dict[str, Any]:
    """What a row of `save` holds of a save; see `add_save`."""
    return {"pipeline_id": pipeline, **(asdict(origin) if origin is not None else {})}


def versions(connection: sa.Connection, numbers: Iterable[int]) -> dict[int, StoredVersion]:
    """Versions by their numbers; in one statement.

    Args:
        connection: the transaction.
        numbers: the numbers; those of no version are left out.
    """
    given = asked(connection, {"number": sa.BigInteger}, [(number,) for number in numbers])
    query = (
        sa.select(*STORED)
        .select_from(given.join(tables.version, tables.version.c.id == given.c.number))
        .join(tables.op, tables.op.c.id == tables.version.c.op_id)
    )
    return {row.id: stored_version(row) for row in connection.execute(query)}


def _batches(items: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(items), _BATCH):
        yield items[start : start + _BATCH]
