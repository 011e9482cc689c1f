"""Are the tables made, upgraded and left alone at the right moment, whatever happens meanwhile?"""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable

from chariots.errors import StoreError
from chariots.op_store import OpStoreServer, partial_indices, tables  # noqa: F401  # the indices belong to the tables
from chariots.op_store.database import MIGRATIONS, Database
from chariots.op_store.savers import FileSaver
from chariots.workers.in_sql import tables as job_tables
from tests.op_store.support import ROOT, count_rows, file_store, open_database, save_pair, set_database_url, version

PARTIAL = (
    "uq_link",
    "ix_link_downstream_version",
    "ix_job_queued",
    "ix_job_running",
    "ix_job_deferred",
    "ix_job_bad_end",
)


def table_names(folder: Path) -> set[str]:
    """The tables in the database of a folder."""
    with sqlite3.connect(folder / "db.sqlite") as connection:
        return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def run_python(program: str, *arguments: str) -> str:
    """Runs a program in a new interpreter and returns what it printed."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout.strip()


@pytest.mark.sqlite
def test_the_tables_are_made_at_first_use(store: OpStoreServer, tmp_path: Path) -> None:
    assert not (tmp_path / "db.sqlite").exists()
    assert store.client().get_all_versions_of_op("pca") is None
    assert set(tables.metadata.tables) <= table_names(tmp_path)


def test_an_upgrade_says_whether_there_was_anything_to_do(tmp_path: Path) -> None:
    assert file_store(tmp_path).upgrade() is True
    assert file_store(tmp_path).upgrade() is False


def test_an_upgrade_keeps_what_was_saved(tmp_path: Path) -> None:
    save_pair(file_store(tmp_path).client(), 1)
    file_store(tmp_path).upgrade()
    assert file_store(tmp_path).client().get_all_versions_of_op("pca") == {version("pca 1")}


@pytest.mark.sqlite
@pytest.mark.parametrize(
    ("setting", "value"), [("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1), ("busy_timeout", 30_000)]
)
def test_every_connection_is_set_up_for_several_processes(store: OpStoreServer, setting: str, value: object) -> None:
    with store.registry.database.reading() as connection:
        assert connection.exec_driver_sql(f"PRAGMA {setting}").scalar() == value


def test_migrations_make_the_tables_that_the_code_uses(store: OpStoreServer) -> None:
    store.upgrade()
    with store.registry.database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, [tables.metadata, job_tables.metadata]) == []


def test_the_newest_migration_is_the_one_that_the_code_expects() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_current_head() == tables.SCHEMA_REVISION


def test_the_tables_can_be_made_on_postgresql() -> None:
    dialect = postgresql.dialect()
    for table in [*tables.metadata.sorted_tables, *job_tables.metadata.sorted_tables]:
        assert "CREATE TABLE" in str(CreateTable(table).compile(dialect=dialect))
        for index in table.indexes:
            assert len(str(index.name)) <= 63
            statement = str(CreateIndex(index).compile(dialect=dialect))
            assert ("WHERE" in statement) == str(index.name).startswith(PARTIAL)


def test_a_database_that_is_up_to_date_is_used_without_alembic(tmp_path: Path) -> None:
    save_pair(file_store(tmp_path).client(), 1)
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from chariots.op_store import OpStoreServer, savers\n"
        "folder = sys.argv[1]\n"
        "store = OpStoreServer(savers.FileSaver(folder + '/ops'), f'sqlite:///{folder}/db.sqlite')\n"
        "assert store.client().get_all_versions_of_op('pca')\n"
        "print(sorted({'alembic', 'flask_migrate', 'mako', 'numpy'} & set(sys.modules)))\n"
    )
    assert run_python(program, str(tmp_path)) == "[]"


def test_a_migration_that_fails_at_any_statement_leaves_no_trace(tmp_path: Path) -> None:
    for limit in range(1, 200):
        folder = tmp_path / str(limit)
        folder.mkdir()
        store = file_store(folder)
        counted = fail_at_statement(store.registry.database, limit)
        try:
            store.upgrade()
        except RuntimeError:
            assert table_names(folder) == set()
            assert file_store(folder).upgrade() is True
            assert set(tables.metadata.tables) <= table_names(folder)
        else:
            assert counted() < limit
            break
    assert limit > 15


def fail_at_statement(database: Database, limit: int) -> object:
    """Makes the n-th statement of a database fail; returns how to ask for the number of statements so far."""
    statements = 0

    def before(*_: object) -> None:
        nonlocal statements
        statements += 1
        if statements == limit:
            raise RuntimeError("cut")

    sa.event.listen(database.engine, "before_cursor_execute", before)
    return lambda: statements


KILLED = """
import os, signal, sys
import sqlalchemy as sa
from pathlib import Path
from tests.op_store.support import file_store

left = int(sys.argv[2])
store = file_store(Path(sys.argv[1]))

def before(*_):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)

sa.event.listen(store.registry.database.engine, "after_cursor_execute", before)
store.upgrade()
"""


@pytest.mark.parametrize("statement", [4, 9, 15])
def test_a_migration_that_is_killed_leaves_a_usable_file(tmp_path: Path, statement: int) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", KILLED, str(tmp_path), str(statement)]
    assert subprocess.run(command, check=False, env=environment).returncode == -signal.SIGKILL
    assert table_names(tmp_path) == set()
    store = file_store(tmp_path)
    save_pair(store.client(), 1)
    assert store.client().get_all_versions_of_op("pca") == {version("pca 1")}


def test_many_threads_and_servers_may_meet_a_new_file_at_once(tmp_path: Path) -> None:
    failures: list[BaseException] = []

    def first_use() -> None:
        try:
            file_store(tmp_path).client().get_all_versions_of_op("pca")
        except BaseException as error:  # noqa: BLE001  # collected for the assertion
            failures.append(error)

    threads = [threading.Thread(target=first_use) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert count_rows(tmp_path)["alembic_version"] == 1


def test_many_processes_may_meet_a_new_file_at_once(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from tests.op_store.support import file_store, save_pair\n"
        "save_pair(file_store(Path(sys.argv[1])).client(), 1)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", program, str(tmp_path)]
    processes = [subprocess.Popen(command, env=environment) for _ in range(4)]
    assert [process.wait() for process in processes] == [0, 0, 0, 0]
    assert count_rows(tmp_path)["version"] == 2


def test_tables_of_a_newer_release_are_left_alone(tmp_path: Path) -> None:
    file_store(tmp_path).upgrade()
    with sqlite3.connect(tmp_path / "db.sqlite") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(StoreError, match=r"revision '9999'.*upgrade chariots"):
        file_store(tmp_path).client().get_all_versions_of_op("pca")


@pytest.mark.parametrize("database_kind", ["sqlite", "postgresql"])
def test_tables_of_another_program_are_left_alone(
    request: pytest.FixtureRequest, tmp_path: Path, database_kind: str
) -> None:
    if database_kind == "postgresql":
        set_database_url(tmp_path, request.getfixturevalue("postgres_database"))
    with open_database(tmp_path) as connection:
        connection.exec_driver_sql("CREATE TABLE pipeline (steps TEXT)")
        connection.commit()
    store = file_store(tmp_path)
    with pytest.raises(StoreError, match=r"another program has a table 'pipeline' there; give the op store a database"):
        store.upgrade()
    assert store.flask.test_client().get("/readyz").status_code == 503
    assert count_rows(tmp_path) == {"pipeline": 0}
    store.registry.database.engine.dispose()


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "db.sqlite").write_bytes(b"something else entirely" * 100)
    with pytest.raises(StoreError, match=r"was to make .* its database sqlite.*not a database; check"):
        file_store(tmp_path).upgrade()


def test_a_database_that_cannot_be_used_is_no_server_error_but_unavailable(tmp_path: Path) -> None:
    (tmp_path / "db.sqlite").mkdir()
    client = file_store(tmp_path).flask.test_client()
    assert client.get("/readyz").status_code == 503
    assert client.get("/livez").status_code == 200
    answer = client.post("/v1/pipeline_exists", json={"pipeline_name": "p"})
    assert (answer.status_code, answer.json["type"]) == (503, "urn:chariots:store-unavailable")


@pytest.mark.parametrize("url", ["mysql://host/name", "oracle://host"])
def test_another_kind_of_database_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(ValueError, match="SQLite or PostgreSQL"):
        OpStoreServer(FileSaver(str(tmp_path)), url)


def test_tables_that_are_made_by_flask_sqlalchemy_are_those_of_the_migrations(tmp_path: Path) -> None:
    store = file_store(tmp_path)
    with store.flask.app_context():
        store.db.create_all()
    assert count_rows(tmp_path)["alembic_version"] == 1
    assert store.upgrade() is False
    save_pair(store.client(), 1)


def test_the_commands_of_flask_migrate_know_the_tables(store: OpStoreServer) -> None:
    runner = store.flask.test_cli_runner()
    assert runner.invoke(args=["db", "upgrade"]).exit_code == 0
    assert store.upgrade() is False
    assert "current" in runner.invoke(args=["db", "--help"]).output
    assert store.migrate.directory == str(MIGRATIONS)


def test_a_downgrade_takes_away_what_the_release_brought_and_keeps_what_was_saved(store: OpStoreServer) -> None:
    save_pair(store.client(), 1)
    runner = store.flask.test_cli_runner()
    assert runner.invoke(args=["db", "downgrade", "0001"]).exit_code == 0
    assert not sa.inspect(store.registry.database.engine).has_table("event")
    assert runner.invoke(args=["db", "upgrade"]).exit_code == 0
    assert store.client().get_all_versions_of_op("pca") == {version("pca 1")}
