"""The app of the contracts, on the pool that the environment names: a database, or a Redis."""

from __future__ import annotations

import os

from chariots.testing import pool_app
from chariots.workers import LocalWorkerPool, RQWorkerPool


def _pool(url: str):
    if not url.startswith("redis"):
        return LocalWorkerPool(url, workers=0)
    from redis import Redis

    return RQWorkerPool(redis=Redis.from_url(url))


app = pool_app(_pool(os.environ["CHARIOTS_TEST_JOBS"]), os.environ["CHARIOTS_TEST_FOLDER"], __name__)
