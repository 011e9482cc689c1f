"""What is kept of a file that is not complete, so that the next run goes on where this one was stopped?

The bytes are written into a *part*, at their places; beside it lies a journal. A line of it vouches for bytes: that the
first n of the file have a certain hash, or that those from one offset to another have a certain checksum. Whoever goes
on reads them again and believes only what matches; so nothing needs to be on the disk at any moment, and a part that
lost its last writes to a power cut is merely shorter. The part is locked while somebody works on it. The lock goes with
the process that holds it, however that ends.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from chariots.errors import StoreFullError
from chariots.transfer.digests import Hasher

__all__ = ["Part", "Trusted", "full"]

_STEP: Final = 2**20  # bytes that are read at a time
_SAMPLE: Final = 32 * 2**20  # bytes that are reserved first, to see how long that takes
_MEMORY_SPEED: Final = 20e9  # bytes per second, at which nobody clears memory
_LARGEST_JOURNAL: Final = 64 * 2**20  # bytes


@dataclass(slots=True)
class Trusted:
    """What of a part was found to be as its journal says.

    Attributes:
        hasher: the hash of the first bytes, to be continued; None where none is computed.
        prefix: how many first bytes these are.
        spans: what else can be relied on: each from an offset to another, with its checksum.
        etag: the state of the object that they are of.
    """

    hasher: Hasher | None
    prefix: int = 0
    spans: tuple[tuple[int, int, int], ...] = ()
    etag: str | None = None


class Part:
    """A file that is being fetched. Made by `take`.

    Attributes:
        fd: the descriptor of the file.
        path: where it is.
    """

    def __init__(self, path: Path, fd: int) -> None:
        self.path = path
        self.fd = fd
        self._journal: int | None = None
        self._journal_path = path.with_suffix(".journal")

    @classmethod
    def take(cls, folder: Path, name: str) -> Part | None:
        """Makes or opens a part, unless somebody else works on it.

        Args:
            folder: where parts are; it is made if it is not there.
            name: what tells the file from all others.

        Returns:
            None where another process, or thread, has it.

        Raises:
            OSError: if it cannot be made.
        """
        path = folder / f"{hashlib.sha256(name.encode()).hexdigest()[:32]}.part"
        while True:
            try:
                fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
            except FileNotFoundError:
                folder.mkdir(parents=True, exist_ok=True)
                continue
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(fd)
                return None
            except BaseException:
                os.close(fd)
                raise
            if _is_still(path, fd):
                return cls(path, fd)
            os.close(fd)  # whoever had it has finished, or given it up

    @classmethod
    def open_at(cls, path: Path) -> Part | None:
        """Opens a part that is there, to remove it.

        Args:
            path: where it is.

        Returns:
            None where somebody has it, or it is gone.
        """
        try:
            fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            return None
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(fd)
            return None
        return cls(path, fd)

    def resume(self, identity: str, hasher: Hasher | None) -> Trusted:
        """Reads what is there, and finds out what of it can be relied on.

        Args:
            identity: what the file has to be; a part of another one is of no use.
            hasher: computes the hash of the whole file; None where nobody will ask for it.

        Returns:
            what can be relied on; the part goes on from there.
        """
        fresh = None if hasher is None else hasher.copy()
        found = self._believed(identity, hasher)
        if found is None:
            found = Trusted(fresh)
        if not found.prefix and not found.spans:
            os.ftruncate(self.fd, 0)
            found.etag = None
        self._rewrite(identity, found)
        return found

    def reserve(self, size: int) -> None:
        """Takes the place on the disk that the file needs.

        A file system in memory clears every page that it gives, which takes as long as writing it; there it is enough
        that there is room at this moment.

        Args:
            size: of the whole file, in bytes.

        Raises:
            StoreFullError: if there is not enough.
        """
        room = os.fstatvfs(self.fd)
        if room.f_bavail * room.f_frsize < size - os.fstat(self.fd).st_blocks * 512:
            raise full(self.path, size, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
        position = min(size, _SAMPLE)
        begun = time.perf_counter()
        try:
            if position:
                os.posix_fallocate(self.fd, 0, position)
            if position < size:
                if time.perf_counter() - begun < _SAMPLE / _MEMORY_SPEED:
                    os.posix_fallocate(self.fd, position, size - position)
                else:
                    os.ftruncate(self.fd, size)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise full(self.path, size, error) from error
            if error.errno not in (errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL):
                raise
            os.ftruncate(self.fd, size)  # this file system takes place when bytes are written

    def store(self, start: int, stop: int) -> None:
        """Has the system begin to write bytes to the disk, without waiting for it; see `become`.

        Args:
            start: the offset of the first one.
            stop: the offset behind the last one.
        """
        if start < stop:
            # Linux begins to write what it is told not to keep. What is not written yet it keeps all the same.
            os.posix_fadvise(self.fd, start, stop - start, os.POSIX_FADV_DONTNEED)

    def note_state(self, etag: str | None) -> None:
        """Notes which state of the object the bytes are of."""
        self._note({"etag": etag})

    def note_prefix(self, length: int, digest: str) -> None:
        """Notes that the first bytes have a certain hash."""
        self._note({"to": length, "hash": digest})

    def note_span(self, start: int, stop: int, checksum: int) -> None:
        """Notes that bytes have a certain checksum."""
        self._note({"from": start, "to": stop, "crc": checksum})

    def restart(self, identity: str) -> None:
        """Forgets all that was fetched; the part stays locked."""
        os.ftruncate(self.fd, 0)
        self._rewrite(identity, Trusted(None))

    def become(self, place: Path, *, has_journal: bool = True) -> None:
        """Gives the complete file its final name, for good.

        Args:
            place: the final name; what was there is replaced.
            has_journal: whether there is a journal, to be removed.
        """
        os.fsync(self.fd)
        self.path.replace(place)
        if has_journal:
            self._end_journal()

    def give_up(self) -> None:
        """Removes the part and its journal."""
        self.path.unlink(missing_ok=True)
        self._end_journal()

    def close(self) -> None:
        """Lets others have it."""
        if self._journal is not None:
            os.close(self._journal)
            self._journal = None
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def _end_journal(self) -> None:
        self._journal_path.unlink(missing_ok=True)

    def _note(self, line: dict[str, Any]) -> None:
        if self._journal is not None:
            os.write(self._journal, json.dumps(line, separators=(",", ":")).encode() + b"\n")

    def _rewrite(self, identity: str, found: Trusted) -> None:
        """Begins a journal that says only what is known to be so; the old one stays until it is complete."""
        if self._journal is not None:
            os.close(self._journal)
        fresh = self._journal_path.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        self._journal = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o644)
        self._note({"file": identity})
        if found.etag is not None:
            self.note_state(found.etag)
        if found.prefix and found.hasher is not None:
            self.note_prefix(found.prefix, found.hasher.copy().hexdigest())
        for span in found.spans:
            self.note_span(*span)
        fresh.replace(self._journal_path)

    def _believed(self, identity: str, hasher: Hasher | None) -> Trusted | None:
        size = os.fstat(self.fd).st_size
        lines = list(self._lines()) if size else []
        if not lines or lines[0].get("file") != identity:
            return None
        etags = [line["etag"] for line in lines if "etag" in line]
        found = Trusted(hasher, etag=etags[-1] if etags else None)
        prefixes = sorted((line["to"], line["hash"]) for line in lines if "hash" in line and line["to"] <= size)
        if hasher is not None:
            found.hasher, found.prefix = self._good_prefix(hasher, prefixes)
        spans = {(line["from"], line["to"], line["crc"]) for line in lines if "crc" in line and line["to"] <= size}
        behind = sorted(span for span in spans if span[0] >= found.prefix)
        found.spans = tuple(span for span in behind if self._crc(*span[:2]) == span[2])
        return found

    def _lines(self) -> Iterator[dict[str, Any]]:
        try:
            with self._journal_path.open("rb") as file:
                text = file.read(_LARGEST_JOURNAL)
        except FileNotFoundError:
            return
        for line in text.split(b"\n"):
            try:
                told = json.loads(line)
            except ValueError:
                continue  # the last line before the end came
            if _is_line(told):
                yield told

    def _good_prefix(self, hasher: Hasher, prefixes: list[tuple[int, str]]) -> tuple[Hasher, int]:
        good, length = hasher.copy(), 0
        for end, digest in prefixes:
            position = length
            trial = good.copy()
            while position < end:
                data = os.pread(self.fd, min(_STEP, end - position), position)
                if not data:
                    return good, length
                trial.update(data)
                position += len(data)
            if trial.hexdigest() != digest:
                break
            good, length = trial, end
        return good, length

    def _crc(self, start: int, stop: int) -> int:
        checksum, position = 0, start
        while position < stop:
            data = os.pread(self.fd, min(_STEP, stop - position), position)
            if not data:
                return -1
            checksum = zlib.crc32(data, checksum)
            position += len(data)
        return checksum


def full(path: Path, size: int, error: OSError) -> StoreFullError:
    """Words that there is no place left.

    Args:
        path: what was to be written.
        size: how many bytes it needs.
        error: what the system said.
    """
    try:
        room = os.statvfs(path.parent)
        free = f"; {room.f_bavail * room.f_frsize} bytes are free"
    except OSError:
        free = ""
    return StoreFullError(
        f"a file of {size} bytes does not fit into {str(path.parent)!r}: {error.strerror}{free}. "
        "Make room, or download into another directory"
    )


def _is_still(path: Path, fd: int) -> bool:
    try:
        named = path.lstat()
    except FileNotFoundError:
        return False
    held = os.fstat(fd)
    return (named.st_dev, named.st_ino) == (held.st_dev, held.st_ino)


def _is_line(told: Any) -> bool:
    """Whether a line of a journal is one that we may have written, whoever wrote it."""
    if not isinstance(told, dict):
        return False
    numbers = [told[name] for name in ("from", "to", "crc") if name in told]
    texts = [told[name] for name in ("file", "hash") if name in told]
    needed = {"to"} if "hash" in told else {"from", "to"} if "crc" in told else set()
    return (
        all(isinstance(number, int) and number >= 0 for number in numbers)
        and all(isinstance(text, str) for text in texts)
        and needed <= told.keys()
    )
