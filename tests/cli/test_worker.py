"""Do a server, a worker and a caller, each started from a terminal, find one another?"""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest

from tests.cli.programs import CHARIOTS, DEADLINE, chariots, environment, started

APP = """
import os
from redis import Redis
from chariots.pipelines import Pipeline, PipelinesServer
from chariots.pipelines.nodes import Node
from chariots.pipelines.ops import BaseOp
from chariots.workers import RQWorkerPool


class WhoRuns(BaseOp):
    def execute(self) -> int:
        return os.getpid()


class Fails(BaseOp):
    def execute(self) -> float:
        return 1 / 0


app = PipelinesServer(
    [
        Pipeline([Node(WhoRuns(), output_nodes="__pipeline_output__")], "who_runs"),
        Pipeline([Node(Fails(), output_nodes="__pipeline_output__")], "fails"),
    ],
    worker_pool=RQWorkerPool(redis=Redis.from_url(os.environ["REDIS_OF_THE_TEST"])),
    import_name="my_app",
)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, redis_url: str) -> Path:
    monkeypatch.setenv("REDIS_OF_THE_TEST", redis_url)
    (tmp_path / "my_app.py").write_text(APP)
    return tmp_path


def test_a_call_for_a_worker_waits_for_its_result(folder: Path) -> None:
    with started([*CHARIOTS, "serve", "my_app:app", "--port", "0"], folder) as (url, _):
        queued = chariots(folder, "call", "who_runs", "--worker", "--no-wait", "--url", url)
        assert '"job_status": "queued"' in queued.stdout
        worker = subprocess.Popen(
            [*CHARIOTS, "worker", "my_app:app"], cwd=folder, env=environment(), stderr=subprocess.DEVNULL
        )
        try:
            answered = chariots(folder, "call", "who_runs", "--worker", "--url", url)
            assert answered.returncode == 0, answered.stderr
            here = chariots(folder, "call", "who_runs", "--no-worker", "--url", url)
            assert answered.stdout.strip().isdigit()
            assert answered.stdout != here.stdout
            failed = chariots(folder, "call", "fails", "--worker", "--url", url)
            assert failed.returncode == 1
            assert "ZeroDivisionError" in failed.stderr
            assert "return 1 / 0" in failed.stderr
        finally:
            worker.send_signal(signal.SIGTERM)
            assert worker.wait(timeout=DEADLINE) == 0


def test_a_worker_for_an_app_that_is_not_there_says_so(folder: Path) -> None:
    shown = chariots(folder, "worker", "my_ap:app")
    assert shown.returncode == 1
    assert "there is no module 'my_ap'" in shown.stderr
    assert "Traceback" not in shown.stderr
