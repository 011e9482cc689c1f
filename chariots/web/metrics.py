"""What is measured, under which names, and how is it told to Prometheus?

The names are here and nowhere else. Where several processes serve together, each writes to a file of its own in the
folder that ``PROMETHEUS_MULTIPROC_DIR`` names (`chariots serve` makes one), and whichever is asked adds them up.
"""

from __future__ import annotations

import functools
import os
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import choose_encoder

from chariots.web.settings import METRICS_FOLDER

__all__ = ["Metrics", "measured", "metrics"]

SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
NODE_SECONDS: Final = (0.00001, 0.0001, 0.001, 0.01, 0.1, 1.0, 10.0, 100.0)
ROWS: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096, 16384)


class Metrics:
    """Everything that is measured in this process.

    Attributes:
        registry: where it is kept, if this process serves alone.
        requests: requests by service, route, pipeline, method and status.
        seconds: how long they took, by service, route and pipeline; waiting for a thread included.
        in_progress: requests that are being answered, by service.
        waiting: requests that wait for a thread.
        refused: requests that were refused before anything ran, by service and reason.
        node_seconds: how long nodes took, by pipeline and node.
        batch_rows: rows that were run at once, by pipeline.
        batch_requests: requests that were run at once, by pipeline.
        generation: which state of a pipeline a process serves, counted from 1.
        version: how many processes serve a version, by pipeline, node and version.
        variant_requests: runs of one of several variants, by pipeline, node, variant, version and outcome. The node is
            empty where whole versions of the pipeline are the variants.
        variant_seconds: how long they took, by the same but the outcome.
        shadow_results: calls that were computed once more, by pipeline, version and result.
        canary_withdrawals: how often a canary was withdrawn for its failures, by pipeline and version.
        rollout_active: how many processes try versions on their calls, by pipeline, kind and alias.
        transfer_bytes: bytes of weights that were fetched.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        known: Any = {"namespace": "chariots", "registry": self.registry}
        where = ("service", "route", "pipeline")
        self.requests = Counter("requests", "Requests that were answered.", (*where, "method", "status"), **known)
        self.seconds = Histogram(
            "request_seconds", "How long requests took, their waiting included.", where, buckets=SECONDS, **known
        )
        self.in_progress = Gauge(
            "requests_in_progress",
            "Requests that are being answered.",
            ("service",),
            multiprocess_mode="livesum",
            **known,
        )
        self.waiting = Gauge(
            "requests_waiting", "Requests that wait for a thread.", multiprocess_mode="livesum", **known
        )
        self.refused = Counter("requests_refused", "Requests that were refused unread.", ("reason",), **known)
        self.node_seconds = Histogram(
            "node_seconds", "How long nodes took.", ("pipeline", "node"), buckets=NODE_SECONDS, **known
        )
        self.batch_rows = Histogram("batch_rows", "Rows that were run at once.", ("pipeline",), buckets=ROWS, **known)
        self.batch_requests = Histogram(
            "batch_requests", "Requests that were run at once.", ("pipeline",), buckets=ROWS, **known
        )
        self.transfer_bytes = Counter("transfer_bytes", "Bytes of weights that were fetched.", **known)
        self.generation = Gauge(
            "pipeline_generation",
            "Which state of the pipeline a process serves, counted from 1.",
            ("pipeline",),
            multiprocess_mode="liveall",
            **known,
        )
        self.version = Gauge(
            "pipeline_version",
            "How many processes serve this version.",
            ("pipeline", "node", "version"),
            multiprocess_mode="livesum",
            **known,
        )
        variant = ("pipeline", "node", "variant", "version")
        self.variant_requests = Counter(
            "variant_requests", "Runs of one of several variants.", (*variant, "outcome"), **known
        )
        self.variant_seconds = Histogram(
            "variant_seconds", "How long runs of variants took.", variant, buckets=NODE_SECONDS, **known
        )
        self.shadow_results = Counter(
            "shadow_results",
            "Calls that a shadow computed, or did not get to.",
            ("pipeline", "version", "result"),
            **known,
        )
        self.canary_withdrawals = Counter(
            "canary_withdrawals", "Canaries that were withdrawn for their failures.", ("pipeline", "version"), **known
        )
        self.rollout_active = Gauge(
            "rollout_active",
            "How many processes try versions on their calls.",
            ("pipeline", "kind", "alias"),
            multiprocess_mode="livesum",
            **known,
        )
        # Finding a child by its labels takes as long as counting with it.
        self._answered: dict[tuple[str, ...], tuple[Counter, Histogram]] = {}
        self._batches: dict[str, tuple[Histogram, Histogram]] = {}
        self._variants: dict[tuple[str, ...], tuple[Counter, Histogram]] = {}

    def answered(self, service: str, route: str, pipeline: str, method: str, status: str, seconds: float) -> None:
        """Counts a request.

        Args:
            service: whose request it was.
            route: the rule that it followed, with its variables unfilled.
            pipeline: the pipeline that it was about; empty where it was about none that is known.
            method: of HTTP.
            status: of HTTP, as text.
            seconds: how long it took.
        """
        key = (service, route, pipeline, method, status)
        found = self._answered.get(key)
        if found is None:
            found = self.requests.labels(*key), self.seconds.labels(*key[:3])
            self._answered[key] = found
        found[0].inc()
        found[1].observe(seconds)

    def variant(self, pipeline: str, node: str, variant: str, version: str, outcome: str, seconds: float) -> None:
        """Counts a run of one of several variants.

        Args:
            pipeline: the pipeline.
            node: the node that chose; empty where whole versions of the pipeline are the variants.
            variant: the name of the variant.
            version: its version.
            outcome: ``ok`` or ``failed``; of a canary also ``both_failed``, where the versions in service failed too.
            seconds: how long it took.
        """
        key = (pipeline, node, variant, version, outcome)
        found = self._variants.get(key)
        if found is None:
            found = self.variant_requests.labels(*key), self.variant_seconds.labels(*key[:4])
            self._variants[key] = found
        found[0].inc()
        found[1].observe(seconds)

    def batch(self, pipeline: str, requests: int, rows: int) -> None:
        """Counts a batch.

        Args:
            pipeline: the pipeline that it was for.
            requests: how many requests were run at once.
            rows: how many rows they had together.
        """
        found = self._batches.get(pipeline)
        if found is None:
            found = self._batches[pipeline] = self.batch_requests.labels(pipeline), self.batch_rows.labels(pipeline)
        found[0].observe(requests)
        found[1].observe(rows)


@functools.cache
def metrics() -> Metrics:
    """The metrics of this process; there is one registry, so that whatever is measured is told in one place."""
    return Metrics()


def measured(accept: str) -> tuple[bytes, str]:
    """Tells what was measured, in all processes of this server.

    Args:
        accept: the header of that name, which decides between the text form and OpenMetrics.

    Returns:
        the text, and its content type.
    """
    registry = metrics().registry
    if os.environ.get(METRICS_FOLDER):
        from prometheus_client.multiprocess import MultiProcessCollector

        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    encode, content_type = choose_encoder(accept)
    return encode(registry), content_type
