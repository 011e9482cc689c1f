"""Does the output of a generator come piece by piece, while it is made, and does its client learn how it ended?"""

from __future__ import annotations

import json
import logging
import threading

import numpy as np
import pytest
import urllib3

from chariots.pipelines.ops import BaseOp
from chariots.serving import PipelinesServer
from tests.serving.support import Echo, Http, live, one_op

LINES, EVENTS = "application/x-ndjson", "text/event-stream"


class Count(BaseOp):
    """Counts to a number, and fails after that where it is told to."""

    def execute(self, value: list[int]):
        upto, fails = value
        yield from range(upto)
        if fails:
            raise RuntimeError("lost count")


class Waiting(BaseOp):
    """Makes the second piece only when it may, and notes when it is closed."""

    def __init__(self):
        super().__init__()
        self.may_go_on, self.closed = threading.Event(), threading.Event()

    def __deepcopy__(self, memo):
        return self

    def execute(self, value):
        try:
            yield "first"
            assert self.may_go_on.wait(20)
            while True:
                yield "x" * 100_000
        finally:
            self.closed.set()


class Objects(BaseOp):
    def execute(self, value):
        yield np.arange(2)
        yield object()


def call(http, name, value, accept):
    return http.post(f"/pipelines/{name}/main", {"pipeline_input": value}, Accept=accept)


def lines(answer):
    return [json.loads(line) for line in answer.data.splitlines()]


def events(answer):
    found = []
    for block in answer.data.decode().split("\n\n")[:-1]:
        kind, data = block.split("\n")
        found.append((kind.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return found


@pytest.mark.parametrize("accept", [LINES, "*/*", f"application/json, {LINES};q=0.1"])
def test_a_generator_is_a_line_for_each_value(http, accept):
    answer = call(http(one_op(Count(), "count")), "count", [3, 0], accept)
    assert (answer.status, answer.headers["Content-Type"]) == (200, LINES)
    *outputs, last = lines(answer)
    assert outputs == [{"pipeline_output": number} for number in range(3)]
    assert last["job_status"] == "done"
    assert last["versions"].keys() == {"count"}
    assert json.loads(answer.headers["X-Chariots-Versions"]) == last["versions"]


def test_a_generator_is_an_event_for_each_value(http):
    answer = call(http(one_op(Count(), "count")), "count", [2, 0], EVENTS)
    assert (answer.status, answer.headers["Content-Type"]) == (200, EVENTS)
    *outputs, last = events(answer)
    assert outputs == [("output", 0), ("output", 1)]
    assert last[0] == "done"
    assert last[1].keys() == {"versions", "job_status"}


@pytest.mark.parametrize("accept", [LINES, EVENTS])
def test_an_empty_generator_is_an_end_alone(http, accept):
    answer = call(http(one_op(Count(), "count")), "count", [0, 0], accept)
    assert len(lines(answer) if accept == LINES else events(answer)) == 1


def test_an_output_that_is_no_generator_is_one_piece(http):
    assert lines(call(http(one_op(Echo(), "echo")), "echo", [1, 2], LINES))[0] == {"pipeline_output": [1, 2]}


def test_the_first_piece_is_there_before_the_second_is_made():
    op = Waiting()
    with live(PipelinesServer([one_op(op, "waiting")], "app")) as url:
        answer = urllib3.PoolManager().request(
            "POST",
            f"{url}/pipelines/waiting/main",
            body=b'{"pipeline_input": 1}',
            headers={"Accept": LINES},
            preload_content=False,
            timeout=20,
        )
        assert json.loads(answer.readline()) == {"pipeline_output": "first"}
        assert not op.closed.is_set()
        answer.close()  # the client goes away
        op.may_go_on.set()
        assert op.closed.wait(20), "the op was left hanging"


def test_a_failure_before_the_first_piece_is_an_ordinary_failure(http):
    answer = call(http(one_op(Count(), "count")), "count", [0, 1], LINES)
    assert (answer.status, answer.headers["Content-Type"]) == (500, "application/problem+json")
    assert "lost count" in answer.json()["detail"]


def test_a_failure_after_it_ends_the_stream_with_the_problem(http, caplog):
    served = http(one_op(Count(), "count"))
    answer = call(served, "count", [1, 1], LINES)
    assert answer.status == 200
    last = lines(answer)[-1]
    assert last["job_status"] == "failed"
    assert last["error"]["type"] == "urn:chariots:op-failed"
    assert "RuntimeError: lost count" in last["error"]["detail"]
    assert last["error"]["request_id"] == answer.headers["X-Request-ID"]
    assert [kind for kind, _ in events(call(served, "count", [1, 1], EVENTS))] == ["output", "problem"]
    assert any("lost count" in (record.exc_text or "") for record in caplog.records if record.levelno >= logging.ERROR)


def test_a_piece_that_cannot_be_sent_ends_the_stream_with_the_problem(http):
    *outputs, last = lines(call(http(one_op(Objects(), "objects")), "objects", 1, LINES))
    assert outputs == [{"pipeline_output": [0, 1]}]
    assert last["error"]["type"] == "urn:chariots:output-not-encodable"


def test_a_handler_of_the_app_answers_what_fails_before_the_first_piece():
    app = PipelinesServer([one_op(Count(), "count")], "app")

    @app.errorhandler(RuntimeError)
    def teapot(error):
        return str(error), 418

    with live(app) as url:
        answer = call(Http(url), "count", [0, 1], LINES)
    assert (answer.status, answer.data) == (418, b"lost count")


def test_json_alone_is_refused_with_a_way_out(http):
    served = http(one_op(Count(), "count"))
    answer = call(served, "count", [1, 0], "application/json")
    assert answer.status == 500
    assert "application/x-ndjson" in answer.json()["detail"]
