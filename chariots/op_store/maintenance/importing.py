"""How do ops that left another op store as a file become versions of this one?"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from chariots.errors import DamagedError, InputError
from chariots.op_store import presence, rows, tables
from chariots.op_store.blobs import check_sha256
from chariots.op_store.checks import LARGEST_NUMBER, check_name, check_names, check_numbers
from chariots.op_store.decisions import deployments
from chariots.op_store.maintenance.archive import ACCEPTANCES, LINKS, SAVES, VERSIONS, Archive, ArchiveError
from chariots.op_store.maintenance.inventory import unhurried
from chariots.op_store.maintenance.reports import ImportReport
from chariots.op_store.registry import Registry
from chariots.pipelines.store import VersionRecord
from chariots.versioning import Version

__all__ = ["import_ops"]


def import_ops(registry: Registry, path: str | Path) -> ImportReport:
    """Adds the versions, links and bytes of a file to a store.

    Bytes come first, each verified; then everything is registered in one transaction. What the store has already
    stays as it is, so importing a file twice adds nothing. New versions get numbers of this store, in the order they
    had: they are the newest of their ops now.

    Args:
        registry: the store.
        path: a file that `export_ops` wrote.

    Returns:
        what was new.

    Raises:
        InputError: if the file is damaged or is no such file; nothing was registered then.
        UntrustedError: if bytes are not signed, or not of a format, that the store trusts.
        StoreError: if the bytes cannot be kept.
    """
    with Archive(Path(path)) as archive:
        report = ImportReport(ops=check_names(archive.manifest["ops"], "ops"))
        with registry.database.reading() as connection:
            before = presence.moment(connection)
        blobs = _checked(registry, archive)
        for sha256, size in blobs.items():
            if not registry.blobs.is_intact(sha256):
                _keep(registry, archive, sha256)
                report.blobs += 1
                report.size += size
        with registry.database.writing() as connection:
            unhurried(connection)
            known = (VersionRecord(op="", version="", sha256=sha256) for sha256 in blobs)
            presence.check_bytes_again(connection, before, known, registry.blobs.exists)
            _Registration(registry, connection, archive, report).run()
    return report


def _checked(registry: Registry, archive: Archive) -> dict[str, int]:
    """Looks at every version of a file before anything is done, and returns the sizes of the bytes by their hash."""
    sizes: dict[str, int] = {}
    for row in archive.lines(VERSIONS):
        record = _record(registry, archive, row)
        if record.op not in archive.manifest["ops"]:
            raise archive.damaged(f"holds a version of {record.op!r}, which its manifest does not name")
        if record.sha256 is not None:
            there = archive.size(record.sha256)
            if there != record.size:
                raise archive.damaged(f"has {there} bytes of {record.op!r} instead of {record.size}")
            sizes[record.sha256] = record.size
    for name in (LINKS, SAVES, ACCEPTANCES):
        for _ in archive.lines(name):
            pass  # reading it compares it with the manifest
    return sizes


def _keep(registry: Registry, archive: Archive, sha256: str) -> None:
    try:
        registry.blobs.put(sha256, archive.blob(sha256))
    except ArchiveError:
        raise
    except (InputError, DamagedError) as error:
        raise archive.damaged(f"is damaged: {error.detail}") from error


def _record(registry: Registry, archive: Archive, row: Mapping[str, Any]) -> VersionRecord:
    """The version in a line of a file, refused if it is none."""
    try:
        record = VersionRecord(
            op=check_name(row["op"], "op"),
            version=row["version"],
            code_version=row["code_version"],
            fields=dict(row["fields"] or {}),
            fingerprint=row["fingerprint"],
            sha256=row["sha256"],
            size=int(row["size"]),
            format=row["format"],
            signature=row["signature"],
            signed_by=row["signed_by"],
            training=dict(row["training"] or {}),
        )
        registry.check_record(record, "versions.")
        if record.sha256 is not None:
            check_sha256(record.sha256, "sha256")
        check_numbers([row["id"]], "id")
        if not 0 <= int(row["follows"]) <= LARGEST_NUMBER:
            raise ValueError(f"it follows {row['follows']!r:.40}")
        _time(row)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise archive.damaged(f"holds a line in {VERSIONS} that is no version ({error})") from error
    return record


def _time(row: Mapping[str, Any]) -> datetime:
    found = datetime.fromisoformat(row["created_at"])
    if found.tzinfo is None:
        raise ValueError("a time has no zone")
    return found


def _text(value: Any) -> str | None:
    if value is not None and not (isinstance(value, str) and "\0" not in value):
        raise ValueError(f"{value!r:.80} is no text")
    return value


class _Registration:
    """The one transaction in which everything in a file becomes visible."""

    def __init__(self, registry: Registry, connection: sa.Connection, archive: Archive, report: ImportReport) -> None:
        self._registry = registry
        self._connection = connection
        self._archive = archive
        self._report = report
        self._numbers: dict[int, int] = {}  # of the versions: there -> here
        self._op_of: dict[int, int] = {}  # number of a version here -> number of its op
        self._made: dict[tuple[str, int], int] = {}  # rows of other tables: (member, there) -> here

    def run(self) -> None:
        """Registers versions, then links, and what they name."""
        try:
            self._run()
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            if isinstance(error, InputError):
                raise
            raise self._archive.damaged(f"holds a line that says too little ({error!r})") from error

    def _run(self) -> None:
        self._ops = rows.add_ops(self._connection, self._report.ops)
        saves = {row["id"]: row for row in self._archive.lines(SAVES)}
        for row in self._archive.lines(VERSIONS):
            self._add_version(row, saves)
        acceptances = {row["id"]: row for row in self._archive.lines(ACCEPTANCES)}
        for row in self._archive.lines(LINKS):
            self._add_link(row, acceptances)

    def _add_version(self, row: Mapping[str, Any], saves: Mapping[int, Mapping[str, Any]]) -> None:
        record = _record(self._registry, self._archive, row)
        version = Version.parse(record.version)
        op, follows = self._ops[record.op], self._numbers.get(row["follows"], 0)
        number = self._find(op, version, record, follows)
        if number is None:
            save = saves.get(row["save"])
            values = rows.version_values(op, version, record, follows)
            values |= {"created_at": _time(row), "save_id": None if save is None else self._save(row["save"], save)}
            insert = sa.insert(tables.version).values(values).returning(tables.version.c.id)
            number = int(self._connection.execute(insert).scalar_one())
            self._report.versions += 1
        else:
            self._report.known += 1
        self._numbers[row["id"]] = number
        self._op_of[number] = op

    def _find(self, op: int, version: Version, record: VersionRecord, follows: int) -> int | None:
        """The version here that a version of the file is, if the store has it."""
        if record.sha256 is None:
            found = rows.find_version(self._connection, op, version)
            return None if found is None else int(found.id)
        table = tables.version
        query = sa.select(table.c.id, table.c.pruned_at).where(
            table.c.op_id == op,
            table.c.major == version.major,
            table.c.minor == version.minor,
            table.c.patch == version.patch,
            table.c.sha256 == record.sha256,
            table.c.follows == follows,
        )
        there = self._connection.execute(query).first()
        if there is None:
            return None
        if there.pruned_at is not None:
            # Its bytes had been given up, and came back with the file.
            revived = sa.update(table).where(table.c.id == there.id).values(pruned_at=None)
            self._connection.execute(revived)
        return int(there.id)

    def _add_link(self, row: Mapping[str, Any], acceptances: Mapping[int, Mapping[str, Any]]) -> None:
        try:
            upstream = self._numbers[row["upstream"]]
            downstream = None if row["downstream"] is None else self._numbers[row["downstream"]]
            reader = self._ops[row["downstream_op"]] if downstream is None else self._op_of[downstream]
            acceptance = row["acceptance"]
        except KeyError as error:
            raise self._archive.damaged(f"holds a link to {error}, which is not in it") from error
        link = tables.link.c
        query = sa.select(link.id).where(
            link.upstream_version_id == upstream,
            link.downstream_op_id == reader,
            link.downstream_version_id.is_(None) if downstream is None else link.downstream_version_id == downstream,
        )
        if self._connection.execute(query).first() is not None:
            return
        event = None if acceptance is None else self._acceptance(acceptance, acceptances)
        values = {
            "upstream_op_id": self._op_of[upstream],
            "upstream_version_id": upstream,
            "downstream_op_id": reader,
            "downstream_version_id": downstream,
            "event_id": event,
        }
        rows.insert_new(self._connection, tables.link, [values])
        self._report.links += 1

    def _save(self, there: int, row: Mapping[str, Any]) -> int:
        values = {name: _text(row.get(name)) for name in ("who", "host", "git_commit", "code_version")}
        return self._row(SAVES, there, tables.save, {**self._dated(row), **values})

    def _acceptance(self, there: int, acceptances: Mapping[int, Mapping[str, Any]]) -> int:
        row = acceptances.get(there)
        if row is None:
            raise self._archive.damaged("names an acceptance that is not in it")
        values = {name: _text(row.get(name)) for name in ("who", "reason")}
        sets = {name: self._translated(row[name]) for name in ("before", "after") if row.get(name)}
        return self._row(ACCEPTANCES, there, tables.event, {**self._dated(row), **values, **sets, "kind": "accept"})

    def _row(self, member: str, there: int, table: sa.Table, values: Mapping[str, Any]) -> int:
        """Adds a row that several others may name, once."""
        if (member, there) not in self._made:
            insert = sa.insert(table).values(values).returning(table.c.id)
            self._made[member, there] = int(self._connection.execute(insert).scalar_one())
        return self._made[member, there]

    def _dated(self, row: Mapping[str, Any]) -> dict[str, Any]:
        pipeline = row["pipeline"]
        known = (
            None
            if pipeline is None
            else deployments.add_pipeline(self._connection, check_name(pipeline, "pipeline"), None)
        )
        return {"pipeline_id": known, "created_at": _time(row)}

    def _translated(self, chosen: Mapping[str, int]) -> dict[str, int]:
        """A set of versions by their numbers here; those that did not come along are left out."""
        return {node: self._numbers[number] for node, number in chosen.items() if number in self._numbers}
