"""What must a place be able to do to keep the bytes of ops?"""

from __future__ import annotations

import secrets
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import NamedTuple

__all__ = ["BaseSaver", "Kept", "is_leftover", "path_parts", "writing_name"]

_WRITING = ".writing-"
_NEVER_KEPT = ".check"  # looked for to see whether looking works


class Kept(NamedTuple):
    """Something that a saver keeps.

    Attributes:
        path: where below the root, parts joined by slashes.
        size: how many bytes it has.
        modified: when it was written, in seconds since 1970, by the clock of the place.
    """

    path: str
    size: int
    modified: float


def writing_name() -> str:
    """A name that nobody else uses, for what is still being written; a killed save may leave it behind."""
    return f"{_WRITING}{secrets.token_hex(8)}"


def is_leftover(path: str) -> bool:
    """Tells whether a path is that of something still being written, or left by a save that was killed.

    Args:
        path: a path that `BaseSaver.list` returned.
    """
    return path.rpartition("/")[2].startswith(_WRITING)


def path_parts(path: str) -> list[str]:
    """Takes a path apart that was meant to stay below the root of a saver.

    Args:
        path: parts joined by slashes; leading, trailing and doubled slashes mean nothing.

    Returns:
        the parts, each an ordinary name.

    Raises:
        ValueError: if the path is empty, holds a NUL character or tries to climb with ``..``.
    """
    if "\0" in path:
        raise ValueError(f"a saver cannot use the path {path[:80]!r}: it holds a NUL character; leave it out")
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if not parts:
        raise ValueError(f"a saver cannot use the path {path[:80]!r}: it names nothing below the root; give a name")
    if ".." in parts:
        raise ValueError(
            f"a saver cannot use the path {path[:80]!r}: '..' could lead out of its root; give the path from the root"
        )
    return parts


class BaseSaver(ABC):
    """A place that keeps bytes under paths below one root.

    A saver of your own defines `save` and `load`. Most of the other methods have defaults built on those two;
    override them where the place can do better: `save_stream` and `load_stream` so that large ops need little
    memory, `exists` so that looking does not mean loading. `delete` and `list` have none: an op store whose saver
    lacks them works, but cannot be tidied.

    Args:
        root_path: where the saver keeps everything; each path it is given starts here.
    """

    def __init__(self, root_path: str) -> None:
        self.root_path = root_path

    @abstractmethod
    def save(self, serialized_object: bytes, path: str) -> bool:
        """Keeps bytes under a path, replacing what was there; a reader sees the old bytes or the new, whole.

        Args:
            serialized_object: the bytes.
            path: where below the root.

        Returns:
            whether the bytes are kept.
        """

    @abstractmethod
    def load(self, path: str) -> bytes:
        """Returns the bytes kept under a path.

        Args:
            path: where below the root.

        Returns:
            the bytes.

        Raises:
            FileNotFoundError: if nothing is kept there.
        """

    def save_stream(self, chunks: Iterable[bytes], path: str) -> bool:
        """Keeps bytes that arrive in pieces; if the pieces end in an exception, nothing is kept.

        Args:
            chunks: the bytes, in order.
            path: where below the root.

        Returns:
            whether the bytes are kept.
        """
        return self.save(b"".join(chunks), path)

    def create_stream(self, chunks: Iterable[bytes], path: str) -> bool:
        """Keeps bytes that arrive in pieces, unless something is kept under that path already.

        Args:
            chunks: the bytes, in order; what is there already may be noticed before or after they were taken.
            path: where below the root.

        Returns:
            whether the bytes are kept now; False if something was there, which is then as it was.
        """
        return not self.exists(path) and self.save_stream(chunks, path)

    def load_stream(self, path: str) -> Iterator[bytes]:
        """Returns the bytes kept under a path, in pieces.

        Args:
            path: where below the root.

        Returns:
            the pieces, in order.

        Raises:
            FileNotFoundError: if nothing is kept there; raised by the call, before the first piece.
        """
        return iter((self.load(path),))

    def size(self, path: str) -> int | None:
        """Tells how many bytes are kept under a path.

        Args:
            path: where below the root.

        Returns:
            the number; None where the saver does not know it, which only costs readers a little time.
        """
        return None

    def stamp(self, path: str) -> str | None:
        """Tells something that is certain to change when the bytes under a path do, without reading them.

        Args:
            path: where below the root.

        Returns:
            any text; None where the saver knows no such thing, or is not certain of it, so that the bytes are read.

        Raises:
            FileNotFoundError: if nothing is kept there; where the saver knows no such thing, whoever reads finds out.
        """
        return None

    def exists(self, path: str) -> bool:
        """Tells whether something is kept under a path.

        Args:
            path: where below the root.
        """
        try:
            self.load(path)
        except FileNotFoundError:
            return False
        return True

    def settle(self, path: str) -> bool:
        """Makes certain that what is kept under a path survives a power cut; asked before a version names it.

        The default suits places that keep bytes for good before they say that they did.

        Args:
            path: where below the root.

        Returns:
            whether something is kept there.
        """
        return self.exists(path)

    def delete(self, path: str) -> None:
        """Forgets the bytes kept under a path.

        Args:
            path: where below the root.

        Raises:
            FileNotFoundError: if nothing is kept there.
            NotImplementedError: unless the saver defines it.
        """
        raise NotImplementedError(
            f"{type(self).__name__} was asked to delete {path!r} but does not define `delete`; define it"
        )

    def list(self, prefix: str = "") -> Iterator[Kept]:
        """Names everything that is kept below a folder, what is still being written too (see `is_leftover`).

        Args:
            prefix: the folder, as a path below the root: ``blobs/ab`` does not stand for ``blobs/abc``. All
                that is kept where it is empty.

        Returns:
            path, size and time of each, in no particular order; what comes and goes meanwhile may be missed.

        Raises:
            NotImplementedError: unless the saver defines it.
        """
        raise NotImplementedError(
            f"{type(self).__name__} was asked to list {prefix!r} but does not define `list`; define it"
        )

    def check(self) -> None:
        """Raises an error if the place cannot be used at the moment; the readiness of a server asks this.

        Raises:
            OSError: if it cannot; any other error means the same.
        """
        self.exists(_NEVER_KEPT)
