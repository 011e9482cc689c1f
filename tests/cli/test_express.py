"""Do requests that are answered together get what each of them would have got alone, and does none wait for another?"""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from chariots.cli.express import AT_ONCE
from tests.cli.calling import Client, assert_same, made_quick, metric, raw, request, serving_by_gunicorn, unusual
from tests.cli.programs import CHARIOTS, DEADLINE, answer_of, started

APP = """
import pathlib, threading, time
from chariots.pipelines import Pipeline, PipelinesServer
from chariots.pipelines.nodes import Node
from chariots.pipelines.ops import BaseOp


class Who(BaseOp):
    def execute(self, number: int) -> list:
        return [number, threading.current_thread().name]


class Rows(BaseOp):
    def execute(self, rows: list[list[float]]) -> list:
        if any(row[0] < 0 for row in rows):
            raise ValueError("a negative row")
        return [[row[0], len(rows)] for row in rows]


class Waits(BaseOp):
    def execute(self, name: str) -> str:
        if name != "not":
            pathlib.Path(f"begun-{name}").touch()
            while not pathlib.Path("ending").exists():
                time.sleep(0.005)
        return name


class Picky(BaseOp):
    def execute(self, number: int) -> int:
        if number == 13:
            raise KeyError("unlucky")
        return float("nan") if number == 14 else number


class Large(BaseOp):
    def execute(self, number: int) -> str:
        return TEXT


TEXT = "x" * 4_000_000


def chain(op, name, **options):
    return Pipeline([Node(op, ["__pipeline_input__"], "__pipeline_output__")], name, **options)


app = PipelinesServer(
    [
        chain(Who(), "who"),
        chain(Rows(), "rows", batchable=True),
        chain(Waits(), "waits"),
        chain(Picky(), "picky"),
        chain(Large(), "large"),
    ],
    import_name="my_app",
)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("express")
    (made / "my_app.py").write_text(APP)
    return made


@contextmanager
def serving(folder: Path, *options: str, **variables: str) -> Iterator[tuple[str, Any]]:
    command = [*CHARIOTS, "serve", "my_app:app", "--port", "0", *options]
    with started(command, folder, **variables) as (url, process):
        yield urlsplit(url).netloc, process


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[str]:
    with serving(folder, "--threads", "4") as (netloc, _):
        yield netloc


def test_quick_pipelines_come_to_be_answered_by_one_thread(server: str) -> None:
    client = Client(server)
    made_quick(client, "who", 1)
    assert client("who", 2) == (200, [2, "express"])
    assert client.headers["Connection"] == "keep-alive"


def test_a_server_with_one_thread_runs_one_request_at_a_time(folder: Path) -> None:
    with serving(folder, "--threads", "1") as (netloc, _):
        client = Client(netloc)
        made_quick(client, "who", 1)
        assert client("who", 2)[1][1] != "express"


def test_many_clients_get_their_own_answers(server: str) -> None:
    made_quick(Client(server), "rows", [[1.0]])

    def ask(number: int) -> set[int]:
        client, together = Client(server), set()
        for turn in range(40):
            status, output = client("rows", [[1000.0 * number + turn]])
            assert status == 200
            assert output[0][0] == 1000 * number + turn
            together.add(output[0][1])
        return together

    with ThreadPoolExecutor(24) as pool:
        together = set().union(*pool.map(ask, range(24)))
    assert max(together) > 1


def test_however_many_wait_so_many_are_answered_at_once(folder: Path) -> None:
    """And everybody who waits has a turn."""
    with serving(folder) as (netloc, process):
        clients = [Client(netloc) for _ in range(3 * AT_ONCE)]
        made_quick(clients[0], "rows", [[1.0]])
        for client in clients:  # its connection is with those that are answered together, then
            assert client("rows", [[1.0]])[0] == 200
        (worker,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        os.kill(int(worker), signal.SIGSTOP)
        try:
            for client in clients:
                client.ask("rows", [[2.0]])
        finally:
            os.kill(int(worker), signal.SIGCONT)
        answers = [client.answer() for client in clients]
    assert {status for status, _ in answers} == {200}
    assert max(output[0][1] for _, output in answers) == AT_ONCE


def test_one_bad_request_fails_alone(server: str) -> None:
    made_quick(Client(server), "rows", [[1.0]])

    def ask(number: int) -> list[int]:
        client = Client(server)
        return [client("rows", [[-1.0 if number == 3 else 1.0]])[0] for _ in range(30)]

    with ThreadPoolExecutor(12) as pool:
        found = list(pool.map(ask, range(12)))
    assert found == [[500 if number == 3 else 200] * 30 for number in range(12)]


def test_a_run_that_waits_keeps_nobody_else_waiting(server: str, folder: Path) -> None:
    client = Client(server)
    made_quick(client, "waits", "not")
    made_quick(client, "who", 1)
    assert client("who", 1)[1][1] == "express"
    ending = folder / "ending"
    with ThreadPoolExecutor(12) as pool:
        waiting = [pool.submit(Client(server), "waits", str(number)) for number in range(3)]
        try:
            deadline = time.monotonic() + DEADLINE
            while not all((folder / f"begun-{number}").exists() for number in range(3)):
                assert time.monotonic() < deadline
                time.sleep(0.01)
            others = [pool.submit(Client(server), "who", number) for number in range(8)]
            assert [other.result(DEADLINE)[1][0] for other in others] == list(range(8))
            assert client("who", 5)[1][0] == 5
            assert not any(one.done() for one in waiting)
        finally:
            ending.touch()
        assert [one.result(DEADLINE) for one in waiting] == [(200, str(number)) for number in range(3)]
    ending.unlink()
    made_quick(client, "who", 1)
    assert client("who", 2) == (200, [2, "express"])


@pytest.fixture(params=["together", "by threads"])
def either(request: pytest.FixtureRequest) -> str:
    """A server that answers quick calls together, and one that gives each to a thread."""
    found: str = request.getfixturevalue("server" if request.param == "together" else "by_threads")
    return found


def test_requests_that_come_in_one_piece_are_answered_in_their_order(either: str) -> None:
    server = either
    made_quick(Client(server), "picky", 1)
    sent = [*range(8), 13, *range(9, 12)]
    found = raw(server, b"".join(request("picky", number) for number in sent), len(sent))
    assert [status for status, _, _ in found] == [500 if number == 13 else 200 for number in sent]
    outputs = [json.loads(body).get("pipeline_output") for _, _, body in found]
    assert outputs == [None if number == 13 else number for number in sent]


def test_the_beginning_of_a_request_may_come_along_with_another(either: str) -> None:
    server = either
    made_quick(Client(server), "picky", 1)
    host, port = server.split(":")
    second = request("picky", 2)
    for cut in (10, len(second) - 3):  # within the head, and within the body
        with socket.create_connection((host, int(port)), timeout=DEADLINE) as connection:
            connection.sendall(request("picky", 1) + second[:cut])
            with connection.makefile("rb") as reader:
                assert json.loads(answer_of(reader)[2])["pipeline_output"] == 1
                time.sleep(0.05)
                connection.sendall(second[cut:])
                assert json.loads(answer_of(reader)[2])["pipeline_output"] == 2


UNUSUAL = unusual("picky", 5, fails=13, has_no_form=14)


@pytest.fixture(scope="module")
def by_threads(folder: Path) -> Iterator[str]:
    with serving(folder, "--threads", "1") as (netloc, _):
        yield netloc


@pytest.fixture(scope="module")
def by_gunicorn(folder: Path) -> Iterator[str]:
    with serving_by_gunicorn(folder, "my_app:app") as netloc:
        yield netloc


@pytest.mark.parametrize("kind", UNUSUAL)
@pytest.mark.parametrize("whose", ["server", "by_threads"])
def test_an_answer_is_the_same_whoever_gives_it(
    request: pytest.FixtureRequest, by_gunicorn: str, whose: str, kind: str
) -> None:
    server: str = request.getfixturevalue(whose)
    for netloc in (server, by_gunicorn):
        made_quick(Client(netloc), "picky", 1)
    ours, theirs = (raw(netloc, UNUSUAL[kind])[0] for netloc in (server, by_gunicorn))
    assert_same(kind, ours, theirs)


def test_requests_of_all_kinds_may_come_in_one_piece(either: str) -> None:
    """Gunicorn reads more than the request that it was asked for, and must go on with what it has."""
    made_quick(Client(either), "picky", 1)
    chunked = request("picky", 0, "Transfer-Encoding: chunked", body=b"")
    chunked = chunked.replace(b"Content-Length: 0\r\n", b"") + b'15\r\n{"pipeline_input": 3}\r\n0\r\n\r\n'
    queried = request("picky", 4).replace(b"/main", b"/main?a=b")
    sent = [request("picky", 1), queried, request("picky", 2), chunked, request("picky", 5)]
    found = raw(either, b"".join(sent), len(sent))
    assert [json.loads(body).get("pipeline_output") for _, _, body in found] == [1, 4, 2, 3, 5]


HOOKED = """
from my_app import app


@app.after_request
def show(response):
    response.headers["X-Hooked"] = "yes"
    return response
"""


def test_where_hooks_have_a_say_threads_answer_on_the_same_connection(folder: Path) -> None:
    (folder / "hooked.py").write_text(HOOKED)
    with started([*CHARIOTS, "serve", "hooked:app", "--port", "0", "--threads", "4"], folder) as (url, _):
        client = Client(urlsplit(url).netloc)
        made_quick(client, "who", 1)
        opened = client.connection.sock
        for number in range(20):
            status, output = client("who", number)
            assert (status, output[0], client.headers["X-Hooked"]) == (200, number, "yes")
            assert output[1] != "express"
        assert client.connection.sock is opened


def test_an_answer_without_known_length_comes_in_chunks(either: str) -> None:
    made_quick(Client(either), "picky", 1)
    host, port = either.split(":")
    with socket.create_connection((host, int(port)), timeout=DEADLINE) as connection:
        connection.sendall(request("picky", 1, "Accept: application/x-ndjson"))
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        assert answer.headers["Transfer-Encoding"] == "chunked"
        assert json.loads(answer.read().splitlines()[0]) == {"pipeline_output": 1}


def test_whoever_reads_slowly_keeps_nobody_waiting(server: str) -> None:
    client = Client(server)
    made_quick(client, "large", 1)
    host, port = server.split(":")
    with socket.create_connection((host, int(port)), timeout=DEADLINE) as slow:
        slow.sendall(request("large", 1))
        slow.recv(1)  # the answer has begun, and fits into no buffer
        assert [Client(server)("who", number)[1][0] for number in range(20)] == list(range(20))
        came = 1
        while came < 4_000_000:
            piece = slow.recv(2**20)
            assert piece
            came += len(piece)


def test_a_connection_is_there_for_more_after_a_while_without_requests(server: str) -> None:
    client = Client(server)
    made_quick(client, "who", 1)
    opened = client.connection.sock
    assert client("who", 1)[1][1] == "express"
    time.sleep(2.5)  # in which it has gone back to the loop of the worker
    assert client("who", 2) == (200, [2, "express"])
    assert client.connection.sock is opened


def test_a_request_in_pieces_is_put_together(server: str) -> None:
    made_quick(Client(server), "who", 1)
    host, port = server.split(":")
    whole = request("who", 7)
    with socket.create_connection((host, int(port)), timeout=DEADLINE) as connection:
        for sent in (whole, whole[:20], whole[20:-3], whole[-3:]):
            connection.sendall(sent)
            time.sleep(0.05)
        with connection.makefile("rb") as reader:
            for _ in range(2):
                assert json.loads(answer_of(reader)[2])["pipeline_output"][0] == 7


def test_every_request_is_counted_and_limited_as_everywhere(folder: Path) -> None:
    with serving(folder, "--threads", "4", "--rate-limit", "30/hour", "--access-log", "json") as (netloc, _):
        client = Client(netloc)
        found = [client("who", 1) for _ in range(35)]
        assert [status for status, _ in found] == [200] * 30 + [429] * 5
        assert found[29][1] == [1, "express"]
        assert client.headers["Retry-After"]
        assert client.headers["Content-Type"] == "application/problem+json"
        where = 'chariots_requests_total{method="POST",pipeline="who",route="/pipelines/<name>/main",'
        assert metric(netloc, where + 'service="my_app",status="200"}') == 30
        assert metric(netloc, 'chariots_requests_refused_total{reason="too-many-requests"}') == 5
        assert metric(netloc, 'chariots_requests_in_progress{service="my_app"}') <= 1  # whoever asks for it


def test_nothing_is_lost_when_the_server_is_told_to_stop(folder: Path) -> None:
    with serving(folder, "--threads", "4") as (netloc, process):
        made_quick(Client(netloc), "who", 1)
        began = threading.Barrier(9)

        def ask(number: int) -> tuple[int, bool]:
            client, told = Client(netloc), 0
            for turn in range(100_000):
                if turn == 5:
                    began.wait(DEADLINE)
                try:
                    status, output = client("who", number)
                except (ConnectionRefusedError, http.client.RemoteDisconnected):
                    return told, client.connection.sock is None
                assert (status, output[0]) == (200, number)
                told += 1
                if client.headers["Connection"] == "close":
                    return told, True
            return told, False

        with ThreadPoolExecutor(8) as pool:
            asking = [pool.submit(ask, number) for number in range(8)]
            began.wait(DEADLINE)
            process.send_signal(signal.SIGTERM)
            assert all(one.result(DEADLINE)[1] for one in asking)
        process.wait(DEADLINE)
        assert process.returncode == 0
