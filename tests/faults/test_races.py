"""What if two writers register the same new op at once, or their clocks do not agree?"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from chariots.op_store import BaseOpStoreClient, tables
from tests.faults.checking import served_pair
from tests.faults.counting import counted, rounds
from tests.op_store.support import count_rows, file_store, query, record, save_pair, version

HOUR = 3600.0
ROUNDS = max(10, rounds(100))


@pytest.fixture
def impatient() -> Iterator[None]:
    """Makes threads take turns so often that races come up; at the usual interval they are hardly ever seen."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("impatient")
def test_two_writers_register_the_same_new_op_once(folder: Path, kind: str) -> None:
    stores = [file_store(folder), file_store(folder)]
    stores[0].upgrade()
    start = threading.Barrier(2)
    results: dict[int, list[object]] = {number: [] for number in range(ROUNDS)}

    def work(client: BaseOpStoreClient) -> None:
        for number in range(ROUNDS):
            start.wait()
            try:
                up, down = f"up {number}", f"down {number}"
                results[number].append(tuple(sorted(save_pair(client, "same", up, down).items())))
            except Exception as error:  # noqa: BLE001  # collected for the assertion
                results[number].append(error)

    threads = [threading.Thread(target=work, args=(store.client(),)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for found in results.values():
        with counted(f"two writers register the same new op at once ({kind})"):
            first, second = found
            assert first == second
    with stores[0].registry.database.reading() as connection:
        counts = {
            table.name: connection.scalar(sa.select(sa.func.count()).select_from(table))
            for table in (tables.op, tables.version, tables.link, tables.pipeline, tables.save)
        }
    for store in stores:
        store.registry.database.engine.dispose()
    assert counts == {"op": 2 * ROUNDS, "version": 2 * ROUNDS, "link": ROUNDS, "pipeline": 1, "save": ROUNDS}


@pytest.mark.usefixtures("impatient")
def test_servers_that_load_the_same_versions_at_once_note_it_once(folder: Path, kind: str) -> None:
    stores = [file_store(folder) for _ in range(4)]
    numbers = save_pair(stores[0].client(), 0)
    start = threading.Barrier(len(stores))

    def work(client: BaseOpStoreClient) -> None:
        for number in range(ROUNDS):
            start.wait()
            client.record_deployment(f"predict {number}", numbers)

    threads = [threading.Thread(target=work, args=(store.client(),)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in range(ROUNDS):
        with counted(f"four servers load the same versions at once ({kind})"):
            assert stores[0].client().last_deployment(f"predict {number}") == numbers
    for store in stores:
        store.registry.database.engine.dispose()
    assert count_rows(folder)["deployment"] == ROUNDS


def test_the_newest_version_is_the_last_one_saved_whatever_the_clocks_say(folder: Path, kind: str) -> None:
    store = file_store(folder)
    client = store.client()
    for number in range(ROUNDS):
        with counted(f"clocks of two writers one hour apart ({kind})"):
            clock = 1_700_000_000.0 + (0 if number % 2 else HOUR)
            records = [
                record(client, op, f"{op} {number}".encode(), version(f"{op} {number}", created=clock))
                for op in ("pca", "forest")
            ]
            numbers = client.commit_save("train", "forest", records, [("pca", "forest")])
            found = client.resolve("p", [query("pca"), query("forest")], [("pca", "forest")])
            assert {name: stored.id for name, stored in found.versions.items()} == numbers
            assert served_pair(client) == str(number)
    store.registry.database.engine.dispose()
