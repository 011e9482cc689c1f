"""Do several processes share one store, and does one that is killed leave it whole?"""

from __future__ import annotations

import threading
from pathlib import Path

import sqlalchemy as sa

from chariots.op_store import OpStoreClient, OpStoreServer, tables
from tests.op_store.support import count_rows, file_store, python_process, query, save_pair, server_process, version

ROUNDS = 8
KILLS = 5


def test_two_server_processes_on_one_file_lose_and_double_nothing(tmp_path: Path) -> None:
    failures: list[BaseException] = []

    def work(url: str, worker: int) -> None:
        try:
            client = OpStoreClient(url)
            for number in range(ROUNDS):
                save_pair(client, f"shared {number}")
                save_pair(client, f"own {worker} {number}")
                client.record_deployment(f"predict {worker}", save_pair(client, f"shared {number}"))
                found = client.resolve("p", [query("pca", "optional"), query("forest", "optional")], [])
                assert len(found.versions) == 2
        except BaseException as error:  # noqa: BLE001  # collected for the assertion
            failures.append(error)

    with server_process(tmp_path) as (one, _), server_process(tmp_path) as (two, _):
        threads = [threading.Thread(target=work, args=((one, two)[worker % 2], worker)) for worker in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        different = ROUNDS + 4 * ROUNDS
        expected = {"op": 2, "version": 2 * different, "link": different, "pipeline": 1 + 4, "deployment": 4 * ROUNDS}
        assert {name: count_rows(tmp_path)[name] for name in expected} == expected
        versions = OpStoreClient(one).get_all_versions_of_op("pca")
        assert versions == OpStoreClient(two).get_all_versions_of_op("pca")
        assert len(versions or ()) == different


def test_processes_that_write_to_one_file_wait_for_each_other(tmp_path: Path) -> None:
    # Without a server between, so that no client tries again what failed.
    processes = [python_process("tests.op_store.save_until_killed", str(tmp_path), "same", "20") for _ in range(4)]
    assert [process.wait() for process in processes] == [0, 0, 0, 0]
    for process in processes:
        process.communicate()
    assert count_rows(tmp_path)["version"] == 2 * 20
    check_whole(file_store(tmp_path))


def test_a_process_that_is_killed_in_the_middle_of_saves_leaves_whole_saves(tmp_path: Path) -> None:
    finished = 0
    for kill in range(KILLS):
        process = python_process("tests.op_store.save_until_killed", str(tmp_path), str(kill))
        assert process.stdout is not None
        for _ in range(1 + 3 * kill):
            assert process.stdout.readline(), "the process ended by itself"
        process.kill()
        rest, _ = process.communicate()
        finished += 1 + 3 * kill + rest.count("\n")
        check_whole(file_store(tmp_path))
    pairs = count_rows(tmp_path)["link"]
    assert finished <= pairs <= finished + KILLS


def test_a_server_that_is_killed_serves_again_what_it_had(tmp_path: Path) -> None:
    with server_process(tmp_path) as (url, process):
        numbers = save_pair(OpStoreClient(url), 1)
        OpStoreClient(url).record_deployment("predict", numbers)
        process.kill()
        process.wait()
    with server_process(tmp_path) as (url, _):
        assert OpStoreClient(url).last_deployment("predict") == numbers
        assert OpStoreClient(url).get_op_bytes_for_version("pca", version("pca 1")) == b"pca 1"


def check_whole(store: OpStoreServer) -> None:
    """Every version has its bytes, and every save has both of its versions and the link between them."""
    with store.registry.database.reading() as connection:
        versions = connection.execute(sa.select(tables.version)).all()
        links = connection.execute(sa.select(tables.link)).all()
    assert len(versions) == 2 * len(links)
    assert {link.upstream_version_id for link in links} | {link.downstream_version_id for link in links} == {
        row.id for row in versions
    }
    for row in versions:
        assert len(store.registry.blobs.read(row.sha256)) == row.size
