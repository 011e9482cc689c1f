"""Is a server what the documentation says, alone, beside another and in a child process?"""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

import chariots
from chariots.errors import UnreachableError
from chariots.op_store import LocalOpStoreClient, OpStoreClient, OpStoreServer, savers
from chariots.op_store.savers import FileSaver
from tests.op_store.support import count_rows, file_store, save_pair, serving, version

FIRST = version("a")


def test_a_server_is_a_flask_application_of_its_name(store: OpStoreServer) -> None:
    assert repr(store.flask) == "<Flask 'OpStoreServer'>"


def test_threads_that_ask_for_the_application_at_once_get_the_same_one(tmp_path: Path) -> None:
    """Made apart, they raise SystemError now and then: CPython 3.11 lets one thread at a time make syntax trees."""
    stores = [file_store(tmp_path) for _ in range(4)]
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda number: stores[number % 4].flask, range(32)))
    assert len(set(made)) == 4
    assert all(app is stores[number % 4].flask for number, app in enumerate(made))


def test_a_server_is_made_from_a_saver_and_the_url_of_a_database(tmp_path: Path) -> None:
    saver = savers.FileSaver(str(tmp_path))
    store = OpStoreServer(saver=saver, db_url=f"sqlite:///{tmp_path / 'db.sqlite'}")
    assert store.saver is saver
    assert chariots.OpStore is OpStoreServer


def test_the_database_can_be_reached_through_flask_sqlalchemy(store: OpStoreServer) -> None:
    store.client().save_op_bytes("pca", FIRST, b"1")
    with store.flask.app_context():
        names = store.db.session.execute(store.db.select(store.db.metadata.tables["op"].c.name)).scalars().all()
    assert names == ["pca"]


def test_two_servers_in_one_process_keep_apart(tmp_path: Path) -> None:
    stores = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        stores.append(file_store(tmp_path / name))
    one, two = stores
    with serving(one) as url, serving(two) as other:
        OpStoreClient(url).save_op_bytes("pca", FIRST, b"one")
        OpStoreClient(other).save_op_bytes("forest", FIRST, b"two")
        assert OpStoreClient(other).get_all_versions_of_op("pca") is None
    assert one.client().get_all_versions_of_op("forest") is None
    with one.flask.app_context(), two.flask.app_context():
        assert two.db.session.execute(two.db.select(two.db.metadata.tables["op"].c.name)).scalars().all() == ["forest"]


def test_two_servers_in_one_process_share_a_database(tmp_path: Path) -> None:
    one, two = file_store(tmp_path), file_store(tmp_path)
    one.client().save_op_bytes("pca", FIRST, b"1")
    assert two.client().get_op_bytes_for_version("pca", FIRST) == b"1"


def test_a_database_in_memory_serves_many_threads(tmp_path: Path) -> None:
    store = OpStoreServer(FileSaver(str(tmp_path)))
    client = store.client()
    threads = [threading.Thread(target=save_pair, args=(client, number)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert client.get_all_versions_of_op("pca") == {version(f"pca {number}") for number in range(20)}
    assert OpStoreServer(FileSaver(str(tmp_path))).client().get_all_versions_of_op("pca") is None


def test_a_relative_database_starts_at_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = OpStoreServer(FileSaver("ops"), "sqlite:///deep/memory:")
    monkeypatch.chdir("/")
    save_pair(store.client(), 1)
    assert (tmp_path / "deep/memory:").is_file()


def test_a_child_process_opens_connections_of_its_own(tmp_path: Path) -> None:
    # In a process of its own: what other tests have imported here (JAX, say) must not be forked.
    script = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from tests.op_store.support import file_store, save_pair\n"
        "client = file_store(Path(sys.argv[1])).client()\n"
        "save_pair(client, 1)\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    try:\n"
        "        assert client.server.registry.database.engine.pool.checkedin() == 0\n"
        "        save_pair(client, 2)\n"
        "        os._exit(0)\n"
        "    finally:\n"
        "        os._exit(1)\n"
        "assert os.waitpid(child, 0)[1] == 0\n"
        "save_pair(client, 3)\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    subprocess.run(command, check=True, timeout=60, cwd=Path(__file__).parents[2])
    assert count_rows(tmp_path)["version"] == 6


def test_many_threads_save_and_load_without_failure(tmp_path: Path) -> None:
    store = file_store(tmp_path)
    failures: list[BaseException] = []
    with serving(store) as url:
        client = OpStoreClient(url)

        def work(number: int) -> None:
            try:
                for round_number in range(5):
                    save_pair(client, f"{number % 3} {round_number}")
                    assert client.get_all_versions_of_op("pca")
            except BaseException as error:  # noqa: BLE001  # collected for the assertion
                failures.append(error)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(9)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert failures == []
    assert count_rows(tmp_path)["version"] == 2 * 15
    assert count_rows(tmp_path)["link"] == 15


def test_the_client_in_the_process_opens_no_socket(store: OpStoreServer, monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    client = store.client()
    assert isinstance(client, LocalOpStoreClient)
    client.save_op_bytes("pca", FIRST, b"1")
    client.register_new_pipeline(SimpleNamespace(name="p", pipeline_nodes=[SimpleNamespace(name="pca")]))
    assert client.get_op_bytes_for_version("pca", FIRST) == b"1"


def test_a_server_that_is_not_there_is_named() -> None:
    with pytest.raises(UnreachableError, match=r"127\.0\.0\.1:9"):
        OpStoreClient("http://127.0.0.1:9").get_all_versions_of_op("pca")


def test_importing_the_room_imports_nothing_heavy() -> None:
    import subprocess
    import sys

    program = (
        "import sys, chariots.op_store, chariots.op_store.savers\n"
        "print(sorted({'flask', 'sqlalchemy', 'pydantic', 'urllib3'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
