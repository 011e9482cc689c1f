"""Do all processes and replicas on one op store serve what was put into service last, wherever that was done?

Every server here is one or several processes of its own, behind a real port. What is waited for is waited for as long
as it takes; `tests.faults.test_reloads` looks at the clock.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit

import pytest

from chariots.errors import ChariotsError, NotLoadedError
from chariots.op_store import OpStoreClient
from chariots.serving import PipelinesClient
from tests.cli.programs import CHARIOTS, started
from tests.serving.marks_app import POISON, trained

PATIENCE = 90.0  # seconds
APP = "tests.serving.marks_app:make_app"
PRELOADED = [sys.executable, "-m", "gunicorn", "--preload", "--threads", "4", "--bind", "127.0.0.1:0", f"{APP}()"]


class Replica:
    """A server that runs as one process or several."""

    def __init__(self, url, process, folder, workers):
        self.url, self.process, self.workers = url, process, workers
        self._log = folder / "server.log"

    @property
    def client(self):
        """A client with a connection of its own, which may meet any process."""
        return PipelinesClient(self.url, timeout=30)

    @property
    def log(self):
        """What the server has said."""
        return self._log.read_text()

    def answers(self, pipeline="pred"):
        """The mark in the last answer of each process, once every process has answered."""
        found, until = {}, time.monotonic() + PATIENCE
        while len(found) < self.workers:
            assert time.monotonic() < until, found
            try:
                value = self.client.call_pipeline(pipeline).value
            except NotLoadedError:  # it was started before anything was trained, and asks once a second at most
                continue
            assert len(set(value["marks"])) == 1
            found[value["process"]] = value["marks"][0]
        return found

    def wait_for(self, mark, pipeline="pred"):
        """Waits until every process answers with a mark."""
        wait_until(lambda: set(self.answers(pipeline).values()) == {mark}, lambda: self.log)

    def readiness(self):
        """What ``/readyz`` answers: its status and its body."""
        answer = self.client.send("GET", "/readyz")
        return answer.status, answer.json()


def wait_until(holds, told=str):
    """Waits until something holds."""
    until = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < until, told()
        time.sleep(0.05)


@contextmanager
def running(folder, command, **variables):
    """Runs a program in a folder of its own, and stops it at the end; gives its address, its process and the folder."""
    made = folder / f"program {len(list(folder.iterdir()))}"
    made.mkdir()
    with started(command, made, **variables) as (url, process):
        yield url, process, made


def store_command(folder, port=0):
    """How an op store is started."""
    return [*CHARIOTS, "op-store", "serve", "--path", str(folder / "kept"), "--port", str(port)]


@contextmanager
def replica(folder, store_url, workers, command=None):
    """Runs a server on an op store."""
    command = command or [*CHARIOTS, "serve", APP, "--port", "0"]
    with running(folder, [*command, "--workers", str(workers)], MARKS_STORE=store_url) as (url, process, made):
        yield Replica(url, process, made, workers)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the programs run."""
    return tmp_path_factory.mktemp("following")


@pytest.fixture(scope="module")
def store_url(folder):
    """Where an op store runs as a server."""
    with running(folder, store_command(folder)) as (url, _, _):
        yield url


@pytest.fixture(scope="module")
def store(store_url):
    """A client of that op store."""
    return OpStoreClient(store_url)


@pytest.fixture(scope="module")
def replicas(folder, store_url):
    """Two replicas, one of them with two processes that were forked from one which had loaded everything."""
    with replica(folder, store_url, 1) as one, replica(folder, store_url, 2, PRELOADED) as other:
        yield one, other


def test_every_process_of_every_replica_follows_promotions_and_rollbacks(store, replicas):
    old, new = trained(store, "old"), trained(store, "new")
    for mark, versions in (("old", old), ("new", new)):
        store.promote("pred", versions=versions)
        for one in replicas:
            one.wait_for(mark)
    store.rollback("pred")
    for one in replicas:
        one.wait_for("old")


def test_after_a_restart_what_was_rolled_back_to_serves(store, store_url, folder):
    for mark in ("before", "after"):
        store.promote("pred", versions=trained(store, mark))
    with replica(folder, store_url, 1) as first:
        first.wait_for("after")
        store.rollback("pred")
        first.wait_for("before")
        os.killpg(first.process.pid, signal.SIGKILL)
        first.process.wait()
    trained(store, "only saved")
    with replica(folder, store_url, 1) as second:
        assert set(second.answers().values()) == {"before"}
        store.rollback("pred", to=store.history("pred")[1].id)
        second.wait_for("after")


def test_a_load_of_one_process_reaches_all_others(store, replicas):
    for one, mark in zip(replicas, ("first load", "second load"), strict=True):
        trained(store, mark)
        one.client.load_pipeline("loaded")
        for each in replicas:
            each.wait_for(mark, "loaded")


def test_what_cannot_be_loaded_leaves_every_process_on_the_old_versions_and_says_so(store, replicas):
    good, bad, better = (trained(store, mark) for mark in ("good", POISON, "better"))
    store.promote("poisoned", versions=good)
    for one in replicas:
        one.wait_for("good", "poisoned")
    store.promote("poisoned", versions=bad)

    def behind(one):
        return one.client.send("GET", "/pipelines/poisoned/health_check").json().get("behind", "")

    for one in replicas:
        wait_until(lambda one=one: "poison" in behind(one))
        assert set(one.answers("poisoned").values()) == {"good"}
        assert one.readiness() == (200, {"status": "ready"})
        with pytest.raises(ChariotsError):
            one.client.load_pipeline("poisoned")
    assert replicas[0].log.count("pipeline 'poisoned' goes on with the versions it served before") == 1
    store.promote("poisoned", versions=better)
    for one in replicas:
        one.wait_for("better", "poisoned")
        wait_until(lambda one=one: behind(one) == "")


def test_a_server_whose_store_went_away_serves_and_says_so_until_it_is_back(tmp_path):
    with ExitStack() as stack:
        url, process, _ = stack.enter_context(running(tmp_path, store_command(tmp_path)))
        store = OpStoreClient(url)
        old, new = trained(store, "old"), trained(store, "new")
        with replica(tmp_path, url, 1) as one:
            store.promote("pred", versions=old)
            one.wait_for("old")
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            wait_until(lambda: one.readiness()[0] == 503)
            status, told = one.readiness()
            assert (status, told["store"]) == (503, "away")
            assert url in told["detail"]
            assert set(one.answers().values()) == {"old"}
            stack.enter_context(running(tmp_path, store_command(tmp_path, urlsplit(url).port)))
            store.promote("pred", versions=new)
            one.wait_for("new")
            wait_until(lambda: one.readiness()[0] == 200)
            assert one.log.count("could not be asked what is in service") == 1
            assert one.log.count("the op store answers again") == 1
