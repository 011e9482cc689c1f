"""Does a client get what a generator makes piece by piece, and does it learn how that ended?"""

from __future__ import annotations

import json
import threading

import numpy as np
import pytest

from chariots.errors import BackendError, ConflictError, RemoteTraceback, UnknownNameError, UnreachableError
from chariots.pipelines.ops import BaseOp
from chariots.serving import PipelinesServer
from chariots.testing import TestPipelinesClient
from tests.frame.serving import flask_run
from tests.serving.conftest import clients
from tests.serving.job_pool import StagedPool
from tests.serving.support import Echo, live, one_op
from tests.serving.test_jobs_client import Whole
from tests.serving.test_streams import Count, Objects, Waiting
from tests.web.servers import answer, answers, read_request, reset, scripted

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n"
ENDLESS = """
import time
from flask import Flask
from chariots import Node, Pipeline, PipelinesServer
from chariots.ops import BaseOp

class Endless(BaseOp):
    def execute(self, value):
        while True:
            yield value
            time.sleep(0.05)

app = PipelinesServer([Pipeline([Node(Endless(), ["__pipeline_input__"], "__pipeline_output__")], "endless")], "app")
"""


class Sums(BaseOp):
    def execute(self, rows: np.ndarray):
        for row in rows:
            yield row.sum()


class Large(BaseOp):
    def execute(self, size: int):
        yield "é" * size
        yield [size]


def chunk(data):
    return b"%x\r\n%b\r\n" % (len(data), data)


@pytest.fixture(params=["threads", "asyncio", "in_process", "whole"])
def caller(request, serve):
    """Serves pipelines; gives either client over a socket, one without, and one that gets answers as a whole only."""
    if request.param in ("threads", "asyncio"):
        with clients(request.param) as make:
            yield lambda *pipelines, **options: make(serve(*pipelines, **options))
        return
    kind = TestPipelinesClient if request.param == "in_process" else Whole
    yield lambda *pipelines, **options: kind(PipelinesServer(pipelines, "tests_app", **options))


def test_a_generator_gives_its_pieces_and_the_versions(caller):
    count = one_op(Count(), "count")
    pieces = caller(count).stream_pipeline(count, [3, 0])
    assert pieces.versions == {}
    assert next(pieces) == 0
    assert pieces.versions == count.versions()
    assert list(pieces) == [1, 2]
    assert pieces.versions == count.versions()


def test_a_generator_that_makes_nothing_gives_nothing_but_the_versions(caller):
    pieces = caller(one_op(Count(), "count")).stream_pipeline("count", [0, 0])
    assert list(pieces) == []
    assert pieces.versions.keys() == {"count"}


def test_a_pipeline_without_a_generator_gives_its_one_output(caller):
    assert list(caller(one_op(Echo(), "echo")).stream_pipeline("echo", {"a": [1]})) == [{"a": [1]}]


def test_the_input_is_sent_in_any_form(caller):
    sums = caller(one_op(Sums(), "sums"))
    rows = np.array([[1.0, 2.0], [3.0, 4.0]])
    for form in ("json", "npy", "msgpack"):
        assert list(sums.stream_pipeline("sums", rows.tolist() if form == "msgpack" else rows, format=form)) == [3, 7]


def test_large_pieces_come_whole(caller):
    size = 3_000_000
    assert list(caller(one_op(Large(), "large")).stream_pipeline("large", size)) == ["é" * size, [size]]


def test_a_failure_before_the_first_piece_is_raised_as_that_of_a_call(caller):
    count = caller(one_op(Count(), "count"))
    with pytest.raises(BackendError, match="RuntimeError: lost count") as caught:
        list(count.stream_pipeline("count", [0, 1]))
    assert 'raise RuntimeError("lost count")' in str(caught.value.__cause__)
    with pytest.raises(UnknownNameError, match="Did you mean 'count'"):
        next(count.stream_pipeline("coun"))


def test_a_failure_in_the_middle_is_raised_after_the_pieces_with_the_stack_on_the_server(caller):
    pieces = caller(one_op(Count(), "count")).stream_pipeline("count", [2, 1])
    assert [next(pieces), next(pieces)] == [0, 1]
    with pytest.raises(BackendError, match="RuntimeError: lost count") as caught:
        next(pieces)
    assert isinstance(caught.value.__cause__, RemoteTraceback)
    assert 'raise RuntimeError("lost count")' in str(caught.value.__cause__)
    assert caught.value.extra["request_id"]
    assert list(pieces) == []


def test_a_piece_that_cannot_be_sent_is_a_backend_error_as_in_a_call(caller):
    objects = caller(one_op(Objects(), "objects"))
    pieces = objects.stream_pipeline("objects", 1)
    assert next(pieces) == [0, 1]
    with pytest.raises(BackendError, match="object"):
        next(pieces)


def test_no_worker_is_asked(caller):
    pool = StagedPool()
    served = caller(one_op(Count(), "count", use_worker=True), worker_pool=pool)
    assert list(served.stream_pipeline("count", [2, 0])) == [0, 1]
    assert not pool.known


@pytest.mark.parametrize("leave", ["close", "with"])
def test_whoever_leaves_early_ends_the_generator(connect, leave):
    op = Waiting()
    with live(PipelinesServer([one_op(op, "waiting")], "app")) as url:
        pieces = connect(url).stream_pipeline("waiting", 1)
        if leave == "with":
            with pieces:
                assert next(pieces) == "first"  # the second is not made yet
                assert not op.closed.is_set()
        else:
            assert next(pieces) == "first"
            pieces.close()
        op.may_go_on.set()
        assert op.closed.wait(20), "the op was left hanging"


def test_in_the_same_process_the_generator_goes_on_when_it_is_asked_and_ends_with_the_iterator():
    op = Waiting()
    with TestPipelinesClient(PipelinesServer([one_op(op, "waiting")], "app")).stream_pipeline("waiting", 1) as pieces:
        assert next(pieces) == "first"
        assert not op.closed.is_set()
    assert op.closed.is_set()


def test_a_server_that_is_killed_in_the_middle_is_a_broken_connection(connect, tmp_path):
    (tmp_path / "endless.py").write_text(ENDLESS)
    with flask_run(tmp_path, "--app", "endless:app", log=tmp_path / "server.log") as (url, server):
        pieces = connect(url).stream_pipeline("endless", "on")
        assert [next(pieces), next(pieces)] == ["on", "on"]
        server.kill()
        with pytest.raises(UnreachableError, match=r"was not answered: the (connection broke|answer broke off)"):
            list(pieces)


def test_an_answer_that_ends_without_a_last_line_broke_off(connect):
    def cut(connection, state):
        read_request(connection)
        connection.sendall(HEAD + chunk(b'{"pipeline_output": 1}\n') + chunk(b""))

    with scripted(cut) as server:
        pieces = connect(server.url).stream_pipeline("p", 1)
        assert next(pieces) == 1
        with pytest.raises(UnreachableError, match=r"p/main was not answered: the answer broke off after 1 piece,"):
            next(pieces)


def test_a_connection_that_breaks_in_the_middle_is_told_as_such(connect):
    is_read = threading.Event()

    def breaking(connection, state):
        read_request(connection)
        connection.sendall(HEAD + chunk(b'{"pipeline_output": 1}\n'))
        is_read.wait(20)  # for a reset would overtake it
        reset(connection)

    with scripted(breaking) as server:
        pieces = connect(server.url).stream_pipeline("p", 1)
        assert next(pieces) == 1
        is_read.set()
        with pytest.raises(UnreachableError, match=r"was not answered: the (connection broke|answer broke off)"):
            next(pieces)


def test_a_piece_that_takes_longer_than_the_timeout_is_given_up(connect):
    def stalling(connection, state):
        read_request(connection)
        connection.sendall(HEAD + chunk(b'{"pipeline_output": 1}\n'))
        connection.recv(1)

    with scripted(stalling) as server:
        pieces = connect(server.url, timeout=1).stream_pipeline("p", 1)
        assert next(pieces) == 1
        with pytest.raises(UnreachableError, match=r"was not answered within 1 s"):
            next(pieces)


def test_a_stream_is_not_asked_for_again_once_it_was_sent(connect):
    with scripted(answers(answer(503, b"busy"))) as server:
        with pytest.raises(UnreachableError, match="503"):
            next(connect(server.url).stream_pipeline("p", 1))
        assert len(server.requests) == 1


def test_pieces_are_read_wherever_the_bytes_are_cut(connect):
    lines = [{"pipeline_output": "äö\n"}, {"pipeline_output": None}, {"versions": {}, "job_status": "done"}]
    text = b"".join(json.dumps(line).encode() + b"\n" for line in lines)

    def trickling(connection, state):
        read_request(connection)
        connection.sendall(HEAD)
        for byte in text:
            connection.sendall(chunk(bytes([byte])))
        connection.sendall(chunk(b""))
        read_request(connection)

    with scripted(trickling) as server:
        assert list(connect(server.url).stream_pipeline("p", 1)) == ["äö\n", None]


@pytest.mark.parametrize(("value", "error", "said"), [
    (b'{"pipeline_output": 7, "versions": {}}', None, 7),
    (b'{"pipeline_output": null, "job_id": "j", "job_status": "queued"}', ConflictError, r"client\.wait\('j'\)"),
    (b"[1]", ValueError, "not with an object"),
])  # fmt: skip
def test_a_server_that_knows_no_streams_gives_its_one_answer(connect, value, error, said):
    with scripted(answers(answer(200, value, "Content-Type: application/json"))) as server:
        pieces = connect(server.url).stream_pipeline("p", 1)
        if error is None:
            assert list(pieces) == [said]
        else:
            with pytest.raises(error, match=said):
                next(pieces)


@pytest.mark.parametrize("line", [b"<html>\n", b"[1]\n"])
def test_lines_that_are_none_of_a_pipelines_server_are_shown(connect, line):
    with (
        scripted(answers(answer(200, line, "Content-Type: application/x-ndjson"))) as server,
        pytest.raises(ValueError, match="a line that is not an object in JSON"),
    ):
        list(connect(server.url).stream_pipeline("p", 1))


def test_several_streams_of_one_client_are_read_in_turn(connect, serve):
    caller = connect(serve(one_op(Count(), "count")))
    streams = [caller.stream_pipeline("count", [3, 0]) for _ in range(5)]
    assert [next(pieces) for _ in range(3) for pieces in streams] == [0] * 5 + [1] * 5 + [2] * 5


def test_one_stream_serves_one_thread_at_a_time_and_others_go_on(connect, serve):
    caller = connect(serve(one_op(Count(), "count")))
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(sum(caller.stream_pipeline("count", [50, 0])))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [1225] * 4
