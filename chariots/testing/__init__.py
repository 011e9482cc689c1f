"""How is an app tried in a test, and a worker pool or a runner of one's own against what every one promises?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chariots._lazy import lazy_names

if TYPE_CHECKING:
    from chariots.testing.clients import TestOpStoreClient, TestPipelinesClient
    from chariots.testing.job_pool_contract import JobPoolContract
    from chariots.testing.pool_app import pool_app
    from chariots.testing.pool_contract import PoolContract
    from chariots.testing.runner_contract import RunnerContract

__getattr__, __dir__, _ = lazy_names(
    __name__,
    {
        "TestOpStoreClient": "chariots.testing.clients",
        "TestPipelinesClient": "chariots.testing.clients",
        "PoolContract": "chariots.testing.pool_contract",
        "JobPoolContract": "chariots.testing.job_pool_contract",
        "pool_app": "chariots.testing.pool_app",
        "RunnerContract": "chariots.testing.runner_contract",
    },
)
__all__ = ["TestOpStoreClient", "TestPipelinesClient", "PoolContract", "JobPoolContract", "pool_app", "RunnerContract"]
