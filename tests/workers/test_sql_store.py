"""Are jobs kept as promised in SQLite and in PostgreSQL?"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from chariots.op_store.database import Database
from chariots.workers.in_sql import tables
from chariots.workers.in_sql.store import SQLJobStore
from chariots.workers.job_store import JobStore
from tests.postgres_server import drop_database, new_database
from tests.workers.store_contract import JobStoreContract


@pytest.fixture(scope="module")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that has the tables already: copying it is faster than making them."""
    path = tmp_path_factory.mktemp("template") / "db.sqlite"
    database = Database(f"sqlite:///{path}")
    database.upgrade()
    database.engine.dispose()
    return path


@pytest.fixture(scope="module")
def postgres_jobs(postgres_url: str) -> Iterator[Database]:
    """A database that has the tables already; they are emptied for each test."""
    url = new_database(postgres_url)
    database = Database(url)
    database.upgrade()
    yield database
    database.engine.dispose()
    drop_database(url)


@pytest.fixture
def db_url(sqlite_template: Path, tmp_path: Path) -> str:
    """The address of an empty SQLite database."""
    return f"sqlite:///{shutil.copy(sqlite_template, tmp_path / 'db.sqlite')}"


@pytest.fixture
def store(db_url: str) -> Iterator[JobStore]:
    """An empty store."""
    made = SQLJobStore(db_url)
    yield made
    made.close()


@pytest.fixture
def other(db_url: str) -> Iterator[JobStore]:
    """A second object on the same database, as another process has it."""
    made = SQLJobStore(db_url)
    yield made
    made.close()


class TestSQLite(JobStoreContract):
    """Jobs in an SQLite file."""


class TestPostgreSQL(JobStoreContract):
    """Jobs in a PostgreSQL."""

    @pytest.fixture
    def db_url(self, postgres_jobs: Database) -> str:
        """The address of a PostgreSQL database without jobs."""
        with postgres_jobs.writing() as connection:
            connection.execute(sa.text(f"TRUNCATE {', '.join(tables.metadata.tables)}"))
        return postgres_jobs.url.render_as_string(hide_password=False)
