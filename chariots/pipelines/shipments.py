"""Which ops has a runner sent to where they are executed, and are they still what they were?"""

from __future__ import annotations

import itertools
import threading
import weakref
from abc import ABC, abstractmethod
from functools import partial
from typing import Any, Generic, TypeVar

from chariots.pipelines.op_state import Stamp, cannot_be_sent, stamp_of, to_send
from chariots.pipelines.ops import BaseOp

__all__ = ["Shipment", "Shipments"]

Form = TypeVar("Form")
"""In what form an op is sent."""


class Shipment(Generic[Form]):
    """One state of one op, packed once for all who execute it.

    Attributes:
        token: what it is known by.
        op: what the op is known by, whatever its state.
        packed: the op.
        stamp: what tells the state from others.
    """

    def __init__(self, token: int, op: int, packed: Form, stamp: Stamp, dropped: list[int]) -> None:
        self.token = token
        self.op = op
        self.packed = packed
        self.stamp = stamp
        self._dropped = dropped

    def __del__(self) -> None:
        self._dropped[0] += 1


class Shipments(ABC, Generic[Form]):
    """Remembers for each op what was packed last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tokens = itertools.count()
        self._dropped = [0]  # how many shipments are of no use any more
        # By the id of the op: an op may be unhashable, as a dataclass is.
        self._shipments: dict[int, tuple[weakref.ref[BaseOp], Shipment[Form]]] = {}

    @abstractmethod
    def pack(self, op: BaseOp) -> Any:
        """Pickles an op.

        Args:
            op: what is sent of the op, or of a pipeline.
        """

    @abstractmethod
    def put(self, packed: Any) -> Form:
        """Puts a packed op where those who execute it find it.

        Args:
            packed: what `pack` returned.
        """

    def of(self, op: BaseOp) -> Shipment[Form]:
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
            if known is not None and known[0]() is not op:
                known = None  # of an op that is gone, and that another one has the id of
            if known is not None and known[1].stamp.fits(stamp):
                return known[1]
        sent = to_send(op)
        try:
            packed = self.pack(sent)
        except Exception as error:
            raise cannot_be_sent(op, error) from error
        form = self.put(packed)
        with self._lock:
            token = next(self._tokens)
            shipment = Shipment(token, token if known is None else known[1].op, form, stamp, self._dropped)
            self._shipments[key] = weakref.ref(op, partial(self._gone, key)), shipment
            return shipment

    def clear(self) -> None:
        """Forgets everything: it was sent to somebody who is not there any more."""
        with self._lock:
            self._shipments.clear()

    def _gone(self, key: int, reference: weakref.ref[BaseOp]) -> None:
        # Without the lock: this may be called wherever the garbage collector runs, inside of it as well.
        known = self._shipments.get(key)
        if known is not None and known[0] is reference:
            self._shipments.pop(key, None)
