"""How do several directories and processes of a machine, or of many that share a disk, share files? (b10fs)

A file of the cache is called by what is in it. Who needs it gets a link. Before it is handed out, all of it is read and
its hash compared, so that one which somebody changed is never served. Only files whose hash is of their bytes are kept.
"""

from __future__ import annotations

import errno
import logging
import os
import stat
import threading
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from chariots.transfer.digests import Check
from chariots.transfer.names import OURS
from chariots.transfer.parts import Part
from chariots.transfer.settings import TransferSettings

__all__ = ["Cache"]

_SAMPLE: Final = 64 * 2**20  # bytes that are read to see how fast the cache is
_TOO_SMALL_TO_TELL: Final = 8 * 2**20
_STEP: Final = 2**20
_NO_HARD_LINK: Final = (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP, errno.EACCES)

_logger = logging.getLogger("chariots.transfer")


@dataclass(frozen=True, slots=True)
class _Entry:
    path: Path
    size: int
    used: float


class Cache:
    """A directory of files that are called by their content.

    Args:
        settings: where it is, and what is removed from it.
    """

    def __init__(self, settings: TransferSettings) -> None:
        self.root = settings.cache_dir.absolute()
        self.parts = self.root / OURS
        self._settings = settings

    def entry_of(self, check: Check) -> Path:
        """Says where the file with a certain content is, if it is there.

        Args:
            check: what tells the content.
        """
        return self.root / f"{check.algorithm}-{check.expected}"

    def is_worth_it(self) -> bool:
        """Whether files come faster from the cache than a download is expected to bring them.

        A file of the cache is read to find out; where there is none that is large enough, it is taken to be so.
        """
        sample = max(self._entries(), key=lambda entry: entry.size, default=None)
        if sample is None or sample.size < _TOO_SMALL_TO_TELL:
            return True
        speed, expected = _speed(sample.path), self._settings.expected_speed
        if speed is None or speed >= expected:
            return True
        _logger.warning(
            "the cache %s gives %.0f MB/s, where %.0f are expected of a download; it is not used this time",
            self.root, speed / 1e6, expected / 1e6,
        )  # fmt: skip
        return False

    def link(self, entry: Path, place: Path, folder: Path) -> None:
        """Puts a link to a file of the cache into its place, and notes that the file was used.

        Args:
            entry: the file of the cache.
            place: the final name; what is there is replaced.
            folder: where links are made before they get their name, of the same file system as ``place``.
        """
        found = entry.stat()
        if stat.S_IMODE(found.st_mode) & 0o222:
            entry.chmod(0o444)  # who writes into a file that has many names changes it for all
        os.utime(entry, ns=(time.time_ns(), found.st_mtime_ns))
        fresh = folder / f"link-{os.getpid()}-{threading.get_ident()}"
        fresh.unlink(missing_ok=True)
        try:
            os.link(entry, fresh)
        except OSError as error:
            if error.errno not in _NO_HARD_LINK:
                raise
            fresh.symlink_to(entry)
        fresh.replace(place)
        fresh.unlink(missing_ok=True)  # to give a file a name that it has already is nothing

    def clean(self, kept: Collection[Path]) -> None:
        """Removes what nobody has used for long, and the oldest of the rest where there is too much.

        Args:
            kept: files that are needed now.
        """
        now = time.time()
        oldest = now - self._settings.cache_cleanup_hours * 3600
        stale = sorted((entry for entry in self._entries() if entry.path not in kept), key=lambda entry: entry.used)
        room = self._settings.most_stale_bytes
        total = sum(entry.size for entry in stale)
        for entry in stale:
            if entry.used >= oldest and total <= room:
                break
            _logger.info("the cache gives up %s (%d bytes)", entry.path.name, entry.size)
            entry.path.unlink(missing_ok=True)
            total -= entry.size
        self._clean_parts(oldest)

    def _entries(self) -> Iterator[_Entry]:
        try:
            found = list(os.scandir(self.root))
        except FileNotFoundError:
            return
        for one in found:
            if one.is_file(follow_symlinks=False):
                told = one.stat(follow_symlinks=False)
                yield _Entry(Path(one.path), told.st_size, max(told.st_atime, told.st_mtime))

    def _clean_parts(self, oldest: float) -> None:
        """Removes what was begun long ago and never completed, unless somebody is at it."""
        for path in self.parts.glob("*.part"):
            try:
                is_old = path.stat().st_mtime < oldest
            except FileNotFoundError:
                continue  # it has become complete
            if is_old and (part := Part.open_at(path)) is not None:
                part.give_up()
                part.close()


def _speed(path: Path) -> float | None:
    """The bytes per second that come from a file, past the memory of the system."""
    try:
        with path.open("rb", buffering=0) as file:
            os.posix_fadvise(file.fileno(), 0, _SAMPLE, os.POSIX_FADV_DONTNEED)
            buffer, read, begun = bytearray(_STEP), 0, time.perf_counter()
            while read < _SAMPLE and (count := file.readinto(buffer)):
                read += count
            return read / (time.perf_counter() - begun)
    except OSError:
        return None  # it was removed meanwhile
