"""How do pieces of bytes get from the thread that makes them to the one that sends them, few at a time?"""

from __future__ import annotations

import threading
from collections import deque

__all__ = ["Pipe"]

_MOST = 4  # pieces that wait; each of them usually has a MiB


class Pipe:
    """Pieces on their way from one thread to another; the other iterates over them."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: deque[bytes] = deque()
        self._ended = False
        self._failure: BaseException | None = None
        self._is_read = True

    def give(self, piece: bytes) -> bool:
        """Hands over a piece, when there is room for it.

        Args:
            piece: the next bytes.

        Returns:
            False if the other thread takes no more.
        """
        with self._changed:
            self._changed.wait_for(lambda: len(self._waiting) < _MOST or not self._is_read)
            if self._is_read:
                self._waiting.append(piece)
                self._changed.notify_all()
            return self._is_read

    def end(self, failure: BaseException | None = None) -> None:
        """Says that there are no more pieces.

        Args:
            failure: raised in the other thread, at once, in place of an ordinary end.
        """
        with self._changed:
            self._ended, self._failure = True, failure
            self._changed.notify_all()

    def give_up(self) -> None:
        """Says that no more pieces are taken."""
        with self._changed:
            self._is_read = False
            self._waiting.clear()
            self._changed.notify_all()

    def __iter__(self) -> Pipe:
        return self

    def __next__(self) -> bytes:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._ended)
            if self._failure is not None:
                raise self._failure
            if not self._waiting:
                raise StopIteration
            piece = self._waiting.popleft()
            self._changed.notify_all()
            return piece
