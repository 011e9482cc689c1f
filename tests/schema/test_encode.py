"""Which JSON does a Python value become?"""

from __future__ import annotations

import collections
import datetime
import decimal
import enum
import json
import pathlib
import types
import uuid
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pydantic
import pytest

from chariots.schema import dumps, loads


class Color(enum.Enum):
    RED = "red"
    MANY = 2**70


class Level(enum.IntEnum):
    HIGH = 3


class Point(NamedTuple):
    x: int
    y: int


@dataclass
class Flower:
    name: str
    sizes: list[float] = field(default_factory=list)
    _hidden: int = 1


class Model(pydantic.BaseModel):
    when: datetime.date
    parts: set[int] = {1}


class Opaque:
    pass


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, "null"),
        (True, "true"),
        (1.5, "1.5"),
        ("é\n", '"é\\n"'),
        (float("nan"), "null"),
        (float("inf"), "null"),
        ([float("-inf")], "[null]"),
        ((1, (2,)), "[1,[2]]"),
        (Point(1, 2), "[1,2]"),
        ({"b", "a"}, '["a","b"]'),
        ({10, 9}, "[9,10]"),
        (frozenset({("b",), ("a",)}), '[["a"],["b"]]'),
        (b"\x00\xff", '"AP8="'),
        (bytearray(b"a"), '"YQ=="'),
        (memoryview(b"a"), '"YQ=="'),
        (Color.RED, '"red"'),
        (Color.MANY, str(2**70)),
        (Level.HIGH, "3"),
        (decimal.Decimal("1.10"), '"1.10"'),
        (uuid.UUID(int=1), '"00000000-0000-0000-0000-000000000001"'),
        (pathlib.PurePosixPath("/a/b"), '"/a/b"'),
        (datetime.date(2020, 1, 2), '"2020-01-02"'),
        (datetime.datetime(2020, 1, 2, 3, 4, 5, 6), '"2020-01-02T03:04:05.000006"'),
        (datetime.datetime(2020, 1, 2, tzinfo=datetime.UTC), '"2020-01-02T00:00:00+00:00"'),
        (datetime.time(1, 2), '"01:02:00"'),
        (datetime.timedelta(days=1, seconds=2, microseconds=500_000), '"P1DT2.5S"'),
        (datetime.timedelta(seconds=-90), '"-P0DT90S"'),
        (Flower("iris", [1.0]), '{"name":"iris","sizes":[1.0],"_hidden":1}'),
        (Model(when=datetime.date(2020, 1, 2)), '{"when":"2020-01-02","parts":[1]}'),
        (collections.deque([1, 2]), "[1,2]"),
        (range(3), "[0,1,2]"),
        (types.MappingProxyType({"a": 1}), '{"a":1}'),
        ({"a": 1}.keys(), '["a"]'),
        (collections.OrderedDict(b=1, a=2), '{"b":1,"a":2}'),
        (2**64 - 1, "18446744073709551615"),
        (2**64, "18446744073709551616"),
        (-(2**63) - 1, "-9223372036854775809"),
    ],
)
def test_each_type_has_one_form(value: Any, written: str) -> None:
    assert dumps(value).decode() == written


@pytest.mark.parametrize("value", [Flower("a"), Color.RED, Point(1, 2), {3, 1}, datetime.date(2020, 1, 1), 1.5])
def test_the_careful_way_writes_the_same_as_the_fast_one(value: Any) -> None:
    assert dumps([value, 2**70]) == dumps([value])[:-1] + b",1180591620717411303424]"


@pytest.mark.parametrize(
    ("key", "written"),
    [
        (1, "1"),
        (1.5, "1.5"),
        (True, "true"),
        (None, "null"),
        (Color.RED, "red"),
        (datetime.date(2020, 1, 1), "2020-01-01"),
        (uuid.UUID(int=0), "00000000-0000-0000-0000-000000000000"),
        (2**70, str(2**70)),
    ],
)
def test_keys_that_are_not_text_become_text(key: Any, written: str) -> None:
    assert json.loads(dumps({key: "x", "other": [1, {2: 3}]})) == {written: "x", "other": [1, {"2": 3}]}


@pytest.mark.parametrize("key", [(1, 2), b"x", frozenset({1}), Opaque()])
def test_keys_without_a_clear_text_are_refused(key: Any) -> None:
    with pytest.raises(TypeError, match=r"^value\.a cannot be written as JSON: its key .* is not text.*use text"):
        dumps({"a": {key: 1}})


def test_two_keys_that_become_the_same_text_are_refused() -> None:
    with pytest.raises(TypeError, match=r"^value cannot .*two of its keys become '1'; rename one"):
        dumps({1: "a", "1": "b"})


def test_the_message_names_place_type_and_way_out() -> None:
    with pytest.raises(TypeError) as caught:
        dumps({"pipeline_output": [{"model": Opaque()}]}, where="")
    assert str(caught.value) == (
        f"pipeline_output[0].model cannot be written as JSON: there is no form for {__name__}.Opaque; "
        "return its parts as a dict, list, dataclass, array or frame."
    )


@pytest.mark.parametrize(
    ("value", "place"),
    [
        (Opaque(), r"value"),
        ({"a b": Opaque()}, r"value\['a b'\]"),
        ([1, [2, Opaque()]], r"value\[1\]\[1\]"),
        ({"x": {1, Opaque()}}, r"value\.x\[\d\]"),
        (Flower("a", [Opaque()]), r"value\.sizes\[0\]"),  # type: ignore[list-item]  # wrong on purpose
        ({3: Opaque()}, r"value\['3'\]"),
    ],
)
def test_places_are_written_as_in_python(value: Any, place: str) -> None:
    with pytest.raises(TypeError, match=f"^{place} cannot"):
        dumps(value)


@pytest.mark.parametrize(
    ("value", "advice"),
    [
        (1j, "real and the imaginary part"),
        (iter([1]), "make it a list"),
        (len, "return what it returns"),
        (Opaque, "return what it returns"),
    ],
)
def test_the_advice_fits_the_value(value: Any, advice: str) -> None:
    with pytest.raises(TypeError, match=advice):
        dumps(value)


def _cyclic_list() -> Any:
    value: list[Any] = [1]
    value.append({"again": value})
    return value


def _cyclic_dataclass() -> Any:
    flower = Flower("a")
    flower.sizes = [flower]  # type: ignore[list-item]  # wrong on purpose
    return flower


@pytest.mark.parametrize("make", [_cyclic_list, _cyclic_dataclass])
def test_a_cycle_is_named(make: Any) -> None:
    with pytest.raises(TypeError, match=r"value(\[1\]\.again|\.sizes\[0\]) cannot .* contains itself"):
        dumps(make())


def test_the_same_value_twice_is_no_cycle() -> None:
    shared = {1: 2}
    assert dumps([shared, shared, {"a": shared}]) == b'[{"1":2},{"1":2},{"a":{"1":2}}]'


def _nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


def test_what_can_be_read_can_be_written_at_any_depth() -> None:
    body = b"[" * 1024 + b"]" * 1024
    assert dumps(loads(body)) == body


@pytest.mark.parametrize("levels", [1025, 200_000])
def test_deeper_nesting_is_a_type_error(levels: int) -> None:
    value = _nested(levels)
    with pytest.raises(TypeError, match="more than 1,024 levels deep; flatten it"):
        dumps(value)
    while isinstance(value, list):  # taken apart by hand: freeing it at once would recurse
        value = value.pop()


def test_a_conversion_that_never_ends_is_a_type_error() -> None:
    class Endless(collections.UserDict):  # type: ignore[type-arg]  # not needed here
        def keys(self) -> Any:
            raise RuntimeError("no keys today")

    with pytest.raises(TypeError, match=r"value\[0\] cannot .*failed \(RuntimeError: no keys today\)"):
        dumps([Endless({"a": 1})])


def test_an_integer_of_too_many_digits_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="more than 4,300 digits; send it as text"):
        dumps([10**5000])


@pytest.mark.parametrize("value", ["\ud800", {"\udfff": 1}, [{"a": "x\ud800"}]])
def test_lone_surrogates_are_a_type_error(value: Any) -> None:
    with pytest.raises(TypeError, match="lone surrogate"):
        dumps(value)


def test_a_model_with_an_array_is_written_too() -> None:
    import numpy as np

    class Holder(pydantic.BaseModel):
        model_config = pydantic.ConfigDict(arbitrary_types_allowed=True)
        array: np.ndarray

    assert dumps(Holder(array=np.array([1, 2]))) == b'{"array":[1,2]}'
