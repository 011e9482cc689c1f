"""How do large ops travel between an op store and a file, without ever being in memory as a whole?"""

from __future__ import annotations

import secrets
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from chariots.errors import DamagedError, UntrustedError
from chariots.op_store.hashing import PassingHash
from chariots.pipelines.store import StoredVersion, VersionRecord
from chariots.versioning import Version

if TYPE_CHECKING:
    from chariots.op_store.trusting.trust import Trust

__all__ = ["FileTransfers", "answered", "pieces_of"]

PIECE = 2**20  # bytes


class FileTransfers(ABC):
    """What can be asked of an op store about ops that are in files."""

    trust: Trust

    @abstractmethod
    def post(self, route: str, arguments_json: Mapping[str, Any]) -> Any:
        """Asks one question; see `chariots.op_store.BaseOpStoreClient`."""

    def save_op_file(self, op: Any, version: Version | str, path: str | Path) -> None:
        """Keeps the bytes of a version of an op that are in a file; otherwise as `save_op_bytes`.

        Args:
            op: the op, or its name.
            version: the version.
            path: the file, which must not change meanwhile.

        Raises:
            FileNotFoundError: if there is no such file.
        """
        size = Path(path).stat().st_size
        record = VersionRecord(op=_name(op), version=str(version), sha256=self.write_blob_from(path), size=size)
        self.post("/v2/versions", asdict(self.trust.signed(record)))

    def load_op_file(self, op: Any, version: Version | str, path: str | Path) -> None:
        """Puts the bytes of a version of an op into a file; otherwise as `get_op_bytes_for_version`.

        Args:
            op: the op, or its name.
            version: the version; when it was created does not matter.
            path: the file, which is replaced once all bytes have arrived and were verified.

        Raises:
            UnknownNameError: if the store has no bytes of this version.
            UntrustedError: if they are not trusted here.
            StoreError: if it has them no longer, or damaged.
        """
        found = self._find_version(op, version)
        self.trust.check(found)
        self.read_blob_to(str(found.sha256), path)

    def write_blob_from(self, path: str | Path) -> str:
        """Keeps the bytes of a file, unless the store has them already.

        Args:
            path: the file, which must not change meanwhile: it is read once for its hash and once to be sent.

        Returns:
            their hexadecimal SHA-256.

        Raises:
            FileNotFoundError: if there is no such file.
            InputError: if the file changed meanwhile; nothing is kept then.
        """
        with Path(path).open("rb", buffering=0) as file:
            with PassingHash() as found:
                for piece in pieces_of(file):
                    found.update(piece)
                sha256 = found.hexdigest()
            if not self.post("/v2/blobs/check", {"sha256": sha256})["intact"]:
                file.seek(0)
                self._send_file(sha256, file)
        return sha256

    def read_blob_to(self, sha256: str, path: str | Path) -> None:
        """Puts bytes that were kept into a file, after having verified them here.

        Args:
            sha256: their hexadecimal SHA-256.
            path: the file, which is replaced once all bytes have arrived and were verified.

        Raises:
            UnknownNameError: if the store has no such bytes.
            DamagedError: if they are not the bytes that were saved.
            StoreError: if it has them no longer.
        """
        target = Path(path)
        temporary = target.with_name(f".{target.name[:200]}-{secrets.token_hex(8)}")
        try:
            with temporary.open("xb", buffering=0) as file:
                for piece in self.blob_pieces(sha256):
                    rest = memoryview(piece)
                    while rest:
                        rest = rest[file.write(rest) :]
            temporary.replace(target)
        finally:
            with suppress(FileNotFoundError):  # it has its new name if all went well
                temporary.unlink()

    def blob_pieces(self, sha256: str) -> Iterator[bytes]:
        """Returns bytes that were kept in pieces; make no use of any before the last one has come.

        Args:
            sha256: their hexadecimal SHA-256.

        Returns:
            the pieces, in order. Whether they are the right ones is known after the last, when the iterator ends or
            raises.

        Raises:
            UnknownNameError: if the store has no such bytes.
            DamagedError: if they are not the bytes that were saved.
            StoreError: if it has them no longer.
        """
        with PassingHash() as found:
            for piece in self._received(sha256):
                found.update(piece)
                yield piece
            arrived = found.hexdigest()
        if arrived != sha256:
            problem = self.post("/v2/blobs/check", {"sha256": sha256})["problem"] or (
                f"the bytes {sha256} arrived with the SHA-256 {arrived}, although the op store has them undamaged, so "
                "nothing was loaded; look for what changes them on the way, then try again"
            )
            raise DamagedError(problem, sha256=sha256)

    def _find_version(self, op: Any, version: Version | str) -> StoredVersion:
        """Asks which bytes a version of an op has."""
        asked, wanted = _name(op), str(version)
        found = answered(asked, self.post("/v2/versions/find", {"op": asked, "version": wanted}))
        if Version.parse(found.version) != Version.parse(wanted):
            raise _other(f"op {asked!r} in version {wanted}", found)
        return found

    @abstractmethod
    def _send_file(self, sha256: str, file: IO[bytes]) -> None:
        """Sends bytes that the store does not have."""

    @abstractmethod
    def _received(self, sha256: str) -> Iterator[bytes]:
        """Hands on the bytes that the store has under a hash, whatever they are."""


def answered(op: str, described: Mapping[str, Any]) -> StoredVersion:
    """Reads what a store answered with, if it is of the op that was asked for.

    A signature says what the bytes are, and not that they were asked for: those of another op have a good one as well.

    Args:
        op: the name of the op that was asked for.
        described: the version in the answer.

    Raises:
        UntrustedError: if it is of another op.
    """
    found = StoredVersion(**described)
    if found.op != op:
        raise _other(f"op {op!r}", found)
    return found


def _other(asked: str, found: StoredVersion) -> UntrustedError:
    return UntrustedError(
        f"{asked} was asked for, but the op store answered with op {found.op!r} in version {found.version}, so nothing "
        "was loaded; look for who answers in its place, or changed its database",
        op=found.op,
    )


def pieces_of(file: IO[bytes]) -> Iterator[bytes]:
    """Reads the rest of a file in pieces of one MiB.

    Args:
        file: the open file.

    Returns:
        an iterator of the pieces.
    """
    return iter(lambda: file.read(PIECE), b"")


def _name(op: Any) -> str:
    return str(op if isinstance(op, str) else op.name)
