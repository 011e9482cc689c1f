"""What is counted of runs, for Prometheus?"""

from __future__ import annotations

import threading
import weakref
from typing import TYPE_CHECKING, Any, NamedTuple

from chariots.pipelines.watching import NodeCall, RunWatcher, WatchedRun

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry, Counter, Histogram

__all__ = ["MetricsCallback"]

SECONDS = (0.00001, 0.0001, 0.001, 0.01, 0.1, 1.0, 10.0, 100.0, 1000.0)


class _Counted(NamedTuple):
    """What is counted in one registry."""

    runs: Counter
    run_seconds: Histogram
    nodes: Counter
    node_seconds: Histogram


_counted: weakref.WeakKeyDictionary[CollectorRegistry, _Counted] = weakref.WeakKeyDictionary()
_making = threading.Lock()  # a registry takes each name once, however many callbacks count in it


class MetricsCallback(RunWatcher):
    """Counts runs and nodes, and measures how long they take, for Prometheus.

    - ``chariots_pipeline_runs_total``: runs that have ended, by ``pipeline`` and ``state`` (``ran``, ``failed``);
    - ``chariots_pipeline_run_seconds``: how long runs took that did not fail, by ``pipeline``;
    - ``chariots_node_runs_total``: nodes that have ended, by ``pipeline``, ``node`` and ``state`` (``ran``, ``cached``,
      ``failed``, ``canceled``);
    - ``chariots_node_run_seconds``: how long nodes took that ran, by ``pipeline`` and ``node``.

    A server of pipelines measures requests and nodes by itself; this is for runs elsewhere, such as those of a script.

    Args:
        registry: where it is counted; the default registry of prometheus-client if None.
    """

    settings = ()  # registries stay in their process

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        super().__init__()
        from prometheus_client import REGISTRY

        self.registry = REGISTRY if registry is None else registry
        self._counted = _counted_in(self.registry)
        # Finding a child by its labels takes as long as counting with it.
        self._children: dict[tuple[str, ...], Any] = {}

    def on_run_ended(self, run: WatchedRun) -> None:
        """Counts it; see `RunWatcher.on_run_ended`."""
        name, state = run.pipeline.name, run.state
        self._child("runs", name, state).inc()
        if state == "ran":
            self._child("run_seconds", name).observe(run.seconds)

    def on_node_ended(self, run: WatchedRun, call: NodeCall) -> None:
        """Counts it; see `RunWatcher.on_node_ended`."""
        pipeline, node = run.pipeline.name, call.node.name
        self._child("nodes", pipeline, node, call.state).inc()
        if call.state == "ran":
            self._child("node_seconds", pipeline, node).observe(call.seconds)

    def _child(self, metric: str, *labels: str) -> Any:
        found = self._children.get((metric, *labels))
        if found is None:
            found = self._children[metric, *labels] = getattr(self._counted, metric).labels(*labels)
        return found


def _counted_in(registry: CollectorRegistry) -> _Counted:
    from prometheus_client import Counter, Histogram

    with _making:
        found = _counted.get(registry)
        if found is None:
            known: Any = {"namespace": "chariots", "registry": registry}
            found = _counted[registry] = _Counted(
                Counter("pipeline_runs", "Runs of pipelines that have ended.", ("pipeline", "state"), **known),
                Histogram("pipeline_run_seconds", "How long runs took.", ("pipeline",), buckets=SECONDS, **known),
                Counter("node_runs", "Nodes that have ended.", ("pipeline", "node", "state"), **known),
                Histogram("node_run_seconds", "How long nodes took.", ("pipeline", "node"), buckets=SECONDS, **known),
            )
        return found
