"""Does an application answer in the same way under other servers than our own?"""

from __future__ import annotations

import http.client
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.cli.programs import DEADLINE, environment

APP = """
from chariots.pipelines import Pipeline, PipelinesServer
from chariots.pipelines.nodes import Node
from chariots.pipelines.ops import BaseOp


class Double(BaseOp):
    def execute(self, numbers: list[float]) -> list:
        return [2 * number for number in numbers]


app = PipelinesServer([Pipeline([Node(Double(), ["__pipeline_input__"], "__pipeline_output__")], "double")], "my_app")
"""
PYTHON = (sys.executable, "-m")
SERVERS = {
    "flask": (*PYTHON, "flask", "--app", "my_app:app", "run", "--port", "{port}"),
    "gunicorn": (*PYTHON, "gunicorn", "--bind", "127.0.0.1:{port}", "--threads", "4", "my_app:app"),
    "granian": (
        *(*PYTHON, "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", "{port}"),
        *("--blocking-threads", "4", "my_app:app"),
    ),
}


@contextmanager
def running(command: tuple[str, ...], folder: Path) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """Starts a server on a free port; waits until it listens, and ends it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    with (folder / "log").open("wb") as log:
        words = [word.replace("{port}", str(port)) for word in command]
        process = subprocess.Popen(words, cwd=folder, env=environment(), stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + DEADLINE
        while True:
            try:
                if ask(port, "GET", "/livez")[0] == 200:
                    break
            except OSError:
                assert process.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < deadline, (folder / "log").read_text()
                time.sleep(0.05)
        yield port, process
    finally:
        process.kill()
        process.wait()


def ask(port: int, method: str, path: str, value: Any = None) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE)
    try:
        body = None if value is None else json.dumps({"pipeline_input": value})
        connection.request(method, path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read().decode()
        return answer.status, json.loads(text) if "json" in answer.headers["Content-Type"] else text
    finally:
        connection.close()


@pytest.mark.parametrize("server", SERVERS)
def test_an_application_is_served_by_any_server_of_wsgi(tmp_path: Path, server: str) -> None:
    (tmp_path / "my_app.py").write_text(APP)
    with running(SERVERS[server], tmp_path) as (port, process):
        for number in range(5):
            status, answer = ask(port, "POST", "/pipelines/double/main", [number])
            assert (status, answer["pipeline_output"]) == (200, [2 * number])
        status, problem = ask(port, "POST", "/pipelines/double/main", "no numbers")
        assert (status, problem["type"]) == (422, "urn:chariots:invalid-input")
        assert ask(port, "POST", "/pipelines/treble/main", [1])[0] == 404
        assert ask(port, "GET", "/readyz")[0] == 200
        assert 'pipeline="double"' in ask(port, "GET", "/metrics")[1]
        process.send_signal(signal.SIGTERM)
        process.wait(DEADLINE)
