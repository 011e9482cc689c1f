"""How does each node of a run get a span?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from opentelemetry import context as contexts

from chariots.pipelines.callbacks import PipelineCallback

if TYPE_CHECKING:
    from chariots.pipelines import Pipeline
    from chariots.pipelines.nodes import BaseNode
    from chariots.pipelines.runners import BaseRunner
    from chariots.web.spans import Node, Spans

__all__ = ["NodeSpans", "run_traced"]


class NodeSpans(PipelineCallback):
    """Gives each node of one run a span, below the one that is current where the run begins.

    It knows that one by itself: a runner may run nodes in other threads. Those of a nested pipeline are one node.

    Args:
        spans: what begins spans.
        versions: the version of each node; None where it may be another after the run.
    """

    welcomes_batches = True

    def __init__(self, spans: Spans, versions: Mapping[str, str] | None) -> None:
        self._spans = spans
        self._versions = versions or {}
        self._outer = contexts.get_current()
        self._begun: dict[int, Node] = {}

    def before_node_execution(self, pipeline: Pipeline, node: BaseNode, args: list[Any]) -> None:
        """Begins a span; see `PipelineCallback.before_node_execution`."""
        self._begun[id(node)] = self._spans.node(node.name, pipeline.name, self._outer)

    def after_node_execution(self, pipeline: Pipeline, node: BaseNode, args: list[Any], output: Any) -> None:
        """Ends it; see `PipelineCallback.after_node_execution`."""
        begun = self._begun.pop(id(node), None)
        if begun is not None:
            begun.end(self._versions.get(node.name) or str(node.node_version))

    def fail(self, error: BaseException) -> None:
        """Ends the spans of the nodes that were at work when a run failed.

        Args:
            error: what it failed with.
        """
        for begun in self._begun.values():
            begun.fail(error)
        self._begun.clear()


def run_traced(
    spans: Spans, pipeline: Pipeline, value: Any, runner: BaseRunner, versions: Mapping[str, str] | None
) -> Any:
    """Runs a pipeline, with a span for each node.

    Args:
        spans: what begins spans.
        pipeline: the pipeline.
        value: its input, converted.
        runner: who runs it.
        versions: the version of each node; None where it may be another after the run.

    Returns:
        the output.
    """
    watching = NodeSpans(spans, versions)
    # A node that fails leaves its span the current one; this puts back what was there before.
    token = contexts.attach(contexts.get_current())
    try:
        return runner.run(pipeline.watched([watching]), value)
    except BaseException as error:
        watching.fail(error)
        raise
    finally:
        contexts.detach(token)
