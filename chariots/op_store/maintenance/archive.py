"""What is inside the file that carries ops from one op store to another?

A zip file, so that any tool shows what is in it: ``manifest.json``, one line of JSON for every version, link, save and
acceptance, and the bytes as they are, each named by its SHA-256. A file that was cut off has no table of contents, and
is noticed at once.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from chariots._version import __version__
from chariots.errors import InputError, StoreError

__all__ = [
    "ACCEPTANCES",
    "LINKS",
    "SAVES",
    "VERSIONS",
    "Archive",
    "ArchiveError",
    "blob_member",
    "open_blob",
    "write_lines",
    "write_manifest",
]

VERSIONS, LINKS, SAVES, ACCEPTANCES = "versions.jsonl", "links.jsonl", "saves.jsonl", "acceptances.jsonl"
_MANIFEST = "manifest.json"
_KIND, _FORM = "chariots ops", 1
_LONGEST_LINE = 2**26  # bytes; the fields, parameters and metrics of one version
_PIECE = 2**20


def blob_member(sha256: str) -> str:
    """The name inside of the file for some bytes.

    Args:
        sha256: their hash.
    """
    return f"blobs/{sha256}"


def write_lines(archive: zipfile.ZipFile, name: str, rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Writes rows as lines of JSON.

    Args:
        archive: the open file.
        name: which of the four members.
        rows: the rows; times are written in ISO 8601.

    Returns:
        how many there were, and the SHA-256 of the lines.
    """
    digest, count = hashlib.sha256(), 0
    with archive.open(_member(name, zipfile.ZIP_DEFLATED), "w", force_zip64=True) as lines:
        for row in rows:
            line = json.dumps(row, ensure_ascii=False, default=_text).encode() + b"\n"
            digest.update(line)
            lines.write(line)
            count += 1
    return {"count": count, "sha256": digest.hexdigest()}


def write_manifest(archive: zipfile.ZipFile, ops: Iterable[str], members: Mapping[str, Any], size: int) -> None:
    """Writes what the file is and what it holds.

    Args:
        archive: the open file.
        ops: the names of the ops.
        members: for each of the four members what `write_lines` returned.
        size: how many bytes the versions have.
    """
    described = {
        "archive": _KIND,
        "form": _FORM,
        "chariots": __version__,
        "ops": sorted(ops),
        "bytes": size,
        "members": dict(members),
    }
    archive.writestr(_member(_MANIFEST, zipfile.ZIP_STORED), f"{json.dumps(described, indent=2)}\n")


def open_blob(archive: zipfile.ZipFile, sha256: str) -> Any:
    """Opens a member of the file to write bytes to.

    Args:
        archive: the open file.
        sha256: the hash of the bytes.
    """
    return archive.open(_member(blob_member(sha256), zipfile.ZIP_STORED), "w", force_zip64=True)


class ArchiveError(InputError):
    """Raised when a file is not what was exported."""


class Archive:
    """An exported file, to be read; use it as a context manager.

    Args:
        path: the file.

    Raises:
        InputError: if it is no exported file, or is damaged or cut off.
        StoreError: if a newer release wrote it.
        FileNotFoundError: if there is none.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._zip = zipfile.ZipFile(path)
        except zipfile.BadZipFile as error:
            raise self.damaged(
                f"is not a file that `chariots op-store export` wrote, or was cut off ({error})"
            ) from error
        try:
            self.manifest: Mapping[str, Any] = self._manifest()
        except BaseException:
            self._zip.close()
            raise

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()

    def lines(self, name: str) -> Iterator[dict[str, Any]]:
        """Reads the rows of a member, and compares them with the manifest at the end.

        Args:
            name: which of the four members.

        Raises:
            InputError: if they are not what was written.
        """
        digest = hashlib.sha256()
        with self._reporting(), self._zip.open(name) as lines:
            while line := lines.readline(_LONGEST_LINE):
                digest.update(line)
                row = json.loads(line)
                if not isinstance(row, dict):
                    raise ValueError("a line is not an object")
                yield row
        expected = self.manifest["members"].get(name, {})
        if digest.hexdigest() != expected.get("sha256"):
            raise self.damaged(f"holds other lines in {name} than its manifest says")

    def size(self, sha256: str) -> int | None:
        """How many bytes the file has under a hash; None if it has none."""
        try:
            return self._zip.getinfo(blob_member(sha256)).file_size
        except KeyError:
            return None

    def blob(self, sha256: str) -> Iterator[bytes]:
        """Reads bytes in pieces, not verified: whoever keeps them compares their hash.

        Args:
            sha256: their hash.

        Raises:
            InputError: if the file does not have them, or cannot be read.
        """
        with self._reporting():
            member = self._zip.getinfo(blob_member(sha256))
            if member.compress_type != zipfile.ZIP_STORED:
                # What we write is not compressed; what is could grow beyond any disk.
                raise ValueError(f"{member.filename} is compressed")
            with self._zip.open(member) as found:
                while piece := found.read(_PIECE):
                    yield piece

    def damaged(self, problem: str) -> ArchiveError:
        """Words the refusal of the file.

        Args:
            problem: what it is or holds.

        Returns:
            the error, to be raised.
        """
        return ArchiveError(
            f"{self.path} was to be imported, but it {problem}; export it again (nothing was registered)"
        )

    def _manifest(self) -> Mapping[str, Any]:
        with self._reporting(), self._zip.open(_MANIFEST) as member:
            described = json.loads(member.read(_LONGEST_LINE))
        if not isinstance(described, dict) or described.get("archive") != _KIND:
            raise self.damaged("is not a file that `chariots op-store export` wrote")
        if described.get("form") != _FORM:
            raise StoreError(
                f"{self.path} was to be imported, but it has the form {described.get('form')!r}, which this release of "
                f"chariots does not know (it knows {_FORM}); upgrade chariots"
            )
        if not isinstance(described.get("ops"), list) or not isinstance(described.get("members"), dict):
            raise self.damaged("has a manifest that says too little")
        return described

    @contextmanager
    def _reporting(self) -> Iterator[None]:
        """Turns whatever a damaged or forged file makes Python's reader raise into one failure."""
        try:
            yield
        except (
            zipfile.BadZipFile,
            zlib.error,
            EOFError,
            KeyError,
            ValueError,
            NotImplementedError,
            RuntimeError,
        ) as error:
            if isinstance(error, InputError):
                raise
            raise self.damaged(f"is damaged ({str(error) or type(error).__name__})") from error


def _member(name: str, compression: int) -> zipfile.ZipInfo:
    # One date for all: the same versions make the same file.
    member = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    member.compress_type = compression
    member.external_attr = 0o600 << 16
    return member


def _text(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")
