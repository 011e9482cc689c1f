"""What is there to be seen of a pipeline: which nodes, with which names, versions and states, and what links them?"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chariots.errors import UnknownNameError, nearest
from chariots.pipelines.base_node import BaseNode, NodeReference, ReservedNodes
from chariots.pipelines.drawing.lanes import Link
from chariots.pipelines.graph import INPUT_VALUE, Graph

if TYPE_CHECKING:
    from chariots.pipelines.pipeline import Pipeline

__all__ = ["INPUT", "MOST_NODES", "OUTPUT", "STATES", "Element", "Scene", "scene_of"]

MOST_NODES = 5_000  # of one picture, those of nested pipelines and all alternatives included
DEEPEST = 12  # how many pipelines are drawn inside of one another; what is nested deeper is one box
STATES = ("ran", "cached", "running", "failed", "waiting", "canceled")
INPUT, OUTPUT = "input", "output"  # the keys of the two ends; those of nodes are numbers


@dataclass(frozen=True, slots=True)
class Scene:
    """What stands side by side: the nodes of one pipeline, or the alternatives of one node.

    Attributes:
        elements: the nodes by their keys, each after what it reads.
        links: the links between them, by their keys.
    """

    elements: Mapping[str, Element]
    links: Sequence[Link] = ()


@dataclass(frozen=True, slots=True)
class Element:
    """One node, or one end of a pipeline.

    Attributes:
        name: what it is called.
        details: what else is to be known of it: its op, its version.
        told: the same at length, with whatever has no room in a box.
        state: one of `STATES`; None where nothing is known.
        outputs: the names of its outputs, in order; empty where they have none of their own.
        inside: what a node holds that holds nodes.
        is_end: whether it is an end of the pipeline, rather than a node.
    """

    name: str
    details: tuple[str, ...] = ()
    told: tuple[str, ...] = ()
    state: str | None = None
    outputs: tuple[str, ...] = ()
    inside: Scene | None = None
    is_end: bool = False


def scene_of(pipeline: Pipeline, states: Any = None, around: str | None = None, within: int = 3) -> Scene:
    """Looks at a pipeline.

    Args:
        pipeline: the pipeline.
        states: the state of each node by its name, or by the names of the nodes that lead to it with slashes between
            them; or an object that has such a mapping as ``states``. Names that the pipeline does not have do no harm.
        around: the name of a node, to look at its neighbours only.
        within: how many links away these are at most.

    Raises:
        ValueError: if there are more than `MOST_NODES` nodes to be drawn, or a state is none.
        UnknownNameError: if there is no node around which to look.
    """
    known = _checked_states(states)
    positions = range(len(pipeline.graph_nodes)) if around is None else _around(pipeline, around, within)
    drawn = [pipeline.graph_nodes[position] for position in positions]
    total = sum(1 for _ in itertools.islice(_all_nodes(drawn), MOST_NODES + 1))
    if total > MOST_NODES:
        every = len(pipeline.graph_nodes)
        raise ValueError(
            f"pipeline {pipeline.name!r} was to be drawn, but "
            + (f"its {every:,} nodes, with all that they hold," if around is None else "what is so near to that node")
            + f" would make more than {MOST_NODES:,} boxes, in which nobody finds anything. Draw a part of it: "
            f"pipeline.draw(around={drawn[len(drawn) // 2].name if around is None else around!r}, within="
            f"{min(3, max(1, within - 1))})"
        )
    return _scene(pipeline, positions, known, "", 1)


def _checked_states(states: Any) -> Mapping[str, str]:
    found = {} if states is None else getattr(states, "states", states)
    if not isinstance(found, Mapping):
        raise TypeError(
            f"states is {states!r:.80}; give a mapping from names of nodes to states, or an object that has one as "
            "`states`, such as a TimingCallback"
        )
    for name, state in found.items():
        if state not in STATES:
            raise ValueError(
                f"node {name!r} was given the state {state!r}, which is none; the states are {', '.join(STATES)}."
                f"{nearest(str(state), STATES)}"
            )
    return found


def _around(pipeline: Pipeline, name: str, within: int) -> list[int]:
    """The positions of a node and of all that is as near to it as asked, in order."""
    graph = pipeline.graph
    start = next((at for at, node in enumerate(pipeline.graph_nodes) if node.name == name), None)
    if start is None:
        raise UnknownNameError(
            f"pipeline {pipeline.name!r} was to be drawn around node {name!r}, which it does not have."
            f"{nearest(name, [node.name for node in pipeline.graph_nodes])}"
        )
    near: list[list[int]] = [[] for _ in pipeline.graph_nodes]
    for position in range(len(near)):
        for upstream in graph.upstream(position):
            near[position].append(upstream)
            near[upstream].append(position)
    found, edge = {start}, [start]
    for _ in range(within):
        edge = [
            other for other in dict.fromkeys(one for position in edge for one in near[position]) if other not in found
        ]
        found.update(edge)
    return sorted(found)


def _all_nodes(nodes: Sequence[BaseNode]) -> Iterator[BaseNode]:
    """Nodes with all that they hold, without recursion."""
    left = list(nodes)
    while left:
        node = left.pop()
        yield node
        left.extend(node.alternatives)
        nested = getattr(node, "nested", None)
        if nested is not None:
            left.extend(nested.graph_nodes)


def _scene(pipeline: Pipeline, positions: Collection[int], states: Mapping[str, str], path: str, depth: int) -> Scene:
    graph, nodes = pipeline.graph, pipeline.graph_nodes
    elements: dict[str, Element] = {}
    links: list[Link] = []
    if positions and any(INPUT_VALUE in graph.inputs[position] for position in positions):
        elements[INPUT] = Element("input", told=(f"the input of pipeline {pipeline.name}",), is_end=True)
    labels: dict[int, str] = {}  # of the values that were produced so far
    for position in positions:
        labels.update(_labels(graph, position, nodes[position]))
        outputs = tuple(labels[value] for value in graph.outputs[position])
        elements[str(position)] = _element(nodes[position], outputs, states, path, depth)
        for value in graph.inputs[position]:
            producer = graph.producers[value]
            upstream = INPUT if value == INPUT_VALUE else str(producer)
            if upstream in elements:  # what is drawn comes before what reads it
                links.append(Link(upstream, str(position), labels.get(value, "")))
    last = -1 if graph.output_value is None else graph.producers[graph.output_value]
    if str(last) in elements:
        elements[OUTPUT] = Element("output", told=(f"the output of pipeline {pipeline.name}",), is_end=True)
        links.append(Link(str(last), OUTPUT))
    return Scene(elements, list(dict.fromkeys(links)))


def _labels(graph: Graph, position: int, node: BaseNode) -> Iterator[tuple[int, str]]:
    """The outputs of a node with their names, where they have some of their own; else with an empty one."""
    given = {item for item in node.output_nodes if isinstance(item, str)}
    given.update(item.reference for item in node.output_nodes if isinstance(item, NodeReference))
    given -= {node.name, ReservedNodes.pipeline_output.value}
    for value in graph.outputs[position]:
        label = graph.labels[value]
        yield value, label if label in given else ""


def _element(
    node: BaseNode,
    outputs: tuple[str, ...],
    states: Mapping[str, str],
    path: str,
    depth: int,
    variant: str = "",
    holder: str = "",
) -> Element:
    name = node.name
    whole = f"{path}{name}"
    details = [variant, *_op_words(node)]
    inside = None
    nested = getattr(node, "nested", None)
    if depth < DEEPEST and nested is not None:
        inside = _scene(nested, range(len(nested.graph_nodes)), states, holder or f"{whole}/", depth + 1)
    elif depth < DEEPEST and node.alternatives:
        variants = _variants(node)
        inside = Scene(
            {
                str(number): _element(one, (), states, f"{whole}/", depth + 1, words, f"{whole}/")
                for number, (one, words) in enumerate(zip(node.alternatives, variants, strict=True))
            }
        )
    elif nested is not None:
        details.append(f"{len(nested.graph_nodes)} nodes")
    short, long = _version(node)
    return Element(
        name,
        tuple(filter(None, (*details, short))),
        (whole, *_op_words(node), long),
        states.get(whole) or states.get(name),
        outputs if any(outputs) else (),
        inside,
    )


def _op_words(node: BaseNode) -> list[str]:
    """What fills a node, where its name does not say so already."""
    op = getattr(node, "op", None)
    nested = getattr(node, "nested", None)
    words = []
    if nested is not None:
        words.append(f"pipeline {nested.name}" if nested.name != node.name else "pipeline")
    elif op is not None and op.name != node.name:
        words.append(type(op).__name__)
    if op is None and nested is None:
        words.append(type(node).__name__)
    return words


def _variants(node: BaseNode) -> list[str]:
    """What each alternative of a node is called there, and how much of the calls it gets."""
    names = {id(one): name for name, one in getattr(node, "variants", {}).items()}
    weights = getattr(node, "weights", {})
    total = sum(weights.values())
    found = []
    for one in node.alternatives:
        name = names.get(id(one), "")
        share = f"{100 * weights[name] / total:.3g} %" if total and name in weights else ""
        found.append(": ".join(filter(None, (name, share))))
    return found


def _version(node: BaseNode) -> tuple[str, str]:
    """The version of a node, in short and at length; what is in the way where it has none now."""
    try:
        version = node.node_version
    except Exception as error:  # noqa: BLE001  # the version of data that is not there yet, say; the picture tells so
        return "no version yet", f"its version cannot be told: {type(error).__name__}: {error}"
    return f"{version.major[:5]}.{version.minor[:5]}.{version.patch[:5]}", f"version {version}"
