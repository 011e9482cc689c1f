"""Which of several ops fits the input at hand?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from chariots.errors import nearest
from chariots.pipelines.choosing_nodes import ChoosingNode
from chariots.pipelines.nodes import Node, NodeLike
from chariots.pipelines.ops import BaseOp

__all__ = ["ConditionalNode"]


class ConditionalNode(ChoosingNode):
    """A node that fills its slot with several ops and looks at the arguments of each call to choose one.

    >>> from chariots.pipelines import Pipeline
    >>> from chariots.pipelines.nodes import ConditionalNode
    >>> from chariots.pipelines.ops import BaseOp
    >>> from chariots.pipelines.runners import SequentialRunner
    >>> class Count(BaseOp):
    ...     def execute(self, words):
    ...         return len(words)
    >>> class Estimate(BaseOp):
    ...     def execute(self, words):
    ...         return 1000
    >>> node = ConditionalNode(
    ...     {"exact": Count(), "rough": Estimate()}, ["__pipeline_input__"], "__pipeline_output__",
    ...     name="counting", conditions={"rough": lambda words: len(words) > 100}, default="exact",
    ... )
    >>> SequentialRunner().run(Pipeline([node], "count"), ["a", "b"])
    2

    Either ``key`` names the branch, or ``conditions`` are asked one after the other and the first that holds decides.
    Where nothing decides, the ``default`` runs.

    Each branch has its versions under the name of its op, is saved and loaded as if it stood in the slot alone, and
    must fit what it reads and what reads it. Only the branch that was chosen runs, and so a branch that learns does so
    from what it was chosen for.

    Args:
        branches: by name, what can fill the slot: an op, a `Pipeline` to nest, or a `Node` without inputs and outputs
            that gives an op a name, ``Node(Model(), name="german_model")``.
        input_nodes: the arguments, which are those of every branch; see `BaseNode`.
        output_nodes: names for what the branches return; see `BaseNode`.
        name: the name of the node.
        key: gets the arguments of the node and returns the name of a branch.
        conditions: by the name of a branch, a function that gets the arguments of the node and tells whether that
            branch is to run; they are asked in this order.
        default: the branch for everything else; a call that no branch was chosen for fails if not given.

    Raises:
        ValueError: if there are no branches, two of them have one name, a condition or the default belongs to none of
            them, or not just one of ``key`` and ``conditions`` is given.
        TypeError: if a branch is no op, or the key or a condition cannot be called.
    """

    def __init__(
        self,
        branches: Mapping[str, BaseOp | Node],
        input_nodes: Iterable[NodeLike] | NodeLike | None = None,
        output_nodes: Iterable[NodeLike] | NodeLike | None = None,
        *,
        name: str,
        key: Callable[..., str | None] | None = None,
        conditions: Mapping[str, Callable[..., Any]] | None = None,
        default: str | None = None,
    ) -> None:
        super().__init__(branches, input_nodes, output_nodes, name=name)
        if (key is None) == (not conditions):
            raise ValueError(
                f"node {name!r} was given {'neither a key nor' if key is None else 'both a key and'} conditions, by "
                "which it could choose; give key=, a function that returns the name of a branch, or conditions=, "
                "a mapping from names of branches to functions"
            )
        conditions = dict(conditions or {})
        for branch in [*conditions] if default is None else [*conditions, default]:
            self._check_branch(branch)
        asked = {f"condition for branch {branch!r}": condition for branch, condition in conditions.items()}
        for what, function in (asked if key is None else {"key": key}).items():
            if not callable(function):
                raise TypeError(
                    f"the {what} of node {name!r} is {function!r}, which cannot be called; give a function of the "
                    "arguments of the node"
                )
        #: Names the branch; None where the conditions decide.
        self.key = key
        #: For each branch that has one, what must hold.
        self.conditions: Mapping[str, Callable[..., Any]] = conditions
        #: The branch for everything else.
        self.default = default

    @property
    def asks(self) -> Sequence[Callable[..., Any]]:
        """The key, or the conditions."""
        return tuple(self.conditions.values()) if self.key is None else (self.key,)

    def choose(self, params: Sequence[Any]) -> str:
        """Says which branch answers a call.

        Args:
            params: the arguments, in the order of ``input_nodes``.

        Returns:
            the name of the branch.

        Raises:
            ValueError: if no branch was chosen, and there is no default.
        """
        if self.key is None:
            for branch, condition in self.conditions.items():
                if condition(*params):
                    return branch
            found, why = None, "none of its conditions holds"
        else:
            found = self.key(*params)
            if isinstance(found, str) and found in self._variants:
                return found
            why = f"its key returned {found!r:.80}, which is none of its branches {self._branches}"
        if self.default is not None:
            return self.default
        hint = nearest(found, self._variants) if isinstance(found, str) else ""
        raise ValueError(
            f"node {self._name!r} cannot choose: {why}, and it has no default; give it default=, or a branch for "
            f"such inputs.{hint}"
        )

    @property
    def _branches(self) -> str:
        return ", ".join(map(repr, self._variants))

    def _check_branch(self, branch: str) -> None:
        if branch not in self._variants:
            raise ValueError(
                f"node {self._name!r} is to run branch {branch!r}, which is none of its branches; they are "
                f"{self._branches}.{nearest(branch, self._variants)}"
            )
