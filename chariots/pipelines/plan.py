"""How does a pipeline run without asking its graph anything?

A pipeline is compiled once into a flat list of steps over numbered slots, one for each value of its graph. A value
lives in its slot until its last reader has run; then the slot is emptied, which is what frees the memory.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from chariots.pipelines.base_node import BaseNode
from chariots.pipelines.callbacks import PipelineCallback
from chariots.pipelines.calling import call_node
from chariots.pipelines.graph import INPUT_VALUE, Graph
from chariots.pipelines.nodes import Node
from chariots.pipelines.ops import BaseOp

if TYPE_CHECKING:
    from chariots.pipelines.node_options import NodeOptions
    from chariots.pipelines.pipeline import Pipeline
    from chariots.pipelines.runners import BaseRunner

__all__ = [
    "Plan",
    "annotate",
    "compile_plan",
    "note_failure",
    "outputs_from",
    "overridden",
    "split_outputs",
    "tell_failure",
]

_logger = logging.getLogger(__name__)

# (op, hooks, reads, writes, clears, position): `hooks` is empty while calling op.execute is all there is to do;
# `reads` and `writes` are a bare slot number in the common case of one, else a tuple of them.
Step: TypeAlias = tuple[Any, Any, Any, Any, list[int], int]
_NOTHING: list[int] = []  # shared by the steps that free no slot, and never appended to
_ALWAYS = ("this node is always called through its own execute",)


class Plan:
    """The compiled form of a pipeline.

    Attributes:
        steps: what to do, in order.
        slots: how many slots there are. The first one is for the pipeline's input.
        takes_input: whether any node reads that.
        output_slot: where the result is found; None if there is no result.
        options: what nodes ask of whoever runs them, by position; most ask for nothing.
        is_cached: whether any of them asks for its output to be kept.
    """

    __slots__ = ("is_cached", "options", "output_slot", "slots", "steps", "takes_input")

    def __init__(
        self,
        steps: list[Step],
        slots: int,
        takes_input: bool,
        output_slot: int | None,
        options: Mapping[int, NodeOptions],
    ) -> None:
        self.options = options
        self.steps = steps
        self.slots = slots
        self.takes_input = takes_input
        self.output_slot = output_slot
        self.is_cached = any(asked.cache for asked in options.values())

    def run(self, pipeline: Pipeline, pipeline_input: Any, runner: BaseRunner) -> Any:
        """Runs every step; the loop that everything else in this package stays out of.

        Args:
            pipeline: the pipeline this is the plan of.
            pipeline_input: the input; None if the pipeline takes none.
            runner: for nested pipelines.

        Returns:
            the result of the pipeline; None if it has none.
        """
        slots: list[Any] = [None] * self.slots
        if self.takes_input:
            slots[INPUT_VALUE] = pipeline_input
            pipeline_input = None  # the slot is now the only thing here that keeps it alive
        position = -1
        try:
            for op, hooks, reads, writes, clears, position in self.steps:
                if hooks:
                    node = pipeline.graph_nodes[position]
                    read = (reads,) if type(reads) is int else reads
                    value = call_node(node, [slots[slot] for slot in read], runner)
                elif type(reads) is int:
                    value = op.execute(slots[reads])
                else:
                    value = op.execute(*[slots[slot] for slot in reads])
                for slot in clears:
                    slots[slot] = None
                if type(writes) is int:
                    slots[writes] = value
                elif writes:
                    _fill(slots, writes, split_outputs(pipeline, position, value, len(writes)))
        except Exception as error:
            annotate(error, pipeline, position)
            raise
        return None if self.output_slot is None else slots[self.output_slot]

    def run_with_callbacks(self, pipeline: Pipeline, pipeline_input: Any, runner: BaseRunner) -> Any:
        """Runs every step with the pipeline's callbacks around each node and around the whole."""
        callbacks = pipeline.callbacks
        before = overridden(callbacks, "before_node_execution")
        after = overridden(callbacks, "after_node_execution")
        arguments = [pipeline_input] if self.takes_input else []
        for callback in callbacks:
            callback.before_execution(pipeline, arguments)
        slots: list[Any] = [None] * self.slots
        if self.takes_input:
            slots[INPUT_VALUE] = pipeline_input
        nodes = pipeline.graph_nodes
        position = -1
        try:
            for op, hooks, reads, writes, clears, position in self.steps:
                node = nodes[position]
                args = [slots[reads]] if type(reads) is int else [slots[slot] for slot in reads]
                for notify in before:
                    notify(pipeline, node, args)
                value = call_node(node, args, runner) if hooks else op.execute(*args)
                for notify_after in after:
                    notify_after(pipeline, node, args, value)
                for slot in clears:
                    slots[slot] = None
                if type(writes) is int:
                    slots[writes] = value
                elif writes:
                    _fill(slots, writes, split_outputs(pipeline, position, value, len(writes)))
        except BaseException as error:
            note_failure(error, pipeline, position)
            raise
        output = None if self.output_slot is None else slots[self.output_slot]
        for callback in callbacks:
            callback.after_execution(pipeline, arguments, output)
        return output


def _fill(slots: list[Any], writes: Sequence[int], parts: Sequence[Any]) -> None:
    # A function of its own, so that no local variable of the loop keeps the last part alive.
    for slot, part in zip(writes, parts, strict=True):
        slots[slot] = part


def overridden(callbacks: Iterable[object], method: str) -> list[Callable[..., Any]]:
    """One method of each callback that has its own version of it; calling the empty one costs as much as a small op.

    Args:
        callbacks: the callbacks.
        method: the name of the method.
    """
    empty = getattr(PipelineCallback, method)
    return [
        getattr(callback, method)
        for callback in callbacks
        if getattr(type(callback), method, None) is not empty or method in vars(callback)
    ]


def annotate(error: Exception, pipeline: Pipeline, position: int) -> None:
    """Adds to an error which node of which pipeline it came from; the error itself stays what it was."""
    if position >= 0:
        node = pipeline.graph_nodes[position]
        error.add_note(f"raised in node {node.name!r} of pipeline {pipeline.name!r}")


def tell_failure(error: BaseException, pipeline: Pipeline, node: BaseNode | None) -> None:
    """Tells the callbacks of a pipeline that a run of it has failed.

    Args:
        error: what was raised.
        pipeline: the pipeline that was running.
        node: the node that failed; None where it was none of them.
    """
    for callback in pipeline.callbacks:
        tell = getattr(callback, "on_failure", None)
        try:
            if tell is not None:
                tell(pipeline, node, error)
        except Exception as another:
            # The first error is the one that says what is wrong.
            _logger.exception("callback %r failed while it was told of a failure", callback)
            error.add_note(f"on_failure of {type(callback).__name__} failed: {type(another).__name__}: {another}")


def note_failure(error: BaseException, pipeline: Pipeline, position: int) -> None:
    """Notes on an error which node it came from, and tells the callbacks of the pipeline.

    Args:
        error: what was raised.
        pipeline: the pipeline that was running.
        position: where the node stands; -1 where it was none of them.
    """
    if isinstance(error, Exception):
        annotate(error, pipeline, position)
    tell_failure(error, pipeline, pipeline.graph_nodes[position] if position >= 0 else None)


def outputs_from(pipeline: Pipeline, position: int, value: Any) -> Sequence[Any]:
    """What a node returned, as one value for each of its outputs; none where it has no outputs.

    Raises:
        ValueError: if it cannot be split over them.
    """
    count = len(pipeline.graph.outputs[position])
    if count == 1:
        return (value,)
    return split_outputs(pipeline, position, value, count) if count else ()


def split_outputs(pipeline: Pipeline, position: int, value: Any, expected: int) -> Sequence[Any]:
    """Checks that what a node returned can be split over its outputs.

    Raises:
        ValueError: if it is not a tuple or list of the right length.
    """
    if isinstance(value, (tuple, list)) and len(value) == expected:
        return value
    node = pipeline.graph_nodes[position]
    names = ", ".join(repr(reference.reference) for reference in node.output_references)
    found = f"{len(value)} values" if isinstance(value, (tuple, list)) else f"a {type(value).__name__}"
    raise ValueError(
        f"node {node.name!r} has {expected} outputs ({names}) but returned {found}; "
        f"return a tuple of {expected}, or name one output"
    )


def compile_plan(graph: Graph, nodes: Sequence[BaseNode]) -> Plan:
    """Compiles a graph into steps over slots.

    Args:
        graph: the links.
        nodes: the nodes in the graph's order; those of the graph, or copies of them.

    Returns:
        the plan; linear in the number of links, in time and in size.
    """
    last_readers, output_value = graph.last_readers, graph.output_value
    clears: list[list[int]] = [_NOTHING] * len(nodes)
    for value, reader in enumerate(last_readers):
        if reader >= 0 and value != output_value:
            if clears[reader] is _NOTHING:
                clears[reader] = [value]
            else:
                clears[reader].append(value)
    plain: dict[type, bool] = {}
    steps: list[Step] = []
    for position, (node, reads, writes) in enumerate(zip(nodes, graph.inputs, graph.outputs, strict=True)):
        op, hooks = _target(node, plain)
        source = reads[0] if len(reads) == 1 else reads
        target = writes[0] if len(writes) == 1 else writes
        steps.append((op, hooks, source, target, clears[position], position))
    options = {position: node.options for position, node in enumerate(nodes) if node.options is not None}
    return Plan(steps, len(graph.labels), last_readers[INPUT_VALUE] >= 0, output_value, options)


def _target(node: BaseNode, plain: dict[type, bool]) -> tuple[BaseOp | None, Sequence[Any]]:
    """What to call for a node, and whether more than ``op.execute`` is to be done for it.

    The op's own list of callbacks serves as the flag, so that a callback added later is seen.

    Args:
        node: the node.
        plain: for every class of ops seen so far, whether it leaves the hooks around ``execute`` alone.
    """
    if type(node) is not Node or node.options is not None:
        return None, _ALWAYS
    op = node.op
    kind = type(op)
    found = plain.get(kind)
    if found is None:
        found = plain[kind] = not kind.holds_nodes and all(
            getattr(kind, hook) is getattr(BaseOp, hook)
            for hook in ("before_execution", "after_execution", "execute_with_all_callbacks")
        )
    return op, (op.callbacks if found else _ALWAYS)
