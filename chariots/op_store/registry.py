"""What was trained, what fits what, and where are the bytes? (the whole op store, without HTTP)"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple
from functools import cache, cached_property, partial
from typing import TYPE_CHECKING, NoReturn

import sqlalchemy as sa

from chariots.errors import UnknownNameError, nearest
from chariots.op_store import presence, rows, tables
from chariots.op_store.blobs import BlobStore
from chariots.op_store.checks import (
    LARGEST_NUMBER,
    check_json,
    check_name,
    check_names,
    check_nodes,
    check_numbers,
    check_pairs,
    check_unique,
    check_version,
    invalid,
)
from chariots.op_store.database import Database
from chariots.op_store.decisions import deployments, events
from chariots.op_store.decisions.history import History
from chariots.op_store.once import add_save, check_key, earlier_numbers, note_numbers, saved_attempt
from chariots.op_store.resolution import lookup
from chariots.op_store.trusting.trust import Trust
from chariots.pipelines.store import NodeQuery, Origin, Resolution, SaveKey, StoredVersion, VersionRecord

if TYPE_CHECKING:
    from chariots.op_store.decisions.deciding import Decisions
    from chariots.op_store.lineage import Lineage
    from chariots.op_store.savers import BaseSaver
    from chariots.versioning import Version

__all__ = ["Registry"]


class Registry:
    """The versions of every op, the links between them and their bytes.

    Bytes are kept first, under their own hash; then everything that was saved together is registered in one
    transaction. So whatever is visible is whole, and bytes that no version names are all that a crash can
    leave.

    Args:
        database: where versions and links are kept.
        saver: where bytes are kept.
        trust: which bytes are taken and given out; all of them by default.

    Attributes:
        database: the database.
        blobs: the bytes.
        trust: which bytes are taken and given out.
        history: what is known of every pipeline.
    """

    def __init__(self, database: Database, saver: BaseSaver, trust: Trust | None = None) -> None:
        self.database = database
        self.trust = trust or Trust()
        self.blobs = BlobStore(saver, self._owners)
        self.history = History(database)

    @cached_property
    def decisions(self) -> Decisions:
        """Promotes, rolls back, withdraws and accepts."""
        from chariots.op_store.decisions.deciding import Decisions  # most servers only look

        return Decisions(self.database, self.resolve)

    @cached_property
    def lineage(self) -> Lineage:
        """Where versions come from."""
        from chariots.op_store.lineage import Lineage  # few servers are asked for it

        return Lineage(self.database.reading)

    # What pipelines of today ask for: see `chariots.pipelines.store.OpStoreProtocol`.

    def resolve(
        self,
        pipeline: str,
        nodes: Sequence[NodeQuery],
        edges: Sequence[tuple[str, str]],
        pinned: Mapping[str, int] | None = None,
    ) -> Resolution:
        """Chooses the newest versions for the nodes of a pipeline that fit on every edge of it.

        Args:
            pipeline: its name; of no consequence so far.
            nodes: its nodes, each name once.
            edges: pairs of names of nodes, (upstream, downstream).
            pinned: for some of the nodes, the number of the version to take.

        Returns:
            the versions to load and what stands in the way.

        Raises:
            InputError: if a name, a version or an edge is none.
            UntrustedError: if the store trusts bytes that would be loaded no longer.
        """
        check_nodes(nodes, edges)
        check_numbers((pinned or {}).values(), "pinned")
        with self.database.reading() as connection:
            found = lookup.resolve(connection, nodes, edges, pinned or {})
        if not found.problems:
            for version in found.versions.values():
                self.trust.check(version)
        return found

    def commit_save(
        self,
        pipeline: str,
        last_op: str,
        versions: Sequence[VersionRecord],
        links: Sequence[tuple[str, str]],
        origin: Origin | None = None,
        once: SaveKey | None = None,
    ) -> dict[str, int]:
        """Registers everything that one save of a pipeline holds, in one transaction.

        Args:
            pipeline: the name of the pipeline; empty where ops are saved without one.
            last_op: the name of its last op.
            versions: the versions, one an op; their bytes must have been written.
            links: pairs of names of ops among them, (upstream, downstream), trained together.
            origin: who saves, where, and with which code.
            once: under which key this is saved, so that it counts once.

        Returns:
            the store's number for the version of each op; the same again, if this attempt has saved before.

        Raises:
            InputError: if a name, a version or a link is none.
            AlreadySavedError: if another attempt has saved under the key.
            UntrustedError: if bytes are not signed, or not of a format, that the store trusts.
            ConflictError: if bytes are named that the store does not have.
        """
        if pipeline:
            check_name(pipeline, "pipeline")
        check_name(last_op, "last_op")
        check_names((text for text in astuple(origin or Origin()) if text is not None), "origin")
        if once is not None:
            check_key(once)
            with self.database.reading() as connection:
                earlier = earlier_numbers(connection, once)  # whose bytes may be gone by now
            if earlier is not None:
                return earlier
        before = self._moment()
        parsed = [self._check_record(record, "versions.") for record in versions]
        names = [record.op for record in versions]
        check_unique(names, "versions.op")
        check_pairs(links, names, "links")
        with self.database.writing() as connection:
            presence.check_bytes_again(connection, before, versions, self.blobs.exists)
            known = deployments.add_pipeline(connection, pipeline, last_op) if pipeline else None
            save = cache(partial(rows.add_save, connection, known, origin))
            if once is not None:
                number = add_save(connection, known, origin, once)
                if number is None:
                    return earlier_numbers(connection, once) or {}
                save = cache(lambda: number)
            ops = rows.add_ops(connection, names)
            numbers = {
                record.op: rows.add_version(connection, ops[record.op], version, record, save)
                for record, version in zip(versions, parsed, strict=True)
            }
            found = [
                {
                    "upstream_op_id": ops[upstream],
                    "upstream_version_id": numbers[upstream],
                    "downstream_op_id": ops[downstream],
                    "downstream_version_id": numbers[downstream],
                }
                for upstream, downstream in dict.fromkeys(map(tuple, links))
            ]
            rows.insert_new(connection, tables.link, found)
            if once is not None:
                note_numbers(connection, save(), numbers)
        return numbers

    def saved_attempt(self, key: str) -> int | None:
        """Which attempt has saved under a key; None if none did."""
        check_name(key, "key")
        with self.database.reading() as connection:
            return saved_attempt(connection, key)

    def add_version(self, record: VersionRecord) -> int:
        """Registers one version by itself, not as part of a save, and returns the store's number for it.

        Raises:
            InputError: if the name or the version is none.
            UntrustedError: if its bytes are not signed, or not of a format, that the store trusts.
            ConflictError: if bytes are named that the store does not have.
        """
        before = self._moment()
        version = self._check_record(record, "")
        with self.database.writing() as connection:
            presence.check_bytes_again(connection, before, [record], self.blobs.exists)
            number = rows.add_ops(connection, (record.op,))[record.op]
            return rows.add_version(connection, number, version, record)

    def find_version(self, op: str, version: str) -> StoredVersion:
        """Finds the newest bytes of a version of an op.

        Raises:
            UnknownNameError: if there is no such op, no such version or no bytes of it.
            UntrustedError: if the store trusts them no longer.
        """
        check_name(op, "op")
        wanted = check_version(version, "version")
        with self.database.reading() as connection:
            number = rows.op_id(connection, op)
            if number is None:
                suggestion = nearest(op, rows.known_names(connection, tables.op))
                raise UnknownNameError(
                    f"the bytes of op {op!r} were asked for, but the op store knows no op of that name; save "
                    f"it first, or correct the name.{suggestion}"
                )
            found = rows.find_version(connection, number, wanted, with_bytes=True, alive=True)
            if found is None:
                self._refuse_version(connection, op, number, version)
        trusted = rows.stored_version(found)
        self.trust.check(trusted)
        return trusted

    def record_deployment(self, pipeline: str, versions: Mapping[str, int]) -> None:
        """Remembers which versions a pipeline now serves; nothing is added if it serves them already.

        Raises:
            UnknownNameError: if a number is not that of a version.
        """
        check_name(pipeline, "pipeline")
        check_names(versions, "versions")
        check_numbers(versions.values(), "versions")
        with self.database.writing() as connection:
            events.lock(connection, deployments.add_pipeline(connection, pipeline, None))
            if deployments.last(connection, pipeline) != dict(versions):
                deployments.record(connection, pipeline, versions)

    def last_deployment(self, pipeline: str) -> dict[str, int] | None:
        """The numbers of the versions a pipeline served last, by node; None if it never served any."""
        check_name(pipeline, "pipeline")
        with self.database.reading() as connection:
            return deployments.last(connection, pipeline)

    def _moment(self) -> presence.Moment:
        with self.database.reading() as connection:
            return presence.moment(connection)

    def check_record(self, record: VersionRecord, where: str) -> Version:
        """Refuses a version that cannot be registered, whether or not its bytes are there; returns it parsed.

        Args:
            record: the version.
            where: what stands before the names of its fields, for the message.

        Raises:
            InputError: if something about it is not what it has to be.
            UntrustedError: if its bytes are not signed, or not of a format, that the store trusts.
        """
        check_name(record.op, f"{where}op")
        version = check_version(record.version, f"{where}version")
        if record.code_version is not None:
            check_version(record.code_version, f"{where}code_version")
        if record.fingerprint is not None:
            check_name(record.fingerprint, f"{where}fingerprint")
        if not 0 <= record.size <= LARGEST_NUMBER:
            raise invalid(f"{where}size", "a number of bytes", record.size)
        for label in ("format", "signature", "signed_by"):
            text = getattr(record, label)
            if text is not None:
                check_name(text, f"{where}{label}")
        check_json([record.fields, record.training], f"{where}training")
        self.trust.check(record, "saved")
        return version

    def _check_record(self, record: VersionRecord, where: str) -> Version:
        version = self.check_record(record, where)
        presence.check_bytes(record, where, self.blobs.settle)
        return version

    def _refuse_version(self, connection: sa.Connection, op: str, number: int, version: str) -> NoReturn:
        query = (
            sa.select(tables.version)
            .where(
                tables.version.c.op_id == number, tables.version.c.sha256 != "", tables.version.c.pruned_at.is_(None)
            )
            .order_by(tables.version.c.id.desc())
            .limit(100)
        )
        saved = rows.version_texts(connection.execute(query))
        newest = f"the newest it has is {saved[0]}" if saved else "no version of it was saved with bytes"
        other = nearest(version, saved[1:])
        given_up = rows.find_version(connection, number, check_version(version, "version"), with_bytes=True)
        none = "has none" if given_up is None else f"gave them up with `gc` (version number {given_up.id})"
        raise UnknownNameError(
            f"the bytes of op {op!r} in version {version} were asked for, but the op store {none}: {newest}; "
            f"ask for a version it has.{other}"
        )

    def _owners(self, sha256: str) -> list[str]:
        """The newest versions that have these bytes, in words."""
        table = tables.version
        query = sa.select(*rows.STORED, table.c.pruned_at).join(tables.op).where(table.c.sha256 == sha256)
        with self.database.reading() as connection:
            found = connection.execute(query.order_by(table.c.id.desc()).limit(5)).all()
        return [
            f"{row.op!r} version number {row.id} ({rows.version_text(row)}{', given up by `gc`' * bool(row.pruned_at)})"
            for row in found
        ]
