"""Which large values has a runner left on its cluster, so that they need not go there again?

A value is known by what it holds, as it lies in its parcel: what is the same for whoever opens it is sent once, be it
loaded anew meanwhile, and what was changed in place is sent again.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from chariots.pipelines.handles import Handle
from chariots.runners.parcels import Parcel

__all__ = ["KEPT_BYTES", "KeptValue", "KeptValues", "OnCluster"]

LARGE = 2**20  # bytes from which on a value is kept; sending less costs little more than a task does
KEPT_BYTES = 2**30


class OnCluster(Handle):
    """A value in the form in which a task of the cluster is given it."""

    __slots__ = ()


class KeptValue(OnCluster):
    """A large value from here, for one run.

    Attributes:
        handle: what stands for it on the cluster.
        parcel: the value, for whoever wants it here, and in case that the cluster loses it.
    """

    __slots__ = ("handle", "parcel")

    def __init__(self, handle: OnCluster, parcel: Parcel) -> None:
        self.handle = handle
        self.parcel = parcel

    def value(self) -> Any:
        """The value; it is not fetched."""
        return self.parcel.value()


class KeptValues:
    """The values that a runner has on its cluster; those used last stay.

    Args:
        most_bytes: how many bytes they may have in all.
        put: sends a value.
        is_there: whether the cluster still has what stands for a value.
    """

    def __init__(
        self, most_bytes: float, put: Callable[[Parcel], OnCluster], is_there: Callable[[OnCluster], bool]
    ) -> None:
        self._most_bytes = most_bytes
        self._put = put
        self._is_there = is_there
        self._lock = threading.RLock()  # whoever sends may find that it must connect anew, and forget everything
        self._known: OrderedDict[bytes, tuple[OnCluster, int]] = OrderedDict()
        self._bytes = 0

    def of(self, parcel: Parcel) -> OnCluster:
        """Sends a value, unless the cluster has it.

        Args:
            parcel: the value.

        Returns:
            what stands for it there.
        """
        if not LARGE <= parcel.size <= self._most_bytes:
            return self._put(parcel)
        return KeptValue(self._kept(parcel), parcel)

    def again(self, value: KeptValue) -> None:
        """Sends a value again that the cluster has lost.

        Args:
            value: the value.
        """
        with self._lock:
            for content, (handle, _) in list(self._known.items()):
                if handle is value.handle:
                    self._drop(content)
            value.handle = self._kept(value.parcel)

    def _kept(self, parcel: Parcel) -> OnCluster:
        content, size = parcel.content(), parcel.size
        with self._lock:  # so that nothing is sent twice that two threads need at once
            known = self._known.get(content)
            if known is not None and self._is_there(known[0]):
                self._known.move_to_end(content)
                return known[0]
            del known
            self._drop(content)
            while self._bytes + size > self._most_bytes:  # before another one takes its room
                self._drop(next(iter(self._known)))
            handle = self._put(parcel)
            self._known[content] = handle, size
            self._bytes += size
            return handle

    def clear(self) -> None:
        """Forgets everything, so that the cluster may drop it."""
        with self._lock:
            self._known.clear()
            self._bytes = 0

    def _drop(self, content: bytes) -> None:
        known = self._known.pop(content, None)
        if known is not None:
            self._bytes -= known[1]
