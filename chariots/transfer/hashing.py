"""How is the hash of a file computed while its bytes come in pieces, from memory where that is possible?"""

from __future__ import annotations

import os
from collections import deque
from typing import Final

from chariots.transfer.buffers import BUFFER, BUFFERS
from chariots.transfer.digests import Hasher

__all__ = ["Batch", "Hashing"]

_MOST_HANDED: Final = 4  # buffers; enough that neither thread waits for each single one
_BEHIND: Final = 8 * 2**20  # bytes; when so many were hashed without a wait, they come faster than they are hashed


class Hashing:
    """The hash of one beginning of a file, from the first byte to the last.

    Bytes that come next in order are handed over in the buffer that they were received into; all others are read again
    from the file. Everything but `Batch.hash` is called with the lock of the file held.

    Args:
        hasher: what computes the hash; None where nobody asks for it.
        hashed: how many first bytes it has taken already.
    """

    def __init__(self, hasher: Hasher | None, hashed: int = 0) -> None:
        #: What computes the hash.
        self.hasher = hasher
        #: How many first bytes are hashed.
        self.hashed = hashed
        self._claimed = hashed  # up to here bytes are hashed, are just being hashed, or were handed over
        self._handed: deque[tuple[memoryview, int]] = deque()
        self._since_wait = 0  # bytes that were hashed since it waited for some

    def is_next(self, position: int) -> bool:
        """Whether the bytes at an offset are those that may be handed over."""
        return position == self._claimed and self.hasher is not None

    def is_to_be_waited_for(self, position: int) -> bool:
        """Whether bytes at an offset, before which all are in the file, can soon be handed over, and not yet.

        Args:
            position: the offset.
        """
        if self.hasher is None:
            return False
        if position == self._claimed:
            return len(self._handed) >= _MOST_HANDED
        return self._since_wait > _BEHIND

    def hand_over(self, buffer: memoryview, count: int) -> None:
        """Takes a buffer whose bytes are in the file now, and are the next in order; it is given back when hashed.

        Args:
            buffer: the whole buffer.
            count: how many of its first bytes count.
        """
        self._handed.append((buffer, count))
        self._claimed += count

    def take(self, frontier: int) -> Batch | None:
        """Gives the bytes that are to be hashed next; None where there are none yet.

        Args:
            frontier: up to which offset all bytes are in the file.
        """
        if self.hasher is None:
            return None
        if self._handed:
            batch = Batch(self.hasher, self.hashed, self._claimed, list(self._handed))
            self._handed.clear()
            self._since_wait += batch.stop - self.hashed
            return batch
        if frontier > self.hashed:
            self._claimed = min(frontier, self.hashed + BUFFER)
            self._since_wait += self._claimed - self.hashed
            return Batch(self.hasher, self.hashed, self._claimed, [])
        return None

    def waited(self) -> None:
        """Notes that nothing was there to be hashed."""
        self._since_wait = 0


class Batch:
    """Bytes that are to be hashed next.

    Args:
        hasher: what computes the hash.
        start: the offset of the first byte.
        stop: the offset behind the last one.
        buffers: where they are, each with how many of its bytes count; empty where they are to be read from the file.
    """

    def __init__(self, hasher: Hasher, start: int, stop: int, buffers: list[tuple[memoryview, int]]) -> None:
        self.stop = stop
        self._hasher = hasher
        self._start = start
        self._buffers = buffers

    def hash(self, fd: int) -> None:
        """Hashes them.

        Args:
            fd: the file.
        """
        for buffer, count in self._buffers or self._read(fd):
            self._hasher.update(buffer[:count])
            BUFFERS.give_back(buffer)

    def _read(self, fd: int) -> list[tuple[memoryview, int]]:
        buffer, wanted = BUFFERS.take(), self.stop - self._start
        count = 0
        while count < wanted:
            more = os.preadv(fd, [buffer[count:wanted]], self._start + count)
            if not more:
                raise OSError(
                    f"the part of a file that is being fetched lost its end, from byte {self._start + count} on: "
                    "something else has cut it; run it again"
                )
            count += more
        return [(buffer, count)]
