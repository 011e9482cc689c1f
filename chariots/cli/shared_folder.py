"""Where do the processes of a server keep what they count together, and who clears away after one that was killed?

Each process holds a lock on a file of that folder, which the system takes back however the process ends. So a folder
whose lock is to be had belongs to nobody, whatever process numbers say: containers that share a folder for temporary
files have numbers of their own.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from chariots.web.settings import METRICS_FOLDER, SHARED_FOLDER

__all__ = ["shared_folder"]

_PREFIX: Final = "chariots-serve-"
_LOCK: Final = "in-use"
_YOUNG_SECONDS: Final = 60.0  # a server may be about to lock a folder that it has just made


@contextmanager
def shared_folder() -> Iterator[None]:
    """Makes a folder for this process and those that it forks, which find it by its variables, and removes it.

    Folders of this user whose servers were killed are removed along with that.
    """
    parent = os.getpid()
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX))  # nobody else may enter it
    lock: int | None = None
    with suppress(OSError):  # where nothing can be locked, nobody can lock it either, and so nobody removes it
        lock = _locked(folder / _LOCK, os.O_CREAT)
    os.environ[SHARED_FOLDER] = str(folder)
    if not os.environ.get(METRICS_FOLDER):
        os.environ[METRICS_FOLDER] = str(folder)
    _clear_away(folder.parent)
    try:
        yield
    finally:
        if os.getpid() == parent:  # worker processes leave through here as well
            shutil.rmtree(folder, ignore_errors=True)
            if lock is not None:
                os.close(lock)


def _locked(file: Path, flags: int = 0) -> int:
    """Opens a file and locks it; the lock is held until the last process that has inherited it is gone.

    Raises:
        OSError: if somebody else has locked it, or it cannot be opened.
    """
    opened = os.open(file, os.O_RDWR | flags, 0o600)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(opened)
        raise
    return opened


def _clear_away(place: Path) -> None:
    for folder in place.glob(f"{_PREFIX}*"):
        with suppress(OSError):  # it is in use, of another user, or was removed meanwhile
            if folder.is_symlink() or time.time() - folder.stat().st_mtime < _YOUNG_SECONDS:
                continue
            lock = _locked(folder / _LOCK)
            try:
                shutil.rmtree(folder)
            finally:
                os.close(lock)
