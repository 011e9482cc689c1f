"""Versioned machine-learning pipelines, served.

Importing this package imports nothing else: every name below loads what it needs when it is first touched.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chariots._lazy import lazy_names
from chariots._version import __version__

if TYPE_CHECKING:
    from chariots import ml, op_store, pipelines, versioning, workers
    from chariots.ml import MLMode
    from chariots.op_store import OpStoreClient, OpStoreServer
    from chariots.op_store import OpStoreServer as OpStore
    from chariots.pipelines import Pipeline, progress
    from chariots.pipelines.nodes import Node
    from chariots.serving import AsyncPipelinesClient, Chariots, PipelinesClient, PipelinesServer
    from chariots.serving import AsyncPipelinesClient as AsyncClient
    from chariots.serving import PipelinesClient as Client
    from chariots.testing import TestPipelinesClient as TestClient

_HOMES = {
    "Pipeline": "chariots.pipelines",
    "Node": "chariots.pipelines.nodes",
    "MLMode": "chariots.ml",
    "Chariots": "chariots.serving",
    "Client": "chariots.serving:PipelinesClient",
    "AsyncClient": "chariots.serving:AsyncPipelinesClient",
    "PipelinesServer": "chariots.serving",
    "PipelinesClient": "chariots.serving",
    "AsyncPipelinesClient": "chariots.serving",
    "OpStoreServer": "chariots.op_store",
    "OpStoreClient": "chariots.op_store",
    "OpStore": "chariots.op_store:OpStoreServer",
    "TestClient": "chariots.testing:TestPipelinesClient",
    "progress": "chariots.pipelines",
    "versioning": "chariots.versioning:",
    "pipelines": "chariots.pipelines:",
    "ml": "chariots.ml:",
    "op_store": "chariots.op_store:",
    "workers": "chariots.workers:",
}

__getattr__, __dir__, _ = lazy_names(__name__, _HOMES)
__all__ = [
    "Pipeline",
    "Node",
    "MLMode",
    "Chariots",
    "Client",
    "AsyncClient",
    "PipelinesServer",
    "PipelinesClient",
    "AsyncPipelinesClient",
    "OpStoreServer",
    "OpStoreClient",
    "OpStore",
    "TestClient",
    "progress",
    "versioning",
    "pipelines",
    "ml",
    "op_store",
    "workers",
    "__version__",
]
