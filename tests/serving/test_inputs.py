"""Is an input checked and converted as the signatures declare?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest

from chariots.errors import InputError
from chariots.pipelines import Pipeline
from chariots.pipelines.nodes import BaseNode, Node
from chariots.pipelines.ops import BaseOp
from chariots.versioning import Version
from tests.serving.support import IN, OUT, AddOneOp, Constant, Echo, one_op


@dataclass
class Flower:
    petals: list[float]
    name: str = "iris"


def taking(hint, default=None):
    """An op that declares one type and tells which type it got."""
    if default is None:

        class Typed(BaseOp):
            def execute(self, value: hint):
                return [type(value).__name__, value]
    else:

        class Typed(BaseOp):
            def execute(self, value: hint = default):
                return [type(value).__name__, value]

    Typed.execute.__annotations__["value"] = hint
    return Typed()


@pytest.mark.parametrize(
    ("hint", "sent", "got"),
    [
        (float, 3, ["float", 3.0]),
        (np.ndarray, [[1, 2]], ["ndarray", [[1, 2]]]),
        (pd.DataFrame, [{"a": 1}], ["DataFrame", [{"a": 1}]]),
        (Flower, {"petals": [1, 2]}, ["Flower", {"petals": [1.0, 2.0], "name": "iris"}]),
        (tuple[int, str], [1, "x"], ["tuple", [1, "x"]]),
        (Any, {"any": "thing"}, ["dict", {"any": "thing"}]),
        (int | None, None, ["NoneType", None]),
    ],
)
def test_an_input_reaches_the_op_in_its_declared_type(client, hint, sent, got):
    assert client(one_op(taking(hint), "typed")).call_pipeline("typed", sent).value == got


@pytest.mark.parametrize(
    ("hint", "sent", "place"),
    [
        (float, "three", ["pipeline_input"]),
        (int, 1.5, ["pipeline_input"]),
        (Flower, {"petals": [1, "two"]}, ["pipeline_input", "petals", 1]),
        (Flower, {"name": "rose"}, ["pipeline_input", "petals"]),
        (list[float], 3, ["pipeline_input"]),
    ],
)
def test_an_input_of_the_wrong_type_is_a_422_that_names_the_place(http, hint, sent, place):
    answer = http(one_op(taking(hint), "typed")).post("/pipelines/typed/main", {"pipeline_input": sent})
    problem = answer.json()
    assert (answer.status, answer.headers["Content-Type"]) == (422, "application/problem+json")
    assert problem["errors"][0]["loc"] == place
    assert ".".join(str(part) for part in place[:2]).split(".")[0] in problem["detail"]


def test_the_client_raises_what_was_wrong_with_the_input(client):
    caller = client(one_op(taking(Flower), "typed"))
    with pytest.raises(InputError, match="petals") as raised:
        caller.call_pipeline("typed", {"petals": "many"})
    assert isinstance(raised.value, ValueError)


@pytest.mark.parametrize("body", [{}, {"pipeline_input": None}, b""])
@pytest.mark.parametrize("op", [taking(float), AddOneOp()], ids=["typed", "untyped"])
def test_a_missing_input_is_a_422_that_says_which_node_wants_it(http, op, body):
    answer = http(one_op(op, "wants")).post("/pipelines/wants/main", body)
    assert answer.status == 422
    assert repr(op.name) in answer.json()["detail"]
    assert answer.json()["errors"][0]["loc"] == ["pipeline_input"]


@pytest.mark.parametrize("body", [{}, {"pipeline_input": None}])
def test_a_default_or_an_optional_hint_allows_a_call_without_input(http, body):
    class Defaulted(BaseOp):
        def execute(self, value=None):
            return "nothing" if value is None else "something"

    served = http(one_op(Defaulted(), "defaulted"), one_op(taking(float | None), "optional"))
    assert served.post("/pipelines/defaulted/main", body).json()["pipeline_output"] == "nothing"
    assert served.post("/pipelines/optional/main", body).json()["pipeline_output"] == ["NoneType", None]


def test_an_input_to_a_pipeline_that_takes_none_is_a_422(http):
    served = http(Pipeline([Node(Constant(), output_nodes=OUT)], "constant"))
    answer = served.post("/pipelines/constant/main", {"pipeline_input": 1})
    assert answer.status == 422
    assert "none of its nodes reads one" in answer.json()["detail"]


@pytest.mark.parametrize("body", [[1, 2], "text", 3, True, None])
def test_a_body_that_is_no_object_is_a_422(http, body):
    answer = http(one_op(Echo(), "echo")).post("/pipelines/echo/main", body)
    assert answer.status == 422
    assert "object" in answer.json()["detail"]


@pytest.mark.parametrize("wish", ["true", 1, 0, [], {}])
def test_use_worker_is_a_boolean(http, wish):
    answer = http(one_op(Echo(), "echo")).post("/pipelines/echo/main", {"pipeline_input": 1, "use_worker": wish})
    assert answer.status == 422
    assert answer.json()["errors"][0]["loc"] == ["use_worker"]


class First(BaseOp):
    def execute(self, value: np.ndarray):
        return type(value).__name__


class Second(BaseOp):
    def execute(self, value: np.ndarray):
        return type(value).__name__


class Untyped(BaseOp):
    def execute(self, value):
        return type(value).__name__


class Whole(BaseOp):
    def execute(self, value: int):
        return type(value).__name__


class Broken(BaseOp):
    def execute(self, value: float):
        return type(value).__name__


class Join(BaseOp):
    def execute(self, left, right):
        return [left, right]


def two_readers(left, right):
    return Pipeline([Node(left, [IN], "l"), Node(right, [IN], "r"), Node(Join(), ["l", "r"], OUT)], "two")


def test_readers_that_agree_share_one_conversion(client):
    assert client(two_readers(First(), Second())).call_pipeline("two", [1]).value == ["ndarray", "ndarray"]


def test_a_reader_without_a_hint_gets_what_the_other_declared(client):
    assert client(two_readers(First(), Untyped())).call_pipeline("two", [1]).value == ["ndarray", "ndarray"]


def test_readers_that_differ_must_all_accept_and_get_the_value_as_it_came(client):
    caller = client(two_readers(Broken(), Whole()))
    assert caller.call_pipeline("two", 3).value == ["int", "int"]
    with pytest.raises(InputError, match="integer"):
        caller.call_pipeline("two", 3.5)


def test_a_typed_reader_inside_a_nested_pipeline_counts(client):
    nested = one_op(Whole(), "inner")
    outer = Pipeline([Node(nested, [IN], OUT)], "outer")
    with pytest.raises(InputError, match="pipeline_input"):
        client(outer).call_pipeline("outer", "three")


def test_a_hint_that_does_not_resolve_leaves_the_input_as_it_is(client):
    class Odd(BaseOp):
        def execute(self, value: NotDefinedAnywhere):  # noqa: F821  # that is the point
            return value

    assert client(one_op(Odd(), "odd")).call_pipeline("odd", [1, "x"]).value == [1, "x"]


def test_a_node_without_an_op_gets_the_input_as_it_is(client):
    class Own(BaseNode):
        name = "own"
        node_version = Version()

        def execute(self, value):
            return [value]

        def load_latest_version(self, store_to_look_in):
            return None

    assert client(Pipeline([Own([IN], [OUT])], "own")).call_pipeline("own", 1).value == [1]
