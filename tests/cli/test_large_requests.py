"""Is a large body received whole, wherever it breaks, and does nothing of it get into the next request?"""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from tests.cli.programs import CHARIOTS, DEADLINE, answer_of, started

APP = """
from chariots.pipelines import Pipeline, PipelinesServer
from chariots.pipelines.nodes import Node
from chariots.pipelines.ops import BaseOp


class Length(BaseOp):
    def execute(self, text: str) -> list:
        return [len(text), text[-3:]]


app = PipelinesServer([Pipeline([Node(Length(), ["__pipeline_input__"], "__pipeline_output__")], "length")], "my_app")
app.config["MAX_CONTENT_LENGTH"] = 8_000_000
"""
SIZES = (60_000, 65_510, 65_511, 65_537, 300_000, 5_000_000)  # of texts; bodies are large from 65,537 bytes on


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    folder = tmp_path_factory.mktemp("large")
    (folder / "my_app.py").write_text(APP)
    with started([*CHARIOTS, "serve", "my_app:app", "--port", "0", "--threads", "4"], folder) as (url, _):
        found = urlsplit(url).port
        assert found is not None
        yield found


def body(size: int) -> bytes:
    return json.dumps({"pipeline_input": "x" * (size - 3) + "end"}).encode()


def request(path: str, sent: bytes) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(sent)}\r\n\r\n".encode() + sent


def test_bodies_of_every_size_come_one_after_the_other_on_a_connection(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE)
    opened = None
    for size in (*SIZES, *reversed(SIZES)):
        connection.request("POST", "/pipelines/length/main", body(size), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        assert json.loads(answer.read())["pipeline_output"] == [size, "end"]
        opened = opened or connection.sock
        assert connection.sock is opened


def test_large_bodies_may_be_sent_without_waiting_for_the_answers(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=DEADLINE) as connection:
        connection.sendall(b"".join(request("/pipelines/length/main", body(size)) for size in SIZES))
        with connection.makefile("rb") as reader:
            for size in SIZES:
                assert json.loads(answer_of(reader)[2])["pipeline_output"] == [size, "end"]


def test_a_large_body_may_come_in_pieces(port: int) -> None:
    sent = request("/pipelines/length/main", body(200_000))
    with socket.create_connection(("127.0.0.1", port), timeout=DEADLINE) as connection:
        for start in range(0, len(sent), 50_000):
            connection.sendall(sent[start : start + 50_000])
            time.sleep(0.05)
        with connection.makefile("rb") as reader:
            assert json.loads(answer_of(reader)[2])["pipeline_output"] == [200_000, "end"]


def test_a_large_body_that_breaks_off_is_answered_and_ends_the_connection(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=DEADLINE) as connection:
        connection.sendall(request("/pipelines/length/main", body(200_000))[:-1])
        connection.shutdown(socket.SHUT_WR)
        with connection.makefile("rb") as reader:
            status, _, told = answer_of(reader)
            assert (status, "broke off" in json.loads(told)["detail"]) == (400, True)
            assert reader.read(1) == b""


def test_what_nobody_reads_of_a_body_is_no_request(port: int) -> None:
    """The body is one that would be a request if it were taken for one."""
    trap = request("/pipelines/length/main", body(100)) * 400
    assert 65_536 < len(trap) < 2**20
    with socket.create_connection(("127.0.0.1", port), timeout=DEADLINE) as connection:
        connection.sendall(request("/nothing/here", trap) + request("/pipelines/length/main", body(10)))
        with connection.makefile("rb") as reader:
            assert [answer_of(reader)[0] for _ in range(2)] == [404, 200]
        connection.settimeout(0.2)
        with pytest.raises(TimeoutError):
            connection.recv(1)


@pytest.mark.parametrize(
    ("path", "size", "status"), [("/nothing/here", 3_000_000, 404), ("/pipelines/length/main", 9_000_000, 413)]
)
def test_where_much_is_left_unread_the_connection_ends_after_the_answer(
    port: int, path: str, size: int, status: int
) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE)
    connection.request("POST", path, body(size), {"Content-Type": "application/json"})
    answer = connection.getresponse()
    assert (answer.status, answer.headers["Connection"]) == (status, "close")
