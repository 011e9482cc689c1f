"""Is it seen in the terminal, in a job and in the metrics how far the weights are that an op waits for?"""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import select
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from chariots.serving import PipelinesClient
from tests.cli.programs import CHARIOTS, DEADLINE, chariots, environment, started
from tests.transfer.conftest import eventually, served, some_bytes
from tests.transfer.hostile import Fault, HostileServer

APP = """
from chariots.pipelines import Pipeline, PipelinesServer
from chariots.pipelines.nodes import Node
from chariots.pipelines.ops import BaseOp
from chariots.transfer import Weights
from chariots.workers import LocalWorkerPool


class Measuring(BaseOp):
    model = Weights("weights.json")

    def execute(self, name: str) -> int:
        return (self.model.path / name).stat().st_size


measuring = Pipeline([Node(Measuring(), ["__pipeline_input__"], "__pipeline_output__")], "measuring")
app = PipelinesServer([measuring], import_name="my_app", worker_pool=LocalWorkerPool("sqlite:///jobs.sqlite"))
"""
BIG = some_bytes(9 * 2**20)
SERVE = [*CHARIOTS, "serve", "my_app:app", "--port", "0"]


@pytest.fixture
def source() -> Iterator[HostileServer]:
    with HostileServer() as server:
        yield server


@pytest.fixture
def released() -> threading.Event:
    """Set when the bytes may come; the first answer waits for it."""
    return threading.Event()


@pytest.fixture
def folder(tmp_path: Path, source: HostileServer, released: threading.Event, monkeypatch: pytest.MonkeyPatch) -> Path:
    stalled = Fault(stall_after=1000, until=released, first=1)
    (tmp_path / "weights.json").write_text(served(source, "a.bin", BIG, faults=[stalled]).to_json())
    (tmp_path / "my_app.py").write_text(APP)
    monkeypatch.setenv("TRUSS_TRANSFER_DOWNLOAD_DIR", str(tmp_path / "weights"))
    monkeypatch.setenv("TRUSS_TRANSFER_DOWNLOAD_MONITOR_SECS", "0.2")
    return tmp_path


def bytes_fetched(url: str) -> float:
    with urllib.request.urlopen(f"{url}/metrics", timeout=60) as answer:
        found = re.search(r"^chariots_transfer_bytes_total (\S+)$", answer.read().decode(), re.MULTILINE)
    return 0.0 if found is None else float(found[1])


def test_a_server_says_it_in_its_terminal_and_in_its_metrics(folder: Path, released: threading.Event) -> None:
    log = folder / "server.log"
    with started(SERVE, folder) as (url, _):
        assert bytes_fetched(url) < len(BIG)  # the first question has it begin
        eventually(lambda: "transfer files=0/1 bytes=" in log.read_text())
        assert f"transfer begun files=1 bytes={len(BIG)}" in log.read_text()
        released.set()
        eventually(lambda: f"transfer done files=1 bytes={len(BIG)}" in log.read_text())
        eventually(lambda: bytes_fetched(url) == len(BIG))
        assert PipelinesClient(url).call_pipeline("measuring", "a.bin").value == len(BIG)
        assert bytes_fetched(url) == len(BIG)


def test_a_job_says_it_wherever_it_is_looked_at(folder: Path, source: HostileServer, released: threading.Event) -> None:
    with started(SERVE, folder) as (url, _):
        client = PipelinesClient(url)
        job = client.enqueue("measuring", "a.bin")
        told: list[dict[str, object]] = []

        def is_told() -> bool:
            with urllib.request.urlopen(f"{url}/jobs/{job.id}", timeout=60) as answer:
                told.append(json.load(answer)["progress"] or {})
            return told[-1].get("message") == "fetching weights"

        eventually(is_told)
        assert (told[-1]["total"], told[-1]["node"]) == (len(BIG), "measuring")
        listed = chariots(folder, "jobs", "list", "--url", url).stdout
        assert f"of {len(BIG):g} fetching weights" in listed
        released.set()
        assert client.wait(job, timeout=DEADLINE).value == len(BIG)
        # The server waits for the same files as the worker, and one of the two has fetched them.
        eventually(lambda: bytes_fetched(url) == len(BIG))
        assert source.bytes_sent() == len(BIG)


@pytest.mark.parametrize("runner", ["sequential-runner", "thread-runner"])
def test_a_run_shows_it_as_a_bar_in_a_terminal(folder: Path, released: threading.Event, runner: str) -> None:
    seen, here = pty.openpty()
    command = [*CHARIOTS, "run", "my_app:app", "measuring", '"a.bin"', "--runner", runner]
    shown = bytearray()
    variables = {**environment(), "TERM": "xterm", "COLUMNS": "120"}
    with subprocess.Popen(command, cwd=folder, env=variables, stdout=subprocess.PIPE, stderr=here) as process:
        os.close(here)
        while b"fetching weights" not in shown:
            assert select.select([seen], [], [], DEADLINE)[0]
            shown += os.read(seen, 1000)
        released.set()
        with contextlib.suppress(OSError):  # how a terminal ends
            while piece := os.read(seen, 1000):
                shown += piece
        os.close(seen)
        assert process.stdout is not None
        assert int(process.stdout.read()) == len(BIG)
    assert process.returncode == 0
    assert b"MB" in shown


def test_a_run_writes_lines_elsewhere(folder: Path, released: threading.Event) -> None:
    released.set()
    done = chariots(folder, "run", "my_app:app", "measuring", '"a.bin"')
    assert done.stdout == f"{len(BIG)}\n"
    assert f"transfer begun files=1 bytes={len(BIG)}" in done.stderr
    again = chariots(folder, "run", "my_app:app", "measuring", '"a.bin"')
    assert (again.stdout, again.stderr) == (done.stdout, "")
