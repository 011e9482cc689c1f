"""How does one node run a pipeline for each of many elements?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self, cast

from chariots.pipelines.base_node import NodeLike, ReservedNodes
from chariots.pipelines.chunks import chunks_of, joined
from chariots.pipelines.nodes import Node
from chariots.pipelines.ops import BaseOp

if TYPE_CHECKING:
    from chariots.pipelines.pipeline import Pipeline
    from chariots.pipelines.runners import BaseRunner

__all__ = ["MapNode"]


class MapNode(Node):
    """A node that runs an op or a pipeline for each element of what it reads, at the same time where the runner can.

    >>> from chariots.pipelines import Pipeline
    >>> from chariots.pipelines.nodes import MapNode
    >>> from chariots.pipelines.ops import BaseOp
    >>> from chariots.pipelines.runners import SequentialRunner
    >>> class Length(BaseOp):
    ...     def execute(self, text):
    ...         return len(text)
    >>> pipeline = Pipeline([MapNode(Length(), ["__pipeline_input__"], "__pipeline_output__")], "lengths")
    >>> SequentialRunner().run(pipeline, ["a", "bcd"])
    [1, 3]

    It reads one value: anything that can be iterated over, a generator too. It returns a list, in the order of the
    elements. With a ``chunk_size`` it reads an array, a frame, a table or a list, and runs the pipeline for so many
    rows at a time; what comes out is put together again to one of these.

    Ops inside are versioned, saved and loaded as those of a nested pipeline are.

    Args:
        op: the op, or a `Pipeline`, which gets one element, or one chunk, as its input. It must not train.
        input_nodes: what to iterate over; see `BaseNode`.
        output_nodes: names for what comes out; see `BaseNode`. Several names split the list.
        name: a name for the node; by default the name of the op. The store knows a single op by this name.
        chunk_size: how many rows at a time; None for element by element.
        options: ``cache``, ``retries``, ``timeout`` and ``resources`` of the node as a whole; see `Node`.

    Raises:
        TypeError: if ``op`` is not an op object, or the chunk size is no number.
        ValueError: if the pipeline trains, takes no input or, where chunks are to be put together, has no output.
    """

    arity = 1

    def __init__(
        self,
        op: BaseOp,
        input_nodes: Iterable[NodeLike] | NodeLike | None = None,
        output_nodes: Iterable[NodeLike] | NodeLike | None = None,
        name: str | None = None,
        *,
        chunk_size: int | None = None,
        **options: Any,
    ) -> None:
        super().__init__(op, input_nodes, output_nodes, name, **options)
        if chunk_size is not None and (not isinstance(chunk_size, int) or isinstance(chunk_size, bool)):
            raise TypeError(f"node {self.name!r} was given chunk_size={chunk_size!r}; give a number of rows, or None")
        if chunk_size is not None and chunk_size < 1:
            raise ValueError(f"node {self.name!r} was given chunk_size={chunk_size}; give 1 row or more, or None")
        #: How many rows at a time; None for element by element.
        self.chunk_size = chunk_size
        self._single = None if op.holds_nodes else op
        if self._single is not None:
            self._op = _around(self._single, self.name)
        self._check_pipeline(self.mapped)

    @property
    def mapped(self) -> Pipeline:
        """What runs for each element."""
        return cast("Pipeline", self._op)

    @property
    def hands_on(self) -> bool:
        """Whether the pipeline gets and returns the same kind of thing as the node: where it does so chunk by chunk."""
        return self.chunk_size is not None

    def execute(self, params: Sequence[Any], runner: BaseRunner | None = None) -> Any:
        """Runs the pipeline for each element or chunk.

        Args:
            params: one value, whose elements or rows these are.
            runner: who runs the pipeline.

        Returns:
            a list; the kind of thing that the pipeline returns for a chunk, where there are chunks.

        Raises:
            ValueError: if the node got no runner, or not one argument.
            TypeError: if the argument has no elements, or what was returned for its chunks cannot be put together.
        """
        if runner is None:
            raise ValueError(f"node {self.name!r} maps a pipeline and needs a runner; pass runner=SequentialRunner()")
        if len(params) != 1:
            raise ValueError(
                f"node {self.name!r} maps over one input and got {len(params)}; join them in a node before it, to "
                "pairs for instance"
            )
        who = f"node {self.name!r}"
        if self.chunk_size is None:
            return runner.map(self.mapped, _elements(who, params[0]))
        chunks = chunks_of(who, params[0], self.chunk_size)
        try:
            outputs = runner.map(self.mapped, chunks)
        except Exception as error:
            error.add_note(f"an element of {who} is a chunk of {self.chunk_size} rows")
            raise
        return joined(who, outputs)

    def renamed(self, name: str) -> Self:
        """Returns a node with the same op and links under another name."""
        other = super().renamed(name)
        if self._single is not None and name != self.name:
            other._op = _around(self._single, name)
        return other

    def _check_pipeline(self, pipeline: Pipeline) -> None:
        who, what = f"node {self.name!r}", f"{'pipeline' if self._single is None else 'op'} {pipeline.name!r}"
        if pipeline.trains:
            names = ", ".join(repr(op.name) for op in pipeline.ops if op.allow_version_change)
            raise ValueError(
                f"{who} would run {what} for many elements at the same time, but it trains {names}; train in a node of "
                "its own, and map with MLMode.PREDICT"
            )
        if not pipeline.takes_input:
            raise ValueError(
                f"{who} would run {what} for each element, but no node in it reads "
                f"{ReservedNodes.pipeline_input.value!r}; let one read it"
            )
        if self.chunk_size is not None and pipeline.graph.output_value is None:
            raise ValueError(
                f"{who} would put together what {what} returns for each chunk, but it has no output; let a node in it "
                f"write {ReservedNodes.pipeline_output.value!r}, or leave out chunk_size"
            )


def _around(op: BaseOp, name: str) -> Pipeline:
    """A pipeline of one op, which the store knows by the name."""
    from chariots.pipelines.pipeline import Pipeline

    ends = ReservedNodes.pipeline_input.value, ReservedNodes.pipeline_output.value
    return Pipeline([Node(op, [ends[0]], ends[1], name=name)], name)


def _elements(who: str, value: Any) -> Iterable[Any]:
    """What there is to iterate over; refuses what has elements that nobody means."""
    if hasattr(value, "columns") or hasattr(value, "column_names"):
        cure = "give the node a chunk_size to go over its rows"
    elif isinstance(value, (str, bytes, bytearray)):
        cure = "put it into a list"
    elif isinstance(value, Mapping):
        cure = "give it list(mapping.items()), or the values"
    elif getattr(value, "ndim", 1) == 0 or not isinstance(value, Iterable):
        cure = "give it something that can be iterated over"
    else:
        return value
    raise TypeError(f"{who} maps over the elements of its input, which is a {type(value).__name__}; {cure}")
