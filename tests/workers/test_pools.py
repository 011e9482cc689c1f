"""Do both pools keep what every pool promises, on every place where their jobs may lie?"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from chariots.serving import Chariots
from chariots.testing import JobPoolContract
from tests.redis_server import RedisServer

MODULE = "tests.workers.apps.contract"


def _app(url: str, folder: Path) -> Iterator[Chariots]:
    """The app as a process imports it that finds these two in its environment."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CHARIOTS_TEST_JOBS", url)
        patch.setenv("CHARIOTS_TEST_FOLDER", str(folder))
        patch.delitem(sys.modules, MODULE, raising=False)
        yield importlib.import_module(MODULE).app
        sys.modules.pop(MODULE, None)


class TestLocalPoolOnSQLite(JobPoolContract):
    @pytest.fixture
    def app(self, tmp_path: Path) -> Iterator[Chariots]:
        yield from _app(f"sqlite:///{tmp_path / 'store' / 'db.sqlite'}", tmp_path / "store")


class TestLocalPoolOnPostgreSQL(JobPoolContract):
    @pytest.fixture
    def app(self, postgres_database: str, tmp_path: Path) -> Iterator[Chariots]:
        yield from _app(postgres_database, tmp_path / "store")


class TestRQPool(JobPoolContract):
    @pytest.fixture
    def app(self, own_redis: RedisServer, tmp_path: Path) -> Iterator[Chariots]:
        yield from _app(own_redis.url, tmp_path / "store")
