"""What do the pipelines of an app ask the store before they are loaded?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from chariots.pipelines.nodes import Node, laid_out
from chariots.pipelines.ops import LoadableOp
from chariots.pipelines.questions import questions
from chariots.pipelines.store import NodeQuery

if TYPE_CHECKING:
    from chariots.pipelines import Pipeline
    from chariots.pipelines.ops import BaseOp

__all__ = ["Asked", "asked_by", "ops_of"]


@dataclass(frozen=True)
class Asked:
    """One pipeline of the app, as it asks the store.

    Attributes:
        name: its name.
        nodes: its nodes by name, in the order in which they run.
        edges: the pairs of names, (upstream, downstream), whose versions have to fit.
        links: those of them that are to be drawn.
        formats: the format that each op reads its bytes in; None where it names none.
    """

    name: str
    nodes: Mapping[str, NodeQuery]
    edges: Sequence[tuple[str, str]]
    links: Sequence[tuple[str, str]] = ()
    formats: Mapping[str, str | None] = field(default_factory=dict)

    @property
    def trains(self) -> list[str]:
        """The ops that it trains."""
        return [name for name, node in self.nodes.items() if node.role == "retrain"]

    @property
    def loads(self) -> list[str]:
        """The ops that it takes from the store."""
        return [name for name, node in self.nodes.items() if node.role in ("load", "optional")]


def asked_by(pipeline: Pipeline) -> Asked:
    """What a pipeline asks the store, and what of it is to be drawn.

    Raises:
        ValueError: if the pipeline holds two different ops of one name.
    """
    nodes, edges = questions(pipeline)
    by_name = {node.name: node for node in nodes}
    direct = set(_direct_links(pipeline))
    around = _Around(by_name, edges)
    links = [edge for edge in edges if edge in direct or not around.leads_through_code(*edge)]
    formats = {name: op.bytes_format for name, op in ops_of(pipeline) if isinstance(op, LoadableOp)}
    return Asked(pipeline.name, by_name, edges, links, formats)


def _direct_links(pipeline: Pipeline) -> Iterator[tuple[str, str]]:
    waiting = [pipeline]
    while waiting:
        one = waiting.pop()
        yield from ((upstream.name, downstream.name) for upstream, downstream in one.get_all_op_links())
        nodes = [node for node in laid_out(one.pipeline_nodes) if isinstance(node, Node)]
        waiting += [node.nested for node in nodes if node.nested is not None]


class _Around:
    """The ways from one op with a state to another that lead through plain code."""

    def __init__(self, nodes: Mapping[str, NodeQuery], edges: Sequence[tuple[str, str]]) -> None:
        self._nodes = nodes
        self._readers: dict[str, list[str]] = {}
        for upstream, downstream in edges:
            self._readers.setdefault(upstream, []).append(downstream)

    def leads_through_code(self, upstream: str, downstream: str) -> bool:
        """Whether there is such a way, so that a line between the two would say nothing new.

        Args:
            upstream: the name of the node where the way begins.
            downstream: the name of the node where it ends.
        """
        seen: set[str] = set()
        waiting = [name for name in self._readers.get(upstream, ()) if name != downstream]
        while waiting:
            name = waiting.pop()
            if name in seen or self._nodes[name].role != "code":
                continue
            seen.add(name)
            readers = self._readers.get(name, ())
            if downstream in readers:
                return True
            waiting.extend(readers)
        return False


def ops_of(pipeline: Pipeline) -> Iterator[tuple[str, BaseOp]]:
    """Every op of a pipeline with the name of its node, those of nested pipelines included."""
    waiting = [pipeline]
    while waiting:
        for node in laid_out(waiting.pop().pipeline_nodes):
            if isinstance(node, Node):
                if node.nested is not None:
                    waiting.append(node.nested)
                else:
                    yield node.name, node.op
