"""Which slot of a pipeline does an op fill, where does its input come from, and where does its output go?"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self, cast

from chariots._lazy import lazy_names
from chariots.pipelines.base_node import BaseNode, NodeLike, NodeReference, ReservedNodes, as_list, laid_out
from chariots.pipelines.node_options import NodeOptions, node_options
from chariots.pipelines.ops import BaseOp, LoadableOp
from chariots.pipelines.store import OpStoreProtocol
from chariots.versioning import Version

if TYPE_CHECKING:
    from chariots.pipelines.conditional_nodes import ConditionalNode
    from chariots.pipelines.data_nodes import DataLoadingNode, DataSavingNode
    from chariots.pipelines.mapping_nodes import MapNode
    from chariots.pipelines.pipeline import Pipeline
    from chariots.pipelines.routing_nodes import ABTestNode
    from chariots.pipelines.runners import BaseRunner
    from chariots.web.retry import RetryPolicy

_HOMES = {
    "ABTestNode": "chariots.pipelines.routing_nodes",
    "ConditionalNode": "chariots.pipelines.conditional_nodes",
    "MapNode": "chariots.pipelines.mapping_nodes",
    "DataLoadingNode": "chariots.pipelines.data_nodes",
    "DataSavingNode": "chariots.pipelines.data_nodes",
}

__getattr__, __dir__, _ = lazy_names(__name__, _HOMES)
__all__ = [
    "Node",
    "BaseNode",
    "ReservedNodes",
    "ABTestNode",
    "ConditionalNode",
    "MapNode",
    "DataLoadingNode",
    "DataSavingNode",
    "NodeReference",
    "NodeLike",
    "laid_out",
]


class Node(BaseNode):
    """A node that fills its slot with an op, or with a whole pipeline.

    Args:
        op: the op, or a `Pipeline` to nest.
        input_nodes: the arguments of the op, in order; see `BaseNode`.
        output_nodes: names for what the op returns; see `BaseNode`.
        name: a name for the node; by default the name of its op. The store knows the op by this name, so two
            ops of one class in one pipeline need two names (the second one gets the suffix ``_2`` by itself).
        cache: whether the output is kept and found again, while neither the version of the op nor the content of its
            inputs changes.
        retries: how often the op is tried again when it fails, or a whole policy with its pauses.
        timeout: how many seconds one attempt may take. A process that takes longer is ended; a thread cannot be, and
            is left behind.
        resources: what the op needs while it runs: ``cpu`` and ``gpu`` as counts, ``memory`` in bytes. Nodes that run
            at the same time share what the runner has.

    Raises:
        TypeError: if ``op`` is not an op object.
        ValueError: if one of the options cannot be met; the message names the node.
    """

    def __init__(
        self,
        op: BaseOp,
        input_nodes: Iterable[NodeLike] | NodeLike | None = None,
        output_nodes: Iterable[NodeLike] | NodeLike | None = None,
        name: str | None = None,
        *,
        cache: bool = False,
        retries: int | RetryPolicy = 0,
        timeout: float | None = None,
        resources: Mapping[str, float] | None = None,
    ) -> None:
        if not isinstance(op, BaseOp):
            cure = f"write Node({op.__name__}(), ...)" if inspect.isclass(op) else "derive it from BaseOp"
            raise TypeError(f"a node is built on an op object, and {op!r} is none: {cure}")
        if name is not None and (not isinstance(name, str) or not name):
            raise ValueError(f"the name of a node is a string that is not empty, not {name!r}")
        self.input_nodes = as_list(input_nodes)
        self.output_nodes = as_list(output_nodes)
        self._op = op
        self._name = name
        if cache or retries or timeout is not None or resources:
            self.options: NodeOptions | None = node_options(
                f"node {self.name!r}", cache=cache, retries=retries, timeout=timeout, resources=resources
            )

    @property
    def op(self) -> BaseOp:
        """The op that fills this slot."""
        return self._op

    @property
    def name(self) -> str:
        """The name that was given, else the name of the op."""
        return self._name or self._op.name

    @property
    def has_given_name(self) -> bool:
        """Whether the name was chosen for this node, rather than taken from its op."""
        return self._name is not None

    @property
    def node_version(self) -> Version:
        """The version of the op."""
        return self._op.op_version

    @property
    def nested(self) -> Pipeline | None:
        """The pipeline that fills this slot, if it is one."""
        return cast("Pipeline", self._op) if self._op.holds_nodes else None

    @property
    def hands_on(self) -> bool:
        """Whether a nested pipeline gets just what the node reads, and the node returns just what that returns."""
        return True

    @property
    def is_loadable(self) -> bool:
        """Whether the op, or any op of a nested pipeline, can be loaded."""
        nested = self.nested
        if nested is not None:
            return any(node.is_loadable for node in nested.pipeline_nodes)
        return isinstance(self._op, LoadableOp)

    @property
    def requires_runner(self) -> bool:
        """Whether the slot is filled by a pipeline, which only a runner can run."""
        return self._op.holds_nodes

    @property
    def require_saver(self) -> bool:
        """Whether a node of a nested pipeline needs a saver."""
        nested = self.nested
        return nested is not None and any(node.require_saver for node in nested.pipeline_nodes)

    def execute(self, params: Sequence[Any], runner: BaseRunner | None = None) -> Any:
        """Runs the op with its callbacks.

        Args:
            params: the arguments, in the order of ``input_nodes``.
            runner: the runner, which decides where the op is executed; it may be left out where no pipeline is nested.

        Returns:
            what the op returned.

        Raises:
            ValueError: if the node needs a runner and got none.
        """
        nested = self.nested
        if nested is None:
            return self._op.execute_with_all_callbacks(params) if runner is None else runner.call_op(self._op, params)
        if runner is None:
            raise ValueError(f"node {self.name!r} holds a pipeline and needs a runner; pass runner=SequentialRunner()")
        return runner.run(nested, *params)

    def load_latest_version(self, store_to_look_in: OpStoreProtocol) -> Node | None:
        """Loads the newest saved version of the op, without looking at its neighbours.

        Args:
            store_to_look_in: the op store.

        Returns:
            this node, loaded; None if the store has no version of the op.
        """
        from chariots.pipelines.loading import load_node

        return self if load_node(self, store_to_look_in) else None

    def persist(self, store: OpStoreProtocol, downstream_nodes: Sequence[BaseNode] | None = None) -> Version | None:
        """Saves the op, its version, and that the downstream nodes accept it.

        Args:
            store: the op store.
            downstream_nodes: the nodes that read this one.

        Returns:
            the version that was saved; None if the op has nothing to save yet.
        """
        from chariots.pipelines.saving import persist_node

        return persist_node(self, store, downstream_nodes or ())

    def renamed(self, name: str) -> Self:
        """Returns a node with the same op and links under another name."""
        other = type(self).__new__(type(self))
        other.__dict__ = {**self.__dict__, "_name": name}  # copy.copy takes five times as long
        return other

    def with_op(self, op: BaseOp) -> Self:
        """Returns a node with the same name and links around another op."""
        other = self.renamed(self.name)
        other._op = op
        return other
