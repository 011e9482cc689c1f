"""Which ops does a process of a runner keep that nobody will ask it for any more?"""

from __future__ import annotations

from chariots.pipelines.ops import BaseOp
from chariots.pipelines.processes.shared import Packed, pack
from chariots.pipelines.processes.worker import Worker
from chariots.pipelines.shipments import Shipments

__all__ = ["Shipping"]


class Shipping(Shipments[Packed]):
    """What the processes of one runner were sent."""

    def pack(self, op: BaseOp) -> Packed:
        """Packs an op; see `Shipments.pack`."""
        return pack(op)

    def put(self, packed: Packed) -> Packed:
        """Leaves it here: it goes with the first order to each process that speaks of it."""
        return packed

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
