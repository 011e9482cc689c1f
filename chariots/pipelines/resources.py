"""How do nodes that run at the same time share what one machine has?"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING

from chariots.pipelines.node_options import RESOURCES, checked_resources

if TYPE_CHECKING:
    from chariots.pipelines.parallel_run import Run

__all__ = ["Resources", "processors"]


class Resources:
    """What a runner has, and what of it is in use, over all of its runs.

    Args:
        who: the class of the runner, for the messages.
        max_workers: how many processors there are if ``given`` does not say.
        given: how much there is of what, by the names in `RESOURCES`. What is not given is one graphics processor, as
            many processors as workers, and the memory of the machine.
    """

    def __init__(self, who: str, max_workers: int, given: Mapping[str, float] | None = None) -> None:
        self._who = who
        self.total = {"cpu": float(max_workers), "memory": _memory(), "gpu": 1.0, **checked_resources(who, given or {})}
        self._free = dict(self.total)
        self._lock = threading.Lock()
        self._waiting: dict[int, Run] = {}  # by id

    def check(self, node: str, needs: Mapping[str, float]) -> None:
        """Refuses what no amount of waiting will bring.

        Args:
            node: the name of the node.
            needs: what it asks for.

        Raises:
            ValueError: if that is more than there is.
        """
        for name in RESOURCES:
            if needs.get(name, 0) > self.total[name]:
                raise ValueError(
                    f"node {node!r} asks for {name}={needs[name]:g}, and this {self._who} has {self.total[name]:g}; "
                    f"ask for less, or make it with {self._who}(resources={{{name!r}: ...}})"
                )

    def take(self, needs: Mapping[str, float], run: Run) -> bool:
        """Takes what a node needs, if all of it is free.

        Args:
            needs: what it asks for.
            run: the run of the node; if something is missing, it is told as soon as anything is given back.
        """
        with self._lock:
            if any(amount > self._free[name] + 1e-9 for name, amount in needs.items()):
                self._waiting[id(run)] = run
                return False
            for name, amount in needs.items():
                self._free[name] -= amount
            return True

    def give_back(self, needs: Mapping[str, float]) -> None:
        """Gives back what a node had, and tells the runs that wait; not to be called under the lock of a run.

        Args:
            needs: what was taken.
        """
        with self._lock:
            for name, amount in needs.items():
                self._free[name] += amount
            waiting, self._waiting = self._waiting, {}
        for run in waiting.values():
            run.try_deferred()


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _memory() -> float:
    try:
        return float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (ValueError, OSError, AttributeError):  # not known on every system
        return float("inf")
