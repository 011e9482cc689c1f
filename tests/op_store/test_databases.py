"""Is a database reached as its URL says, waited for no longer than promised, and named when it cannot be used?"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from chariots.errors import StoreUnavailableError
from chariots.op_store import OpStoreServer, engines
from chariots.op_store.database import Database
from chariots.op_store.engines import begin_writing
from chariots.op_store.savers import FileSaver
from tests.op_store.support import ROOT, file_store, record, save_pair, version
from tests.postgres_server import PostgresServer


@pytest.fixture
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    """Keeps the stacks of failures that are meant out of the report."""
    caplog.set_level(logging.CRITICAL)


def setting(database: Database, name: str) -> str:
    """What PostgreSQL says about one of its settings, in a transaction of ours."""
    with database.reading() as connection:
        return str(connection.exec_driver_sql(f"SHOW {name}").scalar())


@pytest.mark.parametrize("prefix", ["postgresql", "postgres", "postgresql+psycopg"])
def test_every_usual_form_of_the_url_means_the_same_driver(prefix: str) -> None:
    assert engines.absolute(f"{prefix}://user:secret@host/name").drivername == "postgresql+psycopg"


def test_another_driver_may_be_named() -> None:
    assert engines.absolute("postgresql+psycopg2://host/name").drivername == "postgresql+psycopg2"


@pytest.mark.parametrize("url", ["", "db.sqlite", "sqlite//db"])
def test_what_is_no_url_is_refused_with_an_example(url: str) -> None:
    with pytest.raises(ValueError, match=r"which is not a URL; give one such as 'sqlite:"):
        Database(url)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(
        StoreUnavailableError, match=r"file/below/db\.sqlite, but the folder of that file cannot be made"
    ):
        Database(f"sqlite:///{tmp_path}/file/below/db.sqlite")


def test_a_failure_in_ones_own_process_is_raised_and_not_logged_as_well(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = OpStoreServer(FileSaver(str(tmp_path)), "postgresql://user@127.0.0.1:1/name")
    with pytest.raises(StoreUnavailableError, match="check that it is there"):
        store.client().post("/v1/pipeline_exists", {"pipeline_name": "p"})
    assert caplog.records == []


def test_a_driver_that_is_not_installed_is_named_with_the_extra(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "sys.modules['psycopg'] = None\n"
        "from chariots.op_store import OpStoreServer, savers\n"
        "try:\n"
        "    OpStoreServer(savers.FileSaver(sys.argv[1]), 'postgresql://user:secret@host/name')\n"
        "except ImportError as error:\n"
        "    print(error)\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    said = subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout
    assert "pip install 'chariots[postgresql]'" in said
    assert "secret" not in said


def test_the_driver_for_postgresql_is_imported_only_where_it_is_used(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from tests.op_store.support import file_store, save_pair\n"
        "save_pair(file_store(Path(sys.argv[1])).client(), 1)\n"
        "print(sorted({'psycopg', 'psycopg2'} & set(sys.modules)))\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    assert subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout == "[]\n"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("statement_timeout", "1min"),
        ("lock_timeout", "30s"),
        ("idle_in_transaction_session_timeout", "1min"),
        ("application_name", "chariots"),
        ("transaction_isolation", "repeatable read"),
        ("transaction_read_only", "on"),
    ],
)
def test_a_reader_on_postgresql_is_bounded(postgres_database: str, name: str, value: str) -> None:
    assert setting(Database(postgres_database), name) == value


def test_what_the_url_says_comes_before_the_defaults(postgres_database: str) -> None:
    database = Database(f"{postgres_database}?application_name=mine&options=-c%20statement_timeout%3D1234")
    assert setting(database, "application_name") == "mine"
    assert setting(database, "statement_timeout") == "1234ms"
    assert setting(database, "lock_timeout") == "30s"


def test_a_writer_on_postgresql_may_write_after_a_reader_used_its_connection(postgres_database: str) -> None:
    database = Database(postgres_database)
    assert setting(database, "transaction_read_only") == "on"
    with database.writing() as connection:
        assert connection.exec_driver_sql("SHOW transaction_read_only").scalar() == "off"
        assert connection.exec_driver_sql("SHOW transaction_isolation").scalar() == "read committed"
    assert database.engine.pool.checkedin() == 1  # type: ignore[attr-defined]  # it has one for each thread so far


def test_a_statement_that_takes_too_long_is_ended(postgres_database: str) -> None:
    database = Database(f"{postgres_database}?options=-c%20statement_timeout%3D50")
    with pytest.raises(StoreUnavailableError, match="statement timeout"), database.reading() as connection:
        connection.exec_driver_sql("SELECT pg_sleep(20)")


def test_a_lock_that_is_not_given_up_is_not_waited_for_without_end(postgres_database: str, tmp_path: Path) -> None:
    store = OpStoreServer(FileSaver(str(tmp_path)), f"{postgres_database}?options=-c%20lock_timeout%3D50")
    save_pair(store.client(), 1)
    with store.registry.database.engine.begin() as other:
        other.exec_driver_sql("SELECT * FROM op FOR UPDATE")
        with pytest.raises(StoreUnavailableError, match=r"was to change its database .* lock timeout"):
            save_pair(store.client(), 2)
    assert store.client().get_all_versions_of_op("pca") == {version("pca 1")}
    save_pair(store.client(), 2)


def test_a_server_that_takes_no_connection_is_given_up(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://user:secret@127.0.0.1:{silent.getsockname()[1]}/name?connect_timeout=2"
        with pytest.raises(StoreUnavailableError, match="timeout") as caught:
            OpStoreServer(FileSaver(str(tmp_path)), url).client().get_all_versions_of_op("pca")
    assert caught.value.status == 503
    assert "user:***@" in caught.value.detail
    assert "secret" not in caught.value.detail


@pytest.mark.usefixtures("quiet")
def test_a_database_that_is_not_there_makes_the_server_unready(tmp_path: Path) -> None:
    store = OpStoreServer(FileSaver(str(tmp_path)), "postgresql://user:secret@127.0.0.1:1/name")
    application = store.flask.test_client()
    ready = application.get("/readyz")
    assert ready.status_code == 503
    assert (
        "was to make or upgrade the tables of its database postgresql+psycopg://user:***@127.0.0.1:1/name"
        in (ready.json["detail"])
    )
    assert application.get("/livez").status_code == 200
    answer = application.post("/v1/pipeline_exists", json={"pipeline_name": "p"})
    assert (answer.status_code, answer.json["type"]) == (503, "urn:chariots:store-unavailable")
    assert "check that it is there" in answer.json["detail"]


@pytest.mark.usefixtures("quiet")
def test_nothing_is_saved_into_a_file_that_was_deleted(tmp_path: Path) -> None:
    store = file_store(tmp_path)
    before = save_pair(store.client(), 1)
    away = tmp_path / "away.sqlite"
    (tmp_path / "db.sqlite").rename(away)
    with pytest.raises(StoreUnavailableError, match="was moved or deleted since"):
        save_pair(store.client(), 2)
    ready = store.flask.test_client().get("/readyz")
    assert (ready.status_code, "bring it back" in ready.json["detail"]) == (503, True)
    away.rename(tmp_path / "db.sqlite")
    assert store.flask.test_client().get("/readyz").status_code == 200
    assert max(before.values()) < min(save_pair(store.client(), 2).values())


def test_a_file_that_was_put_in_the_place_of_another_is_the_one_that_is_used(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        other = file_store(tmp_path / name)
        save_pair(other.client(), name)
        other.registry.database.engine.dispose()
    store = file_store(tmp_path / "one")
    versions = store.client().get_all_versions_of_op("pca")
    (tmp_path / "two" / "db.sqlite").replace(tmp_path / "one" / "db.sqlite")
    assert store.client().get_all_versions_of_op("pca") != versions


@pytest.mark.usefixtures("quiet")
def test_a_user_without_rights_on_the_database_is_told_so(postgres_database: str, tmp_path: Path) -> None:
    engine = sa.create_engine(engines.absolute(postgres_database), poolclass=sa.NullPool)
    role = f"guest_{engine.url.database}"
    with engine.begin() as connection:
        connection.exec_driver_sql(f'CREATE ROLE "{role}" LOGIN')
        connection.exec_driver_sql("REVOKE ALL ON SCHEMA public FROM PUBLIC")
    try:
        store = OpStoreServer(FileSaver(str(tmp_path)), engine.url.set(username=role).render_as_string(False))
        ready = store.flask.test_client().get("/readyz")
        assert ready.status_code == 503
        assert "this process may read and write it" in ready.json["detail"]
        store.registry.database.engine.dispose()
    finally:
        with engine.begin() as connection:
            connection.exec_driver_sql(f'DROP ROLE "{role}"')


@pytest.mark.usefixtures("quiet")
def test_a_server_whose_tables_are_gone_is_not_ready(tmp_path: Path) -> None:
    store = file_store(tmp_path)
    store.upgrade()
    with store.registry.database.writing() as connection:
        connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
        for name in ("link", "deployment_version", "version", "op"):
            connection.exec_driver_sql(f"DROP TABLE {name}")
    assert store.flask.test_client().get("/readyz").status_code == 503


@pytest.mark.usefixtures("quiet")
def test_a_server_finds_its_database_again_by_itself(own_postgres: PostgresServer, tmp_path: Path) -> None:
    store = OpStoreServer(FileSaver(str(tmp_path)), own_postgres.url)
    application = store.flask.test_client()
    save_pair(store.client(), 1)
    for end in (own_postgres.stop, own_postgres.kill):
        end()
        assert application.get("/readyz").status_code == 503
        with pytest.raises(StoreUnavailableError):
            save_pair(store.client(), 2)
        own_postgres.start()
        assert application.get("/readyz").status_code == 200
        assert store.client().get_all_versions_of_op("pca") == {version("pca 1")}
    save_pair(store.client(), 2)
    store.registry.database.engine.dispose()


def test_a_connection_that_breaks_in_a_transaction_leaves_nothing_of_it(postgres_database: str, tmp_path: Path) -> None:
    store = OpStoreServer(FileSaver(str(tmp_path)), postgres_database)
    client = store.client()
    save_pair(client, 1)
    engine = store.registry.database.engine

    def cut(connection: sa.Connection, cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("INSERT INTO link"):
            number = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar()
            with other.connect() as killer:
                killer.exec_driver_sql(f"SELECT pg_terminate_backend({number})")

    other = sa.create_engine(engine.url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
    sa.event.listen(engine, "before_cursor_execute", cut)
    try:
        with pytest.raises(StoreUnavailableError):
            save_pair(client, 2)
    finally:
        sa.event.remove(engine, "before_cursor_execute", cut)
    assert client.get_all_versions_of_op("pca") == {version("pca 1")}
    save_pair(client, 2)
    engine.dispose()


def test_a_database_that_cannot_be_written_is_reported_and_kept(tmp_path: Path) -> None:
    save_pair(file_store(tmp_path).client(), 1)
    url = f"sqlite:///file:{tmp_path / 'db.sqlite'}?mode=ro&uri=true"
    client = OpStoreServer(FileSaver(str(tmp_path / "ops")), url).client()
    assert client.get_all_versions_of_op("pca") == {version("pca 1")}
    with pytest.raises(StoreUnavailableError, match="readonly database"):
        save_pair(client, 2)


def test_a_writer_that_waits_looks_as_often_after_a_second_as_in_the_first(tmp_path: Path) -> None:
    """SQLite's own way of waiting looks less and less often, so that whoever has just come overtakes."""
    waits: list[int] = []

    class Watched(sqlite3.Connection):
        def execute(self, sql: str, *args: Any) -> sqlite3.Cursor:
            if sql == "BEGIN IMMEDIATE":
                waits.append(super().execute("PRAGMA busy_timeout").fetchone()[0])
                if len(waits) == 10:
                    holder.execute("COMMIT")
            return super().execute(sql, *args)

    with contextlib.closing(sqlite3.connect(tmp_path / "db.sqlite", isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        waiting = sqlite3.connect(tmp_path / "db.sqlite", timeout=30, isolation_level=None, factory=Watched)
        with contextlib.closing(waiting):
            begin_writing(waiting)
            assert waiting.in_transaction
            assert waits == [20] * 10  # milliseconds, in which SQLite looks after 1, 2, 5 and 10
            assert waiting.execute("PRAGMA busy_timeout").fetchone() == (30_000,)


def test_two_writers_that_save_the_same_ops_in_opposite_order_do_not_block_each_other(
    database: str, tmp_path: Path
) -> None:
    failures: list[BaseException] = []
    names = [f"op{number}" for number in range(6)]
    start = threading.Barrier(4)

    def work(worker: int) -> None:
        try:
            client = file_store(tmp_path).client()
            start.wait()
            for number in range(10):
                order = names if worker % 2 else names[::-1]
                client.commit_save("p", names[0], [record(client, op, f"{op} {number}".encode()) for op in order], [])
            client.server.registry.database.engine.dispose()
        except BaseException as error:  # noqa: BLE001  # collected for the assertion
            failures.append(error)
            start.abort()

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    client = file_store(tmp_path).client()
    assert all(len(client.get_all_versions_of_op(name) or ()) == 10 for name in names)
