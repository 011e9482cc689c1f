"""How are the bytes of an object in a bucket fetched, part by part, always of the same state?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from chariots.errors import ChariotsError, ConflictError
from chariots.transfer.manifest import Pointer
from chariots.transfer.origins import ChangedError, PassingError, Pin
from chariots.transfer.settings import TransferSettings
from chariots.transfer.sources.bucket_failures import failure_of, is_of_library
from chariots.transfer.sources.places import place_of_object
from chariots.transfer.sources.stores import Store, Stores

__all__ = ["BucketAnswer", "BucketOrigin"]

_CHUNK: Final = 64 * 2**10  # bytes that the library gathers before it hands them out


class BucketOrigin:
    """An object of a bucket of S3, Google Cloud Storage or Azure; see `chariots.transfer.origins.Origin`.

    Args:
        pointer: the pointer that leads to it.
        stores: buckets that were opened before; files of one bucket share its connections if they share this.

    Attributes:
        shown: what it is called in messages.

    Raises:
        InputError: if there can be no such bucket or object.
    """

    def __init__(self, pointer: Pointer, stores: Stores | None = None) -> None:
        self._place, self._name = place_of_object(pointer.resolution)
        self.shown = self._place.shown(self._name)
        self._size = pointer.size
        self._secret_name = pointer.runtime_secret_name
        self._stores = stores or Stores(TransferSettings.from_environment().read_timeout_secs)

    def open(self, start: int, stop: int, pin: Pin | None) -> BucketAnswer:
        """Asks for a part of the object; see `chariots.transfer.origins.Origin`."""
        store = self._stores.open(self._place, self._secret_name)
        options: dict[str, Any] = {} if stop <= start else {"range": (start, stop)}
        if pin is not None and pin.etag is not None and pin.etag.startswith('"'):
            options["if_match"] = pin.etag
        try:
            found = store.library.get(store.handle, self._name, options=options)
            meta, told = found.meta, found.range
        except BaseException as error:
            if not is_of_library(error, store):
                raise
            raise self._refused(error, store, pin) from error
        state = Pin(meta.get("e_tag"), int(meta["size"]))
        if pin is not None and pin.differs_from(state):
            raise ChangedError
        if state.size != self._size:
            raise self._other_size(state.size)
        if stop <= start:
            return BucketAnswer(state, start, start, iter(()), store, self._name)
        if told[0] != start or not start < told[1] <= stop:
            raise PassingError(f"the bytes {start} to {stop - 1} of {self.shown} were asked for, and others were sent")
        return BucketAnswer(state, start, told[1], iter(found.stream(_CHUNK)), store, self._name)

    def _refused(self, error: BaseException, store: Store, pin: Pin | None) -> Exception:
        if "status code: 416" in str(error):
            return ChangedError() if pin is not None else self._other_size(None)
        return failure_of(error, store, self._name)

    def _other_size(self, size: int | None) -> ChariotsError:
        has = "fewer bytes" if size is None else f"{size} bytes"
        return ConflictError(
            f"{self.shown} has {has}, where the manifest says {self._size}; it has changed since the manifest was "
            "made: make a new one"
        )


class BucketAnswer:
    """The bytes of a part of an object; see `chariots.transfer.origins.Answer`.

    Attributes:
        pin: which state of the object they are of.
        start: the offset of the first one.
        stop: the offset behind the last one.
        has_ranges: True: all of these services send the part that was asked for.
    """

    has_ranges = True

    def __init__(self, pin: Pin, start: int, stop: int, chunks: Iterator[bytes], store: Store, name: str) -> None:
        self.pin, self.start, self.stop = pin, start, stop
        self._left = stop - start
        self._chunks: Iterator[bytes] | None = chunks
        self._rest = memoryview(b"")
        self._store = store
        self._name = name

    def readinto(self, buffer: memoryview) -> int:
        """Puts the next bytes into a buffer.

        Args:
            buffer: what to fill.

        Returns:
            how many came; zero only at the end.

        Raises:
            PassingError: if the connection was lost or nothing came for too long.
        """
        if self._left <= 0 or not len(buffer):
            return 0
        if not self._rest:
            self._rest = memoryview(self._next())
        count = min(len(buffer), len(self._rest), self._left)
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        self._left -= count
        return count

    def close(self) -> None:
        """Ends the answer; what is left of it is not read."""
        self._chunks, self._rest, self._left = None, memoryview(b""), 0

    def _next(self) -> bytes:
        try:
            chunk = None if self._chunks is None else next(self._chunks, None)
        except BaseException as error:
            if not is_of_library(error, self._store):
                raise
            failure = failure_of(error, self._store, self._name)
            # The answer had begun, so that keys and names are right: only the way can have failed.
            raise PassingError(f"the connection to {self._store.place.shown()} was lost: {failure}") from error
        if not chunk:
            raise PassingError(
                f"the answer for {self._store.place.shown(self._name)} ended {self._left} bytes too early"
            )
        return chunk
