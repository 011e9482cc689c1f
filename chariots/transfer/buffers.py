"""Where is the memory that bytes are received into?"""

from __future__ import annotations

import mmap
from typing import Final

__all__ = ["BUFFER", "BUFFERS", "Buffers"]

BUFFER: Final = 2**20  # bytes; with smaller ones threads change more often, which costs more than the cache saves
_MOST_FREE: Final = 16  # the system gets further ones back: in turn all of their pages would come to be used


class Buffers:
    """Memory to receive into, used again and again; the system takes long to give any that is new.

    Args:
        size: of each, in bytes.
    """

    def __init__(self, size: int = BUFFER) -> None:
        self._size = size
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
        if len(self._free) < _MOST_FREE:
            self._free.append(buffer)


BUFFERS: Final = Buffers()
