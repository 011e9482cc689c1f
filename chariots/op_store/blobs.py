"""How are the bytes of an op kept under their own hash, and how is damage noticed?"""

from __future__ import annotations

import errno
import hashlib
import io
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from chariots.errors import (
    ChariotsError,
    DamagedError,
    InputError,
    StoreError,
    StoreFullError,
    StoreUnavailableError,
    UnknownNameError,
)
from chariots.op_store.hashing import PassingHash

if TYPE_CHECKING:
    from chariots.op_store.savers import BaseSaver

__all__ = ["BlobStore", "blob_path", "check_sha256"]

# The disk, the quota of its user, the largest file it takes.
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_SHA256 = re.compile(r"[0-9a-f]{64}")


def check_sha256(sha256: str, where: str) -> str:
    """Returns a hash if it is one, so that nothing else is ever made part of a path.

    Args:
        sha256: what was given.
        where: the name of the field, for the message.

    Returns:
        the hash.

    Raises:
        InputError: if it is not 64 lower-case hexadecimal digits.
    """
    if not _SHA256.fullmatch(sha256):
        raise InputError(
            f"the field {where!r} was given {sha256[:80]!r}, which is not a SHA-256; give its 64 lower-case "
            "hexadecimal digits",
            errors=[{"loc": [where], "expected": "64 lower-case hexadecimal digits", "got": repr(sha256[:80])}],
        )
    return sha256


def blob_path(sha256: str) -> str:
    """The path of some bytes below the root of a saver, spread so that no directory grows too large.

    Args:
        sha256: the hexadecimal hash of the bytes.
    """
    return f"blobs/{sha256[:2]}/{sha256}"


class BlobStore:
    """Bytes that are named by their SHA-256, and therefore never change.

    Args:
        saver: where the bytes are kept.
        owners: names the ops that some bytes belong to, for messages about damage.
    """

    def __init__(self, saver: BaseSaver, owners: Callable[[str], Sequence[str]] = lambda sha256: ()) -> None:
        self.saver = saver
        self._owners = owners

    def write(self, data: bytes) -> str:
        """Keeps bytes, unless they are there already and undamaged.

        Args:
            data: the bytes.

        Returns:
            their SHA-256.

        Raises:
            StoreError: if the saver cannot keep them.
        """
        sha256 = hashlib.sha256(data).hexdigest()
        if not self.is_intact(sha256):
            self.put(sha256, (data,))
        return sha256

    def put(self, sha256: str, chunks: Iterable[bytes]) -> None:
        """Keeps bytes that arrive in pieces, unless they turn out to be others than announced.

        Bytes that are there and undamaged are never written again.

        Args:
            sha256: the hash they must have.
            chunks: the bytes, in order.

        Raises:
            InputError: if their hash is another; nothing is kept then.
            StoreFullError: if there is no room for them; nothing is left behind.
            StoreUnavailableError: if the place does not answer.
            StoreError: if the saver cannot keep them.
        """
        path, pieces = blob_path(sha256), _checked(chunks, sha256)
        if self.is_intact(sha256):
            _exhaust(pieces)
            return
        with self._reporting(sha256, "saved"):
            if self.saver.exists(path):
                saved = self.saver.save_stream(pieces, path)  # damaged, so that this mends them
            else:
                saved = self.saver.create_stream(pieces, path)
                if not saved and self.saver.exists(path):
                    # Somebody else was faster. Their bytes have the same name, so that they ought to be the same.
                    _exhaust(pieces)
                    saved = self.is_intact(sha256)
        if not saved:
            raise StoreError(
                f"the bytes {sha256} cannot be saved: {type(self.saver).__name__} answered that it did not "
                "keep them; look for the reason there, then save again"
            )

    def exists(self, sha256: str) -> bool:
        """Tells whether there are bytes under this hash, without reading them.

        Args:
            sha256: the hash.

        Raises:
            StoreUnavailableError: if the place does not answer.
        """
        with self._reporting(sha256, "looked for"):
            return self.saver.exists(blob_path(sha256))

    def settle(self, sha256: str) -> bool:
        """Tells whether there are bytes under this hash, and makes certain that they survive a power cut.

        Args:
            sha256: the hash.

        Raises:
            StoreUnavailableError: if the place does not answer.
        """
        with self._reporting(sha256, "kept"):
            return self.saver.settle(blob_path(sha256))

    def check(self) -> None:
        """Raises an error if bytes could not be kept at the moment.

        Raises:
            StoreUnavailableError: if the place does not answer, or may not be used.
        """
        try:
            self.saver.check()
        except StoreError:
            raise
        except Exception as error:  # a user's own saver may raise whatever its library does
            raise StoreUnavailableError(
                f"the op store keeps bytes under {self.saver.root_path!r}, which cannot be used: "
                f"{error or type(error).__name__}; mend the rights or the disk of that place"
            ) from error

    def is_intact(self, sha256: str) -> bool:
        """Tells whether the bytes are there and are still the right ones, reading them all.

        Args:
            sha256: their hash.
        """
        try:
            with self._reporting(sha256, "read"), PassingHash() as found:
                for piece in self.saver.load_stream(blob_path(sha256)):
                    found.update(piece)
                return found.hexdigest() == sha256
        except FileNotFoundError:
            return False

    def problem(self, sha256: str) -> str | None:
        """Tells what is wrong with bytes, reading them all.

        Args:
            sha256: their hash.

        Returns:
            a sentence; None if they are there and are the right ones.
        """
        if self.is_intact(sha256):
            return None
        return self._refusal(sha256, "are damaged" if self.exists(sha256) else "are lost").detail

    def read(self, sha256: str) -> bytes:
        """Returns bytes after having verified the very buffer that is returned.

        Args:
            sha256: their hash.

        Returns:
            the bytes.

        Raises:
            UnknownNameError: if no version has such bytes.
            DamagedError: if they are lost or damaged.
            StoreUnavailableError: if the place does not answer.
        """
        whole = io.BytesIO()
        with self._reporting(sha256, "read"), PassingHash() as found:
            for piece in self.open(sha256):
                found.update(piece)
                whole.write(piece)
            if found.hexdigest() != sha256:
                raise self._refusal(sha256, f"are damaged (what is there has {found.size} bytes)")
        return whole.getvalue()

    def open(self, sha256: str) -> Iterator[bytes]:
        """Returns bytes in pieces, not verified: whoever puts the pieces together must do so.

        Args:
            sha256: their hash.

        Returns:
            the pieces, in order.

        Raises:
            UnknownNameError: if no version has such bytes; raised by the call, before the first piece.
            DamagedError: if they are lost.
            StoreUnavailableError: if the place does not answer.
        """
        try:
            with self._reporting(sha256, "read"):
                return self.saver.load_stream(blob_path(sha256))
        except FileNotFoundError as error:
            raise self._refusal(sha256, "are lost") from error

    @contextmanager
    def _reporting(self, sha256: str, done: str) -> Iterator[None]:
        """Turns a place that cannot be used into the failure that callers know; not found stays not found."""
        try:
            yield
        except OSError as error:
            if isinstance(error, FileNotFoundError) and done == "read":
                raise
            asked = f"the bytes {sha256} cannot be {done} under {self.saver.root_path!r}: {error}"
            if error.errno in _NO_ROOM:
                raise StoreFullError(f"{asked}; make room, then try again (nothing was left behind)") from error
            raise StoreUnavailableError(
                f"{asked}; mend the rights or the disk of that place, then try again (nothing was changed)"
            ) from error

    def _refusal(self, sha256: str, state: str) -> ChariotsError:
        owners = list(self._owners(sha256))
        if not owners:
            return UnknownNameError(
                f"the bytes {sha256} were asked for, but no version in the op store has them; ask for the "
                "SHA-256 of a version that was saved"
            )
        return DamagedError(
            f"the bytes {sha256} of op {', '.join(owners)} {state}, so nothing was loaded; bring the file "
            "back from a backup, save the op again, or load an older version",
            sha256=sha256,
        )


def _checked(chunks: Iterable[bytes], sha256: str) -> Iterator[bytes]:
    """Passes pieces on and fails after the last one if they were not those announced."""
    with PassingHash() as found:
        for chunk in chunks:
            found.update(chunk)
            yield chunk
        if found.hexdigest() != sha256:
            raise InputError(
                f"bytes were sent to be saved as {sha256}, but the {found.size} bytes that arrived have the SHA-256 "
                f"{found.hexdigest()}; send them again (nothing was kept)",
                errors=[{"loc": ["sha256"], "expected": sha256, "got": found.hexdigest()}],
            )


def _exhaust(pieces: Iterator[bytes]) -> None:
    """Takes what is left of some pieces, so that a sender of other bytes than announced is told."""
    for _ in pieces:
        pass
