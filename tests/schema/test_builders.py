"""How do JSON values become numpy and pandas values?"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from chariots.errors import InputError
from chariots.schema import adapter, dumps, loads


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([1, 2], np.array([1, 2])),
        ([[1.5, 2], [3, None]], np.array([[1.5, 2], [3, np.nan]])),
        ([None, None], np.array([np.nan, np.nan])),
        ([1, None], np.array([1, np.nan])),
        ([True, False], np.array([True, False])),
        (["a", "bc"], np.array(["a", "bc"])),
        ([], np.array([])),
        ([[], []], np.zeros((2, 0))),
        ([2**63], np.array([2**63], dtype=np.uint64)),
        ([1, "a"], np.array([1, "a"], dtype=object)),
        ([True, None], np.array([True, None], dtype=object)),
        ([2**70, 1], np.array([2**70, 1], dtype=object)),
        ([2**70, 1.5, None], np.array([2.0**70, 1.5, np.nan])),
    ],
)
def test_lists_become_an_array(value: Any, expected: Any) -> None:
    array = adapter(np.ndarray).decode(value)
    assert array.dtype == expected.dtype
    np.testing.assert_array_equal(array, expected)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (5, "a list .of lists, for more dimensions., not the number 5"),
        ("abc", "not text 'abc'"),
        (None, "not null"),
        ({"a": [1]}, "not an object with 'a'"),
        ([[1, 2], [3]], "lists of the same length at every level"),
        ([1, [2]], "lists of the same length at every level"),
        ([[1, 2], [None]], "lists of the same length at every level"),
        ([{"a": 1}], "lists of single values"),
    ],
)
def test_what_is_no_array_is_refused(value: Any, message: str) -> None:
    with pytest.raises(InputError, match=f"^input should be .*{message}"):
        adapter(np.ndarray).decode(value, ("input",))


def test_more_dimensions_than_numpy_has_are_refused() -> None:
    value: Any = 1
    for _ in range(100):
        value = [value]
    with pytest.raises(InputError, match="should be lists of"):
        adapter(np.ndarray).decode(value)


@pytest.mark.parametrize(
    ("dtype", "value"),
    [
        (np.float32, [1, 2.5, None]),
        (np.int16, [1, 2]),
        (np.uint8, [0, 255]),
        (np.bool_, [True]),
        (np.str_, ["a"]),
        (np.datetime64, ["2020-01-02"]),
        (np.object_, [1, "a"]),
        (np.int64, []),
        (np.complex128, [1]),
    ],
)
def test_declared_element_types_are_given(dtype: Any, value: Any) -> None:
    array = adapter(npt.NDArray[dtype]).decode(value)
    assert array.dtype.kind == np.dtype(dtype).kind
    assert len(array) == len(value)


@pytest.mark.parametrize(
    ("dtype", "value", "message"),
    [
        (np.float64, ["1"], "lists of float64, not lists of str"),
        (np.float64, [1, "a"], "lists of float64, not lists of mixed values"),
        (np.float64, [True], "lists of float64, not lists of bool"),
        (np.int64, [1.5], "lists of int64, not lists of float64"),
        (np.int64, [1, None], "lists of int64, not lists of float64"),
        (np.uint8, [256], "lists of uint8, all of them in its range"),
        (np.uint8, [-1], "lists of uint8, all of them in its range"),
        (np.float32, [1e300], "lists of float32, all of them in its range"),
        (np.datetime64, ["2020-99-99"], "lists of datetime64"),
        (np.datetime64, ["now"], "lists of datetime64 as ISO 8601 text"),
        (np.bool_, [1], "lists of bool, not lists of int64"),
    ],
)
def test_elements_of_another_type_are_refused(dtype: Any, value: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        adapter(npt.NDArray[dtype]).decode(value)


@pytest.mark.parametrize(
    "array",
    [np.random.default_rng(0).normal(size=(3, 4)), np.arange(5), np.array(["a"]), np.array([[np.nan, 1.0]])],
)
def test_an_array_makes_the_round_trip(array: Any) -> None:
    back = adapter(np.ndarray).decode(loads(dumps(array)))
    assert back.dtype == array.dtype
    np.testing.assert_array_equal(back, array)


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame({"b": [1, 2], "a": ["x", "y"]}),
        pd.DataFrame({"x": [1.5, np.nan], "y": [np.nan, np.nan], "t": ["a", None]}),
        pd.DataFrame({"flag": [True, False]}),
    ],
)
def test_a_frame_makes_the_round_trip(frame: pd.DataFrame) -> None:
    back = adapter(pd.DataFrame).decode(loads(dumps(frame)))
    pd.testing.assert_frame_equal(back, frame)


def test_a_frame_may_come_by_columns() -> None:
    back = adapter(pd.DataFrame).decode({"b": [1, None], "a": ["x", "y"]})
    pd.testing.assert_frame_equal(back, pd.DataFrame({"b": [1, np.nan], "a": ["x", "y"]}))


def test_no_records_are_an_empty_frame() -> None:
    assert adapter(pd.DataFrame).decode([]).shape == (0, 0)
    assert adapter(pd.DataFrame).decode([{}, {}]).shape == (2, 0)
    assert adapter(pd.DataFrame).decode({}).shape == (0, 0)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (3, r"^input should be a list of records, or an object of columns .*, not the number 3"),
        ([[1, 2]], r"^input\[0\] should be a record {column: value}, not a list of 2"),
        ([{"a": 1}, {"a": 1, "b": 2}], r"^input\[1\] should be the columns .*, not unexpected column 'b'"),
        ([{"a": 1}, {}], r"^input\[1\] should be the columns of the first record, not no column 'a'"),
        ({"a": 1}, r"^input\.a should be a list of the values of this column, not the number 1"),
        ({"a": [1], "b": [1, 2]}, r"^input\.b should be as many values as in the first column \(1\), not a list of 2"),
    ],
)
def test_what_is_no_frame_is_refused(value: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        adapter(pd.DataFrame).decode(value, ("input",))


def test_a_list_becomes_a_series() -> None:
    pd.testing.assert_series_equal(adapter(pd.Series).decode([1, None]), pd.Series([1, np.nan]))
    pd.testing.assert_series_equal(adapter(pd.Series).decode([None]), pd.Series([np.nan]))
    assert len(adapter(pd.Series).decode([])) == 0


@pytest.mark.parametrize(("value", "place"), [({"a": 1}, "value"), ([1, [2]], r"value\[1\]"), ([{}], r"value\[0\]")])
def test_what_is_no_series_is_refused(value: Any, place: str) -> None:
    with pytest.raises(InputError, match=f"^{place} should be a (list of values|single value)"):
        adapter(pd.Series).decode(value, ("value",))
