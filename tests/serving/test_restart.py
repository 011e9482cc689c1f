"""Does a server that was killed serve again what it served, and do several processes share one store?

Every server here is a process of its own, started as users start it.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from chariots.errors import ChariotsError
from chariots.serving import PipelinesClient

ROOT = Path(__file__).parents[2]
APP = """
    from chariots import Chariots, Node, Pipeline
    from chariots.pipelines.ops import LoadableOp
    from chariots.versioning import Version


    class Mark(LoadableOp):
        def __init__(self, learns):
            super().__init__()
            self.learns, self.mark = learns, None

        allow_version_change = property(lambda self: self.learns)
        needs_loading = property(lambda self: not self.learns)
        is_ready = property(lambda self: self.mark is not None)

        @property
        def op_version(self):
            return self.__version__ + Version().update_patch(str(self.mark).encode())

        def execute(self, mark=None):
            if self.learns:
                self.mark = mark
            return self.mark

        def serialize(self):
            return self.mark.encode()

        def load(self, serialized_object):
            self.mark = serialized_object.decode()


    train = Pipeline([Node(Mark(True), ["__pipeline_input__"])], "train")
    pred = Pipeline([Node(Mark(False), ["__pipeline_input__"], "__pipeline_output__")], "pred")
    app = Chariots([train, pred], "store", import_name="marks")
"""

FLASK = [sys.executable, "-m", "flask", "--app", "marks", "run", "--port", "0"]
GUNICORN = [sys.executable, "-m", "gunicorn", "--bind", "127.0.0.1:0", "marks:app"]
TWO_WORKERS = [*GUNICORN, "--workers", "2"]
PRELOADED = [*TWO_WORKERS, "--preload"]
_ADDRESS = re.compile(r"http://127\.0\.0\.1:[1-9][0-9]*")


class Server:
    """One server, a process group of its own."""

    def __init__(self, command, folder):
        self.log = folder / f"log-{time.monotonic_ns()}"
        with self.log.open("w") as out:
            self.process = subprocess.Popen(
                command,
                cwd=folder,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.client = PipelinesClient(self._url(), timeout=30)

    def _url(self):
        give_up = time.monotonic() + 60
        while time.monotonic() < give_up:
            found = _ADDRESS.search(self.log.read_text())
            if found:
                return found.group()
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.02)
        raise AssertionError(f"the server did not start: {self.log.read_text()}")

    def kill(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def deploy(self, mark):
        self.train(mark)
        self.client.load_pipeline("pred")

    def train(self, mark):
        self.client.call_pipeline("train", mark)
        self.client.save_pipeline("train")

    def predict(self):
        return self.client.call_pipeline("pred").value


@pytest.fixture
def start(tmp_path):
    """Starts servers in one folder, and so on one store."""
    (tmp_path / "marks.py").write_text(textwrap.dedent(APP))
    with ExitStack() as stack:

        def start_one(command):
            server = Server(command, tmp_path)
            stack.callback(server.kill)
            return server

        yield start_one


@pytest.mark.parametrize("command", [FLASK, GUNICORN], ids=["flask run", "gunicorn"])
def test_after_kill_9_and_a_restart_it_predicts_without_a_load(start, command):
    first = start(command)
    first.deploy("kept")
    before = first.client.call_pipeline("pred")
    first.kill()
    second = start(command)
    after = second.client.call_pipeline("pred")
    assert (after.value, after.versions) == (before.value, before.versions) == ("kept", before.versions)
    assert second.client.is_pipeline_loaded("pred")


def test_a_restart_brings_back_what_was_loaded_and_not_what_was_saved_since(start):
    first = start(FLASK)
    first.deploy("deployed")
    first.train("only saved")
    first.kill()
    second = start(FLASK)
    assert second.predict() == "deployed"
    second.client.load_pipeline("pred")
    assert second.predict() == "only saved"


def test_two_servers_on_one_store_train_save_load_and_predict_at_once(start):
    servers = [start(FLASK), start(FLASK)]

    def work(number):
        for turn in range(5):
            servers[number].deploy(f"{number}-{turn}")
            assert servers[number].predict() is not None

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(work, range(2)))
    servers[0].deploy("last")
    servers[1].client.load_pipeline("pred")
    assert [server.predict() for server in servers] == ["last", "last"]


@pytest.mark.parametrize("command", [TWO_WORKERS, PRELOADED], ids=["two workers", "preloaded"])
def test_every_process_of_a_server_answers_after_one_load(start, command):
    server = start(command)
    give_up = time.monotonic() + 30
    # Training, saving and loading may each meet another process: what was trained is saved only by the same one.
    while True:
        try:
            server.deploy("shared")
            break
        except ChariotsError:
            assert time.monotonic() < give_up
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: PipelinesClient(server.client.backend_url).call_pipeline("pred"), range(40)))
    assert {answer.value for answer in answers} == {"shared"}


def test_a_killed_server_leaves_the_others_serving(start):
    first, second = start(FLASK), start(FLASK)
    first.deploy("kept")
    assert second.predict() == "kept"
    first.kill()
    second.deploy("new")
    assert second.predict() == "new"
    assert start(FLASK).predict() == "new"
