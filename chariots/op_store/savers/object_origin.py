"""How are the bytes of an object in a bucket fetched, part by part, always of the same state?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from chariots.op_store.savers.attempts import is_of_library
from chariots.transfer.origins import ChangedError, PassingError, Pin

__all__ = ["ObjectAnswer", "ObjectOrigin"]

_CHUNK: Final = 64 * 2**10  # bytes that the library gathers before it hands them out
Meaning = Callable[[BaseException], BaseException]


class ObjectOrigin:
    """An object of a bucket of S3, Google Cloud Storage or Azure; see `chariots.transfer.origins.Origin`.

    Args:
        library: the library that speaks with object stores.
        handle: the library's own store.
        name: the full name of the object.
        shown: what it is called in messages.
        refused: says what is raised where the library failed to get an answer; by default what it raised itself.
        broken: the same, where an answer broke off.
    """

    def __init__(
        self,
        library: Any,
        handle: Any,
        name: str,
        shown: str,
        *,
        refused: Meaning = lambda error: error,
        broken: Meaning = lambda error: error,
    ) -> None:
        self.shown = shown
        self._library = library
        self._handle = handle
        self._name = name
        self._refused = refused
        self._broken = broken

    def open(self, start: int, stop: int, pin: Pin | None) -> ObjectAnswer:
        """Asks for a part of the object; see `chariots.transfer.origins.Origin`.

        An object that ends earlier answers with fewer bytes. A part without bytes tells the state of the object.
        """
        options: dict[str, Any] = {} if stop <= start else {"range": (start, stop)}
        if pin is not None and pin.etag is not None and pin.etag.startswith('"'):
            options["if_match"] = pin.etag
        try:
            found = self._library.get(self._handle, self._name, options=options)
            meta, told = found.meta, found.range
        except self._library.exceptions.PreconditionError as error:
            raise ChangedError from error
        except BaseException as error:
            if not is_of_library(error):
                raise
            meant = self._refused(error)
            if meant is error:
                raise
            raise meant from error
        state = Pin(meta.get("e_tag"), int(meta["size"]))
        if pin is not None and pin.differs_from(state):
            raise ChangedError
        if stop <= start:
            return ObjectAnswer(state, start, start, iter(()), self)
        if told[0] != start or not start < told[1] <= stop:
            raise PassingError(f"the bytes {start} to {stop - 1} of {self.shown} were asked for, and others were sent")
        return ObjectAnswer(state, start, told[1], iter(found.stream(_CHUNK)), self)

    def next_of(self, chunks: Iterator[Any]) -> Any:
        """The next bytes of an answer; None at its end."""
        try:
            return next(chunks, None)
        except BaseException as error:
            if not is_of_library(error):
                raise
            meant = self._broken(error)
            if meant is error:
                raise
            raise meant from error


class ObjectAnswer:
    """The bytes of a part of an object; see `chariots.transfer.origins.Answer`.

    Attributes:
        pin: which state of the object they are of.
        start: the offset of the first one.
        stop: the offset behind the last one.
        has_ranges: True: all of these services send the part that was asked for.
    """

    has_ranges = True

    def __init__(self, pin: Pin, start: int, stop: int, chunks: Iterator[Any], origin: ObjectOrigin) -> None:
        self.pin, self.start, self.stop = pin, start, stop
        self._left = stop - start
        self._chunks: Iterator[Any] = chunks
        self._rest = memoryview(b"")
        self._origin = origin

    def readinto(self, buffer: memoryview) -> int:
        """Puts the next bytes into a buffer.

        Args:
            buffer: what to fill.

        Returns:
            how many came; zero only at the end.

        Raises:
            PassingError: if the answer ended too early.
        """
        if self._left <= 0:
            return 0
        if not self._rest:
            self._rest = memoryview(self._next())
        count = min(len(buffer), len(self._rest), self._left)
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        self._left -= count
        return count

    def read(self) -> bytes:
        """Returns the bytes that are left, all in one."""
        whole = memoryview(bytearray(self._left))
        position = 0
        while count := self.readinto(whole[position:]):
            position += count
        return bytes(whole)

    def close(self) -> None:
        """Ends the answer; what is left of it is not read."""
        self._chunks, self._rest, self._left = iter(()), memoryview(b""), 0

    def _next(self) -> Any:
        chunk = self._origin.next_of(self._chunks)
        if not chunk:
            raise PassingError(f"the answer for {self._origin.shown} ended {self._left} bytes too early")
        return chunk
