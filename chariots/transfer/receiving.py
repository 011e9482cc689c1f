"""How do the bytes of an answer get into their places?"""

from __future__ import annotations

import time
import zlib
from typing import TYPE_CHECKING, Final

from chariots.transfer.buffers import BUFFER, BUFFERS

if TYPE_CHECKING:
    from chariots.transfer.file_download import FileDownload
    from chariots.transfer.origins import Answer

__all__ = ["OutdatedError", "Receiver"]

_SMALL: Final = 64 * 2**10
_FEW: Final = 8  # connections; where there are more, each uses less of its buffer, so that they need no more memory
_SLOW: Final = 100e6  # bytes per second of one connection; a checksum of so many takes some 60 ms
_NOTED_EVERY: Final = 256 * 2**10  # bytes
_STORED_EVERY: Final = 16 * 2**20  # bytes, for which the disk is set to work
_QUICK_SECONDS: Final = 0.005
_TELLING_SECONDS: Final = 0.05  # after which it is known how fast an answer comes


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
        self._stored = start

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
            largest = max(_SMALL, BUFFER // max(1, file.at_work // _FEW))
            stop = min(stop, answer.stop)
            while self.position < stop:
                begun = time.monotonic()
                count = answer.readinto(buffer[: min(most, stop - self.position)])
                now = time.monotonic()
                is_noted = self._is_slow(now)
                checksum = zlib.crc32(buffer[:count], self._checksum) if is_noted else 0
                if file.write(buffer, count, self.position, self._era):
                    buffer = BUFFERS.take()  # the other one is being hashed
                self._go_on(count, checksum, is_noted=is_noted)
                if self.position - self._stored >= _STORED_EVERY:
                    self._store()
                # Large steps cost less, and small ones tell sooner how far it is.
                if now - begun < _QUICK_SECONDS:
                    most = max(most, min(2 * most, largest))
                elif now - begun > 4 * _QUICK_SECONDS:
                    most = max(most // 2, _SMALL)
            self._store()
        finally:
            BUFFERS.give_back(buffer)

    def note_rest(self) -> None:
        """Notes the checksum of what has come since the last one, if it was computed."""
        if self.position > self._from:
            self._file.note_span(self._from, self.position, self._checksum, self._era)
        self._from, self._checksum = self.position, 0

    def _is_slow(self, now: float) -> bool:
        """Whether there is time to compute a checksum of what comes.

        What comes fast need not be noted: the hash of the first bytes of the file is always close behind it.
        """
        seconds = now - self._asked
        # The first bytes of an answer say nothing of its speed.
        rate = (self.position - self._start) / seconds if seconds > _TELLING_SECONDS else self._file.rate
        return rate < _SLOW and not self._file.is_small

    def _go_on(self, count: int, checksum: int, *, is_noted: bool) -> None:
        """Goes on from bytes that are in their place."""
        if not is_noted:
            self.note_rest()
            self.position += count
            self._from = self.position
            return
        self.position += count
        self._checksum = checksum
        if self.position - self._from >= _NOTED_EVERY:
            self.note_rest()

    def _store(self) -> None:
        if not self._file.is_small:  # its few bytes are written at its end, which is near
            self._file.store(self._stored, self.position)
        self._stored = self.position

    def _skip(self, answer: Answer, buffer: memoryview) -> None:
        left = self.position - answer.start
        while left > 0:
            left -= answer.readinto(buffer[: min(BUFFER, left)])
