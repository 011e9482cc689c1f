"""Does ``chariots serve`` put an app behind HTTP, stop when told to, and say why when it cannot?"""

from __future__ import annotations

import errno
import http.client
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from chariots.serving import PipelinesClient
from tests.cli.programs import CHARIOTS, DEADLINE, chariots, started

APP = """
import os, pathlib, time
from chariots.pipelines import Pipeline, PipelinesServer
from chariots.pipelines.nodes import Node
from chariots.pipelines.ops import BaseOp

pathlib.Path(f"imported_by_{os.getpid()}").touch()


class IsOdd(BaseOp):
    def execute(self, number: int) -> bool:
        return bool(number % 2)


class Slow(BaseOp):
    def execute(self, ending: str) -> str:
        pathlib.Path("running").touch()
        while not pathlib.Path(ending).exists():
            time.sleep(0.01)
        return "finished"


def chain(op, name):
    return Pipeline([Node(op, ["__pipeline_input__"], "__pipeline_output__")], name)


def create_app():
    return PipelinesServer([chain(IsOdd(), "is_odd"), chain(Slow(), "slow")], import_name="my_app")


app = create_app()
"""


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "my_app.py").write_text(APP)
    return tmp_path


def refuses_connections(url: str) -> bool:
    with socket.socket() as attempt:
        return attempt.connect_ex(("127.0.0.1", int(url.rpartition(":")[2]))) == errno.ECONNREFUSED


def test_it_says_where_it_serves_and_leaves_quietly(folder: Path) -> None:
    with started([*CHARIOTS, "serve", "my_app:app", "--port", "0"], folder) as (url, process):
        assert PipelinesClient(url).call_pipeline("is_odd", 3).value is True
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=DEADLINE) == 0
    log = (folder / "server.log").read_text()
    assert log == f"Serving my_app:app at {url} (1 process of 8 threads). Ctrl-C stops it.\n"


def test_requests_that_follow_one_another_on_a_connection_are_all_answered(folder: Path) -> None:
    """However they come: at once, later, in parts, two together."""
    ask = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"
    call = b"POST /pipelines/is_odd/main HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    call += b'Content-Length: 20\r\n\r\n{"pipeline_input":3}'
    parts = [[ask], [ask], [call], [ask[:20], ask[20:]], [call[:-5], call[-5:]], [ask + call], [ask], [call + ask]]
    pauses = [0.0, 0.001, 0.004, 0.05]
    with started([*CHARIOTS, "serve", "my_app:app", "--port", "0"], folder) as (url, _):
        port = int(url.rpartition(":")[2])
        with (
            socket.create_connection(("127.0.0.1", port), timeout=DEADLINE) as connection,
            connection.makefile("rb") as answers,
        ):
            for pause in pauses:
                for number, pieces in enumerate(parts):
                    for piece in pieces:
                        time.sleep(pause)
                        connection.sendall(piece)
                    for asked in b"".join(pieces).split(b" HTTP/1.1")[:-1]:
                        assert answers.readline().startswith(b"HTTP/1.1 200"), (pause, number, asked)
                        told = answers.read(int(http.client.parse_headers(answers)["Content-Length"]))
                        assert (b"pipeline_output" in told) == (b"POST" in asked), (pause, number, asked)


def test_ctrl_c_stops_it(folder: Path) -> None:
    with started([*CHARIOTS, "serve", "my_app:create_app", "--port", "0"], folder) as (url, process):
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=DEADLINE) == 0
        assert refuses_connections(url)


def test_every_worker_imports_the_app_and_the_parent_does_not(folder: Path) -> None:
    command = [*CHARIOTS, "serve", "my_app:app", "--port", "0", "--workers", "2", "--threads", "1"]
    with started(command, folder) as (_, process):
        eventually(lambda: len(list(folder.glob("imported_by_*"))) == 2)
        assert not (folder / f"imported_by_{process.pid}").exists()


def test_sigterm_lets_a_running_request_finish(folder: Path) -> None:
    with started([*CHARIOTS, "serve", "my_app:app", "--port", "0"], folder) as (url, process):
        answers: list[object] = []
        caller = threading.Thread(
            target=lambda: answers.append(PipelinesClient(url, retries=0).call_pipeline("slow", "ending").value)
        )
        caller.start()
        eventually((folder / "running").exists)
        process.send_signal(signal.SIGTERM)
        eventually(lambda: refuses_connections(url))
        assert process.poll() is None
        (folder / "ending").touch()
        caller.join(timeout=DEADLINE)
        assert answers == ["finished"]
        assert process.wait(timeout=DEADLINE) == 0


def test_a_port_in_use_is_told_at_once(folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        shown = chariots(folder, "serve", "my_app:app", "--port", str(port))
    assert shown.returncode == 1
    assert shown.stderr == (
        f"Error: port {port} of 127.0.0.1 was asked for, and another program listens there; "
        "stop it, or choose another port with --port (0 takes a free one).\n"
    )


def test_an_interface_that_is_not_there_is_told(folder: Path) -> None:
    shown = chariots(folder, "serve", "my_app:app", "--host", "192.0.2.1", "--port", "0")
    assert shown.returncode == 1
    assert "192.0.2.1:0 was asked for, and cannot be listened on" in shown.stderr


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("my_ap:app", "there is no module 'my_ap'"),
        ("my_app:ap", "module 'my_app' has no 'ap'. Did you mean 'app'?"),
        ("my_app:IsOdd", "that is the class IsOdd"),
    ],
)
def test_an_app_that_is_not_there_is_told_in_one_line(folder: Path, name: str, told: str) -> None:
    shown = chariots(folder, "serve", name, "--port", "0", "--workers", "2")
    assert shown.returncode == 1
    assert shown.stdout == ""
    assert shown.stderr.startswith(f"Error: {name} cannot be served: ")
    assert told in shown.stderr
    assert shown.stderr.count("\n") == 1


def test_a_mistake_in_the_module_is_told_with_its_place(folder: Path) -> None:
    (folder / "broken.py").write_text("import my_app\n\nhalf = 1 / 0\n")
    shown = chariots(folder, "serve", "broken:app", "--port", "0")
    assert shown.returncode == 1
    assert shown.stderr == (
        f"Error: broken:app cannot be served: ZeroDivisionError: division by zero ({folder}/broken.py, line 3); "
        "run again with --debug for the whole stack\n"
    )


def test_debug_shows_the_stack_of_the_module(folder: Path) -> None:
    (folder / "broken.py").write_text("half = 1 / 0\n")
    shown = chariots(folder, "serve", "broken:app", "--port", "0", "--debug")
    assert "Traceback (most recent call last)" in shown.stderr
    assert "half = 1 / 0" in shown.stderr


def test_a_worker_that_is_killed_is_replaced(folder: Path) -> None:
    with started([*CHARIOTS, "serve", "my_app:app", "--port", "0"], folder) as (url, _):
        (first,) = folder.glob("imported_by_*")
        os.kill(int(first.name.rpartition("_")[2]), signal.SIGKILL)
        eventually(lambda: len(list(folder.glob("imported_by_*"))) == 2)
        assert PipelinesClient(url).call_pipeline("is_odd", 4).value is False


def test_a_server_that_other_machines_reach_says_what_they_may_do(tmp_path: Path) -> None:
    shown = chariots(tmp_path, "serve", "nothing:app", "--host", "192.0.2.1", "--port", "1", "--insecure")
    assert shown.returncode == 1
    assert "Everybody who reaches 192.0.2.1 may call, load and save these pipelines" in shown.stderr
