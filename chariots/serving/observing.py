"""What do the metrics learn from the pipelines of a server?"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from chariots.pipelines.callbacks import PipelineCallback

if TYPE_CHECKING:
    from chariots.pipelines import Pipeline
    from chariots.pipelines.nodes import BaseNode, Node
    from chariots.serving.routing import Routing
    from chariots.serving.served import ServedPipeline
    from chariots.serving.snapshots import Snapshot
    from chariots.web.metrics import Metrics

__all__ = ["NodeTimes", "observe"]


class NodeTimes(PipelineCallback):
    """Measures how long each node takes.

    Args:
        metrics: where that is kept.
    """

    #: Several requests may run as one: what is measured is how long a node takes, and not for whom.
    welcomes_batches = True

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._known: dict[tuple[str, str], Any] = {}
        # One callback watches every run of every thread; a node and what it nests run in one.
        self._here = threading.local()

    def before_node_execution(self, pipeline: Pipeline, node: BaseNode, args: list[Any]) -> None:
        """Notes the time; see `PipelineCallback.before_node_execution`."""
        try:
            began = self._here.began
        except AttributeError:
            began = self._here.began = {}
        # By name, so that what a failed node leaves behind is one entry, however often it fails.
        began[pipeline.name, node.name] = time.perf_counter()

    def after_node_execution(self, pipeline: Pipeline, node: BaseNode, args: list[Any], output: Any) -> None:
        """Counts the time that has passed; see `PipelineCallback.after_node_execution`."""
        now = time.perf_counter()
        key = pipeline.name, node.name
        began = getattr(self._here, "began", {}).pop(key, None)
        if began is None:
            return  # a runner that ends a node in another thread than it begins it in
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self._metrics.node_seconds.labels(*key)
        found.observe(now - began)


def observe(served: Mapping[str, ServedPipeline], metrics: Metrics, node_times: bool) -> None:
    """Begins to measure.

    Args:
        served: the pipelines of a server.
        metrics: where that is kept.
        node_times: whether to measure how long nodes take.
    """
    for pipeline in served.values():
        pipeline.announce = partial(_announce, metrics, pipeline.name, {})
        if pipeline.batcher is not None:
            pipeline.batcher.observed = partial(metrics.batch, pipeline.name)
        if node_times:
            pipeline.watch(NodeTimes(metrics))
        if pipeline.routing is not None:
            _observe_routing(pipeline.routing, metrics)
        pipeline.watch_variants(partial(_count_variant, metrics, pipeline.name))
        pipeline.announce(pipeline.current)


def _observe_routing(routing: Routing, metrics: Metrics) -> None:
    name, canary, shadow = routing.served.name, routing.canary, routing.shadow
    routing.observed = partial(metrics.variant, name, "")
    routing.announce = lambda kind, alias, is_active: metrics.rollout_active.labels(name, kind, alias).set(
        float(is_active)
    )
    if canary is not None:

        def withdrawn(snapshot: Snapshot) -> None:
            metrics.canary_withdrawals.labels(name, routing.version_of("canary", snapshot)).inc()
            routing.tell_state()

        canary.withdrawn = withdrawn
    if shadow is not None:

        def compared(snapshot: Snapshot, result: str, seconds: float) -> None:
            version = routing.version_of("shadow", snapshot)
            metrics.shadow_results.labels(name, version, result).inc()
            if result != "dropped":
                metrics.variant(name, "", "shadow", version, "failed" if result == "failed" else "ok", seconds)

        shadow.compared = compared
    routing.tell_state()


def _count_variant(
    metrics: Metrics, pipeline: str, name: str, variant: str, node: Node, is_done: bool, seconds: float
) -> None:
    """Counts a run of what a node chose."""
    version = str(node.node_version).partition("_")[0]
    metrics.variant(pipeline, name, variant, version, "ok" if is_done else "failed", seconds)


def _announce(metrics: Metrics, name: str, shown: dict[str, str], snapshot: Snapshot) -> None:
    """Tells which versions a process serves; those that it served before count no more."""
    metrics.generation.labels(name).set(snapshot.generation)
    for node, text in snapshot.versions.items():
        version = text.partition("_")[0]  # without the time, which for an op without a model is that of the process
        before = shown.get(node)
        if before == version:
            continue
        if before is not None:
            metrics.version.labels(name, node, before).set(0)
        metrics.version.labels(name, node, version).set(1)
        shown[node] = version
