"""What do the tests of the workers share? An app on a real Redis, and a worker that serves it."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from types import ModuleType

import pytest

from tests.redis_server import RedisServer
from tests.workers.support import Caller, one_worker

pytest.register_assert_rewrite("tests.workers.contract")

APP_MODULE = "tests.workers.apps.jobs"


def fresh_app(patch: pytest.MonkeyPatch, redis_url: str, folder: object) -> ModuleType:
    """The app as it is when a process imports it with this environment."""
    patch.setenv("CHARIOTS_TEST_REDIS", redis_url)
    patch.setenv("CHARIOTS_TEST_FOLDER", str(folder))
    patch.delitem(importlib.sys.modules, APP_MODULE, raising=False)
    return importlib.import_module(APP_MODULE)


@pytest.fixture(scope="module")
def jobs(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """The app `tests.workers.apps.jobs` on the Redis of the session, with a store of its own."""
    with pytest.MonkeyPatch.context() as patch:
        yield fresh_app(patch, redis_url, tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def worker(jobs: ModuleType) -> Iterator[int]:
    """A worker of that app; its process id."""
    with one_worker(jobs.app.worker_pool) as pid:
        yield pid


@pytest.fixture
def caller(jobs: ModuleType) -> Caller:
    """A client of that app."""
    return Caller(jobs)


@pytest.fixture
def own_jobs(own_redis: RedisServer, tmp_path) -> Iterator[ModuleType]:
    """The same app on a Redis of the test's own."""
    with pytest.MonkeyPatch.context() as patch:
        yield fresh_app(patch, own_redis.url, tmp_path / "store")
