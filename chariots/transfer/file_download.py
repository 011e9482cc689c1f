"""How does one file come, in pieces and over several connections, until it is complete and known to be right?"""

from __future__ import annotations

import errno
import logging
import os
import threading
import time
from typing import Final

from chariots.errors import ChariotsError, ConflictError, DamagedError, UnreachableError
from chariots.transfer.digests import Check
from chariots.transfer.hashing import Hashing
from chariots.transfer.origins import Answer, ChangedError, PassingError, Pin
from chariots.transfer.parts import Part, full
from chariots.transfer.pieces import Pieces
from chariots.transfer.receiving import OutdatedError, Receiver
from chariots.transfer.wanted import Wanted
from chariots.web.retry import RetryPolicy

__all__ = ["FileDownload", "SMALL", "StoppedError"]

POLICY: Final = RetryPolicy(attempts=8, base=0.2, maximum=20.0)
_LONGEST_WAIT: Final = 120.0  # seconds, whatever a server asks for
_NOTED_EVERY: Final = 2 * 2**20  # bytes
_MOST_AHEAD: Final = 64 * 2**20  # bytes that may be there and not hashed yet: so much is lost at most with the process
_MOST_RESTARTS: Final = 3
_PATIENCE: Final = 0.1  # seconds after which whoever waits looks whether the transfer is to end
SMALL: Final = 4 * 2**20  # bytes


_logger = logging.getLogger("chariots.transfer")


class StoppedError(Exception):
    """The transfer is to end, because something else failed or somebody asked for it."""


class FileDownload:
    """A file on its way. `take` is to succeed first, then `begin`; then pieces may be fetched by several threads.

    Args:
        wanted: what is to be fetched.
        stop: set when the transfer is to end.
        in_parts: whether it may be asked for in parts; otherwise one request asks for all that is missing.
    """

    def __init__(self, wanted: Wanted, stop: threading.Event, *, in_parts: bool = True) -> None:
        self.wanted = wanted
        self.at_work = 0  # connections that fetch pieces; whoever gives out pieces counts
        self.not_before = 0.0  # when the next piece may be asked for
        self.has_ranges = in_parts
        self.came = 0  # bytes that were fetched, whatever became of them
        self.rate = 0.0  # bytes per second that one connection brings, lately
        self._stop = stop
        self._part: Part | None = None
        self._pieces = Pieces(wanted.size)
        self._pin: Pin | None = None
        self._hashing = Hashing(None)
        self._noted = 0
        self._failures = self._restarts = 0
        self._wrong: str | None = None  # the hash of bytes that were thrown away
        self._writers = 0
        self._is_ending_era = False
        self._era = 0  # counts the beginnings; what was fetched for an earlier one is thrown away
        self._lock = threading.Lock()
        self._grown = threading.Condition(self._lock)

    @property
    def there(self) -> int:
        """How many bytes are there."""
        return self._pieces.there

    @property
    def is_small(self) -> bool:
        """Whether it is one piece, for which nothing is kept when it does not come to its end."""
        return self.wanted.size <= SMALL

    @property
    def is_complete(self) -> bool:
        """Whether all bytes are there, checked or not."""
        return self._pieces.is_complete

    @property
    def has_pieces(self) -> bool:
        """Whether there are pieces to give out."""
        if not self._pieces.has_free or not (self.has_ranges or not self.at_work):
            return False
        hashing = self._hashing
        is_ahead = hashing.hasher is not None and self._pieces.frontier - hashing.hashed > _MOST_AHEAD
        return not is_ahead and time.monotonic() >= self.not_before

    def take(self) -> bool:
        """Takes the file, unless another process, or another thread, has it.

        Raises:
            OSError: if its part cannot be made.
        """
        folder = self.wanted.folder
        # Called by what it will be within the directory, so that it is found again when the directory was moved.
        self._part = Part.take(folder, str(self.wanted.place.relative_to(folder.parent)))
        return self._part is not None

    def begin(self) -> None:
        """Finds out what is there already, and takes the place on the disk for the rest.

        Raises:
            StoreFullError: if there is not enough place; nothing is left behind then.
        """
        part = self._taken
        wanted = self.wanted
        if self.is_small:
            os.ftruncate(part.fd, 0)
            self._hashing = Hashing(None if wanted.check is None else wanted.check.begin())
            return
        found = part.resume(wanted.identity, None if wanted.check is None else wanted.check.begin())
        try:
            part.reserve(wanted.size)
        except BaseException:
            part.give_up()
            raise
        self._hashing, self._noted = Hashing(found.hasher, found.prefix), found.prefix
        self._pin = Pin(found.etag, wanted.size) if found.etag is not None else None
        self._pieces = Pieces(wanted.size, found.prefix, [span[:2] for span in found.spans])

    def next_piece(self) -> tuple[int, int] | None:
        """Gives out a piece; None where there is none at the moment."""
        return self._pieces.take(self.at_work + 1 if self.has_ranges and not self.is_small else 0, self.rate)

    def fetch(self, start: int, stop: int) -> None:
        """Fetches a piece, as much of it as comes; the rest is given back.

        Args:
            start: the offset of its first byte.
            stop: the offset behind its last one.

        Raises:
            StoppedError: if the transfer is to end.
            ChariotsError: if the file cannot be had; the message says what to do.
        """
        era, pin = self._era, self._pin
        receiver = Receiver(self, era, start)
        try:
            answer = self.wanted.origin.open(start, stop, pin)
            try:
                self._accept(answer, era)
                receiver.receive(answer, stop)
            finally:
                answer.close()
            self._failures, self.rate = 0, receiver.rate
        except OutdatedError:
            pass  # what was fetched is of no use any more
        except PassingError as error:
            if receiver.position > start:
                self._failures = 0
            self._pause(error)
        except ChangedError:
            self._start_over(era, self._changes())
        finally:
            receiver.note_rest()
            with self._lock:
                if era == self._era:
                    self._pieces.give_back(receiver.position, stop)

    def write(self, buffer: memoryview, count: int, position: int, era: int) -> bool:
        """Puts bytes into their place, and notes that they are there.

        Args:
            buffer: holds the bytes, from its beginning on.
            count: how many they are.
            position: the offset of the first one.
            era: when they were asked for.

        Returns:
            whether the buffer is needed for the hash, and given back to `BUFFERS` after that; else it is free.

        Raises:
            OutdatedError: if the file was begun anew since then.
            StoreFullError: if there is no place for them.
            StoppedError: if the transfer is to end.
        """
        with self._lock:
            while position == self._pieces.frontier and self._hashing.is_to_be_waited_for(position):
                if self._stop.is_set():
                    break
                self._grown.wait(_PATIENCE)
            if self._stop.is_set():
                raise StoppedError
            if era != self._era or self._is_ending_era:
                raise OutdatedError
            self._writers += 1
        stop, is_handed = position, False
        try:
            while stop - position < count:
                stop += os.pwrite(self._taken.fd, buffer[stop - position : count], stop)
            if self.is_small and self._hashing.hasher is not None:  # it comes in order, in one thread
                self._hashing.hasher.update(buffer[:count])
                self._hashing.hashed = stop
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise full(self._taken.path, self.wanted.size, error) from error
            raise
        finally:
            with self._lock:
                self._writers -= 1
                self.came += stop - position
                if era == self._era:
                    self._pieces.got(position, stop)
                    is_handed = stop - position == count and not self.is_small and self._hashing.is_next(position)
                    if is_handed:
                        self._hashing.hand_over(buffer, count)
                self._grown.notify_all()
        return is_handed

    def store(self, start: int, stop: int) -> None:
        """Has the disk begin with bytes that are there, so that little is left to wait for at the end.

        Args:
            start: the offset of the first one.
            stop: the offset behind the last one.
        """
        self._taken.store(start, stop)

    def note_span(self, start: int, stop: int, checksum: int, era: int) -> None:
        """Notes the checksum of bytes that are there.

        Args:
            start: the offset of the first one.
            stop: the offset behind the last one.
            checksum: their CRC-32.
            era: when they were asked for.
        """
        with self._lock:
            if era == self._era and self._part is not None:
                self._part.note_span(start, stop, checksum)

    def hash_on(self) -> None:
        """Hashes bytes as they come, until all are hashed; in a thread of its own.

        Raises:
            StoppedError: if the transfer is to end.
        """
        while self._hash_some():
            pass

    def finish(self) -> bool:
        """Checks the complete file, all of which is hashed, and gives it its final name.

        Returns:
            False where it was wrong and is to be fetched anew.

        Raises:
            DamagedError: if it is wrong again and again; nothing is left behind.
        """
        check = self.wanted.check
        hasher = self._hashing.hasher
        if check is not None and hasher is not None:
            digest = hasher.hexdigest()
            if digest != check.expected and not self._is_opaque_after_all(check, digest):
                wrong = DamagedError(
                    f"{self.wanted.name!r} is not what the manifest says: its {check.algorithm} is {digest}, "
                    f"not {check.expected}, each time it is fetched from {self.wanted.origin.shown}; "
                    "make a new manifest, or have the source mended"
                )
                self._start_over(self._era, wrong)
                return False
        self._taken.become(self.wanted.place, has_journal=not self.is_small)
        return True

    def leave(self) -> None:
        """Removes the part, since somebody else has completed the file."""
        self._taken.give_up()

    def close(self) -> None:
        """Lets others have what there is of the file."""
        if self._part is not None:
            self._part.close()
            self._part = None

    def _hash_some(self) -> bool:
        """Waits for bytes and hashes some; False where all are hashed, or none are to be."""
        with self._grown:
            while (batch := self._hashing.take(self._pieces.frontier)) is None:
                if self._hashing.hasher is None or self._hashing.hashed >= self.wanted.size:
                    return False
                if self._stop.is_set():
                    self._note_prefix()
                    raise StoppedError
                self._hashing.waited()
                self._grown.wait(_PATIENCE)
            hashing = self._hashing
            self._grown.notify_all()  # there is room for more
        batch.hash(self._taken.fd)
        with self._lock:
            if hashing is self._hashing:
                hashing.hashed = batch.stop
                if batch.stop - self._noted >= _NOTED_EVERY:
                    self._note_prefix()
        return True

    def _is_opaque_after_all(self, check: Check, digest: str) -> bool:
        """Whether what looks like a hash is none: twice the same bytes came, and the server calls them so."""
        etag = None if self._pin is None else self._pin.etag
        is_again, self._wrong = digest == self._wrong, digest
        if not (check.may_be_opaque and is_again and etag is not None and _bare(etag) == check.expected):
            return False
        _logger.warning(
            "the entity tag of %r at %s is no MD5 of its bytes; they came twice alike, and are taken to be right. "
            "Give its SHA-256 in the manifest, and they come once",
            self.wanted.name, self.wanted.origin.shown,
        )  # fmt: skip
        return True

    @property
    def _taken(self) -> Part:
        if self._part is None:
            raise RuntimeError(f"{self.wanted.name!r} was not taken")
        return self._part

    def _accept(self, answer: Answer, era: int) -> None:
        """Makes sure that an answer is of the same state of the object as those before."""
        etag, opaque = answer.pin.etag, self.wanted.opaque
        if opaque is not None and etag is not None and _bare(etag) != _bare(opaque):
            raise ConflictError(
                f"{self.wanted.name!r} has changed at {self.wanted.origin.shown} since the manifest was made: "
                f"its entity tag is {etag[:80]}, not {opaque[:80]}; make a new manifest"
            )
        with self._lock:
            if era != self._era:
                raise OutdatedError
            if self._pin is None:
                self._pin = Pin(etag, self.wanted.size)
                self._taken.note_state(etag)
            elif self._pin.differs_from(answer.pin):
                raise ChangedError
            if not answer.has_ranges and self.has_ranges:
                # All of the file comes whatever is asked for: one connection fetches it, from its beginning on.
                self.has_ranges = False
                self._era += 1
                self._pieces.only_in_order()
                raise OutdatedError

    def _pause(self, error: PassingError) -> None:
        """Waits before the next request, a little longer each time, or gives up."""
        if self._stop.is_set():
            raise StoppedError from error
        with self._lock:
            now = time.monotonic()
            if now < self.not_before:
                return  # another connection failed for the same reason, and counted it
            self._failures += 1
            if self._failures >= POLICY.attempts:
                raise UnreachableError(
                    f"{self.wanted.name!r} could not be fetched: {error}, and so {self._failures} times in a row. "
                    "What has come is kept, and the next run goes on from there"
                ) from error
            pause = 0.0 if error.must_locate and self._failures == 1 else POLICY.delay(self._failures)
            self.not_before = now + max(pause, min(error.retry_after, _LONGEST_WAIT))

    def _start_over(self, era: int, reason: ChariotsError) -> None:
        """Throws away what was fetched; the given error is raised where that has happened often enough."""
        with self._grown:
            if era != self._era or self._is_ending_era:
                return
            # Whoever still writes what came before must have finished: it would end up among what comes next.
            self._is_ending_era = True
            self._grown.wait_for(lambda: not self._writers)
            self._is_ending_era = False
            self._era += 1
            self._restarts += 1
            if self._restarts > _MOST_RESTARTS:
                self._taken.give_up()
                raise reason
            check = self.wanted.check
            if self.is_small:
                os.ftruncate(self._taken.fd, 0)
            else:
                self._taken.restart(self.wanted.identity)
                self._taken.reserve(self.wanted.size)
            self._hashing, self._noted = Hashing(None if check is None else check.begin()), 0
            self._pin = None
            self._pieces = Pieces(self.wanted.size)

    def _changes(self) -> ConflictError:
        return ConflictError(
            f"{self.wanted.name!r} changes again and again at {self.wanted.origin.shown} while it is fetched; "
            "try again when nobody writes there"
        )

    def _note_prefix(self) -> None:
        hashing = self._hashing
        if hashing.hasher is not None and hashing.hashed > self._noted:
            self._taken.note_prefix(hashing.hashed, hashing.hasher.copy().hexdigest())
            self._noted = hashing.hashed


def _bare(etag: str) -> str:
    return etag.removeprefix("W/").strip('"')
