"""How does JSON become the type a signature declares, and what is said when it does not fit?"""

from __future__ import annotations

import datetime
import decimal
import enum
import threading
import uuid
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, NamedTuple, TypedDict

import numpy as np
import numpy.typing as npt
import pandas as pd
import pydantic
import pytest

from chariots.errors import InputError
from chariots.schema import adapter, dumps, loads


class Color(enum.Enum):
    RED = "red"


class Point(NamedTuple):
    x: int
    y: int = 0


class Row(TypedDict):
    name: str


@dataclass
class Flower:
    name: str
    sizes: list[float] = field(default_factory=list)


@dataclass
class Batch:
    rows: npt.NDArray[np.float64]
    names: list[str]
    table: pd.DataFrame | None = None
    tags: list[str] = field(default_factory=lambda: ["none"])


class Model(pydantic.BaseModel):
    age: int
    flower: Flower | None = None


@pytest.mark.parametrize(
    ("hint", "value", "expected"),
    [
        (int, 3, 3),
        (int, 2**80, 2**80),
        (float, 3, 3.0),
        (str, "a", "a"),
        (bool, True, True),
        (bytes, "AP8=", b"\x00\xff"),
        (list[int], [1], [1]),
        (tuple[int, str], [1, "a"], (1, "a")),
        (tuple[int, ...], [1, 2], (1, 2)),
        (set[int], [1, 1], {1}),
        (dict[str, float], {"a": 1}, {"a": 1.0}),
        (int | str, "a", "a"),
        (int | None, None, None),
        (Literal["a", 1], 1, 1),
        (Color, "red", Color.RED),
        (Point, [1, 2], Point(1, 2)),
        (Row, {"name": "a"}, {"name": "a"}),
        (Flower, {"name": "a", "sizes": [1]}, Flower("a", [1.0])),
        (Model, {"age": 3, "flower": {"name": "b"}}, Model(age=3, flower=Flower("b"))),
        (datetime.date, "2020-01-02", datetime.date(2020, 1, 2)),
        (datetime.datetime, "2020-01-02T03:04:05", datetime.datetime(2020, 1, 2, 3, 4, 5)),
        (datetime.timedelta, "-P1DT2.5S", -datetime.timedelta(days=1, seconds=2.5)),
        (decimal.Decimal, "1.10", decimal.Decimal("1.10")),
        (uuid.UUID, str(uuid.UUID(int=1)), uuid.UUID(int=1)),
        (Annotated[int, pydantic.Field(gt=0)], 1, 1),
        (np.float32, 0.5, np.float32(0.5)),
        (np.int8, -3, np.int8(-3)),
        (np.bool_, True, np.bool_(True)),
        (np.datetime64, "2020-01-02", np.datetime64("2020-01-02")),
        (pd.Timestamp, "2020-01-02", pd.Timestamp("2020-01-02")),
        (list[bytes], ["YQ=="], [b"a"]),
    ],
)
def test_json_becomes_the_declared_type(hint: Any, value: Any, expected: Any) -> None:
    decoded = adapter(hint).decode(value)
    assert decoded == expected
    assert type(decoded) is type(expected)


@pytest.mark.parametrize(
    "value",
    [
        Flower("a", [1.5]),
        Color.RED,
        Point(1, 2),
        {1, 2},
        (1, 2),
        b"\x00",
        datetime.timedelta(-1, 5, 7),
        uuid.UUID(int=3),
    ],
)
def test_what_was_written_can_be_read_back(value: Any) -> None:
    hint = {set: set[int], tuple: tuple[int, int]}.get(type(value), type(value))
    assert adapter(hint).decode(loads(dumps(value))) == value


@pytest.mark.parametrize(
    "hint",
    [Any, "NotAName", type("Opaque", (), {}), np.floating, list["Missing"], dict[str, object]],  # noqa: F821  # nobody knows it
)
def test_unusable_hints_leave_the_value_untouched(hint: Any) -> None:
    value = {"a": [1, {"b": None}]}
    assert adapter(hint).decode(value) == value


def test_any_gives_the_very_same_object() -> None:
    value = [1]
    assert adapter(Any).decode(value) is value
    assert not adapter(Any).typed


@pytest.mark.parametrize(
    ("hint", "value", "finding"),
    [
        (int, "5", {"loc": ["x"], "expected": "a valid integer", "got": "text '5'"}),
        (int, True, {"loc": ["x"], "expected": "a valid integer", "got": "true"}),
        (bool, 1, {"loc": ["x"], "expected": "a valid boolean", "got": "the number 1"}),
        (float, None, {"loc": ["x"], "expected": "a valid number", "got": "null"}),
        (list[int], [1, "a"], {"loc": ["x", 1], "expected": "a valid integer", "got": "text 'a'"}),
        (Flower, {}, {"loc": ["x", "name"], "expected": "a value", "got": "nothing"}),
        (
            Model,
            {"age": 1, "flower": {"name": [1]}},
            {"loc": ["x", "flower", "name"], "expected": "a valid string", "got": "a list of 1"},
        ),
        (
            dict[str, int | bool],
            {"a": {"b": 1}},
            {"loc": ["x", "a"], "expected": "a valid integer or a valid boolean", "got": "an object with 'b'"},
        ),
        (Color, "blue", {"loc": ["x"], "expected": "'red'", "got": "text 'blue'"}),
        (bytes, "é", {"loc": ["x"], "expected": "bytes as base64 text", "got": "text 'é'"}),
        (bytes, 1, {"loc": ["x"], "expected": "bytes as base64 text", "got": "the number 1"}),
        (np.int8, 300, {"loc": ["x"], "expected": "a value that fits int8", "got": "the number 300"}),
        (np.int8, [1], {"loc": ["x"], "expected": "a single value (int8)", "got": "a list of 1"}),
        (pd.Timestamp, "soon", {"loc": ["x"], "expected": "a date as ISO 8601 text", "got": "text 'soon'"}),
        (pd.Timestamp, "now", {"loc": ["x"], "expected": "a date as ISO 8601 text", "got": "text 'now'"}),
        (
            list[np.ndarray],
            [[1], {"a": 1}],
            {"loc": ["x", 1], "expected": "a list (of lists, for more dimensions)", "got": "an object with 'a'"},
        ),
        (
            dict[str, pd.DataFrame],
            {"t": [{"a": 1}, {"b": 1}]},
            {"loc": ["x", "t", 1], "expected": "the columns of the first record", "got": "no column 'a'"},
        ),
    ],
)
def test_what_does_not_fit_is_named(hint: Any, value: Any, finding: dict[str, Any]) -> None:
    with pytest.raises(InputError) as caught:
        adapter(hint).decode(value, ("x",))
    assert caught.value.extra["errors"] == [finding]


def test_the_message_is_a_sentence_with_place_expectation_and_finding() -> None:
    with pytest.raises(InputError) as caught:
        adapter(list[int]).decode([1, "a", None, [], {}], ("pipeline_input",))
    assert str(caught.value) == (
        "pipeline_input[1] should be a valid integer, not text 'a'; "
        "pipeline_input[2] should be a valid integer, not null; "
        "pipeline_input[3] should be a valid integer, not a list of 0 (and 1 more). "
        "Correct the input and send it again."
    )


def test_a_message_stays_short_whatever_came() -> None:
    value = [{"k" * 10_000: "v" * 10_000}, "v" * 10_000, 10**4000, *["a"] * 1000]
    with pytest.raises(InputError) as caught:
        adapter(list[int]).decode(value)
    assert len(str(caught.value)) < 500
    assert len(caught.value.extra["errors"]) == 20


def test_deep_nesting_in_a_typed_value_is_refused() -> None:
    value: Any = 1
    for _ in range(900):
        value = [value]
    with pytest.raises(InputError, match="fewer levels of nesting"):
        adapter(list[Any]).decode(value)


def test_a_validator_of_the_user_words_the_expectation() -> None:
    def even(number: int) -> int:
        if number % 2:
            raise ValueError("an even number")
        return number

    with pytest.raises(InputError, match="value should be an even number, not the number 3"):
        adapter(Annotated[int, pydantic.AfterValidator(even)]).decode(3)


def test_arrays_inside_of_a_dataclass_are_built() -> None:
    batch = adapter(Batch).decode({"rows": [[1, None]], "names": ["a"], "table": [{"x": 1}]})
    assert isinstance(batch, Batch)
    np.testing.assert_array_equal(batch.rows, [[1.0, np.nan]])
    assert batch.table is not None and batch.table.columns.tolist() == ["x"]
    assert batch.tags == ["none"]
    assert adapter(Batch).decode({"rows": [], "names": []}).table is None


def test_trouble_inside_of_such_a_dataclass_is_named() -> None:
    with pytest.raises(InputError, match=r"batch\.rows should be lists of float64, not lists of str"):
        adapter(Batch).decode({"rows": ["a"], "names": []}, ("batch",))


def test_what_may_be_given_is_said_once() -> None:
    with pytest.raises(InputError, match=r"^value should be 'major' or 'minor', not text 'maior'\."):
        adapter(Literal["major", "minor"]).decode("maior")


def test_a_union_of_array_and_frame_takes_either() -> None:
    either = adapter(np.ndarray | pd.DataFrame | None)
    assert isinstance(either.decode([[1]]), np.ndarray)
    assert isinstance(either.decode([{"a": 1}]), pd.DataFrame)
    assert either.decode(None) is None


def test_a_value_of_the_type_itself_passes() -> None:
    array, frame = np.array([1]), pd.DataFrame({"a": [1]})
    assert adapter(np.ndarray).decode(array) is array
    assert adapter(pd.DataFrame).decode(frame) is frame


def test_the_same_hint_gives_the_same_adapter_in_every_thread() -> None:
    found: list[Any] = []
    threads = [threading.Thread(target=lambda: found.append(adapter(dict[str, list[int]]))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(one.decode({"a": [1]}) == {"a": [1]} for one in found)
    assert adapter(dict[str, list[int]]) is adapter(dict[str, list[int]])


def test_a_hint_that_cannot_be_hashed_still_works() -> None:
    assert adapter(Annotated[int, ["note"]]).decode(1) == 1


def test_encode_gives_what_a_client_sees() -> None:
    assert adapter(Any).encode({"a": np.array([1.0, np.nan]), "b": (1, 2)}) == {"a": [1.0, None], "b": [1, 2]}


@pytest.mark.parametrize(
    ("hint", "schema"),
    [
        (Any, {}),
        (int, {"type": "integer"}),
        (int | None, {"anyOf": [{"type": "integer"}, {"type": "null"}]}),
        (bytes, {"type": "string", "contentEncoding": "base64"}),
        (np.ndarray, {"type": "array", "items": {}}),
        (np.float64, {"type": "number"}),
        (list[np.ndarray], {"type": "array", "items": {"type": "array", "items": {}}}),
    ],
)
def test_the_schema_describes_what_is_accepted(hint: Any, schema: dict[str, Any]) -> None:
    assert adapter(hint).json_schema() == schema


def test_references_in_a_schema_point_where_the_caller_says() -> None:
    schema = adapter(list[Model]).json_schema("#/components/schemas/{model}")
    assert schema["items"] == {"$ref": "#/components/schemas/Model"}
    assert set(schema["$defs"]) == {"Model", "Flower"}


def test_where_anything_fits_a_value_is_passed_on_as_it_is():
    value = ["x"]
    for hint in (Any, object):
        assert adapter(hint).decode(value) is value
