"""Do the clients of other servers, Triton's for one, call pipelines by the Open Inference Protocol?"""

from __future__ import annotations

import json
import re
import struct
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
import tritonclient.http as triton
from numpy.typing import NDArray
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from chariots import __version__
from chariots.pipelines import Pipeline
from chariots.pipelines.nodes import Node
from chariots.pipelines.ops import BaseOp
from tests.serving.support import IN, OUT, AddOneOp, Boom, Constant, Echo, iris, one_op
from tests.serving.test_inputs import taking

ROWS = np.array([[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3]])


class Columns(BaseOp):
    """Doubles the numbers of a table."""

    def execute(self, table: pd.DataFrame):
        return table.assign(number=table["number"] * 2)


@dataclass
class Offer:
    prices: NDArray[np.float64]
    names: list[str]


class Offers(BaseOp):
    def execute(self, offer: Offer):
        return {"total": offer.prices.sum(), "names": [name.upper() for name in offer.names]}


class Pair(BaseOp):
    def execute(self, value):
        return value, value + 1


class Nothing(BaseOp):
    def execute(self, value):
        return {"a": object()}


@pytest.fixture
def served(http):
    """Serves pipelines; gives Triton's client, and something that sends them bytes."""
    clients = []

    def start(*pipelines, **arguments):
        sender = http(*pipelines, **arguments)
        clients.append(triton.InferenceServerClient(sender.url.removeprefix("http://")))
        return clients[-1], sender

    yield start
    for client in clients:
        client.close()


@pytest.fixture
def trained(embedded):
    """The iris pipelines, trained and loaded; gives Triton's client, and one of ours."""
    ours = embedded(*iris())
    ours.call_pipeline("train")
    ours.save_pipeline("train")
    ours.load_pipeline("pred")
    theirs = triton.InferenceServerClient(ours.backend_url.removeprefix("http://"))
    yield theirs, ours
    theirs.close()


def tensor(name, array, binary=True):
    found = triton.InferInput(name, list(array.shape), np_to_triton_dtype(array.dtype))
    found.set_data_from_numpy(array, binary_data=binary)
    return found


def infer(sender, name, inputs, **members):
    return sender.post(f"/v2/models/{name}/infer", {"inputs": inputs, **members})


# -- Triton's client ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("binary", [True, False])
def test_a_model_predicts_for_the_client_of_triton(trained, binary):
    theirs, ours = trained
    outputs = None if binary else [triton.InferRequestedOutput("pipeline_output", binary_data=False)]
    result = theirs.infer("pred", [tensor("x", ROWS, binary)], outputs=outputs, request_id="42")
    np.testing.assert_array_equal(result.as_numpy("pipeline_output"), ours.call_pipeline("pred", ROWS).value)
    answer = result.get_response()
    assert answer["id"] == "42"
    assert answer["model_name"] == "pred"
    assert [answer["model_version"]] == theirs.get_model_metadata("pred")["versions"]
    assert ("data" in answer["outputs"][0]) is not binary


def test_the_metadata_of_a_model_says_what_it_takes_and_gives(trained):
    described = trained[0].get_model_metadata("pred")
    assert described["name"] == "pred"
    assert described["platform"] == "chariots"
    assert described["inputs"] == [{"name": "pipeline_input", "datatype": "FP64", "shape": [-1, 4]}]
    assert described["outputs"] == [{"name": "pipeline_output", "datatype": "INT64", "shape": [-1]}]


def test_a_version_may_be_asked_for_and_another_one_is_not_there(trained):
    theirs, ours = trained
    version = theirs.get_model_metadata("pred")["versions"][0]
    assert theirs.is_model_ready("pred", version)
    assert theirs.infer("pred", [tensor("x", ROWS)], model_version=version).as_numpy("pipeline_output").shape == (2,)
    ours.call_pipeline("train")
    ours.save_pipeline("train")
    ours.load_pipeline("pred")
    assert not theirs.is_model_ready("pred", version)
    with pytest.raises(InferenceServerException, match=r"\[404\] version .* is in service") as raised:
        theirs.infer("pred", [tensor("x", ROWS)], model_version=version)
    assert raised.value.status() == "404"
    assert theirs.get_model_metadata("pred")["versions"] != [version]


def test_the_client_of_triton_asks_how_the_server_is(served):
    theirs, _ = served(one_op(Echo(), "echo"))
    assert theirs.is_server_live()
    assert theirs.is_server_ready()
    assert theirs.is_model_ready("echo")
    assert not theirs.is_model_ready("eco")
    found = theirs.get_server_metadata()
    assert found == {"name": "tests_app", "version": __version__, "extensions": ["binary_tensor_data"]}


def test_a_model_that_is_not_loaded_is_a_503_in_the_words_of_the_protocol(embedded):
    ours = embedded(*iris())
    theirs = triton.InferenceServerClient(ours.backend_url.removeprefix("http://"))
    assert not theirs.is_model_ready("pred")
    with pytest.raises(InferenceServerException, match=r"\[503\] .*pred"):
        theirs.infer("pred", [tensor("x", ROWS)])
    theirs.close()


ARRAYS = [
    np.array([[True, False]]),
    *(np.array([[0, 1], [2, 100]], kind) for kind in ("u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8")),
    *(np.array([0.5, -1.25], kind) for kind in ("f2", "f4", "f8")),
    np.array([["a", "ü", ""]], object),
    np.zeros((0, 3)),
]


@pytest.mark.parametrize("array", ARRAYS, ids=[f"{array.dtype}{list(array.shape)}" for array in ARRAYS])
@pytest.mark.parametrize("binary", [True, False], ids=["binary", "json"])
def test_every_datatype_goes_in_and_out_unchanged(served, array, binary):
    theirs, _ = served(one_op(Echo(), "echo"))
    outputs = [triton.InferRequestedOutput("pipeline_output", binary_data=binary)]
    got = theirs.infer("echo", [tensor("x", array, binary)], outputs=outputs).as_numpy("pipeline_output")
    assert (got.dtype, got.shape) == (array.dtype, array.shape)
    texts = np.array([one.decode() if isinstance(one, bytes) else one for one in got.ravel()]).reshape(got.shape)
    np.testing.assert_array_equal(texts, array.astype(texts.dtype))


def test_several_tensors_are_the_columns_of_a_table(served):
    theirs, _ = served(one_op(Columns(), "columns"))
    sent = [tensor("number", np.array([1.5, 2.0])), tensor("text", np.array([["x"], ["y"]], object))]
    result = theirs.infer("columns", sent)
    assert result.as_numpy("number").tolist() == [3.0, 4.0]
    assert result.as_numpy("text").tolist() == [b"x", b"y"]
    only = theirs.infer("columns", sent, outputs=[triton.InferRequestedOutput("text")]).get_response()
    assert [output["name"] for output in only["outputs"]] == ["text"]


def test_several_tensors_are_the_members_of_an_object_where_one_is_declared(served):
    theirs, _ = served(one_op(Offers(), "offers"))
    sent = [tensor("prices", np.array([1.0, 2.5])), tensor("names", np.array(["a", "b"], object))]
    result = theirs.infer("offers", sent)
    assert result.as_numpy("total").tolist() == [3.5]
    assert result.as_numpy("names").tolist() == [b"A", b"B"]


def test_several_values_are_several_outputs(served):
    theirs, _ = served(one_op(Pair(), "pair"))
    result = theirs.infer("pair", [tensor("x", np.array([1]))])
    assert result.as_numpy("pipeline_output_0").tolist() == [1]
    assert result.as_numpy("pipeline_output_1").tolist() == [2]


@pytest.mark.parametrize(("hint", "value"), [(float, 2.5), (int, 3), (bool, True), (str, "text")])
def test_a_tensor_of_one_element_is_a_single_value_where_that_is_declared(served, hint, value):
    class Single(BaseOp):
        def execute(self, value):
            return type(value).__name__

    Single.execute.__annotations__["value"] = hint
    theirs, _ = served(one_op(Single(), "single"))
    array = np.array([value], object if hint is str else hint)
    assert theirs.infer("single", [tensor("x", array)]).as_numpy("pipeline_output").tolist() == [hint.__name__.encode()]
    assert theirs.get_model_metadata("single")["inputs"][0]["shape"] == [1]


def test_a_failing_op_is_a_500_in_the_words_of_the_protocol(served):
    theirs, sender = served(one_op(Boom(), "boom"))
    with pytest.raises(InferenceServerException, match=r"\[500\] pipeline 'boom' failed: RuntimeError: cannot digest"):
        theirs.infer("boom", [tensor("x", np.array([1]))])
    answer = infer(sender, "boom", [{"name": "x", "shape": [1], "datatype": "INT8", "data": [1]}])
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json().keys() == {"error"}


# -- the examples of the protocol ---------------------------------------------------------------------------------


def test_the_example_of_the_binary_extension_is_read_and_answered_in_kind(http):
    class Two(BaseOp):
        def execute(self, tensors: dict[str, np.ndarray]):
            return {"output0": np.float32([[1.0, 1.1], [2.0, 2.1], [3.0, 3.1]]), "sum": tensors["input0"].sum()}

    text = json.dumps(
        {
            "inputs": [
                {"name": "input0", "shape": [2, 2], "datatype": "UINT32", "parameters": {"binary_data_size": 16}},
                {"name": "input1", "shape": [3], "datatype": "BOOL", "parameters": {"binary_data_size": 3}},
            ],
            "outputs": [{"name": "output0", "parameters": {"binary_data": True}}],
        }
    ).encode()
    body = text + struct.pack("<4I", 1, 2, 3, 4) + b"\x01\x00\x01"
    headers = {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": str(len(text))}
    answer = http(one_op(Two(), "mymodel")).post("/v2/models/mymodel/infer", body, **headers)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/octet-stream")
    length = int(answer.headers["Inference-Header-Content-Length"])
    described = {"name": "output0", "datatype": "FP32", "shape": [3, 2], "parameters": {"binary_data_size": 24}}
    assert json.loads(answer.data[:length])["outputs"] == [described]
    assert struct.unpack("<6f", answer.data[length:]) == struct.unpack("<6f", np.float32([1, 1.1, 2, 2.1, 3, 3.1]))


def test_the_example_of_the_protocol_is_answered_as_json_with_its_id(http):
    sent = [{"name": "input0", "shape": [2, 2], "datatype": "UINT32", "data": [1, 2, 3, 4]}]
    answer = infer(http(one_op(AddOneOp(), "one")), "one", sent, id="42", outputs=[{"name": "pipeline_output"}])
    assert answer.status == 200
    body = answer.json()
    assert body.pop("model_version").count(".") == 2
    output = {"name": "pipeline_output", "datatype": "UINT32", "shape": [2, 2], "data": [2, 3, 4, 5]}
    assert body == {"model_name": "one", "id": "42", "outputs": [output]}
    assert json.loads(answer.headers["X-Chariots-Versions"]).keys() == {"addoneop"}


def test_nested_data_is_read_as_flat_data_is(http):
    sent = [{"name": "x", "shape": [2, 2], "datatype": "INT64", "data": [[1, 2], [3, 4]]}]
    assert infer(http(one_op(Echo(), "echo")), "echo", sent).json()["outputs"][0]["data"] == [1, 2, 3, 4]


@pytest.mark.parametrize("parameters", [{"content_type": "pd"}, {}])
def test_one_tensor_is_a_table_where_the_clients_of_mlserver_say_so(http, parameters):
    class Kind(BaseOp):
        def execute(self, value):
            return type(value).__name__

    sent = [{"name": "x", "shape": [2, 1], "datatype": "INT64", "data": [1, 2]}]
    answer = infer(http(one_op(Kind(), "kind")), "kind", sent, parameters=parameters)
    assert answer.json()["outputs"][0]["data"] == ["DataFrame" if parameters else "ndarray"]


def test_a_pipeline_that_takes_nothing_is_called_with_no_tensors(http):
    served = http(Pipeline([Node(Constant(), output_nodes=OUT)], "constant"))
    assert served.request("GET", "/v2/models/constant").json()["inputs"] == []
    assert infer(served, "constant", []).json()["outputs"][0]["data"] == [42]


@pytest.mark.parametrize(
    ("hint", "datatype", "shape"),
    [
        (np.ndarray, "FP64", [-1]),
        (NDArray[np.float32], "FP32", [-1]),
        (NDArray[np.float32] | None, "FP32", [-1]),
        (list[list[int]], "INT64", [-1, -1]),
        (tuple[float, float], "FP64", [2]),
        (np.int8, "INT8", [1]),
        (list[str], "BYTES", [-1]),
        (dict[str, int], "FP64", [-1]),
    ],
)
def test_the_metadata_says_what_the_hints_say(http, hint, datatype, shape):
    described = http(one_op(taking(hint), "typed")).request("GET", "/v2/models/typed").json()
    assert described["inputs"] == [{"name": "pipeline_input", "datatype": datatype, "shape": shape}]


# -- what is refused ----------------------------------------------------------------------------------------------

GOOD = {"name": "x", "shape": [2], "datatype": "INT8", "data": [1, 2]}


@pytest.mark.parametrize(
    ("inputs", "reason"),
    [
        ("none", r"inputs should be a list of tensors, not text 'none'"),
        ([3], r"inputs\[0\] should be a tensor"),
        ([GOOD | {"name": ""}], r"inputs\[0\].name should be a name"),
        ([GOOD, GOOD], r"inputs\[1\].name should be a new name, not 'x'"),
        ([GOOD | {"datatype": "INT"}], r"datatype should be one of BOOL, .*Did you mean"),
        ([GOOD | {"shape": [3]}], r"data should be 3 elements .*not 2"),
        ([GOOD | {"shape": [-1]}], r"shape should be a list of at most 32 lengths"),
        ([GOOD | {"shape": [0, 2**70], "data": []}], r"data should be a shape that can be"),
        ([GOOD | {"shape": [10**30]}], r"data should be .* elements"),
        ([GOOD | {"data": [1, 300]}], r"data should be lists of int8, all of them in its range"),
        ([GOOD | {"data": ["a", "b"]}], r"data should be lists of int8"),
        ([GOOD | {"data": [1, [2]]}], r"data should be lists of the same length"),
        ([GOOD | {"data": None}], r"data should be a list"),
        ([GOOD | {"datatype": "BYTES"}], r"data should be text, in lists, not the number"),
        ([GOOD | {"parameters": {"binary_data_size": 2}}], r"binary_data_size should be the size of its data"),
        ([GOOD | {"parameters": {"shared_memory_region": "r"}}], r"without shared memory"),
        ([GOOD | {"parameters": 3}], r"parameters should be an object"),
        ([GOOD, GOOD | {"name": "y", "shape": [1], "data": [1]}], r"inputs\[1\].shape should be \[2\] or \[2, 1\]"),
    ],
)
def test_a_tensor_that_cannot_be_is_a_400_that_names_the_place(http, inputs, reason):
    answer = infer(http(one_op(Echo(), "echo")), "echo", inputs)
    assert answer.status == 400, answer.data
    assert answer.json().keys() == {"error"}
    assert re.search(reason, answer.json()["error"]), answer.json()


@pytest.mark.parametrize(
    ("body", "headers", "status", "reason"),
    [
        (b"not json", {}, 400, "JSON"),
        (b"[]", {}, 400, "the request should be an object"),
        (b"{}", {"Inference-Header-Content-Length": "9"}, 400, "should be the length of the JSON"),
        (b"{}", {"Inference-Header-Content-Length": "-1"}, 400, "should be the length of the JSON"),
        (b'{"inputs":[]}xx', {"Inference-Header-Content-Length": "13"}, 400, "2 binary bytes"),
        (b'{"inputs":[],"id":3}', {}, 400, "id should be text"),
        (b'{"inputs":[]}', {"Content-Encoding": "gzip"}, 415, "gzip"),
        (json.dumps({"inputs": [GOOD], "outputs": [{"name": "y"}]}).encode(), {}, 404, "It has 'pipeline_output'"),
        (json.dumps({"inputs": [GOOD], "outputs": 3}).encode(), {}, 400, "a list of outputs"),
        (
            json.dumps({"inputs": [GOOD], "outputs": [{"name": "x", "parameters": {"classification": 1}}]}).encode(),
            {},
            400,
            "without 'classification'",
        ),
    ],
)
def test_a_request_that_cannot_be_is_refused_in_the_words_of_the_protocol(http, body, headers, status, reason):
    answer = http(one_op(Echo(), "echo")).post("/v2/models/echo/infer", body, **headers)
    assert (answer.status, answer.headers["Content-Type"]) == (status, "application/json")
    assert reason in answer.json()["error"]


@pytest.mark.parametrize(
    ("datatype", "data", "shape", "reason"),
    [
        ("INT32", b"\x00" * 7, [2], "a multiple of 4 bytes"),
        ("BOOL", b"\x02", [1], "bytes of 0 and 1"),
        ("BYTES", b"\x05\x00\x00\x00abc", [1], "texts with their lengths"),
        ("BYTES", b"\x05\x00", [1], "texts with their lengths"),
        ("BYTES", b"\x01\x00\x00\x00\xff", [1], "text in UTF-8"),
        ("FP32", b"\x00" * 8, [3], "3 elements"),
    ],
)
def test_binary_data_that_is_none_is_refused(http, datatype, data, shape, reason):
    entry = {"name": "x", "shape": shape, "datatype": datatype, "parameters": {"binary_data_size": len(data)}}
    text = json.dumps({"inputs": [entry]}).encode()
    headers = {"Inference-Header-Content-Length": str(len(text))}
    answer = http(one_op(Echo(), "echo")).post("/v2/models/echo/infer", text + data, **headers)
    assert answer.status == 400
    assert reason in answer.json()["error"]


def test_an_input_that_the_pipeline_does_not_take_is_refused(http):
    answer = infer(http(one_op(taking(list[str]), "typed")), "typed", [GOOD])
    assert answer.status == 400
    assert "pipeline_input[0] should be a valid string" in answer.json()["error"]


def test_an_output_that_is_no_tensor_is_told(http):
    answer = infer(http(one_op(Nothing(), "nothing")), "nothing", [GOOD])
    assert answer.status == 500
    assert "a cannot be sent as a tensor" in answer.json()["error"]


def test_a_pipeline_of_workers_is_a_409(http):
    answer = infer(http(one_op(Echo(), "echo"), use_workers=True), "echo", [GOOD])
    assert answer.status == 409
    assert "POST /pipelines/echo/main" in answer.json()["error"]


def test_what_is_not_there_is_a_404_in_the_words_of_the_protocol_only_under_its_routes(http):
    served = http(one_op(Echo(), "echo"))
    assert "Did you mean 'echo'" in served.request("GET", "/v2/models/eco").json()["error"]
    assert served.request("GET", "/v2/nothing").json().keys() == {"error"}
    assert "type" in served.request("GET", "/v3").json()
    assert served.post("/v2/models/echo", b"").status == 405


def test_an_instance_of_the_chain_from_input_to_output_is_one_model(http):
    chain = Pipeline([Node(AddOneOp(), [IN], "more"), Node(AddOneOp(), ["more"], OUT)], "chain")
    assert infer(http(chain), "chain", [GOOD]).json()["outputs"][0]["data"] == [3, 4]
