"""Which memory do processes share, and when may it be written anew?

A segment is memory without a name that whoever has its descriptor can map: each for himself, so that a page that
somebody changes is copied for him. Nobody writes to it once it was handed on, until nobody reads it any more. Then the
process that has made it writes it again, because memory that is there is several times cheaper than new pages.

Who may still read it? What maps it in this process is known here, and a process that was handed it tells with each
answer what it still maps. Where somebody might read it who is not known, as a process that was forked, it is given up.
"""

from __future__ import annotations

import itertools
import mmap
import os
import tempfile
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

from chariots.pipelines.processes.mappings import live_mappings, note_mapping

__all__ = [
    "Segment",
    "Spares",
    "fits",
    "held",
    "keep_spares",
    "lent",
    "new_segment",
    "note_passed_on",
    "pass_on",
    "received",
    "spares",
    "spoiled",
]

_MOST_SPARE = 2**29  # bytes that are kept for values to come,
_MOST_SPARES = 8  # in so many segments


class Spares:
    """Memory that nobody reads any more, for values to come; the oldest goes first.

    Attributes:
        most_bytes: how much of it is kept; nothing where no other process reads what this one writes.
    """

    def __init__(self) -> None:
        self.most_bytes = 0
        self._lock = threading.RLock()  # the garbage collector may add to it at any time
        self._free: list[tuple[int, int]] = []  # sizes and descriptors

    def add(self, descriptor: int, size: int) -> None:
        """Takes memory that nobody reads any more.

        Args:
            descriptor: its descriptor.
            size: how many bytes it has.
        """
        with self._lock:
            self._free.append((size, descriptor))
            self._limit(self.most_bytes)

    def take(self, size: int) -> int | None:
        """Gives memory away.

        Args:
            size: how many bytes are needed.

        Returns:
            the descriptor of memory of about that size; None where there is none.
        """
        with self._lock:
            for number, (found, descriptor) in enumerate(self._free):
                if fits(size, found):
                    del self._free[number]
                    return descriptor
        return None

    def clear(self) -> None:
        """Gives everything back to the system."""
        with self._lock:
            self._limit(0)

    def _limit(self, most_bytes: int) -> None:
        while self._free and (sum(size for size, _ in self._free) > most_bytes or len(self._free) > _MOST_SPARES):
            os.close(self._free.pop(0)[1])


spares = Spares()


class Segment:
    """Memory that processes share.

    Args:
        descriptor: its descriptor, which is closed with the object.
        size: how many bytes it has.
        name: what it is known by in all processes.
        is_reusable: whether it may be written again when the object is gone: only by the process that has made it,
            which knows who was handed it.
    """

    __slots__ = ("__weakref__", "descriptor", "is_filled", "is_reusable", "name", "size")

    def __init__(self, descriptor: int, size: int, name: str, is_reusable: bool) -> None:
        self.descriptor = descriptor
        self.size = size
        self.name = name
        self.is_reusable = is_reusable
        #: Whether it has been written, and so costs less to be written again.
        self.is_filled = False
        _known[name] = self

    def map(self) -> memoryview:
        """Maps the memory for this process alone: what is changed in it nobody else sees."""
        memory = mmap.mmap(self.descriptor, self.size, access=mmap.ACCESS_COPY)
        note_mapping(memory, self)
        return memoryview(memory)

    def write(self, parts: Iterable[tuple[int, Any]]) -> None:
        """Writes to the memory; for its maker, before anybody else has it.

        Args:
            parts: pieces of memory, and before each of them where it goes.
        """
        self.is_filled = True
        for start, part in parts:
            offset, view = start, memoryview(part).cast("B")
            while view.nbytes:
                written = os.pwrite(self.descriptor, view, offset)
                offset += written
                view = view[written:]

    def resize(self, size: int) -> None:
        """Gives it another size, before it is written.

        Args:
            size: the size.
        """
        os.ftruncate(self.descriptor, size)
        self.size = size

    def __del__(self, spares: Spares = spares, close: Callable[[int], None] = os.close) -> None:
        if self.is_reusable:  # the names are bound above because modules may be gone when a program ends
            spares.add(self.descriptor, self.size)
        else:
            close(self.descriptor)


def fits(size: int, found: int) -> bool:
    """Whether memory of some size is worth being used for another size.

    Args:
        size: what is needed.
        found: what there is.
    """
    return size <= 2 * found and found <= 2 * size


def new_segment(size: int) -> Segment | None:
    """Memory to be written.

    Args:
        size: how many bytes it is to have.

    Returns:
        the memory; None where this process may have no more descriptors.
    """
    while _lent:
        segment = _lent.pop()
        if fits(size, segment.size):
            segment.resize(size)
            return segment
    spare = spares.take(size)
    descriptor = _memory() if spare is None else spare
    if descriptor is None:
        return None
    segment = Segment(descriptor, size, _new_name(), is_reusable=True)
    segment.is_filled = spare is not None
    segment.resize(size)
    return segment


@contextmanager
def lent(segments: Iterable[Segment]) -> Iterator[None]:
    """Has `new_segment` use memory first that another process has lent to this one.

    Args:
        segments: the memory.
    """
    _lent.extend(segments)
    try:
        yield
    finally:
        _lent.clear()


def received(descriptor: int, size: int, name: str) -> Segment:
    """The segment that has come from another process.

    Args:
        descriptor: its descriptor, which is closed where the segment is known here.
        size: how many bytes it has.
        name: what it is known by.
    """
    known = _known.get(name)
    if known is None:
        return Segment(descriptor, size, name, is_reusable=False)
    os.close(descriptor)
    known.size, known.is_filled = size, True  # it may have been lent
    return known


def held() -> tuple[str, ...]:
    """The names of the segments that this process maps."""
    return tuple({mapping.segment.name for mapping in live_mappings()})


def keep_spares() -> None:
    """Has this process keep memory that nobody reads any more, for values to come."""
    spares.most_bytes = _MOST_SPARE


def note_passed_on() -> None:
    """Has `spoiled` tell of all that was handed to this process, and that others may have from it."""
    global _spoiled
    _spoiled = set()


def pass_on(segments: Iterable[Segment]) -> None:
    """Notes that another process is handed memory by this one.

    Args:
        segments: the memory.
    """
    if _spoiled is not None:
        _spoiled.update(segment.name for segment in segments if not segment.is_reusable)


def spoiled() -> tuple[str, ...]:
    """The names of the segments that others may map of whom nobody else knows; each is told once."""
    found = tuple(_spoiled or ())
    if _spoiled:
        _spoiled.difference_update(found)
    return found


def _memory() -> int | None:
    """A descriptor of memory without a name; None where this process may have no more descriptors."""
    try:
        if hasattr(os, "memfd_create"):
            return os.memfd_create("chariots", os.MFD_CLOEXEC)
        with tempfile.TemporaryFile() as file:
            return os.dup(file.fileno())
    except OSError as error:
        if error.errno in (24, 23):  # EMFILE, ENFILE: it goes as bytes then
            return None
        raise


def _new_name() -> str:
    return f"{_process}-{next(_numbers)}"


def _before_fork() -> None:
    for segment in list(_known.values()):
        segment.is_reusable = False
        if _spoiled is not None:
            _spoiled.add(segment.name)


def _after_fork() -> None:
    global _process
    _process = uuid4().hex
    old, spares._free, spares._lock = spares._free, [], threading.RLock()
    for _, descriptor in old:
        os.close(descriptor)


_process = uuid4().hex
_numbers = itertools.count()
_known: weakref.WeakValueDictionary[str, Segment] = weakref.WeakValueDictionary()
_spoiled: set[str] | None = None
_lent: list[Segment] = []
# Both before and behind: another thread may map memory in between.
os.register_at_fork(before=_before_fork, after_in_parent=_before_fork, after_in_child=_after_fork)
