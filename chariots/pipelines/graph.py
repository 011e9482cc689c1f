"""Which node reads what, and in which order can they run?

The graph is made once, when a pipeline is built, and never consulted while it runs. Everything here is linear in
the number of links and free of recursion, so that a chain of a million nodes builds. The two loops over all nodes
treat the common case (one name in, one name out) in place and leave every other case to a method.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, NoReturn

from chariots.errors import nearest
from chariots.pipelines.edge_types import check_edges
from chariots.pipelines.nodes import BaseNode, Node, NodeLike, NodeReference, ReservedNodes, laid_out

__all__ = ["INPUT_VALUE", "Graph", "build_graph"]

INPUT_VALUE = 0  # the number of the value that a pipeline is given; the others are counted from 1
_NOT_READABLE = -1  # stands for the pipeline's output among the names that can be read
_INPUT = ReservedNodes.pipeline_input.value
_OUTPUT = ReservedNodes.pipeline_output.value


class Links(NamedTuple):
    """Who waits for whom, for a run in which every node starts as soon as it can.

    Attributes:
        readers: for each value, the positions of the nodes that read it, each once.
        waits: for each node, how many values it waits for: those it reads, but for the pipeline's input.
        keeps: for each value, how many nodes have to be done before it can be dropped; one more than there are for the
            result of the pipeline.
        distinct: for each node, the values it reads, each once.
    """

    readers: list[tuple[int, ...]]
    waits: list[int]
    keeps: list[int]
    distinct: list[tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Graph:
    """The links of a pipeline, as numbers. A *value* is one output of one node, or the pipeline's input.

    Attributes:
        nodes: the nodes in an order in which they can run.
        inputs: for each node, the values it reads.
        outputs: for each node, the values it produces; empty if nobody reads what it returns.
        labels: for each value, its name.
        producers: for each value, the position of the node that produces it; -1 for the pipeline's input.
        last_readers: for each value, the position of the last node that reads it; -1 if none does.
        output_value: the value that is the result of the pipeline; None if there is no result.
    """

    nodes: tuple[BaseNode, ...]
    inputs: list[tuple[int, ...]]
    outputs: list[tuple[int, ...]]
    labels: list[str]
    producers: list[int]
    last_readers: list[int]
    output_value: int | None
    _links: list[Links] = field(default_factory=list, repr=False, compare=False)  # one, once it is asked for

    @property
    def links(self) -> Links:
        """What a run needs to know that does not follow the order of the nodes; made when it is first asked for."""
        if not self._links:
            self._links.append(_links(self))
        return self._links[0]

    def reference(self, value: int) -> NodeReference:
        """What a value is called outside."""
        if value == INPUT_VALUE:
            return ReservedNodes.pipeline_input.reference
        return NodeReference(self.nodes[self.producers[value]], self.labels[value])

    def upstream(self, position: int) -> list[int]:
        """The positions of the nodes that a node reads, each once, in the order of its inputs."""
        producers = (self.producers[value] for value in self.inputs[position])
        return list(dict.fromkeys(producer for producer in producers if producer >= 0))


def _links(graph: Graph) -> Links:
    readers: list[list[int]] = [[] for _ in graph.labels]
    distinct = [values if len(values) < 2 else tuple(dict.fromkeys(values)) for values in graph.inputs]
    for position, values in enumerate(distinct):
        for value in values:
            readers[value].append(position)
    waits = [len(values) - (INPUT_VALUE in values) for values in distinct]
    keeps = [len(positions) for positions in readers]
    if graph.output_value is not None:
        keeps[graph.output_value] += 1
    return Links([tuple(positions) for positions in readers], waits, keeps, distinct)


def build_graph(nodes: Sequence[BaseNode], pipeline_name: str) -> Graph:
    """Resolves every reference between the nodes of a pipeline and sorts them.

    Args:
        nodes: the nodes, in any order.
        pipeline_name: for the messages.

    Returns:
        the graph.

    Raises:
        ValueError: if a reference leads nowhere, two nodes produce the same name, an output is never read, or the
            nodes form a cycle, or an op is certain to get what it does not take; the message names the node and the
            reference.
        TypeError: if something among the nodes is not a node.
    """
    graph = _Builder(list(nodes), pipeline_name).build()
    check_edges(graph, pipeline_name)
    return graph


class _Builder:
    """Collects values and readers node by node; lives only while a graph is built."""

    def __init__(self, nodes: list[BaseNode], pipeline_name: str) -> None:
        self.where = f"in pipeline {pipeline_name!r}"
        self.given = nodes  # as the caller knows them
        self.nodes = nodes.copy()  # as the pipeline will: renamed where two have one name, and sorted
        self.names: list[str] = []
        self.position_of: dict[str, int] = {}  # node name -> position
        self.suffixes: dict[str, int] = {}  # name that several nodes have -> last suffix given out
        self.labels = [_INPUT]
        self.producers = [-1]
        self.value_of = {_INPUT: INPUT_VALUE, _OUTPUT: _NOT_READABLE}  # name of an output -> value
        self.outputs: list[tuple[int, ...]] = []
        self.inputs: list[tuple[int, ...]] = []
        self.pushed: dict[int, list[int]] = {}  # id(node) -> values that other nodes declared to go to it
        self.output_value: int | None = None
        self._by_id: dict[int, int] | None = None

    def build(self) -> Graph:
        self._refuse_repeated()
        self._declare_all()
        self._refuse_shared_names()
        self._resolve_all()
        last_readers = self._last_readers()
        if last_readers is None:
            self._sort()
            last_readers = self._last_readers() or []
        self._drop_unread(last_readers)
        return Graph(
            nodes=tuple(self.nodes),
            inputs=self.inputs,
            outputs=self.outputs,
            labels=self.labels,
            producers=self.producers,
            last_readers=last_readers,
            output_value=self.output_value,
        )

    # -- names and outputs ----------------------------------------------------------------------------------------

    def _refuse_repeated(self) -> None:
        if len(set(map(id, self.nodes))) == len(self.nodes):
            return
        seen: set[int] = set()
        for node in self.nodes:
            if id(node) in seen:
                name = getattr(node, "name", node)
                raise ValueError(f"{self.where}, the same node object {name!r} stands twice; build a second Node")
            seen.add(id(node))

    def _declare_all(self) -> None:
        nodes, names, position_of = self.nodes, self.names, self.position_of
        labels, producers, value_of, outputs = self.labels, self.producers, self.value_of, self.outputs
        for position, node in enumerate(nodes):
            if type(node) is not Node and not isinstance(node, BaseNode):
                raise TypeError(
                    f"{self.where}, element {position} is {node!r}, which is not a node; wrap an op as Node(op, ...)"
                )
            name = node.name
            if name in position_of:
                name = self._suffixed(name, position)
            position_of[name] = position
            names.append(name)
            items = node.output_nodes
            if len(items) == 1 and type(label := items[0]) is str and label not in value_of:
                value = value_of[label] = len(labels)
                labels.append(label)
                producers.append(position)
                outputs.append((value,))
            elif items:
                outputs.append(tuple([self._declare(position, item) for item in items]))
            else:
                outputs.append((self._new_value(position, name),))

    def _refuse_shared_names(self) -> None:
        """Refuses what a node chooses among where it is called like something else in the pipeline."""
        known: dict[str, str] = {}
        for node in self.nodes:
            for one in node.alternatives:
                owner = node.name if one.name in self.position_of else known.get(one.name)
                if owner is not None:
                    raise ValueError(
                        f"{self.where}, a variant of node {node.name!r} is named {one.name!r}, and so is something "
                        "else; give it another name with Node(op, name=...)"
                    )
                known[one.name] = node.name

    def _suffixed(self, name: str, position: int) -> str:
        """Names the second node of one name; a copy of it gets the new name, for the node is the caller's."""
        node = self.nodes[position]
        if not isinstance(node, Node) or node.has_given_name:
            raise ValueError(f"{self.where}, two nodes are named {name!r}; give one of them another name")
        count = self.suffixes.get(name, 1) + 1
        while (suffixed := f"{name}_{count}") in self.position_of:
            count += 1
        self.suffixes[name] = count
        self.nodes[position] = node.renamed(suffixed)
        return suffixed

    def _declare(self, position: int, item: NodeLike) -> int:
        name = self.names[position]
        if isinstance(item, BaseNode):
            value = self._new_value(position, f"{name}->{item.name}")
            self.pushed.setdefault(id(item), []).append(value)
            return value
        label = _label(item)
        if label == _INPUT:
            raise ValueError(f"{self.where}, node {name!r} writes {_INPUT!r}, which only the caller may fill")
        if label == _OUTPUT:
            if self.output_value is not None:
                other = self._producer(self.output_value)
                raise ValueError(f"{self.where}, both {other!r} and {name!r} write {_OUTPUT!r}; only one node may")
            self.output_value = self._new_value(position, label)
            return self.output_value
        if label in self.value_of:
            other = self._producer(self.value_of[label])
            raise ValueError(
                f"{self.where}, nodes {other!r} and {name!r} both produce {label!r}; rename one of the two outputs"
            )
        self.value_of[label] = self._new_value(position, label)
        return self.value_of[label]

    def _new_value(self, position: int, label: str) -> int:
        self.labels.append(label)
        self.producers.append(position)
        return len(self.labels) - 1

    def _producer(self, value: int) -> str:
        return self.names[self.producers[value]]

    # -- inputs ---------------------------------------------------------------------------------------------------

    def _resolve_all(self) -> None:
        value_of, inputs, pushed = self.value_of, self.inputs, self.pushed
        find: Callable[[Any], int | None] = value_of.get
        for position, node in enumerate(self.nodes):
            items = node.input_nodes
            if len(items) == 1 and type(label := items[0]) is str and not pushed:
                value = value_of.get(label, _NOT_READABLE)
                inputs.append((value if value >= 0 else self._resolve(position, label),))
            elif not items and not pushed:
                inputs.append(())
            else:
                values: tuple[Any, ...] = tuple(map(find, items))  # None for what is not the name of an output
                if pushed or None in values or _NOT_READABLE in values or node.requires_runner:
                    values = self._resolve_several(position, items)
                inputs.append(values)
        strangers = pushed.keys() - map(id, self.given)
        if strangers:
            value = min(pushed[stranger][0] for stranger in strangers)
            raise ValueError(
                f"{self.where}, node {self._producer(value)!r} sends its output {self.labels[value]!r} "
                "to a node that is not among the pipeline's nodes; add it to the list"
            )

    def _resolve_several(self, position: int, items: Sequence[NodeLike]) -> tuple[int, ...]:
        node = self.given[position]
        values = [self._resolve(position, item) for item in items]
        values.extend(value for value in self.pushed.get(id(node), ()) if value not in values)
        nested = next((one.nested for one in laid_out([node]) if isinstance(one, Node) and one.nested), None)
        if nested is not None and len(values) > 1:
            raise ValueError(
                f"{self.where}, node {self.names[position]!r} gives {len(values)} inputs to pipeline "
                f"{nested.name!r}, which takes one; join them in a node before it"
            )
        return tuple(values)

    def _resolve(self, position: int, item: NodeLike) -> int:
        if isinstance(item, BaseNode):
            return self._resolve_node(position, item)
        label, name = _label(item), self.names[position]
        if isinstance(item, NodeReference) and isinstance(item.node, BaseNode) and label not in self.value_of:
            return self._resolve_node(position, item.node)
        if label == _OUTPUT:
            raise ValueError(f"{self.where}, node {name!r} reads {_OUTPUT!r}; read the node that writes it by its name")
        if label in self.value_of:
            return self.value_of[label]
        if label in self.position_of:
            return self._only_output(self.position_of[label], name)
        known = [*self.value_of, *self.position_of]
        hint = nearest(label, known) or f" Known here: {', '.join(repr(other) for other in known[:10])}."
        raise ValueError(f"{self.where}, node {name!r} reads {label!r}, which nothing produces.{hint}")

    def _resolve_node(self, position: int, node: BaseNode) -> int:
        if self._by_id is None:
            self._by_id = {id(node): position for position, node in enumerate(self.given)}
        producer = self._by_id.get(id(node))
        if producer is None:
            raise ValueError(
                f"{self.where}, node {self.names[position]!r} reads node {node.name!r}, which is not among the "
                "pipeline's nodes; add it to the list"
            )
        return self._only_output(producer, self.names[position])

    def _only_output(self, producer: int, reader: str) -> int:
        if len(self.outputs[producer]) > 1:
            raise ValueError(
                f"{self.where}, node {reader!r} reads node {self.names[producer]!r}, which has several outputs; "
                "name the one you want"
            )
        return self.outputs[producer][0]

    def _last_readers(self) -> list[int] | None:
        """The last reader of every value; None if a node stands before one that it reads."""
        producers = self.producers
        last_readers = [-1] * len(producers)
        for position, values in enumerate(self.inputs):
            for value in values:
                if producers[value] >= position:
                    return None
                last_readers[value] = position
        return last_readers

    # -- order ----------------------------------------------------------------------------------------------------

    def _sort(self) -> None:
        """Puts the nodes in an order in which they can run, the given one wherever that works (Kahn's algorithm)."""
        inputs, producers = self.inputs, self.producers
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
            self._refuse_cycle({position for position, count in enumerate(waiting) if count})
        rank = [0] * len(order)
        for new, old in enumerate(order):
            rank[old] = new
        self.nodes = [self.nodes[old] for old in order]
        self.names = [self.names[old] for old in order]
        self.inputs = [inputs[old] for old in order]
        self.outputs = [self.outputs[old] for old in order]
        self.producers = [-1 if old < 0 else rank[old] for old in producers]

    def _refuse_cycle(self, stuck: set[int]) -> NoReturn:
        """Walks upstream among the nodes that can never run until one comes round again."""
        position, trail = min(stuck), dict[int, None]()
        while position not in trail:
            trail[position] = None
            position = next(self.producers[value] for value in self.inputs[position] if self.producers[value] in stuck)
        steps = list(trail)
        cycle = [*steps[steps.index(position) :], position]
        path = " -> ".join(self.names[step] for step in reversed(cycle))
        raise ValueError(f"{self.where}, the nodes form a cycle: {path}; one of them must not read the other")

    def _drop_unread(self, last_readers: list[int]) -> None:
        """Drops what nobody reads where nobody named it, and refuses it where somebody did."""
        unread = [value for value, reader in enumerate(last_readers) if reader < 0]
        for value in unread:
            if value in (INPUT_VALUE, self.output_value):
                continue
            position = self.producers[value]
            if self.nodes[position].output_nodes:
                raise ValueError(
                    f"{self.where}, output {self.labels[value]!r} of node {self.names[position]!r} is never read; "
                    f"read it, drop it from output_nodes, or call it {_OUTPUT!r}"
                )
            self.outputs[position] = ()  # what a training step returns, typically


def _label(item: str | ReservedNodes | NodeReference) -> str:
    if isinstance(item, str):
        return item
    return item.value if isinstance(item, ReservedNodes) else item.reference
