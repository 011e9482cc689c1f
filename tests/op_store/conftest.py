"""Which stores and clients are the tests of the op store given? (each test runs on SQLite and on PostgreSQL)

A test that asks for `client`, `store` or `database` runs on both, unless it is marked as one for SQLite alone. What is
called with the folder of a test (`file_store`, `count_rows`, the processes) finds the database that belongs to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from chariots.op_store import BaseOpStoreClient, OpStoreClient, OpStoreServer
from chariots.op_store.database import Database
from chariots.web import Reply
from tests.object_stores import ObjectStores
from tests.op_store.support import database_url, file_store, serving, set_database_url
from tests.postgres_server import drop_database, new_database


class PostOnlyClient(BaseOpStoreClient):
    """What a user's own client may be: a way to post JSON and nothing else."""

    def __init__(self, store: OpStoreServer) -> None:
        self.application = store.flask.test_client()

    def post(self, route: str, arguments_json: Mapping[str, Any]) -> Any:
        """Asks the application in this process."""
        answer = self.application.post(route, json=arguments_json)
        return Reply(answer.status_code, dict(answer.headers), answer.data).raise_for_problem().json()


CLIENTS = ("over http", "in process", "post only")
# Each kind of client once on SQLite, and one of them on PostgreSQL: clients do not know what the database is.
BOTH = [*((kind, "sqlite") for kind in CLIENTS), ("over http", "postgresql")]
NAMES = [*CLIENTS, "postgresql"]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Chooses the databases and the clients that a test runs with."""
    only_sqlite = metafunc.definition.get_closest_marker("sqlite") is not None
    if "client" in metafunc.fixturenames:
        pairs, names = (BOTH[:3], NAMES[:3]) if only_sqlite else (BOTH, NAMES)
        metafunc.parametrize(("client_kind", "database_kind"), pairs, ids=names, indirect=True)
    elif "database" in metafunc.fixturenames and not only_sqlite:
        metafunc.parametrize("database_kind", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture
def client_kind(request: pytest.FixtureRequest) -> str:
    """How the client asks."""
    return str(getattr(request, "param", CLIENTS[0]))


@pytest.fixture
def database_kind(request: pytest.FixtureRequest) -> str:
    """Where the store keeps its versions."""
    return str(getattr(request, "param", "sqlite"))


@pytest.fixture(scope="session")
def postgres_template(postgres_url: str) -> Iterator[str]:
    """The name of a database that has the tables already: copying it is faster than making them."""
    url = new_database(postgres_url)
    database = Database(url)
    database.upgrade()
    database.engine.dispose()
    yield str(database.url.database)
    drop_database(url)


@pytest.fixture
def database(request: pytest.FixtureRequest, database_kind: str, tmp_path: Path) -> Iterator[str]:
    """The URL of the database that belongs to the folder of this test."""
    if database_kind == "sqlite":
        yield database_url(tmp_path)
        return
    url = new_database(request.getfixturevalue("postgres_url"), request.getfixturevalue("postgres_template"))
    set_database_url(tmp_path, url)
    yield url
    drop_database(url)


@pytest.fixture
def store(database: str, tmp_path: Path) -> Iterator[OpStoreServer]:
    """A store in a folder of its own."""
    served = file_store(tmp_path)
    yield served
    served.registry.database.engine.dispose()


@pytest.fixture
def url(store: OpStoreServer) -> Iterator[str]:
    """Where that store is served."""
    with serving(store) as address:
        yield address


@pytest.fixture
def client(request: pytest.FixtureRequest, client_kind: str, store: OpStoreServer) -> BaseOpStoreClient:
    """Each kind of client of that store, one after the other."""
    if client_kind == "in process":
        return store.client()
    if client_kind == "post only":
        return PostOnlyClient(store)
    return OpStoreClient(request.getfixturevalue("url"))


@pytest.fixture
def local(store: OpStoreServer) -> BaseOpStoreClient:
    """The client in the process of that store."""
    return store.client()


@pytest.fixture(scope="session")
def object_stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStores]:
    """Servers of S3, Google Cloud Storage and Azure Blob Storage, on loopback."""
    servers = ObjectStores(tmp_path_factory.mktemp("object_stores"))
    yield servers
    servers.close()
