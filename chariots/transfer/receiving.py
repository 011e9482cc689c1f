"""How do the bytes of an answer get into their places?"""

from __future__ import annotations

import time
import zlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from chariots.transfer.file_download import FileDownload
    from chariots.transfer.origins import Answer

__all__ = ["BUFFER", "BUFFERS", "OutdatedError", "Receiver"]

BUFFER: Final = 2**20  # bytes
_SMALL: Final = 64 * 2**10


class OutdatedError(Exception):
    """The file was begun anew since a piece of it was asked for."""


class Receiver:
    """Puts the bytes of one piece into their places.

    Args:
        file: the file.
        era: when the piece was asked for.
        start: the offset of its first byte.
    """

    def __init__(self, file: FileDownload, era: int, start: int) -> None:
        self.position = start
        self._file = file
        self._era = era
        self._from, self._checksum = start, 0

    def receive(self, answer: Answer, stop: int) -> None:
        """Takes the bytes of an answer, up to an offset."""
        file = self._file
        buffer = BUFFERS.take()
        try:
            self._skip(answer, buffer)
            most = BUFFER if file.is_small else _SMALL
            while self.position < stop:
                begun = time.monotonic()
                count = answer.readinto(buffer[: min(most, stop - self.position)])
                file.write(buffer[:count], self.position, self._era)
                if file.is_slow:
                    self._checksum = zlib.crc32(buffer[:count], self._checksum)
                else:
                    self._from, self._checksum = self.position + count, 0
                self.position += count
                # Large steps cost less, and small ones tell sooner how far it is.
                seconds = time.monotonic() - begun
                if seconds < 0.01:
                    most = min(2 * most, BUFFER)
                elif seconds > 0.1:
                    most = max(most // 2, _SMALL)
        finally:
            BUFFERS.give_back(buffer)

    def note_rest(self) -> None:
        """Notes the checksum of what has come, if it was computed."""
        if self._checksum:
            self._file.note_span(self._from, self.position, self._checksum, self._era)

    def _skip(self, answer: Answer, buffer: memoryview) -> None:
        left = self.position - answer.start
        while left > 0:
            left -= answer.readinto(buffer[: min(BUFFER, left)])


class Buffers:
    """Memory to receive into, used again and again."""

    def __init__(self) -> None:
        self._free: list[memoryview] = []

    def take(self) -> memoryview:
        """Gives a buffer of a mebibyte, for one user."""
        try:
            return self._free.pop()
        except IndexError:
            return memoryview(bytearray(BUFFER))

    def give_back(self, buffer: memoryview) -> None:
        """Takes a buffer back."""
        self._free.append(buffer)


BUFFERS: Final = Buffers()
