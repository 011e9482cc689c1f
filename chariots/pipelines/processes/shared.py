"""How does a value go from one process to another without being copied for each that reads it?

It is pickled with its large buffers apart (PEP 574). What is small travels as bytes. What is large is written once into
memory that has no name, and the processes are handed its file descriptor: whoever reads the value maps that memory, and
it is gone when the last of them is, whatever has become of the others.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import cloudpickle

from chariots.pipelines.handles import Handle
from chariots.pipelines.processes.mappings import Slice, borrowed
from chariots.pipelines.processes.segments import Segment, new_segment

__all__ = ["Packed", "pack", "unpack"]

LARGE = 128 * 1024  # bytes from which on memory of its own is cheaper than a copy through a socket
_ALIGNED = 64  # bytes, as numpy has its arrays


class Packed(Handle):
    """A value in the form in which it goes from process to process.

    Attributes:
        layout: how long each buffer is, and at last the pickle. Those of them that lie nowhere else follow each other,
            each aligned.
        data: the bytes of these, where they are few; else None.
        segment: the memory that holds them, where they are many; else None.
        slices: by their numbers, those that lie where they came from.
    """

    __slots__ = ("data", "layout", "segment", "slices")

    def __init__(
        self,
        layout: tuple[int, ...],
        data: bytes | None,
        segment: Segment | None,
        slices: Mapping[int, Slice] = MappingProxyType({}),
    ) -> None:
        self.layout = layout
        self.data = data
        self.segment = segment
        self.slices = slices

    def segments(self) -> list[Segment]:
        """The memory that it lies in."""
        found = [] if self.segment is None else [self.segment]
        return [*found, *(one.segment for one in self.slices.values())]

    def value(self) -> Any:
        """Unpickles the value: what is large in it is not copied, and may be changed without anybody else noticing."""
        return unpack(self)


def pack(value: Any) -> Packed:
    """Pickles a value; what lies in memory that is shared already is not copied.

    Args:
        value: the value.

    Raises:
        TypeError: if something in it cannot be pickled, and whatever else its own code raises when that is tried.
    """
    buffers: list[pickle.PickleBuffer] = []
    file = io.BytesIO()
    cloudpickle.Pickler(file, protocol=5, buffer_callback=buffers.append).dump(value)
    parts: list[memoryview] = []
    for buffer in buffers:
        try:
            parts.append(buffer.raw())
        except BufferError:  # not contiguous: it cannot be apart
            return _keep((cloudpickle.dumps(value, protocol=5),))
    return _keep((*parts, file.getbuffer()))


def unpack(packed: Packed) -> Any:
    """Returns the value that was packed.

    Args:
        packed: what `pack` returned, here or in another process.
    """
    if packed.segment is not None:
        own = packed.segment.map()
    else:
        data = packed.data or b""
        own = memoryview(bytearray(data) if len(packed.layout) > 1 else data)
    others: dict[Segment, memoryview] = {}
    parts: list[memoryview] = []
    offset = 0
    for number, length in enumerate(packed.layout):
        lies = packed.slices.get(number)
        if lies is None:
            parts.append(own[offset : offset + length])
            offset += _padded(length)
        else:
            if lies.segment not in others:
                others[lies.segment] = lies.segment.map()
            part = others[lies.segment][lies.offset : lies.offset + length]
            for start, changed in lies.changes:
                part[start : start + len(changed)] = changed
            parts.append(part)
    return pickle.loads(parts.pop(), buffers=parts)  # noqa: S301  # made by a process of ours


def _keep(parts: Sequence[Any]) -> Packed:
    layout = tuple(len(part) if isinstance(part, bytes) else part.nbytes for part in parts)
    slices = borrowed(parts)
    own, total = [], 0
    for number, part in enumerate(parts):
        if number not in slices:
            own.append((total, part))
            total += _padded(layout[number])
    if total >= LARGE:
        segment = new_segment(total)
        if segment is not None:
            segment.write(own)
            return Packed(layout, None, segment, slices)
    if len(own) == 1:
        return Packed(layout, bytes(own[0][1]), None, slices)
    padding = bytes(_ALIGNED)
    pieces = [piece for _, part in own for piece in (part, padding[: -memoryview(part).nbytes % _ALIGNED])]
    return Packed(layout, b"".join(pieces), None, slices)


def _padded(length: int) -> int:
    return length + -length % _ALIGNED
