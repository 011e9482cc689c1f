"""What runs when a pipeline is called, and what is it made of?"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from typing import TYPE_CHECKING, Any, Self

from chariots.errors import InputError, UnknownNameError
from chariots.pipelines.callbacks import PipelineCallback
from chariots.pipelines.copying import copied
from chariots.pipelines.graph import INPUT_VALUE, Graph, build_graph
from chariots.pipelines.mismatch import level
from chariots.pipelines.nodes import BaseNode, Node, NodeReference, ReservedNodes, laid_out
from chariots.pipelines.ops import BaseOp, LoadableOp
from chariots.pipelines.plan import Plan, compile_plan
from chariots.pipelines.store import OpStoreProtocol, SaveKey, StoredVersion
from chariots.versioning import Version, VersionType

if TYPE_CHECKING:
    from chariots.pipelines.drawing import Drawing
    from chariots.pipelines.runners import BaseRunner

__all__ = ["Pipeline"]

_FORBIDDEN_IN_NAMES = frozenset("/\\?#%\0\n\r\t")


class Pipeline(BaseOp):
    """A collection of linked nodes that run one after the other; itself an op, so that pipelines nest.

    >>> from chariots.pipelines.nodes import Node
    >>> from chariots.pipelines.ops import BaseOp
    >>> from chariots.pipelines.runners import SequentialRunner
    >>> class Double(BaseOp):
    ...     def execute(self, number):
    ...         return 2 * number
    >>> pipeline = Pipeline([Node(Double(), ["__pipeline_input__"], "__pipeline_output__")], "doubling")
    >>> SequentialRunner().run(pipeline, 4)
    8

    The nodes may be given in any order. They and the callbacks stay the caller's: building and running a pipeline
    changes neither.

    Args:
        pipeline_nodes: the nodes. Whatever a node reads must be produced by another node or be the pipeline's
            input, and whatever it produces must be read or be the pipeline's output.
        name: the name of the pipeline, part of its HTTP routes.
        pipeline_callbacks: what to do around the pipeline and its nodes.
        use_worker: whether a server runs this pipeline in a worker by default; False forbids it, None leaves it to
            the server and the request.
        mismatch_on: the finest subversion in which a difference keeps a saved version from being loaded, for all ops of
            the pipeline: ``major``, ``minor`` or ``patch``. Where an op asks for a finer one, that holds for the op.
        job_options: how the jobs of this pipeline are run where a call does not say: ``priority``, ``timeout``,
            ``retries``, ``concurrency`` and ``result_ttl``, as `chariots.workers.JobOptions` has them. A server checks
            them when it is made.
        batchable: whether a server may run it once for several requests: row n of the output must depend on row n of
            the input and on nothing else. None finds out: it may where every op says so of itself, as those of
            scikit-learn and Keras do in the mode PREDICT, and no callback watches.

    Raises:
        ValueError: if the nodes do not form a graph that can run, or the name does not fit into a URL.
        TypeError: if something among the nodes is not a node.
    """

    holds_nodes = True
    batchable: bool | None = None  # type: ignore[assignment]  # an op knows it of itself, a pipeline is given it

    def __init__(
        self,
        pipeline_nodes: Iterable[BaseNode],
        name: str,
        pipeline_callbacks: Iterable[PipelineCallback] | None = None,
        use_worker: bool | None = None,
        mismatch_on: VersionType | str | None = None,
        job_options: Mapping[str, Any] | None = None,
        batchable: bool | None = None,
    ) -> None:
        super().__init__()
        if not isinstance(name, str) or not name or _FORBIDDEN_IN_NAMES & set(name) or name in (".", ".."):
            raise ValueError(
                f"a pipeline cannot be named {name!r}: the name becomes part of a URL, so it must be a string that is "
                "not empty and holds no slash, question mark, hash, per cent sign or line break"
            )
        self._name = name
        self._graph = build_graph(list(pipeline_nodes), name)
        self.graph_nodes: Sequence[BaseNode] = self._graph.nodes
        self._plan: Plan | None = None
        self._positions: dict[int, int] | None = None
        self.callbacks: list[PipelineCallback] = list(pipeline_callbacks or ())  # type: ignore[assignment]  # an op's are of another kind
        self.use_worker = use_worker
        self.job_options: Mapping[str, Any] = dict(job_options or {})
        if batchable and self.chooses:
            raise ValueError(
                f"pipeline {name!r} was given batchable=True, but one of its nodes chooses for each call what answers "
                "it; leave that out, so that every call runs alone"
            )
        self.batchable = batchable
        self.mismatch_on = None if mismatch_on is None else level(mismatch_on, f"Pipeline(..., {name!r})")  # type: ignore[misc]  # an op declares it, a pipeline is given it
        #: Every version that `load` chose, by node name; empty before the first load.
        self.loaded: Mapping[str, StoredVersion] = {}
        #: The store they came from.
        self.loaded_from: OpStoreProtocol | None = None

    # -- what it is made of ---------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The name of the pipeline."""
        return self._name

    @property
    def pipeline_nodes(self) -> list[BaseNode]:
        """The nodes, in the order in which they run."""
        return list(self.graph_nodes)

    @property
    def loaded_versions(self) -> dict[str, int]:
        """The store's number of every version that `load` chose, by node name."""
        return {name: version.id for name, version in self.loaded.items()}

    @property
    def node_for_name(self) -> dict[str, BaseNode]:
        """The nodes by name; those that a node chooses among as well."""
        return {node.name: node for node in (*self.graph_nodes, *laid_out(self.graph_nodes))}

    @property
    def takes_input(self) -> bool:
        """Whether any node reads the pipeline's input."""
        return self._graph.last_readers[INPUT_VALUE] >= 0

    @property
    def nodes_reading_input(self) -> list[tuple[BaseNode, int]]:
        """The nodes that read the pipeline's input, each with the position among its arguments.

        A nested pipeline counts through the nodes inside it that read what it is given, and a node that chooses through
        those it chooses among. One that gets element by element counts as the node that it is.
        """
        found: list[tuple[BaseNode, int]] = []
        for node, reads in zip(self.graph_nodes, self._graph.inputs, strict=True):
            for argument, value in enumerate(reads):
                for one in laid_out([node]) if value == INPUT_VALUE else ():
                    nested = one.nested if isinstance(one, Node) and one.hands_on else None
                    found.extend(nested.nodes_reading_input if nested else [(one, argument)])
        return found

    @property
    def ops(self) -> list[BaseOp]:
        """The ops of all nodes, those of nested pipelines included."""
        found: list[BaseOp] = []
        for node in laid_out(self.graph_nodes):
            if isinstance(node, Node):
                found.extend(node.nested.ops if node.nested else [node.op])
        return found

    @property
    def chooses(self) -> bool:
        """Whether a node of this pipeline, or of one nested in it, chooses what fills its slot."""
        nested = [node.nested for node in laid_out(self.graph_nodes) if isinstance(node, Node)]
        return any(node.alternatives for node in self.graph_nodes) or any(one.chooses for one in nested if one)

    @property
    def trains(self) -> bool:
        """Whether running this pipeline changes the state of an op."""
        return any(op.allow_version_change for op in self.ops)

    @property
    def is_ready(self) -> bool:
        """Whether every op that is of no use before it was loaded has been loaded."""
        return all(op.is_ready or not op.needs_loading for op in self.ops if isinstance(op, LoadableOp))

    def position_of(self, node: BaseNode) -> int:
        """Where a node stands among `pipeline_nodes`.

        Raises:
            ValueError: if it is not one of them.
        """
        if self._positions is None:
            self._positions = {id(mine): position for position, mine in enumerate(self.graph_nodes)}
        position = self._positions.get(id(node))
        if position is None:
            raise ValueError(f"node {node.name!r} is not a node of pipeline {self.name!r}")
        return position

    @property
    def graph(self) -> Graph:
        """The links between the nodes."""
        return self._graph

    def get_all_op_links(self) -> list[tuple[BaseNode, BaseNode]]:
        """The links of the pipeline, as (upstream node, downstream node)."""
        return [
            (upstream, downstream)
            for position, node in enumerate(self.graph_nodes)
            for read in self._graph.upstream(position)
            for upstream in laid_out([self.graph_nodes[read]])
            for downstream in laid_out([node])
        ]

    def draw(self, states: Any = None, *, around: str | None = None, within: int = 3) -> Drawing:
        """Draws the pipeline, as SVG and as Mermaid; see `chariots.pipelines.drawing.draw`, which takes the same."""
        from chariots.pipelines.drawing.picture import draw

        return draw(self, states, around, within)

    def _repr_html_(self) -> str:
        from chariots.pipelines.drawing.picture import drawn_or_told

        return drawn_or_told(self)

    # -- versions -------------------------------------------------------------------------------------------------

    @property
    def op_version(self) -> Version:
        """The version of what the pipeline holds: the sum over its nodes, in order."""
        total = Version(creation_time=0.0)
        for node in self.graph_nodes:
            total = total + node.node_version
        return total

    def get_pipeline_versions(self) -> dict[BaseNode, Version]:
        """The present version of every node."""
        return {node: node.node_version for node in laid_out(self.graph_nodes)}

    def versions(self) -> dict[str, Version]:
        """The present version of every node, by name."""
        return {node.name: node.node_version for node in laid_out(self.graph_nodes)}

    # -- running --------------------------------------------------------------------------------------------------

    @property
    def plan(self) -> Plan:
        """The compiled form of the pipeline, made when it is first needed."""
        if self._plan is None:
            self._plan = compile_plan(self._graph, self.graph_nodes)
        return self._plan

    def execute(self, *args: Any, **kwargs: Any) -> Any:
        """Always refuses: a pipeline is run by a runner.

        Raises:
            ValueError: always, with the call to make instead.
        """
        raise ValueError(
            f"pipeline {self.name!r} cannot execute itself; call SequentialRunner().run(pipeline, pipeline_input)"
        )

    def check_input(self, pipeline_input: Any) -> None:
        """Refuses an input that no node would read.

        Raises:
            ValueError: if an input is given and the pipeline takes none.
        """
        if pipeline_input is not None and not self.takes_input:
            raise InputError(
                f"pipeline {self.name!r} was given an input, but none of its nodes reads "
                f"{ReservedNodes.pipeline_input.value!r}; call it without one, or add that to a node's input_nodes"
            )

    def start_results(self, pipeline_input: Any | None = None) -> dict[NodeReference, Any]:
        """The results a runner starts with: the pipeline's input, where it takes one.

        Raises:
            ValueError: if an input is given and the pipeline takes none.
        """
        self.check_input(pipeline_input)
        return {ReservedNodes.pipeline_input.reference: pipeline_input} if self.takes_input else {}

    def execute_node(
        self,
        node: BaseNode,
        intermediate_results: MutableMapping[NodeReference, Any],
        runner: BaseRunner | None = None,
    ) -> MutableMapping[NodeReference, Any]:
        """Executes one node with all callbacks around it; for runners.

        Args:
            node: a node of this pipeline.
            intermediate_results: what was computed so far. The node's outputs are added, and values that no later
                node reads are dropped.
            runner: for a node that holds a pipeline.

        Returns:
            ``intermediate_results``.

        Raises:
            ValueError: if the node's output does not match the outputs it declares, or an input is missing.
        """
        from chariots.pipelines.stepping import execute_node

        return execute_node(self, node, intermediate_results, runner)

    @staticmethod
    def extract_results(results: Mapping[NodeReference, Any]) -> Any:
        """Finds the output of the pipeline among the results left when all nodes have run; for runners.

        Args:
            results: what no node has read.

        Returns:
            the output; None if nothing is left.

        Raises:
            ValueError: if anything but the pipeline's output is left.
        """
        from chariots.pipelines.stepping import extract_results

        return extract_results(results)

    # -- copies, saving and loading ---------------------------------------------------------------------------------

    def clone(self, extra_callbacks: Iterable[PipelineCallback] = ()) -> Self:
        """Returns a pipeline that can be loaded and trained without this one noticing.

        Ops that can be loaded are copied; all others, the callbacks and the links are shared.

        Args:
            extra_callbacks: callbacks that only the copy gets, after its own.
        """
        other = copy.copy(self)
        other.callbacks = [*self.callbacks, *extra_callbacks]
        other.job_options = dict(self.job_options)
        other.loaded = dict(self.loaded)
        other._plan = other._positions = None
        copies: dict[int, BaseOp] = {}  # one op object in two nodes stays one object
        other.graph_nodes = tuple([copied(node, copies) for node in self.graph_nodes])
        return other

    def with_nodes(self, nodes: Sequence[BaseNode]) -> Self:
        """Returns a pipeline with other nodes in the same places.

        Args:
            nodes: the nodes, in the order of `pipeline_nodes` and with the same names and links.

        Returns:
            a copy; this pipeline itself, if these are its nodes.
        """
        if all(mine is given for mine, given in zip(self.graph_nodes, nodes, strict=True)):
            return self
        other = copy.copy(self)
        other.graph_nodes = tuple(nodes)
        other._plan = other._positions = None
        return other

    def watched(self, callbacks: Iterable[PipelineCallback]) -> Self:
        """Returns this very pipeline, ops and all, with further callbacks for whoever runs what is returned.

        Args:
            callbacks: the callbacks, which come after its own.
        """
        _ = self.plan  # compiled once, for this one as well
        other = copy.copy(self)
        other.callbacks = [*self.callbacks, *callbacks]
        return other

    def load(self, op_store_client: OpStoreProtocol, alias: str | None = None) -> Self:
        """Loads the newest versions of the ops that all fit together, or those that were promoted.

        Args:
            op_store_client: the op store.
            alias: whose versions to load, ``"production"`` for instance; the newest that fit if None.

        Returns:
            this pipeline.

        Raises:
            UnknownNameError: if the alias stands for nothing.
            VersionError: if an op was never trained and saved, no versions were trained with each other, or none but
                those that this pipeline has loaded already, although newer ones were saved; then nothing was loaded.
        """
        from chariots.pipelines.loading import load_pipeline

        promoted = None if alias is None else op_store_client.alias(self.name, alias)
        if alias is not None and not promoted:
            raise UnknownNameError(
                f"pipeline {self.name!r} was to be loaded as {alias!r}, but that alias stands for nothing in this "
                f"store; promote versions with `chariots promote {self.name} --alias {alias}`, or load without an alias"
            )
        load_pipeline(self, op_store_client, promoted)
        return self

    def save(self, op_store_client: OpStoreProtocol, *, once: SaveKey | None = None) -> None:
        """Saves every op that has something to save, all versions, and which versions were trained together.

        Args:
            op_store_client: the op store.
            once: under which key this is saved, so that it counts once, however often it is tried.

        Raises:
            AlreadySavedError: if another attempt has saved under the key; nothing was added.
        """
        from chariots.pipelines.saving import save_pipeline

        save_pipeline(self, op_store_client, once)
