"""Where are the entries of a cache kept, and what must such a place be able to do?"""

from __future__ import annotations

import io
import os
import secrets
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Protocol

__all__ = ["Folder", "Kept", "Place", "default_folder"]

VARIABLE = "CHARIOTS_CACHE_DIR"
_WRITING = ".writing"
_SMALL = 2**14  # bytes that are read at once
_LEFT_BEHIND = 86_400.0  # seconds after which nobody is still writing


class Kept(NamedTuple):
    """Something that a place keeps.

    Attributes:
        path: where below the root, parts joined by slashes.
        size: how many bytes it has.
        modified: when it was written or last used, in seconds since 1970.
    """

    path: str
    size: int
    modified: float


class Place(Protocol):
    """What a cache asks of the place of its entries; every saver of `chariots.op_store.savers` can do it.

    `delete` and `list` are needed only where the cache has limits.
    """

    def save_stream(self, chunks: Iterable[bytes], path: str) -> bool:
        """Keeps bytes under a path, replacing what was there; a reader sees the old bytes or the new, whole."""

    def load(self, path: str) -> bytes:
        """Returns the bytes kept under a path; raises FileNotFoundError where nothing is."""

    def delete(self, path: str) -> None:
        """Forgets the bytes kept under a path; raises FileNotFoundError where nothing is."""

    def list(self, prefix: str = "") -> Iterator[Any]:
        """Names everything kept below a folder, each with ``path``, ``size`` and ``modified``."""


class Folder:
    """A place in a directory of this machine, or one that several machines share.

    A file is written under another name and then given its own. It is not flushed to the disk: after a power cut a file
    may be empty, which its reader notices, and the node runs again.

    Args:
        root: the directory; made when the first file is saved.
    """

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.root = os.path.abspath(os.path.expanduser(os.fspath(root)))  # noqa: PTH100, PTH111  # half of a hit's time
        self._is_swept = False

    def save_stream(self, chunks: Iterable[Any], path: str) -> bool:
        """Keeps bytes under a path; see `Place`."""
        temporary = f"{self.root}/{_WRITING}/{secrets.token_hex(8)}"
        try:
            with self._opened(temporary) as file:
                for chunk in chunks:
                    rest = memoryview(chunk)
                    while rest:
                        rest = rest[file.write(rest) :]
            place = f"{self.root}/{path}"
            try:
                os.replace(temporary, place)  # noqa: PTH105
            except FileNotFoundError:
                os.makedirs(os.path.dirname(place), exist_ok=True)  # noqa: PTH103, PTH120
                os.replace(temporary, place)  # noqa: PTH105
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        return True

    def load(self, path: str) -> bytes | bytearray:
        """Returns the bytes kept under a path, many of them so that they can be written into; see `Place`."""
        file = os.open(f"{self.root}/{path}", os.O_RDONLY | getattr(os, "O_BINARY", 0))
        try:
            start = os.read(file, _SMALL)
            if len(start) < _SMALL:
                return start
            data = bytearray(os.fstat(file).st_size)
            data[:_SMALL] = start
            done = _SMALL
            with memoryview(data) as view, io.FileIO(file, closefd=False) as stream:
                while done < len(data) and (count := stream.readinto(view[done:])):
                    done += count
            del data[done:]
            return data
        finally:
            os.close(file)

    def touch(self, path: str) -> None:
        """Notes that something was used."""
        os.utime(f"{self.root}/{path}")

    def delete(self, path: str) -> None:
        """Forgets the bytes kept under a path; see `Place`."""
        os.unlink(f"{self.root}/{path}")  # noqa: PTH108

    def list(self, prefix: str = "") -> Iterator[Kept]:
        """Names everything kept below a folder; see `Place`."""
        try:
            with os.scandir(f"{self.root}/{prefix}") as found:
                entries = list(found)
        except (FileNotFoundError, NotADirectoryError):
            return
        for entry in entries:
            path = f"{prefix}/{entry.name}" if prefix else entry.name
            if entry.name == _WRITING:
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from self.list(path)
                continue
            try:
                known = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            yield Kept(path, known.st_size, known.st_mtime)

    def _opened(self, temporary: str) -> io.FileIO:
        if not self._is_swept:
            self._is_swept = True
            self._sweep()
        try:
            return io.FileIO(temporary, "x")
        except FileNotFoundError:  # somebody has emptied the folder
            self._sweep()
            return io.FileIO(temporary, "x")

    def _sweep(self) -> None:
        """Makes the folders, and removes what writers left that were killed."""
        # What is kept may be pickled: nobody else may write here, unless whoever made the folder allowed it.
        os.makedirs(self.root, mode=0o700, exist_ok=True)  # noqa: PTH103
        os.makedirs(f"{self.root}/{_WRITING}", exist_ok=True)  # noqa: PTH103
        for path in Path(self.root, _WRITING).iterdir():
            try:
                if path.stat().st_mtime < time.time() - _LEFT_BEHIND:
                    path.unlink()
            except FileNotFoundError:
                continue  # another process sweeps as well

    def __repr__(self) -> str:
        return self.root


def default_folder() -> str:
    """The directory of the cache where none is given: ``CHARIOTS_CACHE_DIR``, else below the cache of the user."""
    given = os.environ.get(VARIABLE)
    if given:
        return given
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    elif sys.platform == "darwin":
        base = "~/Library/Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return f"{base}/chariots/nodes"
