"""Which of several ops fills a slot, so that the same caller always gets the same one?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from chariots.errors import nearest
from chariots.pipelines.choosing import Choice, Key, as_bytes, is_weight
from chariots.pipelines.choosing_nodes import ChoosingNode
from chariots.pipelines.nodes import Node, NodeLike
from chariots.pipelines.ops import BaseOp
from chariots.versioning import content_hash

if TYPE_CHECKING:
    from chariots.pipelines.runners import BaseRunner

__all__ = ["ABTestNode"]


class ABTestNode(ChoosingNode):
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
        if key is not None and not callable(key):
            raise TypeError(
                f"the key of node {name!r} is {key!r}, which cannot be called; give a function of the arguments of the "
                "node, or leave it out to let their content decide"
            )
        super().__init__(variants, input_nodes, output_nodes, name=name)
        #: How much of the calls each variant gets, in proportion to the others.
        self.weights: Mapping[str, float] = _checked_weights(name, self._variants, weights)
        #: What tells one caller from another; None where the content of the arguments does.
        self.key = key
        self._choice = Choice(name, self.weights)

    @property
    def asks(self) -> Sequence[Callable[..., Any]]:
        """The key, if there is one."""
        return () if self.key is None else (self.key,)

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
        chosen = next(iter(self._variants)) if all(learning) else self.choose(params)
        if not any(learning):
            return self._run(chosen, params, runner)
        answer = None
        for name, learns in zip(self._variants, learning, strict=True):
            if learns or name == chosen:
                output = self._run(name, params, runner)
                if name == chosen:
                    answer = output
        return answer

    def choose(self, params: Sequence[Any]) -> str:
        """Says which variant answers a call, by its key.

        Args:
            params: the arguments, in the order of ``input_nodes``.

        Returns:
            the name of the variant.

        Raises:
            TypeError: if the key is unusable, or the arguments have no content that could be hashed.
        """
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


def _learns(node: Node) -> bool:
    nested = node.nested
    return node.op.allow_version_change if nested is None else nested.trains


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
