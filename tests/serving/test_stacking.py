"""Which inputs stand below each other, and does each get back the rows it would have had alone?"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from chariots.serving.stacking import part, row_count, rows_of, stacked

FRAME = pd.DataFrame({"a": [1.0, 2.0], "b": ["x", "y"]})


@pytest.mark.parametrize(
    ("value", "count"),
    [
        ([[5.1, 3.5, 1.4, 0.2]], 1),
        ([[1, 2], [3, 4]], 2),
        ([[[1.0, 2.0], [3.0, 4.0]]], 1),
        ([["red", 3], ["blue", 4]], 2),
        (["a text", "another"], 2),
        ([{"a": 1, "b": "x"}, {"a": 2, "b": "y"}], 2),
        (np.zeros((3, 2)), 3),
        (np.zeros((2, 3, 4), dtype="float32"), 2),
        (FRAME, 2),
    ],
)
def test_tables_have_rows(value, count):
    rows = rows_of(value)
    assert rows.count == count
    assert rows.size > 0


@pytest.mark.parametrize(
    "value",
    [
        [5.1, 3.5, 1.4, 0.2],
        [1, 2],
        [None],
        [],
        [[1.0, 2.0], [3.0]],
        [[1.0, 2.0], None],
        [["red", 3], [4, "blue"]],
        [[2**60, 1]],
        ["text", 1],
        [{"a": 1}, {"b": 1}],
        np.zeros(3),
        np.zeros((0, 3)),
        np.array([["a", "b"]]),
        np.ma.masked_array(np.zeros((2, 2))),
        FRAME.set_index("b"),
        FRAME.iloc[1:],
        FRAME.iloc[:0],
        FRAME.astype({"b": "category"}),
        {"a": [1, 2]},
        "text",
        7,
        None,
    ],
    ids=repr,
)
def test_what_is_no_table_is_never_stacked(value):
    assert rows_of(value) is None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([[1.0, 2.0, 3.0]], [[1.0, 2.0, 3.0, 4.0]]),
        ([[1, 2]], [[1.0, 2.0]]),
        ([[True, False]], [[1, 2]]),
        ([["red", 3]], [["red", "3"]]),
        ([["red", 3]], [["red", None]]),
        ([{"a": 1}], [{"a": 1.0}]),
        ([{"a": 1, "b": 2}], [{"b": 2, "a": 1}]),
        ([[1.0, 2.0]], np.array([[1.0, 2.0]])),
        (np.zeros((1, 2)), np.zeros((1, 2), dtype="float32")),
        (FRAME, FRAME.rename(columns={"a": "c"})),
        (FRAME, FRAME.astype({"a": "float32"})),
    ],
    ids=repr,
)
def test_inputs_that_would_change_each_other_are_of_different_kinds(one, other):
    assert rows_of(one).kind != rows_of(other).kind
    assert rows_of(one).kind == rows_of(one).kind


def test_lists_stay_lists_and_arrays_stay_arrays():
    assert stacked([[[1, 2]], [[3, 4], [5, 6]]]) == [[1, 2], [3, 4], [5, 6]]
    array = stacked([np.ones((1, 2), dtype="float32"), np.zeros((2, 2), dtype="float32")])
    assert array.dtype == "float32"
    assert array.tolist() == [[1, 1], [0, 0], [0, 0]]


def test_a_frame_comes_back_with_rows_counted_from_zero():
    both = stacked([FRAME, FRAME])
    assert list(both.index) == [0, 1, 2, 3]
    pd.testing.assert_frame_equal(part(both, 2, 4), FRAME)
    pd.testing.assert_series_equal(part(both["a"], 2, 4), FRAME["a"])


@pytest.mark.parametrize(
    ("output", "count"),
    [
        (np.zeros(3), 3),
        (np.zeros((2, 5)), 2),
        ([1, 2, 3], 3),
        ([np.int64(1), np.int64(2)], 2),
        (FRAME, 2),
        (FRAME["a"], 2),
        ([np.zeros(4), np.zeros(4)], None),
        ((1, 2), None),
        (np.array(7), None),
        ({"a": 1}, None),
        (FRAME.set_index("b"), None),
        ("ab", None),
        (None, None),
    ],
    ids=repr,
)
def test_only_what_has_rows_of_its_own_is_taken_apart(output, count):
    assert row_count(output) == count
