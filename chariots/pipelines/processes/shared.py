"""How does a value go from one process to another without being copied for each that reads it?

It is pickled with its large buffers apart (PEP 574). What is small travels as bytes. What is large is written once into
memory that has no name, and the processes are handed its file descriptor: whoever reads the value maps that memory, and
it is gone when the last of them is, whatever has become of the others.
"""

from __future__ import annotations

import io
import mmap
import os
import pickle
import tempfile
from collections.abc import Sequence
from typing import Any

import cloudpickle

from chariots.pipelines.handles import Handle

__all__ = ["Packed", "pack", "unpack"]

LARGE = 128 * 1024  # bytes from which on memory of its own is cheaper than a copy through a socket
_ALIGNED = 64  # bytes, as numpy has its arrays


class Packed(Handle):
    """A value in the form in which it goes from process to process.

    Attributes:
        layout: how long each buffer is, and at last the pickle; they follow each other, each aligned.
        data: the bytes, where they are few; else None.
        descriptor: that of the memory that holds them, where they are many; else None.
    """

    __slots__ = ("data", "descriptor", "layout")

    def __init__(self, layout: tuple[int, ...], data: bytes | None, descriptor: int | None) -> None:
        self.layout = layout
        self.data = data
        self.descriptor = descriptor

    def value(self) -> Any:
        """Unpickles the value: what is large in it is not copied, and may be changed without anybody else noticing."""
        return unpack(self)

    def __del__(self) -> None:
        if self.descriptor is not None:
            os.close(self.descriptor)


def pack(value: Any) -> Packed:
    """Pickles a value.

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
    memory: Any = bytearray(packed.data) if packed.data is not None and len(packed.layout) > 1 else packed.data
    if packed.descriptor is not None:
        # Private: a page that somebody here changes is copied for this process, and no other.
        memory = mmap.mmap(packed.descriptor, _total(packed.layout), access=mmap.ACCESS_COPY)
    view = memoryview(memory)
    parts: list[memoryview] = []
    offset = 0
    for length in packed.layout:
        parts.append(view[offset : offset + length])
        offset += _padded(length)
    return pickle.loads(parts.pop(), buffers=parts)  # noqa: S301  # made by a process of ours


def _keep(parts: Sequence[Any]) -> Packed:
    layout = tuple(len(part) if isinstance(part, bytes) else part.nbytes for part in parts)
    if _total(layout) >= LARGE:
        descriptor = _memory()
        if descriptor is not None:
            try:
                offset = 0
                for part, length in zip(parts, layout, strict=True):
                    _write(descriptor, part, offset)
                    offset += _padded(length)
                os.ftruncate(descriptor, _total(layout))
            except BaseException:
                os.close(descriptor)
                raise
            return Packed(layout, None, descriptor)
    if len(parts) == 1:
        return Packed(layout, bytes(parts[0]), None)
    padding = bytes(_ALIGNED)
    pieces = [
        piece for part, length in zip(parts, layout, strict=True) for piece in (part, padding[: -length % _ALIGNED])
    ]
    return Packed(layout, b"".join(pieces), None)


def _padded(length: int) -> int:
    return length + -length % _ALIGNED


def _total(layout: Sequence[int]) -> int:
    return sum(map(_padded, layout))


def _write(descriptor: int, part: Any, offset: int) -> None:
    view = memoryview(part).cast("B")
    while view.nbytes:
        written = os.pwrite(descriptor, view, offset)
        offset += written
        view = view[written:]


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
