"""What is told of a store after it was looked through, cleaned up or copied? (no database, so that clients may)"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

__all__ = [
    "Finding",
    "VerifyReport",
    "CollectionReport",
    "ExportReport",
    "ImportReport",
    "BackupReport",
    "OpStats",
    "StoreStats",
]

_LOSSES = ("damaged", "missing", "database")

Kind = Literal["damaged", "missing", "database", "orphaned", "leftover", "foreign"]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it should be.

    Attributes:
        kind: ``damaged``, ``missing`` and ``database`` are losses; ``orphaned`` bytes belong to no version,
            a ``leftover`` was being written by a save that was killed, and ``foreign`` is what no store put there.
        sentence: what it is and what to do.
        path: where it is below the root of the saver; None for the database.
        size: how many bytes are there.
        versions: the versions that lose by it, in words.
    """

    kind: Kind
    sentence: str
    path: str | None = None
    size: int = 0
    versions: list[str] = field(default_factory=list)


@dataclass(slots=True)
class VerifyReport:
    """What `verify` saw.

    Attributes:
        findings: what is not as it should be.
        versions: how many versions have bytes, those whose bytes `gc` gave up left out.
        blobs: how many different bytes they have.
        size: how many bytes were read and hashed.
        listed: whether the saver can list what it keeps; where it cannot, orphans and leftovers stay unknown.
    """

    findings: list[Finding] = field(default_factory=list)
    versions: int = 0
    blobs: int = 0
    size: int = 0
    listed: bool = True

    @property
    def losses(self) -> list[Finding]:
        """The findings by which something is lost; the others only take up room."""
        return [finding for finding in self.findings if finding.kind in _LOSSES]

    def add(self, other: VerifyReport) -> None:
        """Takes up what was seen elsewhere.

        Args:
            other: the report of another shelf.
        """
        self.findings += other.findings
        self.versions += other.versions
        self.blobs += other.blobs
        self.size += other.size
        self.listed = self.listed and other.listed


@dataclass(slots=True)
class CollectionReport:
    """What `gc` gave up, or would have.

    Attributes:
        deleted: whether it did.
        versions: the numbers of the versions, by the name of their op.
        kept: how many versions with bytes stay.
        blobs: how many different bytes went because no version has them any more, orphans included.
        orphans: how many of those belonged to no version in the first place.
        leftovers: how many files went that killed saves had left behind.
        size: how much room all of that took.
        listed: whether the saver can list what it keeps; where it cannot, orphans and leftovers stay.
    """

    deleted: bool = False
    versions: dict[str, list[int]] = field(default_factory=dict)
    kept: int = 0
    blobs: int = 0
    orphans: int = 0
    leftovers: int = 0
    size: int = 0
    listed: bool = True

    @property
    def version_count(self) -> int:
        """How many versions lost their bytes."""
        return sum(map(len, self.versions.values()))


@dataclass(slots=True)
class ExportReport:
    """What a file was filled with.

    Attributes:
        ops: the names of the ops.
        versions: how many versions of them.
        links: how many links between those.
        blobs: how many different bytes they have.
        size: how many bytes that is.
        linked: the ops that are not in the file and that its versions are linked with; those links stayed behind.
    """

    ops: list[str]
    versions: int = 0
    links: int = 0
    blobs: int = 0
    size: int = 0
    linked: list[str] = field(default_factory=list)


@dataclass(slots=True)
class ImportReport:
    """What a file brought.

    Attributes:
        ops: the names of the ops in it.
        versions: how many of its versions are new to the store.
        known: how many of its versions the store had.
        links: how many of its links are new.
        blobs: how many different bytes the store did not have.
        size: how many bytes those are.
    """

    ops: list[str]
    versions: int = 0
    known: int = 0
    links: int = 0
    blobs: int = 0
    size: int = 0


@dataclass(slots=True)
class BackupReport:
    """What was copied.

    Attributes:
        versions: how many versions there are in the copy.
        blobs: how many different bytes they have.
        copied: how many of those were not there yet.
        size: how many bytes that was.
        findings: bytes that could not be copied because they are damaged or lost where they came from.
    """

    versions: int = 0
    blobs: int = 0
    copied: int = 0
    size: int = 0
    findings: list[Finding] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class OpStats:
    """What a store holds of one op.

    Attributes:
        op: its name.
        versions: how many versions are known.
        with_bytes: how many of them have bytes.
        pruned: of how many `gc` gave the bytes up.
        size: how many bytes its versions have, each version counted.
        newest: the number of the newest version.
        newest_at: when that was saved, in ISO 8601, by the clock of the database.
    """

    op: str
    versions: int
    with_bytes: int
    pruned: int
    size: int
    newest: int
    newest_at: str


@dataclass(frozen=True, slots=True)
class StoreStats:
    """What a store holds.

    Attributes:
        ops: what it holds of each op that has versions, by name.
        versions: how many versions.
        with_bytes: how many of them have bytes.
        pruned: of how many `gc` gave the bytes up.
        links: how many links between versions.
        blobs: how many different bytes.
        size: how much room those take: bytes that several versions share count once.
        pipelines: how many pipelines.
        saves: how many saves of pipelines.
        deployments: how often a pipeline was put into service.
        events: how many promotions, rollbacks and acceptances.
        newest: the number of the newest version; None in an empty store.
        newest_at: when that was saved, in ISO 8601; None in an empty store.
    """

    ops: list[OpStats]
    versions: int
    with_bytes: int
    pruned: int
    links: int
    blobs: int
    size: int
    pipelines: int
    saves: int
    deployments: int
    events: int
    newest: int | None
    newest_at: str | None

    def as_json(self) -> dict[str, Any]:
        """The same as JSON can hold it."""
        return asdict(self)

    @classmethod
    def from_json(cls, described: Mapping[str, Any]) -> StoreStats:
        """What `as_json` described."""
        return cls(**{**described, "ops": [OpStats(**op) for op in described["ops"]]})
