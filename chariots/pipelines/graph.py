"""Which node reads what, and in which order can they run?

The graph is made once, when a pipeline is built, and never consulted while it runs. Everything here is linear in
the number of links and free of recursion, so that a chain of a million nodes builds.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

from chariots.errors import nearest
from chariots.pipelines.nodes import BaseNode, Node, NodeLike, NodeReference, ReservedNodes

__all__ = ["INPUT_VALUE", "Graph", "build_graph"]

INPUT_VALUE = 0  # the number of the value that a pipeline is given; the others are counted from 1
_INPUT = ReservedNodes.pipeline_input.value
_OUTPUT = ReservedNodes.pipeline_output.value


@dataclass(frozen=True, slots=True)
class Graph:
    """The links of a pipeline, as numbers. A *value* is one output of one node, or the pipeline's input.

    Attributes:
        nodes: the nodes in an order in which they can run.
        names: their names, each once.
        inputs: for each node, the values it reads.
        outputs: for each node, the values it produces; empty if nobody reads what it returns.
        references: for each value, what it is called outside.
        producers: for each value, the position of the node that produces it; -1 for the pipeline's input.
        last_readers: for each value, the position of the last node that reads it; -1 if none does.
        output_value: the value that is the result of the pipeline; None if there is no result.
    """

    nodes: tuple[BaseNode, ...]
    names: tuple[str, ...]
    inputs: tuple[tuple[int, ...], ...]
    outputs: tuple[tuple[int, ...], ...]
    references: tuple[NodeReference, ...]
    producers: tuple[int, ...]
    last_readers: tuple[int, ...]
    output_value: int | None

    def upstream(self, position: int) -> list[int]:
        """The positions of the nodes that a node reads, each once, in the order of its inputs."""
        producers = (self.producers[value] for value in self.inputs[position])
        return list(dict.fromkeys(producer for producer in producers if producer >= 0))


def build_graph(nodes: Sequence[BaseNode], pipeline_name: str) -> Graph:
    """Resolves every reference between the nodes of a pipeline and sorts them.

    Args:
        nodes: the nodes, in any order.
        pipeline_name: for the messages.

    Returns:
        the graph.

    Raises:
        ValueError: if a reference leads nowhere, two nodes produce the same name, an output is never read, or the
            nodes form a cycle; the message names the node and the reference.
        TypeError: if something among the nodes is not a node.
    """
    return _Builder(list(nodes), pipeline_name).build()


class _Builder:
    """Collects values and readers node by node; lives only while a graph is built."""

    def __init__(self, nodes: list[BaseNode], pipeline_name: str) -> None:
        self.where = f"in pipeline {pipeline_name!r}"
        self.nodes = nodes
        self.references = [ReservedNodes.pipeline_input.reference]
        self.producers = [-1]
        self.by_output: dict[str, int] = {_INPUT: INPUT_VALUE}
        self.by_node: dict[int, int] = {}  # id(node) -> its only value, -1 if it has several
        self.by_name: dict[str, int] = {}  # node name -> the same
        self.pushed: dict[int, list[int]] = {}  # id(node) -> values that other nodes declared to go to it
        self.output_value: int | None = None

    def build(self) -> Graph:
        self._name_nodes()
        outputs = [self._declare_outputs(position) for position in range(len(self.nodes))]
        unknown = set(self.pushed) - set(self.by_node)
        if unknown:
            self._refuse_stranger(min(self.pushed[stranger][0] for stranger in unknown))
        inputs = [self._resolve_inputs(position) for position in range(len(self.nodes))]
        order = self._sorted(inputs)
        return self._numbered(order, inputs, outputs)

    def _name_nodes(self) -> None:
        """Gives the second node of one name a suffix; a copy gets it, for the node is the caller's."""
        self.names: list[str] = []
        taken: dict[str, int] = {}
        counts: dict[str, int] = {}  # the last suffix of each name, so that a chain of one op stays linear
        seen: set[int] = set()
        for position, node in enumerate(self.nodes):
            if not isinstance(node, BaseNode):
                raise TypeError(
                    f"{self.where}, element {position} is {node!r}, which is not a node; wrap an op as Node(op, ...)"
                )
            if id(node) in seen:
                raise ValueError(f"{self.where}, the same node object {node.name!r} stands twice; build a second Node")
            seen.add(id(node))
            name = node.name
            if name not in taken:
                taken[name] = position
                self.names.append(name)
                continue
            count = counts.get(name, 1) + 1
            while f"{name}_{count}" in taken:
                count += 1
            counts[name] = count
            given = isinstance(node, Node) and node.has_given_name
            if given or not isinstance(node, Node):
                raise ValueError(f"{self.where}, two nodes are named {name!r}; give one of them another name")
            taken[f"{name}_{count}"] = position
            self.names.append(f"{name}_{count}")

    def _declare_outputs(self, position: int) -> list[int]:
        node, name = self.nodes[position], self.names[position]
        items = node.output_nodes
        values: list[int] = []
        for item in items:
            values.append(self._declare(position, item))
        if not items:
            values.append(self._new_value(position, NodeReference(node, name)))
        only = values[0] if len(values) == 1 else -1
        self.by_node[id(node)] = only
        self.by_name[name] = only
        return values

    def _declare(self, position: int, item: NodeLike) -> int:
        node, name = self.nodes[position], self.names[position]
        if isinstance(item, BaseNode):
            value = self._new_value(position, NodeReference(node, f"{name}->{item.name}"))
            self.pushed.setdefault(id(item), []).append(value)
            return value
        if isinstance(item, NodeReference):
            label = item.reference
        else:
            label = item.value if isinstance(item, ReservedNodes) else item
        if label == _INPUT:
            raise ValueError(f"{self.where}, node {name!r} writes {_INPUT!r}, which only the caller may fill")
        if label == _OUTPUT:
            if self.output_value is not None:
                other = self.names[self.producers[self.output_value]]
                raise ValueError(f"{self.where}, both {other!r} and {name!r} write {_OUTPUT!r}; only one node may")
            self.output_value = self._new_value(position, NodeReference(node, label))
            return self.output_value
        if label in self.by_output:
            other = self.names[self.producers[self.by_output[label]]]
            raise ValueError(
                f"{self.where}, nodes {other!r} and {name!r} both produce {label!r}; rename one of the two outputs"
            )
        self.by_output[label] = self._new_value(position, NodeReference(node, label))
        return self.by_output[label]

    def _new_value(self, position: int, reference: NodeReference) -> int:
        self.references.append(reference)
        self.producers.append(position)
        return len(self.references) - 1

    def _resolve_inputs(self, position: int) -> list[int]:
        node = self.nodes[position]
        values = [self._resolve(position, item) for item in node.input_nodes]
        values.extend(value for value in self.pushed.get(id(node), ()) if value not in values)
        nested = node.nested if isinstance(node, Node) else None
        if nested is not None and len(values) > 1:
            raise ValueError(
                f"{self.where}, node {self.names[position]!r} gives {len(values)} inputs to pipeline {nested.name!r}, "
                "which takes one; join them in a node before it"
            )
        return values

    def _resolve(self, position: int, item: NodeLike) -> int:
        name = self.names[position]
        if isinstance(item, BaseNode):
            value = self.by_node.get(id(item))
            if value is None:
                raise ValueError(
                    f"{self.where}, node {name!r} reads node {item.name!r}, which is not among the pipeline's nodes; "
                    "add it to the list"
                )
            return self._single(value, name, item.name)
        if isinstance(item, NodeReference):
            if isinstance(item.node, BaseNode) and item.reference not in self.by_output:
                return self._resolve(position, item.node)
            label = item.reference
        else:
            label = item.value if isinstance(item, ReservedNodes) else item
        if label == _OUTPUT:
            raise ValueError(f"{self.where}, node {name!r} reads {_OUTPUT!r}; give that output a second node instead")
        value = self.by_output.get(label)
        if value is not None:
            return value
        if label in self.by_name:
            return self._single(self.by_name[label], name, label)
        known = [*self.by_output, *self.by_name]
        hint = nearest(label, known) or f" Known here: {', '.join(repr(other) for other in known[:10])}."
        raise ValueError(f"{self.where}, node {name!r} reads {label!r}, which nothing produces.{hint}")

    def _single(self, value: int, reader: str, producer: str) -> int:
        if value < 0:
            raise ValueError(
                f"{self.where}, node {reader!r} reads node {producer!r}, which has several outputs; "
                "name the one you want"
            )
        return value

    def _refuse_stranger(self, value: int) -> None:
        raise ValueError(
            f"{self.where}, node {self.names[self.producers[value]]!r} sends its output "
            f"{self.references[value].reference!r} to a node that is not among the pipeline's nodes; add it to the list"
        )

    def _sorted(self, inputs: list[list[int]]) -> list[int]:
        """Positions in an order in which they can run; the given order wherever that works (Kahn's algorithm)."""
        producers = self.producers
        if all(producers[value] < position for position, values in enumerate(inputs) for value in values):
            return list(range(len(inputs)))
        readers: list[list[int]] = [[] for _ in inputs]
        waiting = [0] * len(inputs)
        for position, values in enumerate(inputs):
            for value in values:
                if producers[value] >= 0:
                    readers[producers[value]].append(position)
                    waiting[position] += 1
        ready = [position for position, count in enumerate(waiting) if not count]
        order: list[int] = []
        while ready:
            position = heapq.heappop(ready)
            order.append(position)
            for reader in readers[position]:
                waiting[reader] -= 1
                if not waiting[reader]:
                    heapq.heappush(ready, reader)
        if len(order) < len(inputs):
            self._refuse_cycle(inputs, {position for position, count in enumerate(waiting) if count})
        return order

    def _refuse_cycle(self, inputs: list[list[int]], stuck: set[int]) -> None:
        """Walks upstream among the nodes that can never run until one comes round again."""
        position, trail = min(stuck), dict[int, None]()
        while position not in trail:
            trail[position] = None
            position = next(self.producers[value] for value in inputs[position] if self.producers[value] in stuck)
        steps = list(trail)
        cycle = [*steps[steps.index(position) :], position]
        path = " -> ".join(self.names[step] for step in reversed(cycle))
        raise ValueError(f"{self.where}, the nodes form a cycle: {path}; one of them must not read the other")

    def _numbered(self, order: list[int], inputs: list[list[int]], outputs: list[list[int]]) -> Graph:
        rank = [0] * len(order)
        for new, old in enumerate(order):
            rank[old] = new
        last = [-1] * len(self.references)
        for new, old in enumerate(order):
            for value in inputs[old]:
                last[value] = new
        kept: list[tuple[int, ...]] = []
        nodes: list[BaseNode] = []
        for old in order:
            node, name, values = self.nodes[old], self.names[old], outputs[old]
            if not node.output_nodes and last[values[0]] < 0:
                values = []  # nobody asked for what this node returns: a training step, typically
            for value in values:
                if last[value] < 0 and value != self.output_value:
                    raise ValueError(
                        f"{self.where}, output {self.references[value].reference!r} of node {name!r} is never read; "
                        f"read it, drop it from output_nodes, or call it {_OUTPUT!r}"
                    )
            kept.append(tuple(values))
            renamed = isinstance(node, Node) and node.name != name
            nodes.append(node.renamed(name) if renamed and isinstance(node, Node) else node)
        return Graph(
            nodes=tuple(nodes),
            names=tuple(self.names[old] for old in order),
            inputs=tuple(tuple(inputs[old]) for old in order),
            outputs=tuple(kept),
            references=tuple(self.references),
            producers=tuple(-1 if old < 0 else rank[old] for old in self.producers),
            last_readers=tuple(last),
            output_value=self.output_value,
        )
