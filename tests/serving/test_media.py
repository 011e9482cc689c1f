"""Do arrays, tables and messages go into a pipeline and come out of it without becoming JSON?"""

from __future__ import annotations

import io
import json

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from chariots.errors import InputError, MediaTypeError, NotAcceptableError
from chariots.pipelines import Pipeline
from chariots.pipelines.nodes import Node
from chariots.pipelines.ops import BaseOp
from chariots.schema import arrow_tables, npy
from chariots.serving import media
from chariots.testing import TestPipelinesClient
from chariots.workers import JobStatus
from tests.serving.support import IN, OUT, AddOneOp, Boom, Constant, Echo, one_op
from tests.serving.test_inputs import taking

NPY, ARROW, MSGPACK = "application/x-npy", "application/vnd.apache.arrow.stream", "application/msgpack"
FRAME = pd.DataFrame({"a": [1.5, 2.0], "b": ["x", "y"]})


class Kind(BaseOp):
    """Tells what came."""

    def execute(self, value):
        return f"{type(value).__name__} {getattr(value, 'dtype', '')}".strip()


class Versed(BaseOp):
    """Wants floats of four bytes."""

    def execute(self, value: NDArray[np.float32]):
        return value


def send(http, name, body, content_type, accept=None, query=""):
    headers = {"Content-Type": content_type} | ({} if accept is None else {"Accept": accept})
    return http.post(f"/pipelines/{name}/main{query}", body, **headers)


def test_an_array_goes_in_and_out_as_npy(http):
    sent = np.arange(6, dtype=np.float32).reshape(2, 3)
    answer = send(http(one_op(Echo(), "echo")), "echo", npy.dumps(sent), NPY, NPY)
    assert (answer.status, answer.headers["Content-Type"]) == (200, NPY)
    got = np.load(io.BytesIO(answer.data), allow_pickle=False)
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, sent)
    assert json.loads(answer.headers["X-Chariots-Versions"]).keys() == {"echo"}
    assert answer.headers["X-Chariots-Job-Status"] == "done"


def test_a_table_goes_in_and_out_as_an_arrow_stream(http):
    answer = send(http(one_op(Echo(), "echo")), "echo", arrow_tables.dumps(FRAME), ARROW, ARROW)
    assert (answer.status, answer.headers["Content-Type"]) == (200, ARROW)
    pd.testing.assert_frame_equal(pa.ipc.open_stream(answer.data).read_all().to_pandas(), FRAME)
    assert json.loads(answer.headers["X-Chariots-Versions"]).keys() == {"echo"}


def test_a_message_goes_in_and_out_as_the_object_that_json_would_be(http):
    body = msgspec.msgpack.encode({"pipeline_input": {"a": [1, 2]}})
    served = http(one_op(Echo(), "echo"))
    answer = send(served, "echo", body, MSGPACK, MSGPACK)
    assert (answer.status, answer.headers["Content-Type"]) == (200, MSGPACK)
    as_json = served.post("/pipelines/echo/main", {"pipeline_input": {"a": [1, 2]}}).json()
    assert msgspec.msgpack.decode(answer.data) == as_json


@pytest.mark.parametrize("accept", [None, "*/*", "application/json", "text/html", "application/*;q=0.1", f"{NPY};q=0"])
def test_json_is_answered_where_nothing_else_is_asked_for(http, accept):
    answer = send(http(one_op(Echo(), "echo")), "echo", npy.dumps([1, 2]), NPY, accept)
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json()["pipeline_output"] == [1, 2]


def test_the_first_form_that_the_output_has_is_answered(http):
    served = http(one_op(Echo(), "echo"))
    body = {"pipeline_input": {"a": 1}}
    answer = send(served, "echo", body, "application/json", f"{NPY}, {ARROW};q=0.8, {MSGPACK};q=0.5")
    assert answer.headers["Content-Type"] == MSGPACK
    answer = send(served, "echo", body, "application/json", f"{NPY}, application/json;q=0.2")
    assert answer.json()["pipeline_output"] == {"a": 1}


def test_an_output_that_has_none_of_the_accepted_forms_is_a_406_that_says_why(http):
    answer = send(http(one_op(Echo(), "echo")), "echo", {"pipeline_input": {"a": 1}}, "application/json", NPY)
    assert answer.status == 406
    assert "dict is no array" in answer.json()["detail"]
    assert answer.json()["versions"].keys() == {"echo"}


@pytest.mark.parametrize("content_type", [NPY, f"{NPY}; version=1", "Application/X-NPY"])
def test_an_op_without_hint_gets_the_array_itself(http, content_type):
    answer = send(http(one_op(Kind(), "kind")), "kind", npy.dumps(np.int8([1])), content_type)
    assert answer.json()["pipeline_output"] == "ndarray int8"


@pytest.mark.parametrize(
    ("hint", "body", "content_type", "got"),
    [
        (np.ndarray, npy.dumps([[1, 2]]), NPY, ["ndarray", [[1, 2]]]),
        (np.ndarray | None, npy.dumps([[1, 2]]), NPY, ["ndarray", [[1, 2]]]),
        (pd.DataFrame, arrow_tables.dumps(FRAME), ARROW, ["DataFrame", FRAME.to_dict("records")]),
        (list[float], npy.dumps([1, 2]), NPY, ["list", [1.0, 2.0]]),
        (tuple[int, int], npy.dumps([1, 2]), NPY, ["tuple", [1, 2]]),
        (float, npy.dumps(2.5), NPY, ["float", 2.5]),
        (list[dict[str, int]], arrow_tables.dumps([{"a": 1}]), ARROW, ["list", [{"a": 1}]]),
        (bytes, msgspec.msgpack.encode({"pipeline_input": b"\xff"}), MSGPACK, ["bytes", "/w=="]),
    ],
)
def test_an_input_reaches_the_op_in_its_declared_type(http, hint, body, content_type, got):
    answer = send(http(one_op(taking(hint), "typed")), "typed", body, content_type)
    assert answer.json()["pipeline_output"] == got, answer.data


@pytest.mark.parametrize(
    ("hint", "body", "content_type", "place"),
    [
        (pd.DataFrame, npy.dumps([1]), NPY, []),
        (np.ndarray, arrow_tables.dumps(FRAME), ARROW, []),
        (float, npy.dumps([1]), NPY, []),
        (list[int], npy.dumps([1.5, 2.5]), NPY, [0]),
        (NDArray[np.int64], npy.dumps([1.5]), NPY, []),
        (NDArray[np.int8], npy.dumps([300]), NPY, []),
        (dict[str, int], msgspec.msgpack.encode({"pipeline_input": {"a": "b"}}), MSGPACK, ["a"]),
    ],
)
def test_an_input_of_another_type_is_a_422_that_names_the_place(http, hint, body, content_type, place):
    answer = send(http(one_op(taking(hint), "typed")), "typed", body, content_type)
    assert (answer.status, answer.headers["Content-Type"]) == (422, "application/problem+json")
    assert answer.json()["errors"][0]["loc"] == ["pipeline_input", *place]


def test_a_declared_element_type_costs_no_copy_where_it_is_the_one_that_came(http):
    sent = np.float32([1, 2])
    answer = send(http(one_op(Versed(), "versed")), "versed", npy.dumps(np.float64([1, 2])), NPY, NPY)
    assert npy.loads(answer.data).dtype == np.float32
    from chariots.serving.inputs import InputReader

    assert InputReader(one_op(Versed(), "versed")).read(sent) is sent


@pytest.mark.parametrize(
    ("body", "content_type", "reason"),
    [
        (b"[1, 2]", NPY, "magic string"),
        (b"[1, 2]", ARROW, "Arrow stream"),
        (b"\xc1", MSGPACK, "MessagePack"),
    ],
)
def test_a_body_that_is_not_what_it_says_is_a_400_that_says_so(http, body, content_type, reason):
    answer = send(http(one_op(Echo(), "echo")), "echo", body, content_type)
    assert (answer.status, answer.headers["Content-Type"]) == (400, "application/problem+json")
    assert reason in answer.json()["detail"]


@pytest.mark.parametrize("sent", [[1], 3, {1: 2}, {b"pipeline_input": 1}])
def test_a_message_that_is_no_object_is_a_422(http, sent):
    answer = send(http(one_op(Echo(), "echo")), "echo", msgspec.msgpack.encode(sent), MSGPACK)
    assert answer.status == 422
    assert "object" in answer.json()["detail"]


def test_an_empty_body_is_no_input_in_any_form(http):
    served = http(Pipeline([Node(Constant(), output_nodes=OUT)], "constant"), one_op(AddOneOp(), "one"))
    for content_type in (NPY, ARROW, MSGPACK):
        assert send(served, "constant", b"", content_type, NPY).status == 200
        assert send(served, "one", b"", content_type).status == 422


def test_an_array_for_a_worker_is_a_415_unless_the_request_wants_none(http):
    served = http(one_op(Echo(), "echo"), use_workers=True)
    answer = send(served, "echo", npy.dumps([1]), NPY)
    assert answer.status == 415
    assert "use_worker=false" in answer.json()["detail"]
    assert send(served, "echo", npy.dumps([1]), NPY, query="?use_worker=false").json()["pipeline_output"] == [1]
    assert send(served, "echo", npy.dumps([1]), NPY, query="?use_worker=no").status == 422


def test_a_failing_op_is_told_as_it_is_for_json(http):
    answer = send(http(one_op(Boom(), "boom")), "boom", npy.dumps([1]), NPY, NPY)
    assert (answer.status, answer.headers["Content-Type"]) == (500, "application/problem+json")
    assert "cannot digest" in answer.json()["detail"]


def test_versions_that_fill_a_header_are_left_out_of_it(http):
    names = [f"a node with a long name, number {number}" for number in range(200)]
    nodes = [Node(Echo(), [IN if at == 0 else names[at - 1]], name, name) for at, name in enumerate(names)]
    nodes[-1] = Node(Echo(), [names[-2]], OUT)
    answer = send(http(Pipeline(nodes, "long")), "long", npy.dumps([1]), NPY, NPY)
    assert answer.status == 200
    assert "X-Chariots-Versions" not in answer.headers


@pytest.mark.parametrize(
    ("content_type", "accept", "is_plain"),
    [
        (None, None, True),
        ("application/json; charset=utf-8", "*/*", True),
        ("application/x-www-form-urlencoded", "text/html, application/json;q=0.9", True),
        (f"{NPY}; version=1", None, False),
        ("application/json", f"{MSGPACK}, application/json;q=0.9", False),
        ("application/json", "text/event-stream", False),
    ],
)
def test_a_plain_call_is_told_apart_by_two_headers_alone(content_type, accept, is_plain):
    assert media.is_plain(content_type, accept) is is_plain


# -- the client ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["npy", "arrow", "msgpack", "json"])
def test_the_client_sends_and_gets_a_table_in_each_form_that_holds_one(client, form):
    sent = np.array([[1.5, 2.0]]) if form == "npy" else FRAME
    response = client(one_op(Echo(), "echo")).call_pipeline("echo", sent, format=form)
    if form == "npy":
        np.testing.assert_array_equal(response.value, sent)
    elif form == "arrow":
        pd.testing.assert_frame_equal(response.value, FRAME)
    else:
        assert response.value == FRAME.to_dict("records")
    assert response.versions.keys() == {"echo"}
    assert response.job_status is JobStatus.done
    assert response.job_id is None


def test_the_client_may_ask_for_another_form_than_it_sends(client):
    caller = client(one_op(Echo(), "echo"))
    assert isinstance(caller.call_pipeline("echo", [[1, 2]], answer_format="npy").value, np.ndarray)
    assert caller.call_pipeline("echo", np.array([1]), format="npy", answer_format="json").value == [1]
    assert isinstance(caller.call_pipeline("echo", np.eye(2), format="npy", answer_format="arrow").value, pd.DataFrame)


def test_the_client_gets_json_where_the_output_has_no_such_form(client):
    assert client(one_op(Kind(), "kind")).call_pipeline("kind", np.eye(2), format="arrow").value == "DataFrame"


def test_the_client_raises_what_was_wrong_in_any_form(client):
    caller = client(one_op(taking(pd.DataFrame), "typed"))
    with pytest.raises(InputError, match="pipeline_input should be"):
        caller.call_pipeline("typed", np.eye(2), format="npy")
    with pytest.raises(TypeError, match=r"which holds one array.*a data frame is several arrays"):
        caller.call_pipeline("typed", FRAME, format="npy")
    with pytest.raises(ValueError, match=r"'pickle' was given .* Give one of 'json', 'npy', 'arrow', 'msgpack'"):
        caller.call_pipeline("typed", FRAME, format="pickle")


def test_the_client_asks_for_no_job_with_an_input_that_a_worker_cannot_get(client):
    caller = client(one_op(Echo(), "echo"), use_workers=True)
    with pytest.raises(TypeError, match="a worker cannot get its input"):
        caller.call_pipeline("echo", np.eye(2), use_worker=True, format="npy")
    with pytest.raises(MediaTypeError):
        caller.call_pipeline("echo", np.eye(2), format="npy")
    assert caller.call_pipeline("echo", np.eye(2), use_worker=False, format="npy").value.shape == (2, 2)


def test_the_client_in_the_same_process_knows_the_forms_too():
    from chariots.serving import PipelinesServer

    caller = TestPipelinesClient(PipelinesServer([one_op(Echo(), "echo")], "app"))
    assert caller.call_pipeline("echo", np.eye(2), format="npy").value.shape == (2, 2)


def test_a_refusal_to_answer_in_a_form_is_a_typed_error():
    assert NotAcceptableError.status == 406
    assert issubclass(NotAcceptableError, ValueError)
