"""Which files are complete, so that the next run need not look into them again?"""

from __future__ import annotations

import json
import os
import stat
import threading
from pathlib import Path
from typing import Final, TypeAlias

from chariots.transfer.digests import Check

__all__ = ["Finished", "has_content"]

_STEP: Final = 2**20  # bytes
_Seen: TypeAlias = tuple[int, int, int, str]  # size, time of the last change in ns, number of the inode, identity


class Finished:
    """What was found complete in a directory, and what it looked like then.

    A file that looks the same is believed to be the same: its size, its inode, and the time of its last change.

    Args:
        folder: where the list is kept.
        trusted: a directory that links may lead into, such as the cache; None for no links.
    """

    def __init__(self, folder: Path, trusted: Path | None = None) -> None:
        self._path = folder / "finished"
        self._trusted = None if trusted is None else os.path.realpath(trusted)
        self._lock = threading.Lock()
        self._read_until = 0
        self._fd: int | None = None
        self._known: dict[str, _Seen] = {}
        self._read()

    def has(self, name: str, place: str | Path, identity: str) -> bool:
        """Whether a file is there, as it was when it was found complete.

        Args:
            name: as it is noted.
            place: where it is.
            identity: what its content has to be.
        """
        known = self._known.get(name)
        return known is not None and known == self._look(place, identity)

    def has_lately(self, name: str, place: str | Path, identity: str) -> bool:
        """Whether a file is there, perhaps since another process has completed it.

        Args:
            name: as it is noted.
            place: where it is.
            identity: what its content has to be.
        """
        if self._look(place, identity) is None:
            return False
        with self._lock:
            self._read()
        return self.has(name, place, identity)

    def note(self, name: str, place: str | Path, identity: str) -> None:
        """Notes that a file is complete.

        Args:
            name: what it is called.
            place: where it is.
            identity: what its content is.
        """
        seen = self._look(place, identity)
        if seen is None:
            return
        line = json.dumps([name, *seen], separators=(",", ":")).encode() + b"\n"
        with self._lock:
            self._known[name] = seen
            if self._fd is None:
                flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
                self._fd = os.open(self._path, flags, 0o644)
            os.write(self._fd, line)

    def close(self) -> None:
        """Ends noting."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _look(self, place: str | Path, identity: str) -> _Seen | None:
        try:
            found = os.lstat(place)
            if stat.S_ISLNK(found.st_mode) and self._trusted is not None:
                target = os.path.realpath(place)
                if os.path.commonpath([target, self._trusted]) == self._trusted:
                    found = Path(target).stat()
        except OSError:
            return None
        return (found.st_size, found.st_mtime_ns, found.st_ino, identity) if stat.S_ISREG(found.st_mode) else None

    def _read(self) -> None:
        try:
            with self._path.open("rb") as file:
                file.seek(self._read_until)
                text = file.read()
        except FileNotFoundError:
            return
        whole = text.rfind(b"\n") + 1
        self._read_until += whole
        for line in text[:whole].splitlines():
            try:
                name, *seen = json.loads(line)
                self._known[name] = tuple(seen)
            except (ValueError, TypeError):
                continue  # half a line, from a run that was stopped


def has_content(place: Path, size: int, check: Check | None) -> bool:
    """Whether a file has the bytes that it should have; all of them are read.

    Args:
        place: the file; a link is none.
        size: how many bytes it should have.
        check: how they are told to be right; None where nobody can tell.
    """
    try:
        fd = os.open(place, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False
    with os.fdopen(fd, "rb", buffering=0) as file:
        found = os.fstat(fd)
        if check is None or not stat.S_ISREG(found.st_mode) or found.st_size != size:
            return False
        hasher, buffer = check.begin(), memoryview(bytearray(_STEP))
        while count := file.readinto(buffer):
            hasher.update(buffer[:count])
    return hasher.hexdigest() == check.expected
