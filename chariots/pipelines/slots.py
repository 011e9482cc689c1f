"""Of which nodes does a pipeline consist once those nested in it are laid open, and whose versions have to fit?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chariots.pipelines.graph import INPUT_VALUE
from chariots.pipelines.mismatch import strictest
from chariots.pipelines.nodes import BaseNode, Node, laid_out
from chariots.pipelines.ops import BaseOp, LoadableOp
from chariots.pipelines.store import Level

if TYPE_CHECKING:
    from chariots.pipelines.pipeline import Pipeline

__all__ = ["Slot", "effective_edges", "lay_open"]


@dataclass(frozen=True, slots=True)
class Slot:
    """One node of a pipeline after nested pipelines, and nodes that choose, were laid open.

    Attributes:
        node: the node.
        upstream: the positions of the slots that it reads.
        mismatch_on: the strictest setting of the pipelines that hold it.
    """

    node: BaseNode
    upstream: tuple[int, ...]
    mismatch_on: Level

    @property
    def op(self) -> BaseOp | None:
        """The op of the node; None for a node of a class of the user's own."""
        return self.node.op if isinstance(self.node, Node) else None


def lay_open(pipeline: Pipeline) -> list[Slot]:
    """Lays a pipeline and those nested in it open.

    Args:
        pipeline: the pipeline.

    Returns:
        its slots, each behind those it reads.

    Raises:
        ValueError: if one name stands for two different ops with a state.
    """
    slots: list[Slot] = []
    _flatten(pipeline, (), slots, "major")
    ops: dict[str, BaseOp | None] = {}
    for slot in slots:
        other = ops.setdefault(slot.node.name, slot.op)
        if other is not slot.op and isinstance(slot.op, LoadableOp):
            raise ValueError(
                f"pipeline {pipeline.name!r} and the pipelines nested in it hold two different ops named "
                f"{slot.node.name!r}, and the store knows ops by name; name one of them with Node(op, ..., name=...)"
            )
    return slots


def effective_edges(slots: Sequence[Slot]) -> list[tuple[int, int]]:
    """The links that decide whether versions fit, as positions (upstream, downstream).

    Beside the direct links these are, for every op with a state, all that it learned from: the stateless ops behind
    it, up to and including the nearest ops with a state. A classifier learned from what the embedding gave and from
    what reshaped it between, however many steps that took.

    Args:
        slots: the slots of a pipeline.

    Returns:
        the links, each once.
    """
    edges: dict[tuple[int, int], None] = {}
    for position, slot in enumerate(slots):
        sources: Iterable[int] = slot.upstream
        if isinstance(slot.op, LoadableOp):
            sources = sorted(_learned_from(slots, slot))
        edges.update(dict.fromkeys((source, position) for source in sources))
    return list(edges)


def _learned_from(slots: Sequence[Slot], slot: Slot) -> set[int]:
    """The positions of everything that a slot reads, through stateless ops and up to those with a state."""
    found: set[int] = set()
    waiting = list(slot.upstream)
    while waiting:
        position = waiting.pop()
        if position not in found:
            found.add(position)
            if not isinstance(slots[position].op, LoadableOp):
                waiting.extend(slots[position].upstream)
    return found


def _flatten(pipeline: Pipeline, given: tuple[int, ...], slots: list[Slot], mismatch_on: Level) -> tuple[int, ...]:
    """Lays nested pipelines open, and nodes that choose: what is inside reads what the whole was given.

    Args:
        pipeline: the pipeline.
        given: positions of the slots that fill the pipeline's input.
        slots: what is laid open already; the slots of the pipeline are added to it.
        mismatch_on: what the pipelines around this one ask for.

    Returns:
        the positions of the slots that fill the pipeline's output.
    """
    mismatch_on = strictest(mismatch_on, pipeline.mismatch_on)
    graph = pipeline._graph
    filled_by: dict[int | None, tuple[int, ...]] = {INPUT_VALUE: given}  # value -> slots that fill it
    for position, node in enumerate(pipeline.graph_nodes):
        upstream = tuple(dict.fromkeys(slot for value in graph.inputs[position] for slot in filled_by[value]))
        ends: tuple[int, ...] = ()
        for one in laid_out([node]):
            nested = one.nested if isinstance(one, Node) else None
            if nested is None:
                slots.append(Slot(one, upstream, mismatch_on))
                ends += (len(slots) - 1,)
            else:
                ends += _flatten(nested, upstream, slots, mismatch_on)
        filled_by.update(dict.fromkeys(graph.outputs[position], ends))
    return filled_by.get(graph.output_value, ())
