"""What is the SHA-256 of bytes that pass by in pieces? (worked out beside whatever is done with them)"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

__all__ = ["PassingHash"]

# Bytes. Handing over less costs more than hashing it at once; more would leave the cache of the processor.
_WORTH_A_THREAD = 2**20


class PassingHash:
    """A SHA-256 that is updated in a thread of its own while the caller sends, writes or receives the next piece.

    Hashing takes about as long as writing to a disk, and both leave Python to other threads meanwhile. Use it as
    a context manager, which ends the thread. What is smaller than a mebibyte is hashed without one.
    """

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._size = 0
        self._gathered: list[bytes] = []
        self._gathered_size = 0
        self._thread: ThreadPoolExecutor | None = None
        self._running: Future[None] | None = None

    @property
    def size(self) -> int:
        """How many bytes passed by so far."""
        return self._size

    def update(self, piece: bytes) -> None:
        """Adds a piece; it must not change afterwards.

        Args:
            piece: the next bytes.
        """
        self._size += len(piece)
        self._gathered.append(piece)
        self._gathered_size += len(piece)
        if self._gathered_size >= _WORTH_A_THREAD:
            self._wait()
            if self._thread is None:
                self._thread = ThreadPoolExecutor(1, thread_name_prefix="chariots-hash")
            self._running = self._thread.submit(self._add, self._take())

    def hexdigest(self) -> str:
        """The SHA-256 of everything that passed by."""
        self._wait()
        self._add(self._take())
        return self._hash.hexdigest()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._thread is not None:
            self._thread.shutdown()

    def _take(self) -> list[bytes]:
        taken, self._gathered, self._gathered_size = self._gathered, [], 0
        return taken

    def _add(self, pieces: Sequence[bytes]) -> None:
        for piece in pieces:
            self._hash.update(piece)

    def _wait(self) -> None:
        # One batch at a time: the order matters, and so does the memory that waiting batches would hold.
        if self._running is not None:
            self._running.result()
            self._running = None
