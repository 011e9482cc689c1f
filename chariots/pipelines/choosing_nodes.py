"""How does one slot hold several ops, one of which answers each call?"""

from __future__ import annotations

import copy
import time
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from chariots.pipelines.nodes import BaseNode, Node, NodeLike
from chariots.pipelines.ops import BaseOp
from chariots.pipelines.store import OpStoreProtocol
from chariots.versioning import Version

if TYPE_CHECKING:
    from chariots.pipelines.pipeline import Pipeline
    from chariots.pipelines.runners import BaseRunner

__all__ = ["ChoosingNode", "Observer", "observed"]

Observer: TypeAlias = Callable[[str, str, Node, bool, float], None]
"""Told of every run of a variant: the names of the node and of the variant, the variant, whether it succeeded, and the
seconds it took."""


class ChoosingNode(BaseNode):
    """A node that fills its slot with several ops; a subclass defines `choose`, which says for each call with which.

    Each variant has its versions under the name of its op, is saved and loaded as if it stood in the slot alone, and
    must fit what it reads and what reads it.

    Args:
        variants: by name, what can fill the slot: an op, a `Pipeline` to nest, or a `Node` without inputs and outputs
            that gives an op a name, ``Node(Model(), name="new_model")``.
        input_nodes: the arguments, which are those of every variant; see `BaseNode`.
        output_nodes: names for what the variants return; see `BaseNode`.
        name: the name of the node.

    Raises:
        ValueError: if there are no variants, or two of them have one name.
        TypeError: if a variant is no op.
    """

    _observer: Observer | None = None

    def __init__(
        self,
        variants: Mapping[str, BaseOp | Node],
        input_nodes: Iterable[NodeLike] | NodeLike | None = None,
        output_nodes: Iterable[NodeLike] | NodeLike | None = None,
        *,
        name: str,
    ) -> None:
        if not isinstance(name, str) or not name:
            raise ValueError(f"the name of a node is a string that is not empty, not {name!r}")
        super().__init__(input_nodes, output_nodes)
        self._name = name
        self._variants = _checked_variants(name, variants)
        self.alternatives = tuple(self._variants.values())

    @abstractmethod
    def choose(self, params: Sequence[Any]) -> str:
        """Says which variant answers a call.

        Args:
            params: the arguments, in the order of ``input_nodes``.

        Returns:
            the name of the variant.
        """

    @property
    def asks(self) -> Sequence[Callable[..., Any]]:
        """The functions of the user's that are asked which variant it is to be."""
        return ()

    @property
    def name(self) -> str:
        """The name that was given."""
        return self._name

    @property
    def variants(self) -> dict[str, Node]:
        """What can fill the slot, by the name of the variant."""
        return dict(self._variants)

    @property
    def node_version(self) -> Version:
        """The sum of the versions of the variants, in order."""
        total = Version(creation_time=0.0)
        for node in self.alternatives:
            total = total + node.node_version
        return total

    @property
    def is_loadable(self) -> bool:
        """Whether any variant can be loaded."""
        return any(node.is_loadable for node in self.alternatives)

    @property
    def require_saver(self) -> bool:
        """Whether any variant needs a saver."""
        return any(node.require_saver for node in self.alternatives)

    @property
    def requires_runner(self) -> bool:
        """Whether any variant is a pipeline, which only a runner can run."""
        return any(node.requires_runner for node in self.alternatives)

    def execute(self, params: Sequence[Any], runner: BaseRunner | None = None) -> Any:
        """Runs the variant that was chosen.

        Args:
            params: the arguments, in the order of ``input_nodes``.
            runner: the runner for variants that are pipelines.

        Returns:
            what the variant returned.
        """
        return self._run(self.choose(params), params, runner)

    def load_latest_version(self, store_to_look_in: OpStoreProtocol) -> Self | None:
        """Loads the newest saved version of each variant, without looking at its neighbours.

        Args:
            store_to_look_in: the op store.

        Returns:
            this node; None if the store has no version of any variant.
        """
        found = [node.load_latest_version(store_to_look_in) for node in self.alternatives]
        return self if any(node is not None for node in found) else None

    def persist(self, store: OpStoreProtocol, downstream_nodes: Sequence[BaseNode] | None = None) -> Version | None:
        """Saves each variant, and that the downstream nodes accept it.

        Args:
            store: the op store.
            downstream_nodes: the nodes that read this one.

        Returns:
            the version of the node; None if no variant has anything to save yet.
        """
        readers = list(downstream_nodes or ())
        saved = [node.persist(store, readers) for node in self.alternatives]
        return self.node_version if any(version is not None for version in saved) else None

    def check_version_compatibility(self, upstream_node: BaseNode, store_to_look_in: OpStoreProtocol) -> None:
        """Checks that every variant was validated with the present version of an upstream node.

        Args:
            upstream_node: the node whose output this one reads.
            store_to_look_in: the op store that knows the valid links.

        Raises:
            VersionError: if one of them does not fit.
        """
        for node in self.alternatives:
            node.check_version_compatibility(upstream_node, store_to_look_in)

    def with_alternatives(self, nodes: Iterable[Node]) -> Self:
        """Returns a node with the same names and links around other ops.

        Args:
            nodes: what fills the slot, in the order of the variants.
        """
        other = copy.copy(self)
        other._variants = dict(zip(self._variants, nodes, strict=True))
        other.alternatives = tuple(other._variants.values())
        return other

    def watched_by(self, observer: Observer) -> Self:
        """Returns this very node, ops and all, with somebody who is told of every run of a variant.

        Args:
            observer: who is told.
        """
        other = copy.copy(self)
        other._observer = observer
        return other

    def _run(self, name: str, params: Sequence[Any], runner: BaseRunner | None) -> Any:
        node = self._variants[name]
        began, is_done = time.perf_counter(), False
        try:
            output = node.execute(params, runner)
            is_done = True
        except Exception as error:
            error.add_note(f"raised in node {node.name!r}, which is variant {name!r} of node {self._name!r}")
            raise
        finally:
            if self._observer is not None:
                self._observer(self._name, name, node, is_done, time.perf_counter() - began)
        return output


def observed(pipeline: Pipeline, observer: Observer) -> Pipeline:
    """Returns a pipeline, ops and all, with somebody who is told of every run of a variant.

    Args:
        pipeline: the pipeline, which stays as it is.
        observer: who is told.

    Returns:
        a copy; the pipeline itself, if neither it nor one nested in it has variants.
    """
    return pipeline.with_nodes([_observed(node, observer) for node in pipeline.graph_nodes])


def _observed(node: BaseNode, observer: Observer) -> BaseNode:
    if isinstance(node, ChoosingNode):
        variants = [_observed_inside(one, observer) for one in node.alternatives]
        return node.with_alternatives(variants).watched_by(observer)
    return _observed_inside(node, observer) if isinstance(node, Node) else node


def _observed_inside(node: Node, observer: Observer) -> Node:
    nested = node.nested
    if nested is None:
        return node
    watched = observed(nested, observer)
    return node if watched is nested else node.with_op(watched)


def _checked_variants(node: str, variants: Mapping[str, BaseOp | Node]) -> dict[str, Node]:
    if not isinstance(variants, Mapping):
        raise TypeError(
            f"the variants of node {node!r} are {variants!r:.80}; give a mapping from names to ops, such as "
            '{"current": OneOp(), "new": OtherOp()}'
        )
    if not variants:
        raise ValueError(f"node {node!r} has no variants, so that nothing could fill its slot; give it one at least")
    found: dict[str, Node] = {}
    for name, variant in variants.items():
        if not isinstance(name, str) or not name:
            raise ValueError(f"a variant of node {node!r} is named {name!r}; give a string that is not empty")
        one = variant if isinstance(variant, Node) else _as_node(node, name, variant)
        if one.input_nodes or one.output_nodes:
            raise ValueError(
                f"variant {name!r} of node {node!r} has inputs or outputs of its own; give them to the node, for they "
                "are those of every variant"
            )
        twin = next((other for other, known in found.items() if known.name == one.name), None)
        if twin is not None:
            raise ValueError(
                f"variants {twin!r} and {name!r} of node {node!r} are both named {one.name!r}, and the store knows ops "
                f'by name; give one of them another with Node(op, name="{one.name}_{name}")'
            )
        found[name] = one
    return found


def _as_node(node: str, name: str, variant: Any) -> Node:
    try:
        return Node(variant)
    except TypeError as error:
        raise TypeError(f"variant {name!r} of node {node!r} cannot be used: {error}") from error
