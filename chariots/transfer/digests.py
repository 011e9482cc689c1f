"""Does a hash tell what the bytes are, and how is it computed?"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

from chariots.errors import InputError, MissingExtraError

__all__ = ["Check", "Hasher", "check_of"]


class Hasher(Protocol):
    """What takes bytes and gives their hash, as those of `hashlib` do."""

    def update(self, data: Any, /) -> Any:
        """Takes more bytes."""

    def hexdigest(self) -> str:
        """Gives the hash of all bytes so far."""

    def copy(self) -> Hasher:
        """Gives another one in the same state."""


@dataclass(frozen=True, slots=True)
class Check:
    """How bytes are told to be the right ones.

    Attributes:
        algorithm: what the hash is called.
        expected: what it has to be, in lower-case hexadecimal digits.
        begin: makes what computes it.
        may_be_opaque: whether it only looks like a hash of the bytes: objects that S3 encrypts with keys of KMS have
            entity tags of the form of an MD5.
    """

    algorithm: str
    expected: str
    begin: Callable[[], Hasher]
    may_be_opaque: bool = False


_LENGTHS: Final = {"sha256": 64, "sha1": 40, "md5": 32, "blake3": 64, "sha512": 128}
_HEXADECIMAL: Final = re.compile(r"[0-9a-fA-F]+\Z")
_ETAGS: Final = {64: "sha256", 40: "git-sha1", 32: "md5"}
_OTHER_NAMES: Final = {
    "sha-256": "sha256",
    "sha-1": "sha1",
    "git_sha1": "git-sha1",
    "git": "git-sha1",
    "sha-512": "sha512",
}


def check_of(hashtype: str, given: str, size: int) -> Check | None:
    """Says how bytes are checked.

    An entity tag of 64 hexadecimal digits is a SHA-256 (files of the Hugging Face hub in large-file storage), one of
    40 is the SHA-1 of a git blob (its other files), one of 32 an MD5 (objects of S3 that were sent in one part). Any
    other can only be compared with what the server says. Quotes around it, and what stands for them, are left out.

    Args:
        hashtype: what the pointer calls the kind of the hash.
        given: the hash.
        size: how many bytes there are; the hash of a git blob needs to know.

    Returns:
        None where the hash says nothing of the bytes.

    Raises:
        InputError: if the hash cannot be one of its kind.
        MissingExtraError: if it is a BLAKE3, and the library for these is not installed.
    """
    kind, value = hashtype.lower(), given.strip().strip('"_').lower()
    kind = _OTHER_NAMES.get(kind, kind)
    is_hexadecimal = _HEXADECIMAL.match(value) is not None
    if kind == "etag":
        found = _ETAGS.get(len(value)) if is_hexadecimal else None
        if found is None:
            return None
        kind = found
    if kind == "git-sha1":
        if not is_hexadecimal or len(value) != _LENGTHS["sha1"]:
            raise InputError(f"{given[:80]!r} is no SHA-1 of a git blob: it needs 40 hexadecimal digits")
        return Check(kind, value, lambda: hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False))
    if kind not in _LENGTHS:
        return None
    if not is_hexadecimal or len(value) != _LENGTHS[kind]:
        raise InputError(f"{given[:80]!r} is no {kind}: it needs {_LENGTHS[kind]} hexadecimal digits")
    if kind == "blake3":
        return Check(kind, value, _blake3())
    is_guess = kind == "md5" and hashtype.lower() == "etag"
    return Check(kind, value, lambda: hashlib.new(kind, usedforsecurity=False), is_guess)


def _blake3() -> Callable[[], Hasher]:
    try:
        from blake3 import blake3
    except ImportError as error:
        raise MissingExtraError(
            "a file of the manifest is to be checked by its BLAKE3, for which a library is missing; "
            "pip install 'chariots[transfer]'"
        ) from error
    return blake3
