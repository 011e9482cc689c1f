"""What can a program ask an op store, over whatever way of asking?"""

from __future__ import annotations

import base64
import hashlib
import io
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import IO, Any, Protocol

from chariots.op_store.clients.decisions import HistoryQuestions
from chariots.op_store.clients.files import FileTransfers, answered
from chariots.op_store.clients.lineage import LineageQuestions
from chariots.op_store.clients.maintenance import MaintenanceQuestions
from chariots.op_store.origin import present_origin
from chariots.op_store.trusting.trust import Trust
from chariots.pipelines.nodes import laid_out
from chariots.pipelines.store import (
    FieldChange,
    NodeQuery,
    Origin,
    Refusal,
    Resolution,
    SaveKey,
    StoredVersion,
    VersionRecord,
)
from chariots.versioning import Version

__all__ = ["BaseOpStoreClient"]


class Named(Protocol):
    """Anything with a name: an op, a node, a pipeline."""

    @property
    def name(self) -> str:
        """The name."""


class BaseOpStoreClient(LineageQuestions, HistoryQuestions, MaintenanceQuestions, FileTransfers, ABC):
    """Everything that can be asked of an op store, over a way of asking that a subclass defines.

    A subclass needs only `post`; bytes then travel as base64 text. Ops and pipelines are given as objects
    with a ``name``, ops also by their name alone.

    Attributes:
        trust: signs what is saved, and decides what may be loaded; everything may, unless a subclass says otherwise.
    """

    trust: Trust = Trust()

    @abstractmethod
    def post(self, route: str, arguments_json: Mapping[str, Any]) -> Any:
        """Asks one question.

        Args:
            route: the path of the route, ``/v1/pipeline_exists`` for instance.
            arguments_json: the members of the JSON object to send.

        Returns:
            the decoded answer.

        Raises:
            ChariotsError: the failure that the store answered with.
        """

    def get_all_versions_of_op(self, desired_op: Named | str) -> set[Version] | None:
        """Returns every version of an op that the store knows.

        Args:
            desired_op: the op, or its name.

        Returns:
            the versions; None if the store does not know the op.
        """
        answer = self.post("/v1/get_all_versions_of_op", {"desired_op_name": _name(desired_op)})
        return None if answer is None else {Version.parse(text) for text in answer["all_versions"]}

    def get_validated_links(self, downstream_op_name: str, upstream_op_name: str) -> set[Version] | None:
        """Returns the versions of an upstream op that a downstream op was validated with.

        Args:
            downstream_op_name: the op that reads.
            upstream_op_name: the op whose output is read.

        Returns:
            the upstream versions; None if the two ops never met.
        """
        asked = {"downstream_op_name": downstream_op_name, "upstream_op_name": upstream_op_name}
        answer = self.post("/v1/get_validated_links", asked)
        return None if answer is None else {Version.parse(text) for text in answer["upstream_versions"]}

    def register_valid_link(
        self, downstream_op_name: str | None, upstream_op_name: str, upstream_op_version: Version | str
    ) -> None:
        """Vouches that a downstream op accepts a version of an upstream op.

        Args:
            downstream_op_name: the op that reads; None to register the version and nothing else.
            upstream_op_name: the op whose output is read.
            upstream_op_version: its version.
        """
        asked = {
            "downstream_op_name": downstream_op_name,
            "upstream_op_name": upstream_op_name,
            "upstream_op_version": str(upstream_op_version),
        }
        self.post("/v1/register_valid_link", asked)

    def get_op_bytes_for_version(self, desired_op: Named | str, version: Version | str) -> bytes:
        """Returns the bytes of a version of an op, verified.

        Args:
            desired_op: the op, or its name.
            version: the version; when it was created does not matter.

        Returns:
            the bytes that were saved.

        Raises:
            UnknownNameError: if the store has no bytes of this version.
            UntrustedError: if they are not trusted here.
            StoreError: if it has them no longer, or damaged.
        """
        return self.read_version(self._find_version(desired_op, version))

    def save_op_bytes(self, op_to_save: Named | str, version: Version | str, op_bytes: bytes) -> None:
        """Keeps the bytes of a version of an op; registers the op and the version where they are new.

        Args:
            op_to_save: the op, or its name.
            version: the version.
            op_bytes: the bytes.
        """
        record = VersionRecord(
            op=_name(op_to_save), version=str(version), sha256=self.write_blob(op_bytes), size=len(op_bytes)
        )
        self.post("/v2/versions", asdict(self.trust.signed(record)))

    def pipeline_exists(self, pipeline_name: str) -> bool:
        """Tells whether a pipeline was saved or registered.

        Args:
            pipeline_name: its name.
        """
        return bool(self.post("/v1/pipeline_exists", {"pipeline_name": pipeline_name})["exists"])

    def register_new_pipeline(self, pipeline: Any) -> None:
        """Registers a pipeline.

        Args:
            pipeline: the pipeline; the name of its last node is kept beside its own.
        """
        *_, last = laid_out(pipeline.pipeline_nodes)
        asked = {"pipeline_name": pipeline.name, "last_op_name": last.name}
        self.post("/v1/register_new_pipeline", asked)

    def resolve(
        self,
        pipeline: str,
        nodes: Sequence[NodeQuery],
        edges: Sequence[tuple[str, str]],
        pinned: Mapping[str, int] | None = None,
    ) -> Resolution:
        """Chooses a version for every node of a pipeline and checks every edge, in one request.

        Args:
            pipeline: its name.
            nodes: its nodes.
            edges: pairs of names of nodes, (upstream, downstream).
            pinned: for some of the nodes, the number of the version to take.

        Returns:
            the versions to load and what stands in the way.

        Raises:
            UntrustedError: if the store answers with versions of other ops than those of the nodes.
        """
        asked = {
            "pipeline": pipeline,
            "nodes": [asdict(node) for node in nodes],
            "edges": [list(edge) for edge in edges],
            "pinned": None if pinned is None else dict(pinned),
        }
        answer = self.post("/v2/resolve", asked)
        versions = {name: answered(name, found) for name, found in answer["versions"].items()}
        refusals = [_refusal(described) for described in answer.get("refusals", ())]
        passed_over = [_refusal(described) for described in answer.get("passed_over", ())]
        return Resolution(versions, answer["problems"], refusals, passed_over)

    def commit_save(
        self,
        pipeline: str,
        last_op: str,
        versions: Sequence[VersionRecord],
        links: Sequence[tuple[str, str]],
        origin: Origin | None = None,
        once: SaveKey | None = None,
    ) -> Mapping[str, int]:
        """Registers everything that one save of a pipeline holds, all of it or nothing.

        Args:
            pipeline: the name of the pipeline.
            last_op: the name of its last op.
            versions: the versions, one an op; their bytes must have been written.
            links: pairs of names of ops among them, (upstream, downstream), trained together.
            origin: who saves, where, and with which code; what `present_origin` finds, if not given.
            once: under which key this is saved, so that it counts once.

        Returns:
            the store's number for the version of each op; the same again, if this attempt has saved before.

        Raises:
            AlreadySavedError: if another attempt has saved under the key; nothing was added.
        """
        asked: dict[str, Any] = {
            "pipeline": pipeline,
            "last_op": last_op,
            "versions": [asdict(self.trust.signed(version)) for version in versions],
            "links": [list(link) for link in links],
            "origin": asdict(origin or present_origin()),
        }
        if once is not None:  # a store of an earlier release knows no such member
            asked["once"] = asdict(once)
        numbers: dict[str, int] = self.post("/v2/saves", asked)["versions"]
        return numbers

    def saved_attempt(self, key: str) -> int | None:
        """Returns which attempt has saved under a key.

        Args:
            key: the key.

        Returns:
            the number of the attempt; None if none has.
        """
        attempt: int | None = self.post("/v2/saves/attempt", {"key": key})["attempt"]
        return attempt

    def record_deployment(self, pipeline: str, versions: Mapping[str, int]) -> None:
        """Remembers which versions a pipeline now serves.

        Args:
            pipeline: the name of the pipeline.
            versions: the store's number for the version of each node.
        """
        self.post("/v2/deployments", {"pipeline": pipeline, "versions": dict(versions)})

    def last_deployment(self, pipeline: str) -> Mapping[str, int] | None:
        """Returns which versions a pipeline served last.

        Args:
            pipeline: the name of the pipeline.

        Returns:
            the store's number for the version of each node; None if it never served.
        """
        answer = self.post("/v2/deployments/last", {"pipeline": pipeline})
        versions: dict[str, int] | None = answer["versions"]
        return versions

    def write_blob(self, data: bytes) -> str:
        """Keeps bytes, unless the store has them already.

        Args:
            data: the bytes.

        Returns:
            their hexadecimal SHA-256.
        """
        sha256 = hashlib.sha256(data).hexdigest()
        if not self.post("/v2/blobs/check", {"sha256": sha256})["intact"]:
            self._put_blob(sha256, data)
        return sha256

    def read_blob(self, sha256: str) -> bytes:
        """Returns bytes that were kept, after having verified them here.

        Args:
            sha256: their hexadecimal SHA-256.

        Returns:
            the bytes.

        Raises:
            UnknownNameError: if the store has no such bytes.
            DamagedError: if they are not the bytes that were saved.
            StoreError: if it has them no longer.
        """
        whole = io.BytesIO()
        for piece in self.blob_pieces(sha256):
            whole.write(piece)
        return whole.getvalue()

    def read_version(self, version: StoredVersion) -> bytes:
        """Returns the bytes of a version once they are known to be what is trusted here.

        Args:
            version: the version, as `resolve` chose it.

        Returns:
            the bytes; their SHA-256, format and signature were checked, in this very buffer.

        Raises:
            UntrustedError: if signature or format are not trusted here; nothing was fetched then.
            StoreError: if the store has the bytes no longer, or damaged.
        """
        self.trust.check(version)
        return self.read_blob(str(version.sha256))

    def _put_blob(self, sha256: str, data: bytes) -> None:
        self.post("/v2/blobs", {"bytes": base64.b64encode(data).decode()})

    def _send_file(self, sha256: str, file: IO[bytes]) -> None:
        self._put_blob(sha256, file.read())

    def _received(self, sha256: str) -> Iterator[bytes]:
        yield base64.b64decode(self.post("/v2/blobs/read", {"sha256": sha256})["bytes"])


def _refusal(described: Mapping[str, Any]) -> Refusal:
    changes = [FieldChange(**change) for change in described["changes"]]
    return Refusal(**{**described, "changes": changes})


def _name(op: Named | str) -> str:
    return op if isinstance(op, str) else op.name
