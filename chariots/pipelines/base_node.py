"""How are the steps of a pipeline linked, whatever it is that fills them?"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeAlias

from chariots.errors import VersionError, nearest
from chariots.pipelines.mismatch import LEVELS, strictest
from chariots.pipelines.node_options import NodeOptions
from chariots.pipelines.store import OpStoreProtocol
from chariots.versioning import Version

if TYPE_CHECKING:
    from chariots.pipelines.nodes import Node

__all__ = ["BaseNode", "NodeLike", "NodeReference", "ReservedNodes", "as_list", "laid_out"]


class ReservedNodes(Enum):
    """The two ends of every pipeline."""

    pipeline_input = "__pipeline_input__"
    pipeline_output = "__pipeline_output__"

    @property
    def reference(self) -> NodeReference:
        """The reference that stands for this end of the pipeline."""
        return NodeReference(self, self.value)


@dataclass(frozen=True, slots=True)
class NodeReference:
    """One output of one node.

    Attributes:
        node: the node, or the reserved end of the pipeline.
        reference: the name of the output; the node's own name where the output was given none.
    """

    node: BaseNode | ReservedNodes
    reference: str


NodeLike: TypeAlias = "str | BaseNode | ReservedNodes | NodeReference"


def as_list(nodes: Iterable[NodeLike] | NodeLike | None) -> list[NodeLike]:
    """Turns what a user may give as inputs or outputs into a list of its own."""
    if type(nodes) is str:
        return [nodes]
    if nodes is None:
        return []
    if type(nodes) is list:
        for item in nodes:
            if type(item) is not str:
                break
        else:
            return nodes.copy()  # most lists hold names, and checking for that first takes half the time
    if isinstance(nodes, (str, BaseNode, ReservedNodes, NodeReference)):
        return [nodes]
    found = list(nodes)
    for item in found:
        if not isinstance(item, (str, BaseNode, ReservedNodes, NodeReference)):
            raise TypeError(
                f"inputs and outputs of a node are names, nodes or members of ReservedNodes, not {item!r}; "
                "give the name that the other node has in its output_nodes"
            )
    return found


class BaseNode(ABC):
    """A step of a pipeline, linked to the steps before and after it.

    A node of your own defines `name`, `node_version`, `execute` and `load_latest_version`; everything else has
    a sensible default.

    Args:
        input_nodes: where the arguments come from, in order: names of outputs or of nodes, node objects that
            have one output, or ``ReservedNodes.pipeline_input`` (``"__pipeline_input__"``).
        output_nodes: names for the outputs. Several names split a returned tuple, for different nodes to read;
            ``ReservedNodes.pipeline_output`` (``"__pipeline_output__"``) makes it the result of the pipeline.
    """

    #: The nodes of which one fills this slot at each run, without links of their own; none for a node that is one step.
    alternatives: Sequence[Node] = ()

    #: How many inputs a node of this class reads; None where that is not known of the class.
    arity: ClassVar[int | None] = None

    #: How often it is tried, for how long, and the like; None where the node asks for nothing of the kind.
    options: NodeOptions | None = None

    def __init__(
        self,
        input_nodes: Iterable[NodeLike] | NodeLike | None = None,
        output_nodes: Iterable[NodeLike] | NodeLike | None = None,
    ) -> None:
        self.input_nodes = as_list(input_nodes)
        self.output_nodes = as_list(output_nodes)

    @property
    @abstractmethod
    def name(self) -> str:
        """The name of the node."""

    @property
    @abstractmethod
    def node_version(self) -> Version:
        """The version of the node."""

    @abstractmethod
    def execute(self, *params: Any) -> Any:
        """Does what the node stands for.

        Args:
            *params: one value for each input, in order.

        Returns:
            the output; a tuple with one element for each name in ``output_nodes`` where there are several.
        """

    @abstractmethod
    def load_latest_version(self, store_to_look_in: OpStoreProtocol) -> BaseNode | None:
        """Takes over the newest saved state of this node.

        Args:
            store_to_look_in: the op store.

        Returns:
            this node once loaded; None if the store has nothing for it.
        """

    def persist(self, store: OpStoreProtocol, downstream_nodes: Sequence[BaseNode] | None = None) -> Version | None:
        """Saves what this node has to save; nothing, unless overridden.

        Args:
            store: the op store.
            downstream_nodes: the nodes that accept this version of the node as their upstream.

        Returns:
            the version that was saved, or None.
        """
        return None

    def check_version_compatibility(self, upstream_node: BaseNode, store_to_look_in: OpStoreProtocol) -> None:
        """Checks that this node was validated with the present version of an upstream node.

        What counts is its major version, or what the ``mismatch_on`` of its op names.

        Args:
            upstream_node: the node whose output this one reads.
            store_to_look_in: the op store that knows the valid links.

        Raises:
            VersionError: if the two do not fit.
        """
        links = store_to_look_in.get_validated_links(self.name, upstream_node.name)
        found = upstream_node.node_version
        if links is None:
            fits = not (self.is_loadable and upstream_node.is_loadable)
        else:
            op = getattr(upstream_node, "op", None)
            counted = LEVELS[: LEVELS.index(strictest(None if op is None else op.mismatch_on)) + 1]
            fits = any(all(getattr(found, name) == getattr(version, name) for name in counted) for version in links)
        if not fits:
            raise VersionError(
                f"node {self.name!r} does not accept {found!r} of node {upstream_node.name!r}: it was never saved "
                f"with it. Retrain and save a pipeline in which {self.name!r} reads {upstream_node.name!r}."
            )

    def replace_symbolic_references(self, symbolic_to_real_node: Mapping[str, NodeReference]) -> Self:
        """Returns this node with the names among its inputs replaced by what they stand for.

        The node itself is left as it is: it may be part of other pipelines.

        Args:
            symbolic_to_real_node: the outputs known so far, by name.

        Returns:
            a copy of this node whose inputs and outputs are all `NodeReference` objects.

        Raises:
            ValueError: if a name is unknown, or a node with several outputs is used as one input.
        """
        resolved = copy.copy(self)
        resolved.input_nodes = [self._reference(item, symbolic_to_real_node) for item in self.input_nodes]
        resolved.output_nodes = list(self.output_references)
        return resolved

    def _reference(self, item: NodeLike, known: Mapping[str, NodeReference]) -> NodeReference:
        if isinstance(item, NodeReference):
            return item
        if isinstance(item, ReservedNodes):
            return item.reference
        if isinstance(item, BaseNode):
            return item.sole_output(self.name)
        if item == ReservedNodes.pipeline_input.value:
            return ReservedNodes.pipeline_input.reference
        if item not in known:
            raise ValueError(f"node {self.name!r} reads {item!r}, which nothing produces.{nearest(item, known)}")
        return known[item]

    def sole_output(self, reader: str) -> NodeReference:
        """The one output of this node, for a reader that named the node and not an output.

        Raises:
            ValueError: if the node has several.
        """
        references = self.output_references
        if len(references) > 1:
            names = ", ".join(repr(reference.reference) for reference in references)
            raise ValueError(
                f"node {reader!r} reads node {self.name!r}, which has {len(references)} outputs. "
                f"Name the one you want: {names}."
            )
        return references[0]

    @property
    def output_references(self) -> list[NodeReference]:
        """The outputs of this node; a node that names none has one that is called like the node."""
        references = []
        for item in self.output_nodes:
            if isinstance(item, NodeReference):
                references.append(item)
            elif isinstance(item, str):
                references.append(NodeReference(self, item))
            elif isinstance(item, ReservedNodes):
                references.append(NodeReference(self, item.value))
            else:
                references.append(NodeReference(self, f"{self.name}->{item.name}"))
        return references or [NodeReference(self, self.name)]

    @property
    def is_loadable(self) -> bool:
        """Whether there is anything to load for this node."""
        return False

    @property
    def requires_runner(self) -> bool:
        """Whether the node needs a runner to execute, as a nested pipeline does."""
        return False

    @property
    def require_saver(self) -> bool:
        """Whether the node needs a saver to execute, as nodes that read or write data do.

        What such a node has read or written last is its own: it is copied with every copy of a pipeline.
        """
        return False

    def __repr__(self) -> str:
        outputs = [reference.reference for reference in self.output_references]
        return f"<{type(self).__name__} {self.name!r} -> {', '.join(outputs)}>"


def laid_out(nodes: Iterable[BaseNode]) -> Iterator[BaseNode]:
    """Every node, and in place of one that chooses those it chooses among."""
    for node in nodes:
        alternatives = getattr(node, "alternatives", ())  # a store is given names, and takes whatever has some
        if alternatives:
            yield from alternatives
        else:
            yield node
