"""Who may call a pipeline, and how does the answer travel?

`PipelinesServer` is a Flask application that serves pipelines; `PipelinesClient` calls it; `Chariots` is a server
that brings its own op store in a folder.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chariots._lazy import lazy_names

if TYPE_CHECKING:
    from chariots.serving.async_client import AsyncPipelinesClient
    from chariots.serving.batchable import Batching
    from chariots.serving.client import AbstractPipelinesClient, PipelinesClient
    from chariots.serving.embedded import Chariots
    from chariots.serving.job_events import JobEvent
    from chariots.serving.pieces import AsyncPipelineStream, PipelineStream
    from chariots.serving.response import PipelineResponse
    from chariots.serving.rollouts import Canary, Shadow
    from chariots.serving.server import PipelinesServer
    from chariots.workers.app_loading import load_app

__getattr__, __dir__, _ = lazy_names(
    __name__,
    {
        "PipelinesServer": "chariots.serving.server",
        "Batching": "chariots.serving.batchable",
        "Chariots": "chariots.serving.embedded",
        "PipelinesClient": "chariots.serving.client",
        "AbstractPipelinesClient": "chariots.serving.client",
        "AsyncPipelinesClient": "chariots.serving.async_client",
        "PipelineStream": "chariots.serving.pieces",
        "AsyncPipelineStream": "chariots.serving.pieces",
        "Client": "chariots.serving.client:PipelinesClient",
        "PipelineResponse": "chariots.serving.response",
        "Canary": "chariots.serving.rollouts",
        "Shadow": "chariots.serving.rollouts",
        "JobEvent": "chariots.serving.job_events",
        "load_app": "chariots.workers.app_loading",
    },
)
__all__ = [
    "PipelinesServer",
    "Chariots",
    "PipelinesClient",
    "AsyncPipelinesClient",
    "AbstractPipelinesClient",
    "Batching",
    "PipelineResponse",
    "PipelineStream",
    "AsyncPipelineStream",
    "Canary",
    "Shadow",
    "JobEvent",
    "load_app",
]
