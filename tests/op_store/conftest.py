"""Stores and clients for the tests of the op store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from chariots.op_store import BaseOpStoreClient, OpStoreClient, OpStoreServer
from chariots.web import Reply
from tests.op_store.support import file_store, serving


class PostOnlyClient(BaseOpStoreClient):
    """What a user's own client may be: a way to post JSON and nothing else."""

    def __init__(self, store: OpStoreServer) -> None:
        self.application = store.flask.test_client()

    def post(self, route: str, arguments_json: Mapping[str, Any]) -> Any:
        """Asks the application in this process."""
        answer = self.application.post(route, json=arguments_json)
        return Reply(answer.status_code, dict(answer.headers), answer.data).raise_for_problem().json()


@pytest.fixture
def store(tmp_path: Path) -> OpStoreServer:
    """A store in a folder of its own."""
    return file_store(tmp_path)


@pytest.fixture
def url(store: OpStoreServer) -> Iterator[str]:
    """Where that store is served."""
    with serving(store) as address:
        yield address


@pytest.fixture(params=["over http", "in process", "post only"])
def client(request: pytest.FixtureRequest, store: OpStoreServer) -> BaseOpStoreClient:
    """Each kind of client of that store, one after the other."""
    if request.param == "in process":
        return store.client()
    if request.param == "post only":
        return PostOnlyClient(store)
    return OpStoreClient(request.getfixturevalue("url"))


@pytest.fixture
def local(store: OpStoreServer) -> BaseOpStoreClient:
    """The client in the process of that store."""
    return store.client()
