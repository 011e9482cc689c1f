"""Which of several ops fills a slot, for which call?"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from chariots.errors import nearest
from chariots.pipelines.choosing import Choice, Key, as_bytes, is_weight
from chariots.pipelines.nodes import BaseNode, Node, NodeLike
from chariots.pipelines.ops import BaseOp
from chariots.pipelines.store import OpStoreProtocol
from chariots.versioning import Version, content_hash

if TYPE_CHECKING:
    from chariots.pipelines.pipeline import Pipeline
    from chariots.pipelines.runners import BaseRunner

__all__ = ["ABTestNode", "Observer", "observed"]

Observer: TypeAlias = Callable[[str, str, Node, bool, float], None]
"""Told of every run of a variant: the names of the node and of the variant, the variant, whether it succeeded, and the
seconds it took."""


class ABTestNode(BaseNode):
    """A node that fills its slot with several ops, one of which answers each call.

    >>> from chariots.pipelines import Pipeline
    >>> from chariots.pipelines.nodes import ABTestNode
    >>> from chariots.pipelines.ops import BaseOp
    >>> class Old(BaseOp):
    ...     def execute(self, user):
    ...         return f"old for {user}"
    >>> class New(BaseOp):
    ...     def execute(self, user):
    ...         return f"new for {user}"
    >>> greeting = ABTestNode(
    ...     {"old": Old(), "new": New()}, ["__pipeline_input__"], "__pipeline_output__",
    ...     name="greeting", weights={"old": 9, "new": 1}, key=lambda user: user,
    ... )
    >>> greeting.variant_for("ada"), greeting.variant_for("grace")
    ('old', 'old')

    The same key gets the same variant in every process, on every machine and after every restart, for the choice is a
    hash of the name of the node and the key. A weight that grows takes keys from the other variants, and moves none
    between those.

    Each variant has its versions under the name of its op, is saved and loaded as if it stood in the slot alone, and
    must fit what it reads and what reads it. Variants that learn all learn from every input, whichever is chosen. Where
    every one of them learns, as in a pipeline that trains, nobody is answered: the key is not asked, and what the first
    of them returns goes on.

    Args:
        variants: by name, what can fill the slot: an op, a `Pipeline` to nest, or a `Node` without inputs and outputs
            that gives an op a name, ``Node(Model(), name="new_model")``.
        input_nodes: the arguments, which are those of every variant; see `BaseNode`.
        output_nodes: names for what the variants return; see `BaseNode`.
        name: the name of the node. Another name is another draw: who gets what is decided anew.
        weights: for each variant, how much of the calls it gets in proportion to the others, 0 for none; all get the
            same if not given.
        key: gets the arguments of the node and returns what one caller is told from another by, such as the id of a
            user: a string, an integer or bytes. If not given, the content of the arguments decides, so that equal
            inputs get the same variant.

    Raises:
        ValueError: if there are no variants, two of them have one name, or the weights are none.
        TypeError: if a variant is no op, or the key cannot be called.
    """

    _observer: Observer | None = None

    def __init__(
        self,
        variants: Mapping[str, BaseOp | Node],
        input_nodes: Iterable[NodeLike] | NodeLike | None = None,
        output_nodes: Iterable[NodeLike] | NodeLike | None = None,
        *,
        name: str,
        weights: Mapping[str, float] | None = None,
        key: Callable[..., Key] | None = None,
    ) -> None:
        if not isinstance(name, str) or not name:
            raise ValueError(f"the name of a node is a string that is not empty, not {name!r}")
        if key is not None and not callable(key):
            raise TypeError(
                f"the key of node {name!r} is {key!r}, which cannot be called; give a function of the arguments of the "
                "node, or leave it out to let their content decide"
            )
        super().__init__(input_nodes, output_nodes)
        self._name = name
        self._variants = _checked_variants(name, variants)
        self.alternatives = tuple(self._variants.values())
        #: How much of the calls each variant gets, in proportion to the others.
        self.weights: Mapping[str, float] = _checked_weights(name, self._variants, weights)
        #: What tells one caller from another; None where the content of the arguments does.
        self.key = key
        self._choice = Choice(name, self.weights)

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
    def requires_runner(self) -> bool:
        """Whether any variant is a pipeline, which only a runner can run."""
        return any(node.requires_runner for node in self.alternatives)

    def variant_for(self, key: Key) -> str:
        """Tells which variant answers the calls of a key; to evaluate a test, for instance, when it is over.

        Args:
            key: what the node's `key` returned.

        Returns:
            the name of the variant.

        Raises:
            TypeError: if the key is neither a string, nor an integer, nor bytes.
        """
        return self._choice.of(key)

    def execute(self, params: Sequence[Any], runner: BaseRunner | None = None) -> Any:
        """Runs the variant that was chosen, and beside it those that learn.

        Args:
            params: the arguments, in the order of ``input_nodes``.
            runner: the runner for variants that are pipelines.

        Returns:
            what the variant returned that was chosen.

        Raises:
            TypeError: if the key is unusable, or the arguments have no content that could be hashed.
        """
        learning = [_learns(node) for node in self.alternatives]
        chosen = next(iter(self._variants)) if all(learning) else self._chosen(params)
        if not any(learning):
            return self._run(chosen, self._variants[chosen], params, runner)
        answer = None
        for (name, node), learns in zip(self._variants.items(), learning, strict=True):
            if learns or name == chosen:
                output = self._run(name, node, params, runner)
                if name == chosen:
                    answer = output
        return answer

    def load_latest_version(self, store_to_look_in: OpStoreProtocol) -> ABTestNode | None:
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
        """Returns a node with the same names, links and weights around other ops.

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

    # -- how ------------------------------------------------------------------------------------------------------

    def _chosen(self, params: Sequence[Any]) -> str:
        if self.key is None:
            return self._choice.of(self._content(params))
        key = self.key(*params)
        try:
            return self._choice.of(as_bytes(key))
        except TypeError:
            raise TypeError(
                f"the key of node {self._name!r} returned {key!r:.80} ({type(key).__name__}), by which no variant can "
                "be chosen; let it return a string, an integer or bytes"
            ) from None

    def _content(self, params: Sequence[Any]) -> str:
        try:
            return content_hash(tuple(params), where=f"the input of node {self._name!r}")
        except TypeError as error:
            error.add_note("Give the node a key=, which says by what one caller is told from another.")
            raise

    def _run(self, name: str, node: Node, params: Sequence[Any], runner: BaseRunner | None) -> Any:
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
    if isinstance(node, ABTestNode):
        variants = [_observed_inside(one, observer) for one in node.alternatives]
        return node.with_alternatives(variants).watched_by(observer)
    return _observed_inside(node, observer) if isinstance(node, Node) else node


def _observed_inside(node: Node, observer: Observer) -> Node:
    nested = node.nested
    if nested is None:
        return node
    watched = observed(nested, observer)
    return node if watched is nested else node.with_op(watched)


def _learns(node: Node) -> bool:
    nested = node.nested
    return node.op.allow_version_change if nested is None else nested.trains


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


def _checked_weights(node: str, variants: Mapping[str, Node], weights: Mapping[str, float] | None) -> dict[str, float]:
    if weights is None:
        return dict.fromkeys(variants, 1.0)
    for name in weights:
        if name not in variants:
            known = ", ".join(map(repr, variants))
            raise ValueError(
                f"the weights of node {node!r} name {name!r}, which is none of its variants.{nearest(name, variants)} "
                f"They are {known}."
            )
    for name in variants:
        if name not in weights:
            raise ValueError(
                f"the weights of node {node!r} leave out variant {name!r}; give it one, 0 to send it nothing"
            )
        if not is_weight(weights[name]):
            raise ValueError(
                f"the weight of variant {name!r} of node {node!r} is {weights[name]!r}; give a finite number, 0 or more"
            )
    if not any(weights.values()):
        raise ValueError(f"the weights of node {node!r} are all 0, so that nothing could fill its slot; raise one")
    return {name: float(weights[name]) for name in variants}
