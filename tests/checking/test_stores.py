"""Is a store that is only looked at left as it was, whoever runs on it?"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from chariots import Chariots
from chariots.checking import open_store
from chariots.checking.stores import ask_baseline
from chariots.errors import StoreError, UnauthorizedError, UnknownNameError, UnreachableError
from chariots.op_store import OpStoreClient, OpStoreServer
from chariots.op_store.savers import FileSaver
from chariots.op_store.tables import SCHEMA_REVISION
from chariots.pipelines import Pipeline
from chariots.serving import PipelinesServer
from chariots.workers.app_loading import only_looking
from tests.checking.editions import deploy, edition, judged, train
from tests.op_store.support import file_store, serving
from tests.wsgi_server import wsgi_server

TOKEN = "long-enough-to-be-a-token"


def trained(folder: Path) -> Path:
    """A folder in which the first edition is trained and serves."""
    store = file_store(folder).client()
    train(store, edition())
    deploy(store, edition())
    return folder


def revision(folder: Path) -> str:
    with closing(sqlite3.connect(folder / "db.sqlite")) as connection:
        return str(connection.execute("SELECT version_num FROM alembic_version").fetchone()[0])


def test_a_store_of_an_older_release_is_read_and_not_upgraded(tmp_path: Path) -> None:
    store = OpStoreServer(FileSaver(str(tmp_path / "ops")), f"sqlite:///{tmp_path / 'db.sqlite'}")
    with store.flask.app_context():
        from flask_migrate import upgrade

        store.migrate
        upgrade(str(store.migrate.directory), "0001")
    assert revision(tmp_path) == "0001" != SCHEMA_REVISION
    report = judged(open_store(str(tmp_path)), edition())
    assert {op.state for op in report.ops} == {"new"}
    assert revision(tmp_path) == "0001"


def test_a_folder_without_a_store_is_refused_and_none_is_made(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"it holds no db\.sqlite"):
        open_store(str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_database_is_told_as_such(tmp_path: Path) -> None:
    (tmp_path / "db.sqlite").write_text("this is not a database, whatever it is called " * 50)
    with pytest.raises(StoreError, match="cannot be read"):
        open_store(str(tmp_path))


def test_a_server_that_wants_a_token_gets_the_one_in_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = f"sqlite:///{tmp_path / 'db.sqlite'}"
    store = OpStoreServer(FileSaver(str(tmp_path / "ops")), database, tokens={"read": TOKEN})
    with serving(store) as url:
        monkeypatch.delenv("CHARIOTS_OP_STORE_TOKEN", raising=False)
        with pytest.raises(UnauthorizedError):
            judged(open_store(url), edition())
        monkeypatch.setenv("CHARIOTS_OP_STORE_TOKEN", TOKEN)
        assert judged(open_store(url), edition()).exit_code() == 0


def test_something_that_is_no_op_store_is_told_as_such(tmp_path: Path) -> None:
    app = PipelinesServer([], import_name="no_store")
    with wsgi_server(app) as url, pytest.raises(StoreError, match="does not know that question"):
        ask_baseline(OpStoreClient(url), [], [], None)


def test_an_app_that_is_only_looked_at_makes_no_folder(tmp_path: Path) -> None:
    with only_looking():
        app = Chariots(list(edition().values()), tmp_path / "made", import_name="looked_at")
        assert set(app.pipelines) == set(edition())
        assert app.path == tmp_path / "made"
    assert list(tmp_path.iterdir()) == []


def test_an_app_that_is_only_looked_at_loads_nothing(tmp_path: Path) -> None:
    folder = trained(tmp_path / "live")
    rows = len(list(sqlite3.connect(folder / "db.sqlite").iterdump()))
    with only_looking():
        app = PipelinesServer(edition().values(), op_store_client=file_store(folder).client(), import_name="looked_at")
        assert not app.pipelines["predict"].is_ready
    assert len(list(sqlite3.connect(folder / "db.sqlite").iterdump())) == rows
    used = PipelinesServer(edition().values(), op_store_client=file_store(folder).client(), import_name="used")
    assert used.pipelines["predict"].is_ready


def test_an_app_whose_store_is_away_can_be_looked_at_without_waiting() -> None:
    with only_looking():
        app = PipelinesServer(
            edition().values(), op_store_client=OpStoreClient("http://127.0.0.1:9"), import_name="looked_at"
        )
    assert isinstance(app.pipelines["predict"], Pipeline)
    with pytest.raises(UnreachableError):
        judged(open_store("http://127.0.0.1:9"), edition())


def test_the_store_is_asked_once_for_an_app_and_at_most_twice_for_a_pipeline(tmp_path: Path) -> None:
    with serving(file_store(trained(tmp_path))) as url:
        store = CountingClient(url)
        judged(store, edition(parameters={"dimensions": 256}))
    assert store.asked.count("/v2/baseline") == 1
    assert store.asked.count("/v2/resolve") <= 2 * len(edition())
    assert set(store.asked) == {"/v2/baseline", "/v2/resolve"}


class CountingClient(OpStoreClient):
    """A client that remembers what it asked."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.asked: list[str] = []

    def post(self, route: str, arguments_json: Mapping[str, Any]) -> Any:
        """Asks over HTTP."""
        self.asked.append(route)
        return super().post(route, arguments_json)
