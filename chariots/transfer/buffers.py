"""Where is the memory that bytes are received into?"""

from __future__ import annotations

import mmap
from typing import Final

__all__ = ["BUFFER", "BUFFERS", "Buffers"]

BUFFER: Final = 2**20  # bytes; with smaller ones threads change more often, which costs more than the cache saves
_MOST_FREE: Final = 16  # where many connections use few pages each: in turn they would come to use all of each buffer


class Buffers:
    """Memory to receive into, used again and again; the system takes long to give any that is new.

    Args:
        size: of each, in bytes.
        most_free: how many are kept for the next user; the system gets further ones back.
    """

    def __init__(self, size: int = BUFFER, most_free: int = _MOST_FREE) -> None:
        self._size = size
        self._most_free = most_free
        self._free: list[memoryview] = []

    def take(self) -> memoryview:
        """Gives a buffer, for one user."""
        try:
            return self._free.pop()
        except IndexError:
            # Straight from the system, which gives no page before it is used: many connections use few of theirs.
            return memoryview(mmap.mmap(-1, self._size, access=mmap.ACCESS_COPY))

    def give_back(self, buffer: memoryview) -> None:
        """Takes a buffer back.

        Args:
            buffer: the whole of it, of which nobody makes use any more.
        """
        if len(self._free) < self._most_free:
            self._free.append(buffer)


BUFFERS: Final = Buffers()
