"""What is left when a process is killed in the middle of a save or of a migration? (never a part of it)"""

from __future__ import annotations

import itertools
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from chariots.errors import ChariotsError
from chariots.op_store import BaseOpStoreClient, OpStoreClient, OpStoreServer
from chariots.op_store.savers import FileSaver
from tests.faults.checking import check_everything, check_rows, served_pair
from tests.faults.counting import counted, rounds
from tests.faults.forks import FINISHED, KILLED, save
from tests.op_store.support import ROOT, all_rows, database_url, file_store, save_pair
from tests.op_store.test_upgrades import first_release_on_postgresql, first_release_on_sqlite
from tests.postgres_server import PostgresServer

KILLS = rounds(200)


class Forks:
    """The process that starts and kills others."""

    def __init__(self, folder: Path) -> None:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.forks", str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
            cwd=ROOT,
        )

    def __call__(self, *words: object) -> str:
        """Gives a command; returns what came of it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(*words, file=self._process.stdin, flush=True)
        return self._process.stdout.readline().strip()

    def close(self) -> None:
        """Ends it."""
        self._process.communicate()


@pytest.fixture
def forks(folder: Path) -> Iterator[Forks]:
    """A process that starts and kills others, on that folder."""
    process = Forks(folder)
    yield process
    process.close()


def saved_within(forks: Forks, number: int, *url: str) -> float:
    """Lets a save finish; returns the seconds that one takes."""
    allowed = 0.05
    while True:
        started = time.perf_counter()
        if forks("save", number, allowed, *url) == FINISHED:
            # It may have been done early in the time it was given; half of that bounds it well enough.
            return min(allowed, time.perf_counter() - started)
        allowed *= 1.5


@pytest.mark.parametrize("way", ["embedded", "over HTTP"])
def test_a_client_that_is_killed_leaves_the_older_or_the_newer_save(
    folder: Path, forks: Forks, kind: str, way: str
) -> None:
    url = [forks("serve")] if way == "over HTTP" else []
    moments = random.Random(1)
    took = saved_within(forks, 0, *url)
    reader = file_store(folder)
    last, outcomes = "0", set()
    asked: set[str] = set()  # of a server, which may only finish a save after the client that asked for it was killed
    for number in range(1, KILLS + 1):
        with counted(f"kill -9 of a client that saves, {way} ({kind})"):
            outcomes.add(forks("save", number, moments.uniform(0, took), *url))
            seen = served_pair(reader.client())
            assert seen in {last, str(number), *asked}
            last = str(seen)
            asked |= {str(number)} if url else set()
            asked.discard(last)
        if number % 20 == 0:
            check_rows(reader)
    assert outcomes <= {FINISHED, KILLED}
    saved_within(forks, KILLS + 1, *url)
    assert served_pair(reader.client()) == str(KILLS + 1)
    if url:
        forks("kill")
    check_everything(folder)
    reader.registry.database.engine.dispose()


def test_a_server_that_is_killed_leaves_the_older_or_the_newer_save(folder: Path, forks: Forks, kind: str) -> None:
    moments = random.Random(2)
    url = forks("serve")
    started = time.perf_counter()
    save(folder, "0", url)
    took = time.perf_counter() - started
    reader = file_store(folder)
    last = "0"
    for number in range(1, KILLS + 1):
        with counted(f"kill -9 of a server that saves ({kind})"):
            done: list[bool] = []
            saving = threading.Thread(target=_try_to_save, args=(folder, str(number), url, done))
            saving.start()
            saving.join(timeout=moments.uniform(0, took))
            assert forks("kill") == KILLED
            seen = served_pair(reader.client())
            assert seen in (last, str(number))
            assert forks("serve") == url
            saving.join()
            # Questions that got no answer are asked again: the save arrives when the server is back.
            assert done == [True]
            last = str(served_pair(OpStoreClient(url)))
            assert last == str(number)
    forks("kill")
    assert check_everything(folder) == KILLS + 1
    reader.registry.database.engine.dispose()


def _try_to_save(folder: Path, number: str, url: str, done: list[bool]) -> None:
    try:
        save(folder, number, url)
    except ChariotsError:
        done.append(False)
    else:
        done.append(True)


def test_a_postgresql_that_is_killed_leaves_the_older_or_the_newer_save(
    own_postgres: PostgresServer, tmp_path: Path
) -> None:
    store = OpStoreServer(FileSaver(str(tmp_path / "ops")), own_postgres.url)
    moments = random.Random(3)
    client = store.client()
    save_pair(client, "0")
    started = time.perf_counter()
    save_pair(client, "1")
    took = time.perf_counter() - started
    last = "1"
    for number in range(2, rounds(50) + 2):
        with counted("kill -9 of PostgreSQL during a save"):
            saving = threading.Thread(target=_ignore_the_cut, args=(client, str(number)))
            saving.start()
            saving.join(timeout=moments.uniform(0, took))
            own_postgres.kill()
            saving.join()
            own_postgres.start()
            seen = served_pair(client)
            assert seen in (last, str(number))
            last = str(seen)
            check_rows(store)
    save_pair(client, "last")
    assert served_pair(client) == "last"
    store.registry.database.engine.dispose()


def _ignore_the_cut(client: BaseOpStoreClient, number: str) -> None:
    try:
        save_pair(client, number)
    except ChariotsError:
        return  # the database was killed, which is what this test is about


def test_a_migration_that_is_killed_changes_nothing(folder: Path, forks: Forks, kind: str) -> None:
    if kind == "SQLite":
        first_release_on_sqlite(folder)
    else:
        first_release_on_postgresql(folder, database_url(folder))
    before = all_rows(folder)
    for statement in itertools.count(1):
        with counted(f"kill -9 after the n-th statement of a migration, every n ({kind})"):
            said = forks("migrate", statement)
            if said != FINISHED:
                assert said == KILLED
                assert all_rows(folder) == before
        if said == FINISHED:
            break
    assert statement > 10
    assert file_store(folder).client().last_deployment("predict") == {"pca": 4, "forest": 5}
