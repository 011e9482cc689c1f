"""In which form does a value lie in memory that several processes read and none may write?"""

from __future__ import annotations

import hashlib
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

    def __reduce_ex__(self, protocol: Any) -> tuple[type[Parcel], tuple[bytes, tuple[Any, ...]]]:
        # Earlier protocols know no buffers; a bytearray can be written to, as the memory that it stands for.
        form = pickle.PickleBuffer if protocol >= 5 else bytearray
        return Parcel, (self.data, tuple(map(form, self.buffers)))

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

    @property
    def size(self) -> int:
        """How many bytes it has."""
        return len(self.data) + sum(memoryview(buffer).nbytes for buffer in self.buffers)

    def content(self) -> bytes:
        """Names what is in it: two parcels of one name hold values that nobody who opens them can tell apart."""
        sha = hashlib.sha256()
        for part in (self.data, *self.buffers):
            sha.update(memoryview(part).nbytes.to_bytes(8, "big"))
            sha.update(part)  # read where it lies
        return sha.digest()

    def written(self) -> bytes:
        """The parcel as bytes of its own, of which `Parcel.read` makes the value."""
        return pickle.dumps(self, protocol=5)

    @staticmethod
    def read(data: bytes) -> Any:
        """Makes a value of what `written` returned, each time another one.

        Args:
            data: the bytes.
        """
        parcel: Parcel = pickle.loads(data)  # noqa: S301  # by a user of the cluster
        return parcel.opened()

    def opened(self) -> Any:
        """Makes the value again, of the memory it came in; to be called once."""
        return pickle.loads(self.data, buffers=self.buffers)  # noqa: S301  # by a user of the cluster

    def value(self) -> Any:
        """Makes the value again, of memory of its own: whoever gets it may change it."""
        return pickle.loads(self.data, buffers=[bytearray(buffer) for buffer in self.buffers])  # noqa: S301  # by a user of the cluster
