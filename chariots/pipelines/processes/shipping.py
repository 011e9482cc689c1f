"""Which ops have the processes of a runner been sent, and are they still what they were?"""

from __future__ import annotations

import itertools
import threading
import weakref
from functools import partial

from chariots.pipelines.op_state import Stamp, cannot_be_sent, stamp_of, to_send
from chariots.pipelines.ops import BaseOp
from chariots.pipelines.processes.shared import Packed, pack
from chariots.pipelines.processes.worker import Worker

__all__ = ["Shipment", "Shipping"]


class Shipment:
    """One state of one op, packed once for all processes.

    Attributes:
        token: what it is known by.
        packed: the op.
        stamp: what tells the state from others.
    """

    def __init__(self, token: int, packed: Packed, stamp: Stamp, dropped: list[int]) -> None:
        self.token = token
        self.packed = packed
        self.stamp = stamp
        self._dropped = dropped

    def __del__(self) -> None:
        self._dropped[0] += 1


class Shipping:
    """Remembers for each op what was packed last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tokens = itertools.count()
        self._dropped = [0]  # how many shipments are of no use any more
        # By the id of the op: an op may be unhashable, as a dataclass is.
        self._shipments: dict[int, tuple[weakref.ref[BaseOp], Shipment]] = {}

    def of(self, op: BaseOp) -> Shipment:
        """The present state of an op, packed.

        Args:
            op: the op, or a pipeline.

        Raises:
            TypeError: if it holds something that cannot be pickled.
        """
        stamp = stamp_of(op)
        key = id(op)
        with self._lock:
            known = self._shipments.get(key)
            if known is not None and known[0]() is op and known[1].stamp.fits(stamp):
                return known[1]
        try:
            packed = pack(to_send(op))
        except Exception as error:
            raise cannot_be_sent(op, error) from error
        with self._lock:
            shipment = Shipment(next(self._tokens), packed, stamp, self._dropped)
            self._shipments[key] = weakref.ref(op, partial(self._gone, key)), shipment
            return shipment

    def _gone(self, key: int, reference: weakref.ref[BaseOp]) -> None:
        # Without the lock: this may be called wherever the garbage collector runs, inside of it as well.
        known = self._shipments.get(key)
        if known is not None and known[0] is reference:
            self._shipments.pop(key, None)

    def outdated(self, worker: Worker) -> tuple[int, ...]:
        """What a worker knows and nobody will ask it for any more.

        Args:
            worker: the worker; it is taken to forget what is returned.
        """
        dropped = self._dropped[0]
        if dropped == worker.heard_of:
            return ()
        worker.heard_of = dropped
        with self._lock:
            current = {shipment.token for _, shipment in tuple(self._shipments.values())}
        gone = worker.known - current
        worker.known -= gone
        return tuple(gone)
