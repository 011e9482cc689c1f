"""How does a runner that goes node by node run one of them, and find the result at the end?"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from chariots.pipelines.base_node import BaseNode, NodeReference, ReservedNodes
from chariots.pipelines.caching.loop import Execution
from chariots.pipelines.caching.stepping import Cached
from chariots.pipelines.explaining import CURRENT
from chariots.pipelines.graph import INPUT_VALUE
from chariots.pipelines.handles import values_of
from chariots.pipelines.plan import note_failure

if TYPE_CHECKING:
    from chariots.pipelines.pipeline import Pipeline
    from chariots.pipelines.runners import BaseRunner

__all__ = ["execute_node", "extract_results"]


def execute_node(
    pipeline: Pipeline,
    node: BaseNode,
    intermediate_results: MutableMapping[NodeReference, Any],
    runner: BaseRunner | None = None,
) -> MutableMapping[NodeReference, Any]:
    """Executes one node with all callbacks around it; see `Pipeline.execute_node`."""
    graph = pipeline.graph
    position = pipeline.position_of(node)
    args = []
    for value in graph.inputs[position]:
        reference = graph.reference(value)
        if reference not in intermediate_results and value != INPUT_VALUE:
            raise ValueError(
                f"node {node.name!r} reads {reference.reference!r}, which is not computed yet; "
                "run the nodes in the order of pipeline.pipeline_nodes"
            )
        args.append(intermediate_results.get(reference))
    try:
        parts = _outputs(pipeline, position, args, runner)
    except BaseException as error:
        note_failure(error, pipeline, position)
        raise
    for value in graph.inputs[position]:
        if graph.last_readers[value] == position:
            intermediate_results.pop(graph.reference(value), None)
    for value, part in zip(graph.outputs[position], parts, strict=True):
        intermediate_results[graph.reference(value)] = part
    return intermediate_results


def _outputs(pipeline: Pipeline, position: int, args: list[Any], runner: BaseRunner | None) -> Sequence[Any]:
    """Runs a node, or finds what it returned the last time."""
    execute = Execution(pipeline, runner)
    asked = pipeline.plan.options.get(position)
    if (asked is None or not asked.cache) and CURRENT.get() is None:
        return execute(position, args)
    cached = Cached(pipeline, getattr(runner, "cache", None))
    return values_of(cached.step(position, args, partial(execute, position)))


def extract_results(results: Mapping[NodeReference, Any]) -> Any:
    """Finds the output of a pipeline among what is left; see `Pipeline.extract_results`."""
    output = ReservedNodes.pipeline_output.value
    unused = [reference for reference in results if reference.reference != output]
    if unused:
        names = ", ".join(repr(reference.reference) for reference in unused)
        raise ValueError(f"the pipeline ran, but nothing reads {names}; read it, or call one of them {output!r}")
    return next(iter(results.values()), None)
