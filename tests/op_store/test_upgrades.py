"""Does a database that the first release wrote become one of today, with everything that was in it?

``first_release.sql`` is what that release wrote into an SQLite file: three saves of a pipeline, an op that returned to
a state it had before, what clients of 0.2 register, and deployments.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from chariots.op_store import OpStoreServer, partial_indices, tables  # noqa: F401  # the indices belong to the tables
from chariots.op_store.database import MIGRATIONS
from chariots.op_store.engines import absolute
from chariots.workers.in_sql import tables as job_tables
from tests.op_store.support import database_url, file_store, open_database, query, save_pair, set_database_url, version

WRITTEN = Path(__file__).with_name("first_release.sql")
BYTES = [f"{op} {number}".encode() for op in ("pca", "forest") for number in (1, 2, 3)] + [b"one", b"two"]
Contents = dict[str, list[dict[str, Any]]]


def contents(connection: sa.Connection) -> Contents:
    """Every row of every table, as the driver gives it: by name of the column, in order of the key."""
    found: Contents = {}
    for name in sorted(sa.inspect(connection).get_table_names()):
        rows = connection.execute(sa.text(f'SELECT * FROM "{name}"')).mappings()
        found[name] = sorted(({**row} for row in rows), key=lambda row: str(list(row.values())[:2]).zfill(40))
    return found


def first_release_on_sqlite(folder: Path) -> None:
    """Makes the very file that the first release wrote."""
    with sqlite3.connect(folder / "db.sqlite") as connection:
        connection.executescript(WRITTEN.read_text(encoding="utf-8"))
    connection.close()


def first_release_on_postgresql(folder: Path, url: str) -> None:
    """Makes the tables of the first release with its own migration, and fills in the rows that it wrote."""
    first_release_on_sqlite(folder)
    file = sa.create_engine(f"sqlite:///{folder / 'db.sqlite'}")
    engine = sa.create_engine(absolute(url), poolclass=sa.NullPool)
    reflected = sa.MetaData()
    with file.connect() as source, engine.begin() as target:
        upgrade_to(target, "0001")
        reflected.reflect(target)
        for table in reflected.sorted_tables:
            if table.name == "alembic_version":
                continue
            rows = source.execute(sa.text(f'SELECT * FROM "{table.name}"')).mappings().all()
            columns = ", ".join(f'"{name}"' for name in rows[0])
            values = ", ".join(f":{name}" for name in rows[0])
            target.execute(sa.text(f'INSERT INTO "{table.name}" ({columns}) VALUES ({values})'), [{**r} for r in rows])
            if "id" in table.columns:
                highest = max(row["id"] for row in rows)
                target.execute(sa.text(f"SELECT setval(pg_get_serial_sequence('{table.name}', 'id'), {highest})"))
    file.dispose()
    (folder / "db.sqlite").unlink()
    set_database_url(folder, url)


def upgrade_to(connection: sa.Connection, revision: str) -> None:
    """Runs the migrations up to one of them."""
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(MIGRATIONS))
    command.upgrade(config, revision)


@pytest.fixture
def first_release(request: pytest.FixtureRequest, database_kind: str, tmp_path: Path) -> Iterator[Path]:
    """The folder of a store of the first release, with the bytes of its ops."""
    if database_kind == "sqlite":
        first_release_on_sqlite(tmp_path)
    else:
        first_release_on_postgresql(tmp_path, request.getfixturevalue("postgres_database"))
    blobs = file_store(tmp_path).registry.blobs
    for data in BYTES:
        blobs.write(data)
    yield tmp_path
    shutil.rmtree(tmp_path)


on_both = pytest.mark.parametrize("database_kind", ["sqlite", "postgresql"], indirect=True)


@on_both
def test_every_row_and_every_column_is_as_it_was(first_release: Path) -> None:
    with open_database(first_release) as connection:
        before = contents(connection)
    assert {name: len(rows) for name, rows in before.items()}["version"] == 12
    assert file_store(first_release).upgrade() is True
    with open_database(first_release) as connection:
        after = contents(connection)
    assert after.pop("alembic_version") == [{"version_num": tables.SCHEMA_REVISION}]
    del before["alembic_version"]
    for name, rows in before.items():
        assert [{column: row[column] for column in rows[0]} for row in after[name]] == rows, name


@on_both
def test_the_upgraded_tables_are_those_that_the_code_uses(first_release: Path) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    file_store(first_release).upgrade()
    with open_database(first_release) as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, [tables.metadata, job_tables.metadata]) == []


@on_both
def test_what_was_saved_is_loaded_as_before(first_release: Path) -> None:
    client = file_store(first_release).client()
    found = client.resolve("predict", [query("pca"), query("forest")], [("pca", "forest")])
    assert found.problems == []
    assert {name: stored.id for name, stored in found.versions.items()} == {"pca": 6, "forest": 7}
    assert client.read_blob(str(found.versions["forest"].sha256)) == b"forest 3"
    assert client.last_deployment("predict") == {"pca": 4, "forest": 5}
    assert client.get_op_bytes_for_version("counter", version("c")) == b"one"
    assert client.get_validated_links("forest", "pca") == {
        *(version(f"pca {number}") for number in (1, 2, 3)),
        version("pca from 0.2"),
    }
    assert client.pipeline_exists("old") is True
    assert client.get_all_versions_of_op("alone") == {version("alone")}


@on_both
def test_numbers_go_on_where_they_were(first_release: Path) -> None:
    client = file_store(first_release).client()
    assert min(save_pair(client, "new").values()) > 12


@on_both
def test_an_upgrade_that_fails_at_any_statement_leaves_the_first_release(first_release: Path) -> None:
    with open_database(first_release) as connection:
        before = contents(connection)
    for limit in range(1, 200):
        store = file_store(first_release)
        cut_at(store, limit)
        try:
            store.upgrade()
        except RuntimeError:
            with open_database(first_release) as connection:
                assert contents(connection) == before
        else:
            break
        finally:
            store.registry.database.engine.dispose()
    assert limit > 15
    assert file_store(first_release).client().last_deployment("predict") == {"pca": 4, "forest": 5}


def cut_at(store: OpStoreServer, limit: int) -> None:
    """Makes the n-th statement of a store fail, after the database has carried it out."""
    left = limit

    def after(*_: object) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise RuntimeError("cut")

    sa.event.listen(store.registry.database.engine, "after_cursor_execute", after)


def test_the_fixture_is_a_database_of_the_first_release(tmp_path: Path) -> None:
    first_release_on_sqlite(tmp_path)
    fresh = sa.create_engine("sqlite://")
    with open_database(tmp_path) as written, fresh.begin() as made:
        upgrade_to(made, "0001")
        assert database_url(tmp_path).startswith("sqlite")
        statements = "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name"
        assert written.execute(sa.text(statements)).all() == made.execute(sa.text(statements)).all()
