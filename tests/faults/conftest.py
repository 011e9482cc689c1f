"""What do the tests of faults share? Databases to do harm to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.op_store.support import set_database_url
from tests.postgres_server import drop_database, new_database

DATABASES = ["SQLite", "PostgreSQL"]


@pytest.fixture(params=DATABASES)
def kind(request: pytest.FixtureRequest) -> str:
    """The name of the database that a test runs on: each of the two in turn."""
    return str(request.param)


@pytest.fixture
def folder(request: pytest.FixtureRequest, kind: str, tmp_path: Path) -> Iterator[Path]:
    """The folder of a store, which keeps its versions in that database."""
    if kind == "SQLite":
        yield tmp_path
        return
    url = new_database(request.getfixturevalue("postgres_url"))
    set_database_url(tmp_path, url)
    yield tmp_path
    drop_database(url)
