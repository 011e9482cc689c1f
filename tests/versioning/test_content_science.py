"""What counts as the same array or data frame."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as nst

from chariots.versioning import content_hash

LONG = np.arange(100_000, dtype="float64")
CHANGED = LONG.copy()
CHANGED[50_000] += 1

ARRAYS: dict[str, Any] = {
    "numbers": np.array([1, 2, 3]),
    "numbers turned": np.array([3, 2, 1]),
    "smaller numbers": np.array([1, 2, 3], dtype="int8"),
    "unsigned numbers": np.array([1, 2, 3], dtype="uint64"),
    "real numbers": np.array([1.0, 2.0, 3.0]),
    "half precision": np.array([1.0, 2.0, 3.0], dtype="float16"),
    "the other byte order": np.array([1, 2, 3], dtype=">i8"),
    "extended precision": np.array([1, 2, 3], dtype="longdouble"),
    "complex numbers": np.array([1, 2, 3], dtype="complex128"),
    "truth": np.array([True, False]),
    "a list": [1, 2, 3],
    "one row": np.array([[1, 2, 3]]),
    "one column": np.array([[1], [2], [3]]),
    "two by three": np.arange(6).reshape(2, 3),
    "three by two": np.arange(6).reshape(3, 2),
    "nothing": np.array([]),
    "nothing, by two": np.empty((0, 2)),
    "nothing, the other way": np.empty((2, 0)),
    "no dimension": np.array(1),
    "a scalar": np.int64(1),
    "a smaller scalar": np.int8(1),
    "a real scalar": np.float64(1),
    "a plain number": 1,
    "a long array": LONG,
    "a long array changed in the middle": CHANGED,
    "zero": np.array([0.0]),
    "minus zero": np.array([-0.0]),
    "not a number": np.array([np.nan]),
    "texts": np.array(["a", "bb"]),
    "shorter texts": np.array(["a", "b"]),
    "bytes": np.array([b"a", b"bb"]),
    "objects": np.array([1, "a", None], dtype=object),
    "other objects": np.array([1, "b", None], dtype=object),
    "arrays in an array": np.array([np.arange(2), np.arange(3)], dtype=object),
    "variable texts": np.array(["a", "bb"], dtype=np.dtypes.StringDType()),
    "days": np.array(["2020-01-01"], dtype="M8[D]"),
    "seconds": np.array(["2020-01-01"], dtype="M8[s]"),
    "no day": np.array(["NaT"], dtype="M8[D]"),
    "durations": np.array([1], dtype="m8[D]"),
    "records": np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]),
    "records with another name": np.array([(1, 2.0)], dtype=[("a", "i4"), ("c", "f8")]),
    "records with another value": np.array([(1, 3.0)], dtype=[("a", "i4"), ("b", "f8")]),
    "masked numbers": np.ma.array([1, 2, 3], mask=[0, 1, 0]),
    "masked otherwise": np.ma.array([1, 2, 3], mask=[1, 0, 0]),
    "a matrix": np.asmatrix([[1, 2, 3]]),
    "a dtype": np.dtype("i4"),
    "another dtype": np.dtype("f4"),
    "a function": np.mean,
    "another function": np.median,
    "a universal function": np.log,
    "another universal function": np.exp,
    "a sparse matrix": scipy.sparse.csr_matrix(np.eye(3)),
    "another sparse matrix": scipy.sparse.csr_matrix(2 * np.eye(3)),
}

TIMES = pd.date_range("2020-01-01", periods=3)
FRAMES: dict[str, Any] = {
    "a frame": pd.DataFrame({"a": [1, 2], "b": ["x", None]}),
    "another value": pd.DataFrame({"a": [1, 3], "b": ["x", None]}),
    "another index": pd.DataFrame({"a": [1, 2], "b": ["x", None]}, index=[1, 2]),
    "a named index": pd.DataFrame({"a": [1, 2], "b": ["x", None]}, index=pd.Index([0, 1], name="i")),
    "another dtype": pd.DataFrame({"a": [1.0, 2.0], "b": ["x", None]}),
    "another column name": pd.DataFrame({"a": [1, 2], "c": ["x", None]}),
    "columns turned": pd.DataFrame({"b": ["x", None], "a": [1, 2]}),
    "named columns": pd.DataFrame({"a": [1, 2], "b": ["x", None]}).rename_axis(columns="c"),
    "columns twice": pd.DataFrame([[1, 2]], columns=["a", "a"]),
    "columns twice, turned": pd.DataFrame([[2, 1]], columns=["a", "a"]),
    "no columns": pd.DataFrame(index=[0, 1]),
    "no rows": pd.DataFrame({"a": np.array([], dtype="i8")}),
    "nothing at all": pd.DataFrame(),
    "a series": pd.Series([1, 2]),
    "a named series": pd.Series([1, 2], name="a"),
    "a series of another index": pd.Series([1, 2], index=["x", "y"]),
    "a series of real numbers": pd.Series([1.0, 2.0]),
    "a series that may miss": pd.Series([1, None], dtype="Int64"),
    "a series that may miss elsewhere": pd.Series([None, 1], dtype="Int64"),
    "a small series that may miss": pd.Series([1, None], dtype="Int8"),
    "a series of texts": pd.Series(["a", None]),
    "a series of objects": pd.Series(["a", None], dtype=object),
    "categories": pd.Series(["a", "b"], dtype="category"),
    "ordered categories": pd.Series(pd.Categorical(["a", "b"], ordered=True)),
    "more categories": pd.Series(pd.Categorical(["a", "b"], categories=["a", "b", "c"])),
    "moments": pd.Series(TIMES),
    "moments in UTC": pd.Series(TIMES.tz_localize("UTC")),
    "moments in Paris": pd.Series(TIMES.tz_localize("Europe/Paris")),
    "durations": pd.Series(TIMES - TIMES[0]),
    "periods": pd.Series(TIMES.to_period("D")),
    "intervals": pd.Series(pd.interval_range(0, 3)),
    "closed intervals": pd.Series(pd.interval_range(0, 3, closed="both")),
    "sparse numbers": pd.Series(pd.arrays.SparseArray([0, 0, 1])),
    "an index": pd.Index([1, 2]),
    "a named index alone": pd.Index([1, 2], name="i"),
    "an index of texts": pd.Index(["1", "2"]),
    "an index of moments": TIMES,
    "two levels": pd.MultiIndex.from_tuples([(1, "a"), (2, "b")]),
    "two levels turned": pd.MultiIndex.from_tuples([("a", 1), ("b", 2)]),
    "two named levels": pd.MultiIndex.from_tuples([(1, "a"), (2, "b")], names=["x", "y"]),
    "a moment": pd.Timestamp("2020-01-01"),
    "a moment in UTC": pd.Timestamp("2020-01-01", tz="UTC"),
    "a moment in Paris": pd.Timestamp("2020-01-01", tz="Europe/Paris"),
    "a nanosecond": pd.Timestamp(1),
    "a duration": pd.Timedelta(1, "D"),
    "a period": pd.Period("2020-01", "M"),
    "a longer period": pd.Period("2020", "Y"),
    "an interval": pd.Interval(0, 1),
    "no moment": pd.NaT,
    "no value": pd.NA,
    "a category type": pd.CategoricalDtype(["a"]),
    "another category type": pd.CategoricalDtype(["b"]),
    "an integer type": pd.Int64Dtype(),
    "an offset": pd.offsets.Day(3),
}


@pytest.mark.parametrize("values", [ARRAYS, FRAMES], ids=["arrays", "frames"])
def test_no_two_different_values_have_one_hash(values: dict[str, Any]) -> None:
    names: dict[str, str] = {}
    for name, value in values.items():
        other = names.setdefault(content_hash(value), name)
        assert other == name
    assert len(names) == len(values)


NAN = np.frombuffer(b"\x01\x00\x00\x00\x00\x00\xf8\xff", dtype="<f8")
SAME: dict[str, tuple[Any, Any]] = {
    "columns first in memory": (np.arange(6).reshape(2, 3), np.asfortranarray(np.arange(6).reshape(2, 3))),
    "a slice": (np.arange(3), np.arange(6)[:3]),
    "every second": (np.array([0, 2, 4]), np.arange(6)[::2]),
    "another NaN": (np.array([np.nan]), NAN),
    "another complex NaN": (np.array([complex(1, np.nan)]), np.array([complex(1, -np.nan)])),
    "padding between fields": (
        np.array([(1, 2.0)], dtype={"names": ["a", "b"], "formats": ["i1", "f8"], "offsets": [0, 8], "itemsize": 16}),
        np.frombuffer(
            b"\x01" + b"\xff" * 7 + np.float64(2).tobytes(),
            dtype={"names": ["a", "b"], "formats": ["i1", "f8"], "offsets": [0, 8], "itemsize": 16},
        ),
    ),
    "what is under a mask": (np.ma.array([1, 2], mask=[0, 1]), np.ma.array([1, 9], mask=[0, 1])),
    "rows or columns in a sparse matrix": (
        scipy.sparse.csr_matrix(np.arange(6).reshape(2, 3)),
        scipy.sparse.csr_matrix(scipy.sparse.csc_matrix(np.arange(6).reshape(2, 3))),
    ),
    "an index written as a range": (pd.DataFrame({"a": [1, 2]}), pd.DataFrame({"a": [1, 2]}, index=pd.Index([0, 1]))),
    "a frame put together": (
        pd.DataFrame({"a": [1, 2], "b": [3, 4]}),
        pd.concat([pd.DataFrame({"a": [1, 2]}), pd.DataFrame({"b": [3, 4]})], axis=1),
    ),
    "a selected frame": (pd.DataFrame({"a": [1]}), pd.DataFrame({"a": [1, 2], "b": [3, 4]})[["a"]].head(1)),
    "moments of another unit": (pd.Timestamp("2020-01-01").as_unit("s"), pd.Timestamp("2020-01-01").as_unit("ns")),
}


@pytest.mark.parametrize("name", SAME)
def test_the_same_content_has_the_same_hash(name: str) -> None:
    first, second = SAME[name]
    assert content_hash(first) == content_hash(second)


def test_hashing_leaves_an_array_as_it_is() -> None:
    array = NAN.copy()
    content_hash(array)
    assert array.tobytes() == NAN.tobytes()


def test_an_object_inside_a_frame_is_refused() -> None:
    with pytest.raises(TypeError, match=r"builtins\.object"):
        content_hash(pd.DataFrame({"a": [object()]}))


arrays = nst.arrays(
    nst.integer_dtypes()
    | nst.floating_dtypes(sizes=(16, 32, 64))
    | nst.boolean_dtypes()
    | nst.unicode_string_dtypes(max_len=3),
    nst.array_shapes(max_dims=3, max_side=4),
)


@given(arrays)
def test_a_copy_of_an_array_has_its_hash(array: Any) -> None:
    assert content_hash(np.array(array.tolist(), dtype=array.dtype).reshape(array.shape)) == content_hash(array)


@given(arrays, st.data())
def test_one_changed_element_changes_the_hash(array: Any, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, array.size - 1))
    other = array.copy()
    other.flat[place] = data.draw(nst.from_dtype(array.dtype))
    same = np.array_equal(array, other, equal_nan=array.dtype.kind == "f") and bool(
        array.dtype.kind != "f" or np.array_equal(np.signbit(array), np.signbit(other)) or np.isnan(array.flat[place])
    )
    assert (content_hash(array) == content_hash(other)) is same
