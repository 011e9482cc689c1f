"""How are bytes kept in files so that neither a crash nor a hostile path does harm?"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import stat
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from chariots.op_store.savers.base import BaseSaver, Kept, path_parts, writing_name

__all__ = ["FileSaver"]

CHUNK = 2**20  # bytes; larger pieces are no faster here and hold more memory
MOST_SETTLED = 100_000  # entries; syncing takes half a millisecond even where there is nothing to write
SETTLED_AFTER = 3_000_000_000  # nanoseconds; FAT counts the time in steps of two seconds
LONGEST_NAME = 255  # bytes, on every file system in common use
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS)  # on FAT, and on some network disks


class FileSaver(BaseSaver):
    """A saver that keeps bytes in files below a directory.

    A file is written beside its place under a temporary name, flushed to the disk and then given its own, so that a
    reader finds the old bytes or the new ones, even after a power cut. Paths and symbolic links that lead out
    of the root are refused.

    Args:
        root_path: the directory; made when the first file is saved.
    """

    def __init__(self, root_path: str) -> None:
        super().__init__(root_path)
        self._settled: set[tuple[str, int, int]] = set()  # entries that surely survive a power cut

    def save(self, serialized_object: bytes, path: str) -> bool:
        """Keeps bytes in a file, replacing the one that was there.

        Args:
            serialized_object: the bytes.
            path: where below the root: ``/foo/bar.txt`` below ``/my/root`` is the file
                ``/my/root/foo/bar.txt``.

        Returns:
            True: the bytes are on the disk.

        Raises:
            ValueError: if the path leads out of the root or is not usable as one.
            OSError: if the file cannot be written; what was there before is untouched.
        """
        return self.save_stream((serialized_object,), path)

    def load(self, path: str) -> bytes:
        """Returns the bytes of a file.

        Args:
            path: where below the root: ``/foo/bar.txt`` below ``/my/root`` is the file
                ``/my/root/foo/bar.txt``.

        Returns:
            the bytes.

        Raises:
            FileNotFoundError: if there is no such file.
            ValueError: if the path leads out of the root or is not usable as one.
        """
        return self._place(path).read_bytes()

    def save_stream(self, chunks: Iterable[bytes], path: str) -> bool:
        """Keeps bytes that arrive in pieces, as `save` does, holding one piece at a time.

        Args:
            chunks: the bytes, in order; if they end in an exception, nothing is kept.
            path: where below the root.

        Returns:
            True: the bytes are on the disk.

        Raises:
            ValueError: if the path leads out of the root or is not usable as one.
            OSError: if the file cannot be written; what was there before is untouched.
        """
        place = self._place(path)
        with self._written(chunks, place) as temporary:
            temporary.replace(place)
        self._settle_entry(place)
        return True

    def create_stream(self, chunks: Iterable[bytes], path: str) -> bool:
        """Keeps bytes that arrive in pieces, unless there is such a file; the file system decides that.

        Args:
            chunks: the bytes, in order; if they end in an exception, nothing is kept.
            path: where below the root.

        Returns:
            whether the file was made; False if there was one, which is then as it was.

        Raises:
            ValueError: if the path leads out of the root or is not usable as one.
            OSError: if the file cannot be written.
        """
        if type(self).save is not FileSaver.save or type(self).save_stream is not FileSaver.save_stream:
            return super().create_stream(chunks, path)  # a subclass that saves in its own way is asked to
        place = self._place(path)
        if place.is_file():  # writing much only to find that out would be a waste
            return False
        with self._written(chunks, place) as temporary:
            made = _named_once(temporary, place)
        if made:
            self._settle_entry(place)
        return made

    def load_stream(self, path: str) -> Iterator[bytes]:
        """Returns the bytes of a file in pieces of one MiB.

        Args:
            path: where below the root.

        Returns:
            the pieces, in order.

        Raises:
            FileNotFoundError: if there is no such file; raised by the call, before the first piece.
            ValueError: if the path leads out of the root or is not usable as one.
        """
        return _Pieces(self._place(path).open("rb", buffering=0))

    def size(self, path: str) -> int:
        """Tells how many bytes a file has.

        Args:
            path: where below the root.

        Raises:
            FileNotFoundError: if there is no such file.
        """
        return self._place(path).stat().st_size

    def stamp(self, path: str) -> str | None:
        """Tells which file it is, how long, and when it was changed.

        Args:
            path: where below the root.

        Returns:
            a text; None for the first seconds after a change, in which another one may leave no trace: clocks of file
            systems go in steps.

        Raises:
            FileNotFoundError: if there is no such file.
        """
        known = self._place(path).stat()
        changed = max(known.st_mtime_ns, known.st_ctime_ns)
        if time.time_ns() - changed < SETTLED_AFTER:
            return None
        return f"{known.st_dev}-{known.st_ino}-{known.st_size}-{known.st_mtime_ns}-{known.st_ctime_ns}"

    def exists(self, path: str) -> bool:
        """Tells whether there is such a file.

        Args:
            path: where below the root.
        """
        return self._place(path).is_file()

    def settle(self, path: str) -> bool:
        """Syncs the directories on the way to a file: whoever wrote it may have been cut short before that.

        The bytes of the file itself were synced before it got its name.

        Args:
            path: where below the root.

        Returns:
            whether there is such a file.

        Raises:
            OSError: if a directory cannot be synced.
        """
        place = self._place(path)
        if not place.is_file():
            return False
        self._settle_entry(place)
        root = Path(self.root_path).resolve()
        for directory in place.parents:
            if directory == root:
                break
            self._settle_entry(directory)
        # The root stands in a directory that may belong to somebody else, who has then made it.
        with contextlib.suppress(PermissionError):
            self._settle_entry(root)
        return True

    def delete(self, path: str) -> None:
        """Removes a file.

        Args:
            path: where below the root.

        Raises:
            FileNotFoundError: if there is no such file.
        """
        place = self._place(path)
        place.unlink()
        _sync_directory(place.parent)

    def list(self, prefix: str = "") -> Iterator[Kept]:
        """Names every file below a folder; symbolic links are passed over.

        Args:
            prefix: the folder, as a path below the root; everything where it is empty.

        Returns:
            path, size in bytes and time of the last change of each, sorted within a folder.

        Raises:
            ValueError: if the prefix leads out of the root or is not usable as a path.
            OSError: if a folder cannot be read.
        """
        root = Path(self.root_path).resolve()
        folder = self._place(prefix) if prefix.strip("/") else root
        return _files(folder, "/".join(folder.relative_to(root).parts))

    def check(self) -> None:
        """Raises an error if nothing could be written below the directory at the moment.

        Raises:
            OSError: if the directory, or the one it will be made in, cannot be written to.
        """
        root = Path(self.root_path).resolve()
        while not root.exists() and root.parent != root:
            root = root.parent
        if not root.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(root))
        if not os.access(root, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(root))

    def _place(self, path: str) -> Path:
        """The file for a path, once it is certain that it lies below the root."""
        parts = path_parts(path)
        for part in parts:
            if len(os.fsencode(part)) > LONGEST_NAME:
                raise ValueError(
                    f"a saver cannot use the path {path[:80]!r}: a name in it is longer than {LONGEST_NAME} "
                    "bytes; shorten it"
                )
        root = Path(self.root_path).resolve()
        place = root.joinpath(*parts)
        if not place.resolve().is_relative_to(root):
            raise ValueError(
                f"a saver cannot use the path {path[:80]!r}: a symbolic link on the way leads out of the "
                f"root {root}; remove the link"
            )
        return place

    def _settle_entry(self, path: Path) -> None:
        """Syncs the directory that a file or a directory stands in, unless that was done since it got there."""
        entry = _entry(path)
        if entry not in self._settled:
            _sync_directory(path.parent)
            if len(self._settled) >= MOST_SETTLED:
                self._settled.clear()
            self._settled.add(entry)

    @contextlib.contextmanager
    def _written(self, chunks: Iterable[bytes], place: Path) -> Iterator[Path]:
        """A file of these bytes beside its place, synced and still without its name; whoever gets it gives it that."""
        self._make_directory(place.parent)
        temporary = place.parent / writing_name()
        try:
            with temporary.open("xb", buffering=0) as file:
                for chunk in chunks:
                    _write_all(file.fileno(), chunk)
                os.fsync(file.fileno())
            yield temporary
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise

    def _make_directory(self, directory: Path) -> None:
        """Makes a directory and those above it, each of them on the disk before anything is put inside."""
        if directory.is_dir():
            return
        if directory.parent != directory:
            self._make_directory(directory.parent)
        directory.mkdir(exist_ok=True)
        _sync_directory(directory.parent)


class _Pieces:
    """The pieces of an open file; a generator would leave it open where nobody asks for the first piece.

    It also is what WSGI servers need to send a file without reading it themselves: something with a descriptor.
    """

    def __init__(self, file: io.FileIO) -> None:
        self._file = file

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        piece = b"" if self._file.closed else self._file.read(CHUNK)
        if not piece:
            self.close()
            raise StopIteration
        return piece

    def read(self, size: int = CHUNK) -> bytes:
        """Returns at most this many bytes, none at the end of the file."""
        return self._file.read(size)

    def fileno(self) -> int:
        """The descriptor of the open file."""
        return self._file.fileno()

    def close(self) -> None:
        """Closes the file; WSGI servers call this when an answer ends early."""
        self._file.close()


def _files(folder: Path, path: str) -> Iterator[Kept]:
    """The files below a folder, whose path below the root is given; one that goes meanwhile is passed over."""
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return
    for entry in entries:
        below = f"{path}/{entry.name}" if path else entry.name
        if entry.is_dir(follow_symlinks=False):
            yield from _files(Path(entry.path), below)
        elif entry.is_file(follow_symlinks=False):
            try:
                known = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            yield Kept(below, known.st_size, known.st_mtime)


def _entry(path: Path) -> tuple[str, int, int]:
    """What tells an entry of a directory from a later one of the same name; a directory changes, and stays itself."""
    known = path.stat()
    return str(path), known.st_ino, 0 if stat.S_ISDIR(known.st_mode) else known.st_ctime_ns


def _named_once(temporary: Path, place: Path) -> bool:
    """Gives a file its name unless that is taken; a rename would replace what stands there."""
    try:
        place.hardlink_to(temporary)
    except FileExistsError:
        if not place.is_file():
            raise
        temporary.unlink()
        return False
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        temporary.replace(place)
        return True
    temporary.unlink()
    return True


def _write_all(descriptor: int, chunk: bytes) -> None:
    rest = memoryview(chunk)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _sync_directory(directory: Path) -> None:
    # A rename is only certain to survive a power cut once the directory itself is on the disk.
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
