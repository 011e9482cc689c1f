"""What do the tests of the op store share? Versions to save, saves to make, servers to ask."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from chariots.op_store import BaseOpStoreClient, OpStoreServer
from chariots.op_store.engines import absolute
from chariots.op_store.savers import FileSaver
from chariots.pipelines.store import NodeQuery, VersionRecord
from chariots.versioning import Version
from tests.wsgi_server import wsgi_server

ROOT = Path(__file__).parents[2]
CODE = Version(creation_time=1.0)


def version(major: str = "", minor: str = "", patch: str = "", created: float = 1.5) -> Version:
    """A version whose subversions are made from some text; the same text gives the same version."""
    made = Version(creation_time=created)
    if major:
        made.update_major(major.encode())
    if minor:
        made.update_minor(minor.encode())
    if patch:
        made.update_patch(patch.encode())
    return made


def database_url(folder: Path) -> str:
    """The URL of the database of a folder: an SQLite file in it, unless `set_database_url` said another."""
    given = _note(folder)
    return given.read_text(encoding="utf-8") if given.exists() else f"sqlite:///{folder / 'db.sqlite'}"


def set_database_url(folder: Path, url: str) -> None:
    """Gives a folder another database, for this process and for those that are started on it."""
    _note(folder).write_text(url, encoding="utf-8")


def _note(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}-database.url")  # beside it: some tests list what is in the folder


def file_store(folder: Path) -> OpStoreServer:
    """A store that keeps everything in one folder, and in the database that belongs to it."""
    return OpStoreServer(FileSaver(str(folder / "ops")), database_url(folder))


def record(
    client: BaseOpStoreClient,
    op: str,
    data: bytes | None = None,
    of: Version | None = None,
    code: Version | None = CODE,
) -> VersionRecord:
    """Writes the bytes of an op, if any, and describes the version to save."""
    return VersionRecord(
        op=op,
        version=str(of or version(patch=repr(data))),
        code_version=None if code is None else str(code),
        fields={"rate": {"value": "3", "affects": "major", "hash": "77de68daecd823babbb58edb1c8e14d7106e83bb"}},
        fingerprint="a1b2",
        sha256=None if data is None else client.write_blob(data),
        size=0 if data is None else len(data),
    )


def save_pair(client: BaseOpStoreClient, number: int | str, up: str = "pca", down: str = "forest") -> Mapping[str, int]:
    """Saves two ops that were trained together."""
    records = [
        record(client, up, f"{up} {number}".encode(), version(f"{up} {number}")),
        record(client, down, f"{down} {number}".encode(), version(f"{down} {number}")),
    ]
    return client.commit_save("train", down, records, [(up, down)])


def query(name: str, role: Any = "load", of: Version | None = None, code: Version = CODE) -> NodeQuery:
    """A node that is about to be loaded."""
    return NodeQuery(name, role, str(of or code), str(code))


@contextmanager
def serving(store: OpStoreServer) -> Iterator[str]:
    """Serves a store on a loopback port, in a thread; yields its URL."""
    with wsgi_server(store.flask) as url:
        yield url


@contextmanager
def server_process(folder: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Serves a folder from a process of its own; yields its URL and the process."""
    process = python_process("tests.op_store.serve_folder", str(folder))
    try:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert url, "the server process ended before it served"
        yield url, process
    finally:
        process.kill()
        process.communicate()


def python_process(module: str, *arguments: str) -> subprocess.Popen[str]:
    """Starts a module of the tests in a new interpreter."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments], stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT
    )


@contextmanager
def open_database(folder: Path) -> Iterator[sa.Connection]:
    """A connection to the database of a folder that knows nothing of ours: no pool, no settings."""
    engine = sa.create_engine(absolute(database_url(folder)), poolclass=sa.NullPool)
    with engine.connect() as connection:
        yield connection


def count_rows(folder: Path) -> dict[str, int]:
    """How many rows each table of a store has."""
    with open_database(folder) as connection:
        names = sa.inspect(connection).get_table_names()
        return {name: int(connection.scalar(sa.text(f'SELECT count(*) FROM "{name}"'))) for name in sorted(names)}


def all_rows(folder: Path) -> list[str]:
    """Everything that the database of a store holds, as text."""
    with open_database(folder) as connection:
        names = sa.inspect(connection).get_table_names()
        found = {name: connection.execute(sa.text(f'SELECT * FROM "{name}"')).all() for name in sorted(names)}
    return [f"{name} {row}" for name in found for row in sorted(map(str, found[name]))]


def blob_files(folder: Path) -> list[Path]:
    """The files that a store keeps bytes in, those half written too."""
    return sorted(path for path in (folder / "ops").rglob("*") if path.is_file())


def everything_below(folder: Path) -> Sequence[Path]:
    """Every file and directory below a folder."""
    return sorted(folder.rglob("*"))
