"""Do all processes and replicas on one op store serve what was put into service last, wherever that was done?

Every server here is one or several processes of its own, behind a real port. What is waited for is waited for as long as
it takes; only `tests.faults.test_reloads` looks at the clock.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import ExitStack

import pytest

from chariots.errors import VersionError
from chariots.op_store import OpStoreClient
from chariots.serving import PipelinesClient
from tests.cli.programs import CHARIOTS, started
from tests.serving.marks_app import POISON, trained

PATIENCE = 60.0  # seconds


class Replica:
    """A server that runs as one process or several."""

    def __init__(self, url, process, folder, workers):
        self.url, self.process, self.workers = url, process, workers
        self.log = folder / "server.log"

    @property
    def client(self):
        """A client with a connection of its own, which may meet any process."""
        return PipelinesClient(self.url, timeout=30)

    def answers(self):
        """The marks in the last answer of each process, once every process has answered."""
        found, until = {}, time.monotonic() + PATIENCE
        while len(found) < self.workers:
            assert time.monotonic() < until, found
            value = self.client.call_pipeline("pred").value
            assert len(set(value["marks"])) == 1
            found[value["process"]] = value["marks"][0]
        return found

    def wait_for(self, mark):
        """Waits until every process answers with a mark."""
        until = time.monotonic() + PATIENCE
        while set(self.answers().values()) != {mark}:
            assert time.monotonic() < until, self.log.read_text()
            time.sleep(0.02)

    def readiness(self):
        """The status of ``/readyz``, and what its body says."""
        answer = self.client.send("GET", "/readyz")
        return answer.status, answer.json()


@pytest.fixture
def starting(tmp_path):
    """Starts programs, each in a folder of its own, and stops them at the end."""
    with ExitStack() as stack:

        def start(name, command, **variables):
            folder = tmp_path / f"{name} {len(list(tmp_path.iterdir()))}"
            folder.mkdir()
            url, process = stack.enter_context(started([*CHARIOTS, *command], folder, **variables))
            return url, process, folder

        yield start


@pytest.fixture
def store_url(starting, tmp_path):
    """An op store that runs as a server."""
    url, _, _ = starting("store", ["op-store", "serve", "--path", str(tmp_path / "kept"), "--port", "0"])
    return url


@pytest.fixture
def store(store_url):
    """A client of that op store."""
    return OpStoreClient(store_url)


@pytest.fixture
def replica(starting, store_url):
    """Starts a replica on the op store."""

    def start(workers=1, port=0):
        command = ["serve", "tests.serving.marks_app:make_app", "--port", str(port), "--workers", str(workers)]
        return Replica(*starting("replica", command, MARKS_STORE=store_url), workers)

    return start


def test_every_process_of_every_replica_follows_promotions_and_rollbacks(store, replica):
    (old, _), (new, _) = trained(store, "old"), trained(store, "new")
    replicas = [replica(2), replica(1)]
    store.promote("pred", versions=old)
    for one in replicas:
        one.wait_for("old")
    store.promote("pred", versions=new)
    for one in replicas:
        one.wait_for("new")
    store.rollback("pred")
    for one in replicas:
        one.wait_for("old")


def test_a_load_of_one_process_reaches_all_others(store, replica):
    trained(store, "old")
    replicas = [replica(2), replica(1)]
    replicas[0].client.load_pipeline("pred")
    for one in replicas:
        one.wait_for("old")
    trained(store, "new")
    assert {mark for one in replicas for mark in one.answers().values()} == {"old"}
    replicas[1].client.load_pipeline("pred")
    for one in replicas:
        one.wait_for("new")
