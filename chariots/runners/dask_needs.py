"""What does a node ask of Dask that needs processors, memory or graphics processors?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["needs_of"]

# What a worker has of something although it does not declare it.
_KNOWN_ANYWAY = {"cpu": "nthreads", "memory": "memory_limit"}


def needs_of(client: Client, node: str, needs: Mapping[str, float]) -> dict[str, float]:
    """Says what a node needs in the words of the workers.

    What workers declare (``dask worker --resources "cpu=4 gpu=1"``), Dask's scheduler shares out. Of processors and
    memory that no worker declares, it is only made sure that there are enough.

    Args:
        client: the connection to the cluster.
        node: the name of the node.
        needs: what it asks for.

    Returns:
        what to ask of the scheduler.

    Raises:
        ValueError: if no worker has as much, so that it would wait for ever.
    """
    workers = list(client.scheduler_info(n_workers=-1)["workers"].values())
    if not workers:  # a cluster that grows when it is asked to: those that come may declare it
        return {name: amount for name, amount in needs.items() if name not in _KNOWN_ANYWAY}
    asked: dict[str, float] = {}
    fitting = workers
    for name, amount in needs.items():
        declared = {key for worker in workers for key in worker["resources"] if key.lower() == name}
        if declared:
            asked.update(dict.fromkeys(declared, amount))
        fitting = [worker for worker in fitting if _has(worker, name) >= amount]
    if not fitting:
        wanted = ", ".join(f"{name}={amount:g}" for name, amount in needs.items())
        raise ValueError(
            f"node {node!r} asks for {wanted}, and none of the {len(workers)} workers of the Dask cluster has that; "
            'ask for less, or start workers that declare it, as `dask worker --resources "gpu=1"` or '
            'DaskRunner(resources={"gpu": 1}) do'
        )
    return asked


def _has(worker: Mapping[str, Any], name: str) -> float:
    declared = [amount for key, amount in worker["resources"].items() if key.lower() == name]
    if declared:
        return float(declared[0])
    known = worker.get(_KNOWN_ANYWAY.get(name, ""), 0)
    return float(known) if known else (float("inf") if name == "memory" else 0.0)  # 0 is no limit of memory
