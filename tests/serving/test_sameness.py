"""Are outputs the same that differ in the last digits of their numbers, and no others?"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from chariots.serving.sameness import is_same

NAN = float("nan")
FRAME = pd.DataFrame({"a": [1.0, 2.0], "b": ["x", "y"]})

SAME = [
    (1, 1.0),
    (0.1 + 0.2, 0.3),
    (NAN, NAN),
    (float("inf"), float("inf")),
    ("a", "a"),
    (None, None),
    ([1.0, {"a": [0.3]}], (1.0, {"a": [0.1 + 0.2]})),
    (np.array([1.0, NAN]), np.array([1.0 + 1e-9, NAN])),
    (np.array([1, 2]), np.array([1.0, 2.0])),
    (np.array(["a"]), np.array(["a"])),
    (np.array([{"a": 0.3}], dtype=object), np.array([{"a": 0.1 + 0.2}], dtype=object)),
    (np.float64(0.3), 0.1 + 0.2),
    (FRAME, FRAME.assign(a=FRAME["a"] + 1e-9)),
    (FRAME["a"], FRAME["a"] + 1e-9),
    (FRAME["a"], (FRAME["a"] + 1e-9).astype(object)),
]
DIFFERENT = [
    (1.0, 1.1),
    (1.0, NAN),
    (float("inf"), float("-inf")),
    (1, True),
    ("1", 1),
    (None, 0),
    ([1.0], [1.0, 1.0]),
    ({"a": 1}, {"b": 1}),
    (np.array([1.0]), np.array([[1.0]])),
    (np.array([1.0]), [1.0]),
    ([1.0], np.array([1.0])),
    (np.array(["1"]), np.array([1])),
    (FRAME, FRAME.rename(columns={"a": "c"})),
    (FRAME, FRAME.iloc[::-1]),
    (FRAME, FRAME["a"]),
    (FRAME, 1),
    (1, FRAME),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_what_is_the_same(one, other):
    assert is_same(one, other, 1e-6)
    assert is_same(other, one, 1e-6)


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_what_is_different(one, other):
    assert not is_same(one, other, 1e-6)
    assert not is_same(other, one, 1e-6)


def test_the_tolerance_is_in_proportion_for_large_numbers_and_absolute_for_small_ones():
    assert is_same(1e9, 1e9 + 100, 1e-6)
    assert is_same(1e-9, 2e-9, 1e-6)
    assert not is_same(1e9, 1e9 + 10_000, 1e-6)
    assert not is_same(0.0, 1e-30, 0.0)
