"""Do both pools keep what every pool promises, on every place where their jobs may lie?"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from chariots.serving import Chariots
from chariots.testing import JobPoolContract, PoolContract
from tests.postgres_server import drop_database, new_database
from tests.redis_server import RedisServer

MODULE = "tests.workers.apps.contract"


@contextmanager
def _app(url: str, folder: Path) -> Iterator[Chariots]:
    """The app as a process imports it that finds these two in its environment."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CHARIOTS_TEST_JOBS", url)
        patch.setenv("CHARIOTS_TEST_FOLDER", str(folder))
        patch.delitem(sys.modules, MODULE, raising=False)
        app = importlib.import_module(MODULE).app
        yield app
        app.worker_pool.close()
        sys.modules.pop(MODULE, None)


class TestLocalPoolOnSQLite(JobPoolContract):
    @pytest.fixture(scope="class")
    @classmethod
    def app(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chariots]:
        folder = tmp_path_factory.mktemp("store")
        with _app(f"sqlite:///{folder / 'db.sqlite'}", folder) as app:
            yield app


class TestLocalPoolOnPostgreSQL(PoolContract):  # the rest is where SQL is alike, or in the contract of the store
    @pytest.fixture(scope="class")
    @classmethod
    def app(cls, postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chariots]:
        url = new_database(postgres_url)
        with _app(url, tmp_path_factory.mktemp("store")) as app:
            yield app
        drop_database(url)


class TestRQPool(JobPoolContract):
    @pytest.fixture(scope="class")
    @classmethod
    def app(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chariots]:
        server = RedisServer(tmp_path_factory.mktemp("redis")).start()
        with _app(server.url, tmp_path_factory.mktemp("store")) as app:
            yield app
        server.stop()
