"""What runs, in which order, and with what? Ops, nodes, pipelines, callbacks and runners.

The server and the client of pipelines are offered here as well; their code lives in `chariots.serving`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chariots._lazy import lazy_names

if TYPE_CHECKING:
    from chariots.pipelines import callbacks, nodes, ops, runners
    from chariots.pipelines.caching import NodeCache
    from chariots.pipelines.explaining import explained
    from chariots.pipelines.pipeline import Pipeline
    from chariots.pipelines.reporting import progress
    from chariots.serving import (
        AbstractPipelinesClient,
        AsyncPipelinesClient,
        PipelineResponse,
        PipelinesClient,
        PipelinesServer,
    )

__all__ = [
    "Pipeline",
    "PipelinesServer",
    "PipelinesClient",
    "AsyncPipelinesClient",
    "AbstractPipelinesClient",
    "PipelineResponse",
    "nodes",
    "ops",
    "callbacks",
    "runners",
    "progress",
    "NodeCache",
    "explained",
]

__getattr__, __dir__, _ = lazy_names(
    __name__,
    {
        "Pipeline": "chariots.pipelines.pipeline",
        "PipelinesServer": "chariots.serving",
        "PipelinesClient": "chariots.serving",
        "AsyncPipelinesClient": "chariots.serving",
        "AbstractPipelinesClient": "chariots.serving",
        "PipelineResponse": "chariots.serving",
        "nodes": "chariots.pipelines.nodes:",
        "ops": "chariots.pipelines.ops:",
        "callbacks": "chariots.pipelines.callbacks:",
        "runners": "chariots.pipelines.runners:",
        "progress": "chariots.pipelines.reporting",
        "NodeCache": "chariots.pipelines.caching",
        "explained": "chariots.pipelines.explaining",
    },
)
