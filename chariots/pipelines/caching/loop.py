"""How does a pipeline run one node after the other, when some of them are cached or somebody asks why they ran?"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from chariots.pipelines.caching.held import value_of
from chariots.pipelines.caching.stepping import Cached
from chariots.pipelines.calling import call_node
from chariots.pipelines.graph import INPUT_VALUE

if TYPE_CHECKING:
    from chariots.pipelines.base_node import BaseNode
    from chariots.pipelines.pipeline import Pipeline
    from chariots.pipelines.runners import BaseRunner

__all__ = ["run_cached"]


def run_cached(pipeline: Pipeline, pipeline_input: Any, runner: BaseRunner) -> Any:
    """Runs a pipeline with its callbacks, and each cached node only where its output is not found.

    Args:
        pipeline: the pipeline.
        pipeline_input: its input; None if it takes none.
        runner: who runs it, and whose cache is used.

    Returns:
        the result of the pipeline; None if it has none.
    """
    from chariots.pipelines.plan import annotate

    plan, graph, callbacks = pipeline.plan, pipeline.graph, pipeline.callbacks
    arguments = [pipeline_input] if plan.takes_input else []
    for callback in callbacks:
        callback.before_execution(pipeline, arguments)
    cached = Cached(pipeline, runner.cache)
    slots: list[Any] = [None] * plan.slots
    if plan.takes_input:
        slots[INPUT_VALUE] = cached.hold(INPUT_VALUE, pipeline_input)
    position = -1
    try:
        for _op, _hooks, _reads, _writes, clears, position in plan.steps:
            args = [slots[value] for value in graph.inputs[position]]
            execute = partial(execute_node, pipeline, pipeline.graph_nodes[position], runner)
            outputs = cached.step(position, args, execute)
            del args, execute
            for slot in clears:
                slots[slot] = None
            for value, output in zip(graph.outputs[position], outputs, strict=True):
                slots[value] = output
            del outputs
        output = None if plan.output_slot is None else value_of(slots[plan.output_slot])
    except Exception as error:
        annotate(error, pipeline, position)
        raise
    for callback in callbacks:
        callback.after_execution(pipeline, arguments, output)
    return output


def execute_node(pipeline: Pipeline, node: BaseNode, runner: BaseRunner | None, args: list[Any]) -> Any:
    """Runs one node with the callbacks of its pipeline around it.

    Args:
        pipeline: the pipeline.
        node: the node.
        runner: for a node that holds a pipeline.
        args: its arguments.

    Returns:
        what it returned.
    """
    for callback in pipeline.callbacks:
        callback.before_node_execution(pipeline, node, args)
    value = call_node(node, args, runner)
    for callback in pipeline.callbacks:
        callback.after_node_execution(pipeline, node, args, value)
    return value
