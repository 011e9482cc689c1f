"""How does a pipeline run one node after the other, when some of them are cached or somebody asks why they ran?"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from chariots.pipelines.caching.stepping import Cached
from chariots.pipelines.calling import call_node
from chariots.pipelines.graph import INPUT_VALUE
from chariots.pipelines.handles import value_of
from chariots.pipelines.plan import note_failure, outputs_from, overridden

if TYPE_CHECKING:
    from chariots.pipelines.pipeline import Pipeline
    from chariots.pipelines.runners import BaseRunner

__all__ = ["Execution", "run_cached"]


def run_cached(pipeline: Pipeline, pipeline_input: Any, runner: BaseRunner) -> Any:
    """Runs a pipeline with its callbacks, and each cached node only where its output is not found.

    Args:
        pipeline: the pipeline.
        pipeline_input: its input; None if it takes none.
        runner: who runs it, and whose cache is used.

    Returns:
        the result of the pipeline; None if it has none.
    """
    plan, graph, callbacks = pipeline.plan, pipeline.graph, pipeline.callbacks
    arguments = [pipeline_input] if plan.takes_input else []
    for callback in callbacks:
        callback.before_execution(pipeline, arguments)
    cached = Cached(pipeline, runner.cache)
    execute = Execution(pipeline, runner)
    slots: list[Any] = [None] * plan.slots
    if plan.takes_input:
        slots[INPUT_VALUE] = cached.hold(INPUT_VALUE, pipeline_input)
    position = -1
    try:
        for _op, _hooks, _reads, _writes, clears, position in plan.steps:
            args = [slots[value] for value in graph.inputs[position]]
            outputs = cached.step(position, args, partial(execute, position))
            del args
            for slot in clears:
                slots[slot] = None
            for value, output in zip(graph.outputs[position], outputs, strict=True):
                slots[value] = output
            del outputs
        output = None if plan.output_slot is None else value_of(slots[plan.output_slot])
    except BaseException as error:
        note_failure(error, pipeline, position)
        raise
    for callback in callbacks:
        callback.after_execution(pipeline, arguments, output)
    return output


class Execution:
    """Runs nodes of a pipeline with its callbacks around them.

    Args:
        pipeline: the pipeline.
        runner: for nodes that hold a pipeline.
    """

    def __init__(self, pipeline: Pipeline, runner: BaseRunner | None) -> None:
        self._pipeline, self._runner = pipeline, runner
        self._before = overridden(pipeline.callbacks, "before_node_execution")
        self._after = overridden(pipeline.callbacks, "after_node_execution")

    def __call__(self, position: int, args: list[Any]) -> Sequence[Any]:
        """Runs a node.

        Args:
            position: where it stands.
            args: its arguments.

        Returns:
            its outputs.

        Raises:
            ValueError: if what it returned cannot be split over them.
        """
        pipeline = self._pipeline
        node = pipeline.graph_nodes[position]
        for notify in self._before:
            notify(pipeline, node, args)
        value = call_node(node, args, self._runner)
        for notify in self._after:
            notify(pipeline, node, args, value)
        return outputs_from(pipeline, position, value)
