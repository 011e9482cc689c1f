"""The app of the contracts, on the pool that the environment names: a database, or a Redis."""

from __future__ import annotations

import os

from chariots.testing import pool_app
from chariots.workers import LocalWorkerPool, RQWorkerPool

MOST = 2_000_000  # bytes of a result


def _pool(url: str):
    if not url.startswith("redis"):
        return LocalWorkerPool(url, workers=int(os.environ.get("CHARIOTS_TEST_WORKERS", "0")), max_result_bytes=MOST)
    from redis import Redis

    pool = RQWorkerPool(redis=Redis.from_url(url))
    pool.max_result_bytes = MOST
    return pool


app = pool_app(_pool(os.environ["CHARIOTS_TEST_JOBS"]), os.environ["CHARIOTS_TEST_FOLDER"], __name__)
