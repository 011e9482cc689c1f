"""Does Redis keep every promise of a job store, and what of its own?"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from redis import Redis

from chariots.workers.redis_connection import for_server
from chariots.workers.redis_store import RedisJobStore
from tests.workers.store_contract import JobStoreContract


@pytest.fixture
def store(redis_url: str) -> Iterator[RedisJobStore]:
    """An empty store."""
    client = Redis.from_url(redis_url)
    client.flushdb()
    found = RedisJobStore(for_server(client))
    yield found
    found.close()


@pytest.fixture
def other(redis_url: str, store: RedisJobStore) -> Iterator[RedisJobStore]:
    """A second object on the same place, as another process has one."""
    found = RedisJobStore(for_server(Redis.from_url(redis_url)))
    yield found
    found.close()


class TestRedisJobStore(JobStoreContract):
    """Every promise of `JobStore`, kept by Redis."""
