"""Does every failure come with the right status, and a sentence that says what to do?"""

from __future__ import annotations

import json
import sys
import traceback

import pytest

from chariots.errors import (
    BackendError,
    BodyTooLargeError,
    ConflictError,
    InputError,
    MalformedRequestError,
    UnknownNameError,
    UnreachableError,
)
from chariots.pipelines import Pipeline
from chariots.pipelines.nodes import Node
from chariots.pipelines.ops import BaseOp
from chariots.serving import PipelinesClient, PipelinesServer
from tests.serving.support import IN, OUT, AddOneOp, Boom, Echo, Http, is_odd, live, one_op


class Opaque:
    pass


class Unsendable(BaseOp):
    def execute(self, value):
        return {"rows": [1, Opaque()]}


def problem(answer, status):
    assert answer.status == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    found = answer.json()
    assert found["status"] == status
    assert {"type", "title", "detail", "request_id"} <= found.keys()
    return found


def test_an_unknown_pipeline_is_a_404_with_the_nearest_name(http):
    served = http(is_odd())
    for action in ("main", "versions", "load", "save"):
        found = problem(served.post(f"/pipelines/is_od/{action}"), 404)
        assert "Did you mean 'is_odd'?" in found["detail"]
    problem(served.request("GET", "/pipelines/is_od/health_check"), 404)


def test_the_client_raises_a_value_error_for_an_unknown_pipeline(client):
    caller = client(is_odd())
    for ask in (
        caller.call_pipeline,
        caller.load_pipeline,
        caller.save_pipeline,
        caller.pipeline_versions,
        caller.is_pipeline_loaded,
    ):
        with pytest.raises(UnknownNameError, match="is_odd"):
            ask("is_od")
    assert issubclass(UnknownNameError, ValueError)


def test_malformed_json_is_a_400(http):
    found = problem(http(is_odd()).post("/pipelines/is_odd/main", b'{"pipeline_input": '), 400)
    assert found["type"] == "urn:chariots:malformed-request"


def test_a_body_over_the_limit_is_a_413_and_the_next_request_is_answered():
    app = PipelinesServer([one_op(Echo(), "echo")], "limited")
    app.config["MAX_CONTENT_LENGTH"] = 1000
    with live(app) as url:
        served = Http(url)
        problem(served.post("/pipelines/echo/main", {"pipeline_input": "x" * 2000}), 413)
        assert served.post("/pipelines/echo/main", {"pipeline_input": "x"}).status == 200
        with pytest.raises(BodyTooLargeError, match="1,000"):
            PipelinesClient(url).call_pipeline("echo", "x" * 2000)


def test_a_failing_op_is_a_500_that_names_the_node_and_carries_the_stack(http):
    found = problem(http(one_op(Boom(), "explodes")).post("/pipelines/explodes/main", {"pipeline_input": 7}), 500)
    assert found["type"] == "urn:chariots:op-failed"
    assert "RuntimeError: cannot digest 7" in found["detail"]
    assert "node 'boom' of pipeline 'explodes'" in found["detail"]
    assert found["remote_stack"]["frames"][-1]["function"] == "execute"


def test_the_client_shows_the_op_and_its_remote_traceback(client):
    caller = client(one_op(Boom(), "explodes"))
    with pytest.raises(BackendError, match="node 'boom'") as raised:
        caller.call_pipeline("explodes", 7)
    assert isinstance(raised.value, ValueError)
    printed = "".join(traceback.format_exception(raised.value))
    assert "support.py" in printed
    assert 'raise RuntimeError(f"cannot digest {value!r}")' in printed
    assert "RuntimeError: cannot digest 7" in printed


def test_an_output_without_a_json_form_is_a_500_about_the_output(http, client):
    found = problem(http(one_op(Unsendable(), "odd")).post("/pipelines/odd/main", {"pipeline_input": 1}), 500)
    assert "output cannot be sent" in found["detail"]
    assert "pipeline_output.rows[1]" in found["detail"]
    assert "Opaque" in found["detail"]


def test_the_client_raises_a_backend_error_for_an_output_without_a_json_form(client):
    with pytest.raises(BackendError, match=r"pipeline_output\.rows\[1\]"):
        client(one_op(Unsendable(), "odd")).call_pipeline("odd", 1)


def test_an_input_without_a_json_form_is_refused_before_it_is_sent(client):
    with pytest.raises(TypeError, match=r"pipeline_input\[0\]"):
        client(one_op(Echo(), "echo")).call_pipeline("echo", [Opaque()])


@pytest.mark.parametrize(
    "raised", [UnknownNameError("not here"), InputError("not so"), MalformedRequestError("not that")]
)
def test_what_another_service_answered_an_op_is_the_ops_failure(http, raised):
    class Asks(BaseOp):
        def execute(self, value):
            raise raised

    found = problem(http(one_op(Asks(), "asks")).post("/pipelines/asks/main", {"pipeline_input": 1}), 500)
    assert str(raised) in found["detail"]


def test_an_op_that_exits_is_a_500_and_the_server_lives_on(http):
    class Exits(BaseOp):
        def execute(self, value):
            sys.exit(3)

    served = http(one_op(Exits(), "exits"))
    for _ in range(2):
        assert "sys.exit" in problem(served.post("/pipelines/exits/main", {"pipeline_input": 1}), 500)["detail"]


def test_an_error_that_cannot_be_printed_is_still_a_500(http):
    class MuteError(Exception):
        def __str__(self):
            raise ValueError("no words")

    class Raises(BaseOp):
        def execute(self, value):
            raise MuteError

    problem(http(one_op(Raises(), "mute")).post("/pipelines/mute/main", {"pipeline_input": 1}), 500)


def test_endless_recursion_in_an_op_is_a_500(http):
    class Deep(BaseOp):
        def execute(self, value):
            return self.execute(value)

    found = problem(http(one_op(Deep(), "deep")).post("/pipelines/deep/main", {"pipeline_input": 1}), 500)
    assert "RecursionError" in found["detail"]


@pytest.mark.parametrize("action", ["load", "save"])
def test_loading_and_saving_without_a_store_is_a_409_that_says_what_to_configure(http, client, action):
    found = problem(http(is_odd()).post(f"/pipelines/is_odd/{action}"), 409)
    assert "op_store_client" in found["detail"]
    caller = client(is_odd())
    with pytest.raises(ConflictError, match="op_store_client"):
        getattr(caller, f"{action}_pipeline")("is_odd")


def test_a_wrong_method_is_a_405_that_names_the_right_one(http):
    answer = http(is_odd()).request("GET", "/pipelines/is_odd/main")
    assert "POST" in answer.headers["Allow"]
    assert "POST" in problem(answer, 405)["detail"]


def test_a_server_that_is_not_there_is_an_unreachable_error():
    with live(PipelinesServer([], "gone")) as url:
        pass
    with pytest.raises(UnreachableError, match=url):
        PipelinesClient(url, retries=0).call_pipeline("any", 1)


def test_something_that_is_no_pipelines_server_is_told_apart(serve):
    from flask import Flask

    stranger = Flask("stranger")
    stranger.add_url_rule("/pipelines/any/main", "main", lambda: {"hello": "world"}, methods=["POST"])
    stranger.add_url_rule("/pipelines/any/versions", "versions", lambda: ["hello"], methods=["POST"])
    with live(stranger) as url:
        with pytest.raises(ValueError, match="not that of a pipelines server"):
            PipelinesClient(url).call_pipeline("any", 1)
        with pytest.raises(ValueError, match="pipelines server"):
            PipelinesClient(url).pipeline_versions("any")


def test_two_pipelines_of_one_name_are_refused():
    with pytest.raises(ValueError, match="two pipelines named 'is_odd'"):
        PipelinesServer([is_odd(), is_odd()], "twice")


def test_what_is_no_pipeline_is_refused():
    with pytest.raises(TypeError, match="not a pipeline"):
        PipelinesServer([AddOneOp()], "wrong")


def test_an_op_store_server_in_place_of_its_client_is_refused(tmp_path):
    from chariots.op_store import OpStoreServer
    from chariots.op_store.savers import FileSaver

    with pytest.raises(TypeError, match=r"call its client\(\)"):
        PipelinesServer([], "wrong", op_store_client=OpStoreServer(FileSaver(str(tmp_path))))


def test_a_request_id_comes_back_with_a_problem(http):
    answer = http(is_odd()).request("POST", "/pipelines/none/main", **{"X-Request-ID": "mine-1"})
    assert answer.headers["X-Request-ID"] == "mine-1"
    assert json.loads(answer.data)["request_id"] == "mine-1"


def test_the_failing_node_of_a_nested_pipeline_is_named(client):
    outer = Pipeline([Node(one_op(Boom(), "inner"), [IN], OUT)], "outer")
    with pytest.raises(BackendError, match="node 'boom' of pipeline 'inner'"):
        client(outer).call_pipeline("outer", 1)
