"""What does a pipeline need from an op store? (names, versions and bytes; never ops as objects)"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from chariots.pipelines.standings import Standings, asked_one_by_one

__all__ = [
    "Cause",
    "FieldChange",
    "Level",
    "NodeQuery",
    "OpStoreProtocol",
    "Origin",
    "Refusal",
    "Resolution",
    "Role",
    "SaveKey",
    "StoredVersion",
    "VersionRecord",
]

Role = Literal["load", "optional", "retrain", "code"]
Level = Literal["major", "minor", "patch"]
Cause = Literal["missing", "pin", "code", "data", "upstream"]


@dataclass(frozen=True, slots=True)
class NodeQuery:
    """One node of a pipeline that is about to be loaded.

    Attributes:
        name: the node's name, under which its op is known to the store.
        role: ``load`` must be found; ``optional`` is loaded and checked if found; ``retrain`` is loaded if found
            and never checked, for it will learn again; ``code`` has nothing to load.
        version: the text of the node's present version.
        code_version: the text of the version that the running class declares.
        mismatch_on: the finest subversion in which a difference counts as a mismatch.
        fields: the declared fields of the running class, in the form of `VersionRecord.fields`.
        fingerprint: the fingerprint of the running code; None where the source is not to be had.
    """

    name: str
    role: Role
    version: str
    code_version: str
    mismatch_on: Level = "major"
    fields: Mapping[str, Any] = field(default_factory=dict)
    fingerprint: str | None = None


@dataclass(frozen=True, slots=True)
class StoredVersion:
    """One version of an op as the store keeps it.

    Attributes:
        id: the store's own sequence number; a greater one was saved later, whatever the clocks say.
        op: the name of the op.
        version: the text of the version.
        code_version: the text of the class version the op was saved by; None if a 0.2 client saved it.
        sha256: the hexadecimal SHA-256 of the op's bytes; None for an op that has none.
        size: how many bytes.
        format: the name of the format of the bytes, such as ``dill``; None where the op named none.
        signature: the signature over op, version, format and SHA-256, as text; None if there is none.
        signed_by: the name of the key that signed; None without a signature.
    """

    id: int
    op: str
    version: str
    code_version: str | None
    sha256: str | None
    size: int
    format: str | None = None
    signature: str | None = None
    signed_by: str | None = None


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One declared field that differs between the code that saved a version and the code that runs.

    Attributes:
        name: the name of the field.
        affects: the subversion it counts in.
        before: its value when the version was saved, as text; None if it was not declared.
        after: its value in the running code, as text; None if it is not declared any more.
    """

    name: str
    affects: Level
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class Refusal:
    """One reason why a pipeline may not be loaded.

    Attributes:
        node: the node that cannot run.
        cause: ``missing`` (never saved), ``pin`` (not the pinned version), ``code`` (a declared field changed),
            ``data`` (the same code learned again) or ``upstream`` (what it reads was replaced).
        sentence: what is wrong and what to do, for people.
        upstream: the node whose version does not fit; None where the node itself is what does not fit.
        trained_with: the versions, as text, that would fit.
        running_with: the version, as text, that is there instead; None if there is none.
        changes: the declared fields that changed.
        retrain: the names of the pipelines that have saved the node before, the latest first.
        trained_with_numbers: the store's numbers of the versions in ``trained_with``.
        running_number: the store's number of the version in ``running_with``; None if that is plain code.
    """

    node: str
    cause: Cause
    sentence: str
    upstream: str | None = None
    trained_with: Sequence[str] = ()
    running_with: str | None = None
    changes: Sequence[FieldChange] = ()
    retrain: Sequence[str] = ()
    trained_with_numbers: Sequence[int] = ()
    running_number: int | None = None


@dataclass(frozen=True, slots=True)
class Resolution:
    """The versions that a pipeline would load, and what stands in the way of loading them.

    Attributes:
        versions: the chosen version of every op that has one to load, by node name.
        problems: one finished sentence for each obstacle; empty if the pipeline may be loaded.
        refusals: the same obstacles, taken apart.
        passed_over: why newer versions than the chosen ones were left out, in the same form; none where the newest
            version of everything was chosen, or nothing may be loaded.
    """

    versions: Mapping[str, StoredVersion]
    problems: Sequence[str]
    refusals: Sequence[Refusal] = ()
    passed_over: Sequence[Refusal] = ()


@dataclass(frozen=True, slots=True)
class VersionRecord:
    """One version of an op on its way into the store.

    Attributes:
        op: the name of the op.
        version: the text of the version.
        code_version: the text of the class version.
        fields: the declared fields behind the class version: name -> value (as text), subversion and hash.
        fingerprint: the code fingerprint; None where the source is not to be had.
        sha256: the hexadecimal SHA-256 of bytes already written to the store; None for an op that has none.
        size: how many bytes.
        format: the name of the format of the bytes; None where the op names none.
        signature: the signature over op, version, format and SHA-256, as text.
        signed_by: the name of the key that signed.
        training: what is known of the training (``metrics``, ``parameters``, ``data_fingerprint``, ``duration`` in
            seconds, ``trained_at`` in seconds since the epoch), as far as it is known.
    """

    op: str
    version: str
    code_version: str | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)
    fingerprint: str | None = None
    sha256: str | None = None
    size: int = 0
    format: str | None = None
    signature: str | None = None
    signed_by: str | None = None
    training: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Origin:
    """Who saved a pipeline, where, and with which code.

    Attributes:
        who: the name of the user.
        host: the name of the machine.
        git_commit: the commit of the code, with ``-dirty`` behind it where files were changed since; None outside
            of a repository.
        code_version: the version of the project's package; None where it has none.
    """

    who: str | None = None
    host: str | None = None
    git_commit: str | None = None
    code_version: str | None = None


@dataclass(frozen=True, slots=True)
class SaveKey:
    """What makes a save count once, however often it is tried.

    Attributes:
        key: chosen by who saves, the id of a job for instance; one save of a store has it.
        attempt: which attempt it is. The same attempt may ask again, as after a lost answer; another is refused.
    """

    key: str
    attempt: int


class OpStoreProtocol(Protocol):
    """The op store as a pipeline sees it."""

    def resolve(
        self,
        pipeline: str,
        nodes: Sequence[NodeQuery],
        edges: Sequence[tuple[str, str]],
        pinned: Mapping[str, int] | None = None,
    ) -> Resolution:
        """Chooses a version for every node and checks every edge, given as (upstream, downstream) names."""

    def write_blob(self, data: bytes) -> str:
        """Keeps some bytes and returns their hexadecimal SHA-256; bytes already there are not kept again."""

    def read_blob(self, sha256: str) -> bytes:
        """Returns bytes that were kept, verified against their hash."""

    def commit_save(
        self,
        pipeline: str,
        last_op: str,
        versions: Sequence[VersionRecord],
        links: Sequence[tuple[str, str]],
        origin: Origin | None = None,
        once: SaveKey | None = None,
    ) -> Mapping[str, int]:
        """Registers versions and links in one transaction; returns the store's number for each op.

        A store that cannot tell whether something was saved before may leave ``once`` out.
        """

    def saved_attempt(self, key: str) -> int | None:
        """Returns which attempt has saved under a key, or None if none did.

        A store without keys may leave this out, if its class derives from this one.
        """
        return None

    def read_version(self, version: StoredVersion) -> bytes:
        """Returns the bytes of a version once hash, format and signature are what is trusted here."""

    def record_deployment(self, pipeline: str, versions: Mapping[str, int]) -> None:
        """Remembers which versions a pipeline now serves, so that a restarted server serves the same."""

    def last_deployment(self, pipeline: str) -> Mapping[str, int] | None:
        """Returns what was last remembered for this pipeline, or None."""

    def alias(self, pipeline: str, name: str) -> Mapping[str, int] | None:
        """Returns the version that each node is to run with under an alias, or None where it stands for nothing.

        A store without aliases may leave this out, if its class derives from this one.
        """
        return None

    def standings(self, pipelines: Sequence[str], alias: str | None, seen: str | None = None) -> Standings | None:
        """Returns what pipelines are to serve: what an alias stands for, or else what was deployed last.

        A server asks this about once a second. ``seen`` is the mark of the answer it knows; None comes back where
        that still holds. A store may leave this out, if its class derives from this one; it is then asked about
        each pipeline.
        """
        return asked_one_by_one(self, pipelines, alias, seen)

    def describe_pipeline(self, pipeline: str, nodes: Sequence[NodeQuery], edges: Sequence[tuple[str, str]]) -> None:
        """Notes what a pipeline is made of, so that versions for it can be chosen where its code is not.

        A store that never chooses versions by itself may leave this out, if its class derives from this one.
        """
        return

    def get_validated_links(self, downstream_op_name: str, upstream_op_name: str) -> set[Any] | None:
        """Returns the upstream versions the downstream op was trained with; None if they never met."""

    def register_valid_link(
        self, downstream_op_name: str | None, upstream_op_name: str, upstream_op_version: Any
    ) -> None:
        """Vouches that a downstream op accepts this version of an upstream op."""
