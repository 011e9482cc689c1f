"""Where is the memory that bytes are received into?"""

from __future__ import annotations

from typing import Final

__all__ = ["BUFFER", "BUFFERS", "Buffers"]

BUFFER: Final = 2**20  # bytes; with smaller ones threads change more often, which costs more than the cache saves


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
            return memoryview(bytearray(self._size))

    def give_back(self, buffer: memoryview) -> None:
        """Takes a buffer back.

        Args:
            buffer: the whole of it, of which nobody makes use any more.
        """
        self._free.append(buffer)


BUFFERS: Final = Buffers()
