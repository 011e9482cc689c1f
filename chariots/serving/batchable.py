"""Which requests may run together, and how many of them?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from chariots.pipelines.nodes import Node

if TYPE_CHECKING:
    from chariots.pipelines import Pipeline

__all__ = ["Batching", "is_batchable"]


@dataclass(frozen=True)
class Batching:
    """How far requests may run together.

    Attributes:
        max_rows: the rows of one run. A request with more than a quarter of them runs alone and beside the others: it
            would gain nothing.
        max_bytes: the bytes that the inputs of one run may take; the same holds.
        max_wait: the seconds after which a request waits no longer for the run before it: it begins the next one beside
            that, and takes along whoever waits with it.

    Raises:
        ValueError: if one of them is not positive.
    """

    max_rows: int = 1024
    max_bytes: int = 4 * 2**20
    max_wait: float = 1.0

    def __post_init__(self) -> None:
        for name in ("max_rows", "max_bytes", "max_wait"):
            if not getattr(self, name) > 0:
                raise ValueError(
                    f"Batching was given {name}={getattr(self, name)!r}, which must be positive; to run every request "
                    "alone, give the server batching=False"
                )

    @classmethod
    def read(cls, wanted: bool | Batching) -> Batching | None:
        """Reads what a server was given.

        Args:
            wanted: whether to batch, or how far.

        Returns:
            the limits; None where every request is to run alone.

        Raises:
            TypeError: if it is neither.
        """
        if isinstance(wanted, Batching):
            return wanted
        if isinstance(wanted, bool):
            return cls() if wanted else None
        raise TypeError(f"batching is {wanted!r}; give True, False, or Batching(max_rows=...)")


def is_batchable(pipeline: Pipeline) -> bool:
    """Whether the inputs of several requests may go through a pipeline together.

    What the pipeline declares counts. Where it declares nothing, every op must say that it maps rows to rows, and
    nobody may be watching: a callback would see one execution where there were several requests.

    Args:
        pipeline: the pipeline, loaded.
    """
    if pipeline.trains or not pipeline.takes_input:
        return False
    if pipeline.batchable is not None:
        return pipeline.batchable
    plan = pipeline.plan
    if plan.output_slot is None or any(not getattr(each, "welcomes_batches", False) for each in pipeline.callbacks):
        return False
    for op, hooks, reads, *_, position in plan.steps:
        node = pipeline.graph_nodes[position]
        if type(node) is not Node or reads == ():
            return False
        nested = node.nested
        if not (is_batchable(nested) if nested is not None else not hooks and op.batchable):
            return False
    return True
