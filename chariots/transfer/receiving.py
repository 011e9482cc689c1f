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
_SLOW: Final = 100e6  # bytes per second of one connection; a checksum of so many takes some 60 ms
_NOTED_EVERY: Final = 256 * 2**10  # bytes
_QUICK_SECONDS: Final = 0.005


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
        self._start, self._asked = start, time.monotonic()
        self._from, self._checksum = start, 0

    @property
    def rate(self) -> float:
        """The bytes per second that have come since they were asked for."""
        return (self.position - self._start) / max(1e-6, time.monotonic() - self._asked)

    def receive(self, answer: Answer, stop: int) -> None:
        """Takes the bytes of an answer, up to an offset."""
        file = self._file
        buffer = BUFFERS.take()
        try:
            self._skip(answer, buffer)
            most = BUFFER if file.is_small else _SMALL
            stop = min(stop, answer.stop)
            while self.position < stop:
                begun = time.monotonic()
                count = answer.readinto(buffer[: min(most, stop - self.position)])
                seconds = time.monotonic() - begun
                file.write(buffer[:count], self.position, self._era)
                self._vouch(buffer[:count])
                # Large steps cost less, and small ones tell sooner how far it is.
                if seconds < _QUICK_SECONDS:
                    most = min(2 * most, BUFFER)
                elif seconds > 4 * _QUICK_SECONDS:
                    most = max(most // 2, _SMALL)
        finally:
            BUFFERS.give_back(buffer)

    def note_rest(self) -> None:
        """Notes the checksum of what has come since the last one, if it was computed."""
        if self.position > self._from:
            self._file.note_span(self._from, self.position, self._checksum, self._era)
        self._from, self._checksum = self.position, 0

    def _vouch(self, data: memoryview) -> None:
        """Goes on from bytes that are in their place, and notes their checksum where there is time to compute it.

        What comes fast need not be noted: the hash of the first bytes of the file is always close behind it.
        """
        came = self.position + len(data) - self._start
        if came < (time.monotonic() - self._asked) * _SLOW and not self._file.is_small:
            self._checksum = zlib.crc32(data, self._checksum)
            self.position += len(data)
            if self.position - self._from >= _NOTED_EVERY:
                self.note_rest()
        else:
            self.note_rest()
            self.position += len(data)
            self._from = self.position

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
