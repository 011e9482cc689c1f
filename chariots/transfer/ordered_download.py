"""How does one object come over several connections, and yet in order and with few of its bytes in memory?"""

from __future__ import annotations

import contextvars
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from chariots.transfer.buffers import Buffers
from chariots.transfer.origins import Answer, Origin, PassingError, Pin
from chariots.transfer.pace import Pace
from chariots.transfer.pieces import Pieces

__all__ = ["OrderedDownload"]

_MOST: Final = 16  # connections
_AHEAD: Final = 16 * 2**20  # bytes that may be on their way before those in front of them were used,
_AHEAD_EACH: Final = 4 * 2**20  # or so many for each connection, where many are worth having
_FEWEST_SHARERS: Final = 4  # a piece is never larger than if so many connections fetched; it has to wait in memory
_LEAST: Final = 2 * 2**20  # bytes of a piece
_CHUNK: Final = 2**18  # bytes that are handed on at a time


class OrderedDownload:
    """An object on its way to somebody who uses its bytes in order; iterate over `chunks` once.

    What `FileDownload` does for files, with the same pieces over the same number of connections. The bytes are handed
    on while they come, and whoever is slow to use them slows down how they are fetched.

    Args:
        origin: where the object is.
        pin: the state of it that is wanted, whose size is known.
        retrying: calls what it is given until that returns, or raises what it does not want to try again. Each call
            goes on from where the last one was broken off.
        first: an answer that has the first bytes and was not read yet, where there is one.
    """

    def __init__(
        self, origin: Origin, pin: Pin, retrying: Callable[[Callable[[], None]], None], first: Answer | None = None
    ) -> None:
        self._origin = origin
        self._pin = pin
        self._retrying = retrying
        self._first = first
        self._given = 0 if first is None else first.stop  # the offset up to which pieces were given out
        self._pieces = Pieces(pin.size or 0, self._given)
        self._pace = Pace(_MOST, time.monotonic())
        self._rate = 0.0  # bytes per second that one connection brings, lately
        self._coming: deque[_Piece] = deque()
        self._busy = 0
        self._came = self._used = 0
        self._is_awaited = self._is_over = False
        self._buffers = Buffers(_CHUNK, most_free=max(_AHEAD, _MOST * _AHEAD_EACH) // _CHUNK)
        self._changed = threading.Condition()
        self._threads = ThreadPoolExecutor(_MOST, thread_name_prefix="chariots-download")

    def chunks(self) -> Iterator[bytes]:
        """Fetches the object.

        Yields:
            its bytes, in order.

        Raises:
            ChangedError: if it is in another state than was wanted.
            Exception: whatever ``retrying`` raised.
        """
        self._context = contextvars.copy_context()  # of deadlines and traces, which threads do not know by themselves
        try:
            with self._changed:
                if self._first is not None:
                    self._start(_Piece(0, self._first.stop), self._first)
                self._give_out()
            while self._coming:
                while (chunk := self._next_chunk(self._coming[0])) is not None:
                    buffer, count = chunk
                    data = bytes(buffer[:count])
                    self._buffers.give_back(buffer)
                    yield data
                self._coming.popleft()
        finally:
            with self._changed:
                self._is_over = True
            # Nobody waits for a service that is silent; the threads end with what they are at.
            self._threads.shutdown(wait=False, cancel_futures=True)

    def _next_chunk(self, piece: _Piece) -> tuple[memoryview, int] | None:
        """Waits for the next bytes of the piece in front; None where all of them were handed on."""
        with self._changed:
            while not piece.chunks and not piece.is_over:
                self._is_awaited = True
                self._changed.wait()
            self._is_awaited = False
            if piece.chunks:
                chunk = piece.chunks.popleft()
                self._used += chunk[1]
                self._give_out()
                return chunk
        if piece.failure is not None:
            raise piece.failure
        return None

    def _give_out(self) -> None:
        """Has as many pieces fetched as connections are worth having, and as there is room for in memory."""
        ahead = max(_AHEAD, self._pace.allowed * _AHEAD_EACH)
        while self._busy < self._pace.allowed and self._given - self._used < ahead and not self._is_over:
            found = self._pieces.take(max(_FEWEST_SHARERS, self._busy + 1), self._rate, _LEAST)
            if found is None:
                return
            self._given = found[1]
            self._start(_Piece(*found))

    def _start(self, piece: _Piece, answer: Answer | None = None) -> None:
        self._coming.append(piece)
        try:
            self._threads.submit(self._context.copy().run, self._fetch, piece, answer)
        except RuntimeError as error:  # the interpreter is about to end, and starts no threads any more
            piece.failure, piece.is_over = error, True
        else:
            self._busy += 1

    # -- in the threads of connections ------------------------------------------------------------------------------

    def _fetch(self, piece: _Piece, answer: Answer | None) -> None:
        begun = time.monotonic()
        opened = [] if answer is None else [answer]

        def go_on() -> None:
            while piece.position < piece.stop and not self._is_over:
                answer = opened.pop() if opened else self._origin.open(piece.position, piece.stop, self._pin)
                try:
                    self._receive(piece, answer)
                finally:
                    answer.close()

        try:
            self._retrying(go_on)
        except BaseException as error:  # noqa: BLE001  # whoever waits for the bytes raises it
            piece.failure = error
        finally:
            with self._changed:
                self._busy -= 1
                self._rate = (piece.position - piece.start) / max(1e-6, time.monotonic() - begun)
                piece.is_over = True
                if piece.failure is None:
                    self._give_out()
                self._changed.notify_all()

    def _receive(self, piece: _Piece, answer: Answer) -> None:
        if answer.start != piece.position:
            raise PassingError(f"{self._origin.shown} sends all of its bytes, whichever part is asked for")
        stop = min(piece.stop, answer.stop)
        while piece.position < stop and not self._is_over:
            buffer = self._buffers.take()
            count, wanted = 0, min(_CHUNK, stop - piece.position)
            while count < wanted:
                count += answer.readinto(buffer[count:wanted])
            with self._changed:
                piece.chunks.append((buffer, count))
                piece.position += count
                self._came += count
                # Where it is not waited for, it comes fast enough already.
                is_full = self._is_awaited and self._busy >= self._pace.allowed
                self._pace.look(self._came, time.monotonic(), is_full=is_full)
                self._changed.notify_all()


class _Piece:
    """Some bytes of the object, one after the other, of which some may be here and others on their way.

    Args:
        start: the offset of the first one.
        stop: the offset behind the last one.
    """

    def __init__(self, start: int, stop: int) -> None:
        self.start = self.position = start
        self.stop = stop
        self.chunks: deque[tuple[memoryview, int]] = deque()
        self.is_over = False
        self.failure: BaseException | None = None
