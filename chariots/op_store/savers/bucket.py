"""How do bytes travel to a bucket and back, whole or not at all, and with few of them in memory?"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

from chariots.errors import StoreUnavailableError
from chariots.op_store.hashing import PassingHash
from chariots.op_store.savers.attempts import attempt, refusal, status_of
from chariots.op_store.savers.base import writing_name
from chariots.op_store.savers.object_origin import ObjectAnswer, ObjectOrigin
from chariots.op_store.savers.pipe import Pipe
from chariots.transfer.ordered_download import OrderedDownload
from chariots.transfer.origins import Pin

__all__ = ["Bucket", "Habits", "PART", "SMALL"]

Answer = TypeVar("Answer")
Connect = Callable[..., Any]

SMALL = 16 * 2**20  # bytes; what has more is sent in parts
PART = 8 * 2**20  # bytes; the services that allow 10,000 parts then take objects of 80 GB
PARTS_AT_ONCE = 4
LONGEST_COPY = 300.0  # seconds that a service may take to copy an object from one of its names to another
CHECK = 3.0  # seconds; whoever asks about readiness waits not much longer

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Habits:
    """What services do differently.

    Attributes:
        largest_copy: the largest object that the service copies by itself, in bytes; None where there is no limit.
        uploads_clash: whether, of two uploads of one name at once, the first to end takes the parts of the other.
        copies_later: whether the service may say that an object is copied while it is still being copied.
    """

    largest_copy: int | None = None
    uploads_clash: bool = False
    copies_later: bool = False


class Bucket:
    """The objects of a bucket by their full names.

    Args:
        library: the library that speaks with object stores.
        connect: makes the library's own store from a mapping of client options and one for its retries.
        place: the bucket and its service, in words.
        deadline: seconds after which an answer is no longer waited for.
        habits: what the service does differently.
    """

    def __init__(self, library: Any, connect: Connect, place: str, deadline: float, habits: Habits) -> None:
        self._library = library
        self.place = place
        self.deadline = deadline
        self.habits = habits

        def connected(seconds: float, retries: int = 0) -> Any:
            options = {"timeout": timedelta(seconds=seconds), "connect_timeout": timedelta(seconds=min(seconds, 5.0))}
            return connect(options, {"max_retries": retries, "retry_timeout": timedelta(seconds=deadline)})

        self._requests = connected(deadline / 2)
        # The library itself sends the parts of an upload, and therefore itself tries again.
        self._uploads = connected(deadline / 2, retries=1_000)
        self._copies = connected(LONGEST_COPY)
        self._checks = connected(min(CHECK, deadline))

    def head(self, name: str) -> Mapping[str, Any]:
        """What the service knows about an object.

        Raises:
            FileNotFoundError: if there is none.
        """
        return self._attempt(lambda: self._library.head(self._requests, name), "looked at", name)

    def write(self, name: str, data: bytes, pieces: Iterator[bytes] | None, overwrite: bool) -> bool:
        """Makes an object.

        Args:
            name: its name.
            data: the first of its bytes.
            pieces: the others, where there are more than one request should carry.
            overwrite: whether an object of that name is replaced.

        Returns:
            whether it was made; False if there was one and it was not to be replaced.
        """
        try:
            if pieces is None:
                self._put(name, data, "overwrite" if overwrite else "create")
            elif overwrite and not self.habits.uploads_clash:
                self._upload(name, itertools.chain((data,), pieces))
            else:
                self._upload_apart(name, itertools.chain((data,), pieces), overwrite)
        except self._library.exceptions.AlreadyExistsError:
            return False
        return True

    def read(self, name: str) -> Iterator[bytes]:
        """The bytes of an object; a large one comes over as many connections as are worth having.

        They are fetched a few pieces ahead, each by a request of its own, so that a slow reader breaks none.

        Raises:
            FileNotFoundError: if there is no such object; raised by the call.
        """
        origin = self._origin(name)

        def begin() -> tuple[ObjectAnswer, bytes | None]:
            answer = self._first_answer(origin)
            return answer, answer.read() if answer.stop == answer.pin.size else None

        answer, whole = self._attempt(begin, "read", name)
        return self._in_order(name, answer.pin, answer) if whole is None else iter((whole,))

    def remove(self, name: str) -> None:
        """Removes an object."""
        self._attempt(lambda: self._library.delete(self._requests, name), "removed", name)

    def names(self, folder: str) -> Iterator[Mapping[str, Any]]:
        """What the service knows about every object below a folder, a page of them at a time."""
        pages: Any = None
        last: str | None = None

        def page() -> Iterable[Mapping[str, Any]] | None:
            nonlocal pages
            try:
                if pages is None:
                    pages = self._library.list(self._requests, folder or None, offset=last)
                found: Iterable[Mapping[str, Any]] | None = next(pages, None)
            except BaseException:
                pages = None  # the next attempt starts after the last object that was named
                raise
            return found

        while found := attempt(page, f"the objects of the {self.place} were to be listed", self.deadline):
            for meta in found:
                last = meta["path"]
                yield meta

    def check(self, folder: str) -> None:
        """Asks for the names in a folder that is empty, which shows that there is a bucket and that it lets us in."""
        doing = f"the {self.place} was to be looked at"
        attempt(lambda: next(self._library.list(self._checks, folder), None), doing, min(CHECK, self.deadline))

    def _attempt(self, action: Callable[[], Answer], done: str, name: str) -> Answer:
        return attempt(action, self._doing(done, name), self.deadline)

    def _doing(self, done: str, name: str) -> str:
        return f"the object {name[-200:]!r} of the {self.place} was to be {done}"

    def _put(self, name: str, data: bytes, mode: str) -> None:
        put = self._library.put
        try:
            self._attempt(lambda: put(self._requests, name, data, mode=mode, use_multipart=False), "written", name)
        except FileNotFoundError as error:
            raise refusal(error, self._doing("written", name)) from error

    def _upload(self, name: str, pieces: Iterator[bytes]) -> None:
        """Sends an object in parts; it appears with the last of them."""
        pipe, put = Pipe(), self._library.put

        def send() -> None:
            try:
                put(self._uploads, name, pipe, use_multipart=True, chunk_size=PART, max_concurrency=PARTS_AT_ONCE)
            finally:
                pipe.give_up()

        # The library must not wait for pieces in its own threads: they may come from an object store themselves.
        with ThreadPoolExecutor(1, thread_name_prefix="chariots-upload") as sender:
            sent = sender.submit(send)
            try:
                for piece in pieces:
                    if not pipe.give(piece):
                        break
            except BaseException as error:
                pipe.end(error)  # so that the library takes back the parts that were sent
                sent.exception()
                raise
            pipe.end()
            try:
                # Once: the pieces cannot be had again. Each part was tried until the deadline.
                attempt(sent.result, self._doing("written", name), None)
            except FileNotFoundError as error:
                raise refusal(error, self._doing("written", name)) from error

    def _upload_apart(self, name: str, pieces: Iterator[bytes], overwrite: bool) -> None:
        """Sends an object in parts under a name of its own, and then gives it the right one.

        Raises:
            AlreadyExistsError: of the library, if there is an object of that name and it is not to be replaced.
        """
        folder = name.rpartition("/")[0]
        staged = f"{folder}/{writing_name()}" if folder else writing_name()
        try:
            with PassingHash() as sent:
                self._upload(staged, _passing(pieces, sent) if self.habits.copies_later else pieces)
                meta = self.head(staged)
                if self.habits.largest_copy is not None and meta["size"] > self.habits.largest_copy:
                    # Uploads of one name do not mix: the last to end wins. Whoever wants no other to be replaced
                    # has looked before, and bytes that are named by their hash are replaced by their equal.
                    self._upload(name, self._in_order(staged, Pin(meta.get("e_tag"), meta["size"])))
                else:
                    self._copy(staged, name, overwrite)
                if self.habits.copies_later:
                    self._confirm(name, sent.hexdigest())
        finally:
            self._tidy(staged)

    def _copy(self, source: str, name: str, overwrite: bool) -> None:
        copy = self._library.copy
        self._attempt(lambda: copy(self._copies, source, name, overwrite=overwrite), "written", name)

    def _confirm(self, name: str, sha256: str) -> None:
        """Reads an object back, to be certain that it is all there before what it was copied from is removed."""
        refused = f"{self._doing('written', name)}, but the service has not copied it whole; save it again"
        try:
            with PassingHash() as found:
                for piece in self.read(name):
                    found.update(piece)
                if found.hexdigest() != sha256:
                    raise StoreUnavailableError(refused)
        except FileNotFoundError as error:
            raise StoreUnavailableError(refused) from error

    def _tidy(self, staged: str) -> None:
        try:
            self._library.delete(self._checks, staged)
        except FileNotFoundError:
            return
        except (self._library.exceptions.BaseError, OSError):
            _LOG.warning("%s: %r is left behind, for gc to remove", self.place, staged, exc_info=True)

    def _first_answer(self, origin: ObjectOrigin) -> ObjectAnswer:
        try:
            return origin.open(0, PART, None)
        except self._library.exceptions.GenericError as error:
            if status_of(error) != 416:
                raise
            return origin.open(0, 0, None)  # an empty object has no first bytes

    def _in_order(self, name: str, pin: Pin, first: ObjectAnswer | None = None) -> Iterator[bytes]:
        """The bytes of an object, fetched as the files of transfers are."""

        def retrying(fetch: Callable[[], None]) -> None:
            self._attempt(fetch, "read", name)

        return OrderedDownload(self._origin(name), pin, retrying, first).chunks()

    def _origin(self, name: str) -> ObjectOrigin:
        return ObjectOrigin(self._library, self._requests, name, f"{name[-200:]!r} of the {self.place}")


def _passing(pieces: Iterator[bytes], sent: PassingHash) -> Iterator[bytes]:
    for piece in pieces:
        sent.update(piece)
        yield piece
