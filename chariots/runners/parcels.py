"""In which form does a value lie in memory that several processes read and none may write?"""

from __future__ import annotations

import pickle
from typing import Any

import cloudpickle

__all__ = ["Parcel"]


class Parcel:
    """A value, pickled with its large buffers apart (PEP 574), so that they are not copied into a pickle first.

    Args:
        data: the pickle.
        buffers: the buffers.
    """

    __slots__ = ("buffers", "data")

    def __init__(self, data: bytes, buffers: tuple[Any, ...]) -> None:
        self.data = data
        self.buffers = buffers

    def __reduce__(self) -> tuple[type[Parcel], tuple[bytes, tuple[Any, ...]]]:
        return Parcel, (self.data, tuple(map(pickle.PickleBuffer, self.buffers)))

    @classmethod
    def of(cls, value: Any) -> Parcel:
        """Packs a value.

        Args:
            value: the value.

        Raises:
            TypeError: if something in it cannot be pickled, and whatever else its own code raises when that is tried.
        """
        found: list[pickle.PickleBuffer] = []
        data = cloudpickle.dumps(value, protocol=5, buffer_callback=found.append)
        try:
            return cls(data, tuple(buffer.raw() for buffer in found))
        except BufferError:  # not contiguous: it cannot be apart
            return cls(cloudpickle.dumps(value, protocol=5), ())

    def value(self) -> Any:
        """Makes the value again, of memory of its own: whoever gets it may change it."""
        return pickle.loads(self.data, buffers=[bytearray(buffer) for buffer in self.buffers])  # noqa: S301  # by a user of the cluster
