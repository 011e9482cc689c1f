"""What does a pipeline need from an op store? (names, versions and bytes; never ops as objects)"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

__all__ = ["NodeQuery", "OpStoreProtocol", "Resolution", "Role", "StoredVersion", "VersionRecord"]

Role = Literal["load", "optional", "retrain", "code"]


@dataclass(frozen=True, slots=True)
class NodeQuery:
    """One node of a pipeline that is about to be loaded.

    Attributes:
        name: the node's name, under which its op is known to the store.
        role: ``load`` must be found; ``optional`` is loaded and checked if found; ``retrain`` is loaded if found
            and never checked, for it will learn again; ``code`` has nothing to load.
        version: the text of the node's present version.
        code_version: the text of the version that the running class declares.
    """

    name: str
    role: Role
    version: str
    code_version: str


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
    """

    id: int
    op: str
    version: str
    code_version: str | None
    sha256: str | None
    size: int


@dataclass(frozen=True, slots=True)
class Resolution:
    """The versions that a pipeline would load, and what stands in the way of loading them.

    Attributes:
        versions: the chosen version of every op that has one to load, by node name.
        problems: one finished sentence for each obstacle; empty if the pipeline may be loaded.
    """

    versions: Mapping[str, StoredVersion]
    problems: Sequence[str]


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
    """

    op: str
    version: str
    code_version: str | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)
    fingerprint: str | None = None
    sha256: str | None = None
    size: int = 0


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
    ) -> Mapping[str, int]:
        """Registers versions and links in one transaction; returns the store's number for each op."""

    def record_deployment(self, pipeline: str, versions: Mapping[str, int]) -> None:
        """Remembers which versions a pipeline now serves, so that a restarted server serves the same."""

    def last_deployment(self, pipeline: str) -> Mapping[str, int] | None:
        """Returns what was last remembered for this pipeline, or None."""

    def get_validated_links(self, downstream_op_name: str, upstream_op_name: str) -> set[Any] | None:
        """Returns the upstream versions the downstream op was trained with; None if they never met."""

    def register_valid_link(
        self, downstream_op_name: str | None, upstream_op_name: str, upstream_op_version: Any
    ) -> None:
        """Vouches that a downstream op accepts this version of an upstream op."""
