"""Which memory of this process is a private view of a segment, and what was changed in it?

What an op hands on that it was given lies in such a view. It need not be copied to be handed on again: it is enough to
name the segment, and to send the pages that were changed in place. Which these are the system knows, for a page of a
private mapping is copied when it is first written to.
"""

from __future__ import annotations

import ctypes
import functools
import mmap
import os
import re
import sys
import weakref
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from chariots.pipelines.processes.segments import Segment

__all__ = ["Mapping", "Slice", "borrowed", "live_mappings", "note_mapping"]

_SMALLEST = 64 * 1024  # bytes from which on it is worth the while to look where they lie
_MOST_CHANGED = 8  # one part in so many of a buffer; where more has changed, it is copied as a whole
_PAGEMAP = "/proc/self/pagemap"  # eight bytes a page; see "pagemap" in the documentation of Linux


class Mapping(NamedTuple):
    """A private view of a segment, in the memory of this process.

    Attributes:
        start: its address.
        stop: the address behind it.
        segment: the segment, from its first byte on.
    """

    start: int
    stop: int
    segment: Segment


class Slice(NamedTuple):
    """Bytes that are a part of a segment, but for what was changed in them.

    Attributes:
        segment: the segment.
        offset: where they begin in it.
        changes: what was changed: from which of the bytes on, and what is there now.
    """

    segment: Segment
    offset: int
    changes: tuple[tuple[int, bytes], ...]


_mapped: dict[int, tuple[weakref.ref[mmap.mmap], Mapping]] = {}  # by where they begin


def note_mapping(memory: mmap.mmap, segment: Segment) -> None:
    """Notes where a segment was mapped, for as long as that is so.

    Args:
        memory: the mapping, of the segment from its first byte on, and private.
        segment: the segment; it is kept as long as the mapping.
    """
    start = _address_of(memory)
    gone = weakref.ref(memory, functools.partial(_unmapped, start))
    _mapped[start] = gone, Mapping(start, start + len(memory), segment)


def _unmapped(start: int, memory: weakref.ref[mmap.mmap]) -> None:
    known = _mapped.get(start)
    if known is not None and known[0] is memory:  # else another one has its place meanwhile
        del _mapped[start]


def live_mappings() -> list[Mapping]:
    """The private views of segments that this process has."""
    return [mapping for memory, mapping in list(_mapped.values()) if memory() is not None]


def borrowed(parts: Sequence[Any]) -> dict[int, Slice]:
    """Finds those among pieces of memory that need not be copied to be handed on.

    A segment is kept by each part of it that is handed on, so that at least half of it has to be.

    Args:
        parts: the pieces, contiguous.

    Returns:
        by their numbers, those that lie in segments.
    """
    if not _mapped or not _can_tell():
        return {}
    mappings = sorted(live_mappings(), key=lambda mapping: mapping.start)
    starts = [mapping.start for mapping in mappings]
    found: dict[int, Slice] = {}
    used: dict[Segment, int] = {}
    for number, part in enumerate(parts):
        size = len(part) if isinstance(part, bytes) else part.nbytes
        if size < _SMALLEST:
            continue
        start = _address_of(part)
        at = bisect_right(starts, start) - 1
        if at < 0 or start + size > mappings[at].stop:
            continue
        changes = _changes(part, start, size)
        if changes is not None:
            mapping = mappings[at]
            found[number] = Slice(mapping.segment, start - mapping.start, changes)
            used[mapping.segment] = used.get(mapping.segment, 0) + size
    return {number: one for number, one in found.items() if 2 * used[one.segment] >= one.segment.size}


def _changes(part: Any, start: int, size: int) -> tuple[tuple[int, bytes], ...] | None:
    """What was changed of a piece of memory since it was mapped; None where that is much."""
    view = memoryview(part).cast("B")
    changes = []
    left = size // _MOST_CHANGED
    for begin, end in _changed(start, start + size):
        left -= end - begin
        if left < 0:
            return None
        changes.append((begin - start, bytes(view[begin - start : end - start])))
    return tuple(changes)


def _changed(start: int, stop: int) -> Iterator[tuple[int, int]]:
    """The addresses between two others whose pages are not those of the file any more."""
    page = mmap.PAGESIZE
    first, count = start // page, -(-stop // page) - start // page
    descriptor = os.open(_PAGEMAP, os.O_RDONLY | os.O_CLOEXEC)
    try:
        entries = os.pread(descriptor, 8 * count, 8 * first)
    finally:
        os.close(descriptor)
    flags = entries[7 if sys.byteorder == "little" else 0 :: 8].translate(_IS_CHANGED).ljust(count, b"\1")
    for run in re.finditer(b"\1+", flags):
        yield max(start, (first + run.start()) * page), min(stop, (first + run.end()) * page)


def _is_changed(flags: int) -> bool:
    """Whether a page has been copied, by the upper byte of its entry; what is not known for sure counts as changed."""
    present, swapped, of_file = flags & 0x80, flags & 0x40, flags & 0x20
    return bool(swapped) or bool(present and not of_file)


_IS_CHANGED = bytes(map(_is_changed, range(256)))


@functools.cache
def _can_tell() -> bool:
    """Whether the system tells which pages of a private mapping were changed: tried out, for not every one does."""
    if not hasattr(os, "memfd_create"):
        return False
    page = mmap.PAGESIZE
    descriptor = os.memfd_create("chariots", os.MFD_CLOEXEC)
    try:
        os.pwrite(descriptor, bytes(4 * page), 0)
        memory = mmap.mmap(descriptor, 4 * page, access=mmap.ACCESS_COPY)
        start = _address_of(memory)
        memory[page] = memory[2 * page]  # one is written to, one is read, two are left alone
        return list(_changed(start, start + 4 * page)) == [(start + page, start + 2 * page)]
    except OSError:
        return False
    finally:
        os.close(descriptor)


class _Buffer(ctypes.Structure):
    """A ``Py_buffer``, as the stable interface of Python has it."""

    _fields_ = (
        ("buf", ctypes.c_void_p),
        ("obj", ctypes.c_void_p),
        ("len", ctypes.c_ssize_t),
        ("itemsize", ctypes.c_ssize_t),
        ("readonly", ctypes.c_int),
        ("ndim", ctypes.c_int),
        ("format", ctypes.c_void_p),
        ("shape", ctypes.c_void_p),
        ("strides", ctypes.c_void_p),
        ("suboffsets", ctypes.c_void_p),
        ("internal", ctypes.c_void_p),
    )


def _address_of(memory: Any) -> int:
    """Where a piece of memory begins; `memoryview` does not tell, and not every piece can be written to."""
    found = _Buffer()
    ctypes.pythonapi.PyObject_GetBuffer(ctypes.py_object(memory), ctypes.byref(found), 0)
    try:
        return found.buf or 0
    finally:
        ctypes.pythonapi.PyBuffer_Release(ctypes.byref(found))
