"""What is kept comes back as the very same, in a safe form where there is one."""

from __future__ import annotations

import datetime
import decimal
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chariots.pipelines.caching.content import content_of
from chariots.pipelines.caching.forms import NotKeptError, from_bytes, to_bytes


def told(value: Any) -> str | None:
    """The content of a value, None where it cannot be told."""
    try:
        return content_of(value, "it")
    except TypeError:
        return None


def kept(value: Any, pickles: bool = True) -> tuple[str, Any]:
    """The form in which a value is kept, and what comes back."""
    form, pieces = to_bytes(value, told(value), pickles)
    return form, from_bytes(form, bytearray(b"".join(bytes(piece) for piece in pieces)), pickles)


PLAIN = [None, True, 0, -(2**70), 1.5, math.inf, "text \ud800 é", b"bytes", 1j, [1, (2, {3}), frozenset({4})]]
MORE = [{"a": 1, 2: [None]}, {(1, 2): b"x"}, [], (), {}, "", b"", [{}], -0.0, {"tuple": [1]}, [1, [2, [3]]]]


@pytest.mark.parametrize("value", [*PLAIN, *MORE], ids=repr)
def test_plain_values_are_kept_as_json_or_bytes(value: Any) -> None:
    form, found = kept(value, pickles=False)
    assert form == ("bytes" if type(value) is bytes else "json")
    assert found == value and type(found) is type(value) and repr(found) == repr(value)


complexes = st.complex_numbers(allow_nan=False)
plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.complex_numbers(allow_nan=False),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner) | st.tuples(inner, inner),
    max_leaves=20,
)


@given(plain)
def test_any_plain_value_comes_back_the_same(value: Any) -> None:
    _, found = kept(value, pickles=False)
    assert repr(found) == repr(value)


ARRAYS = [
    np.arange(12.0).reshape(3, 4),
    np.asfortranarray(np.arange(12).reshape(3, 4)),
    np.arange(100)[::3],
    np.arange(24).reshape(2, 3, 4).transpose(2, 0, 1),
    np.zeros((0, 3)),
    np.array(5),
    np.array(["a", "bcd"]),
    np.array(["2020-01-01", "NaT"], "datetime64[ns]"),
    np.array([1, 2], ">i4"),
    np.array([True, False]),
    np.array([1 + 2j, np.nan]),
    np.float32(1.5),
    np.datetime64("2020-01-01", "D"),
]


@pytest.mark.parametrize("value", ARRAYS, ids=lambda value: f"{value.dtype}{value.shape}")
def test_arrays_are_kept_as_npy_and_can_be_written_to(value: Any) -> None:
    form, found = kept(value, pickles=False)
    assert form == ("npy" if isinstance(value, np.ndarray) else "scalar")
    assert type(found) is type(value) and found.dtype == value.dtype
    np.testing.assert_array_equal(found, value)
    if isinstance(value, np.ndarray):
        assert found.flags.writeable
        assert found.flags.c_contiguous or value.flags.f_contiguous


def test_an_array_is_not_copied_to_be_written() -> None:
    array = np.zeros(1_000_000)
    _, pieces = to_bytes(array, None, False)
    assert np.shares_memory(np.frombuffer(pieces[-1], "u1"), array)


FRAMES = [
    pd.DataFrame({"a": [1, 2], "b": [1.5, np.nan], "c": ["x", None]}),
    pd.DataFrame({"t": pd.to_datetime(["2020-01-01", None]), "k": pd.Categorical(["u", "v"])}, index=["r", "s"]),
    pd.DataFrame(np.arange(6).reshape(3, 2)),
    pd.DataFrame(),
    pd.Series([1, 2, 3], name="n", index=[5, 6, 7]),
    pd.Series(["a", "b"]),
    pd.Series([1.0], name=("t", 1)),
]


@pytest.mark.parametrize("value", FRAMES, ids=range(len(FRAMES)))
def test_frames_come_back_the_same_whatever_the_form(value: Any) -> None:
    _, found = kept(value)
    check = pd.testing.assert_frame_equal if isinstance(value, pd.DataFrame) else pd.testing.assert_series_equal
    check(found, value)
    assert told(found) == told(value)


def test_ordinary_frames_are_kept_as_arrow() -> None:
    assert kept(FRAMES[0], pickles=False)[0] == "frame"
    assert kept(FRAMES[4], pickles=False)[0] == "series"


@pytest.mark.parametrize(
    "value", [pd.DataFrame({"o": [[1], (2,)]}), pd.DataFrame({"m": [1, "a"]}), pd.DataFrame({1: [1], "1": [2]})]
)
def test_a_frame_that_arrow_would_change_is_pickled(value: pd.DataFrame) -> None:
    form, found = kept(value)
    assert form == "pickle"
    assert repr(found.values.tolist()) == repr(value.values.tolist())
    with pytest.raises(NotKeptError, match="a DataFrame can be kept as a pickle only"):
        kept(value, pickles=False)


def test_attributes_of_a_frame_are_kept() -> None:
    frame = pd.DataFrame({"a": [1]})
    frame.attrs["unit"] = "m"
    assert told(frame) != told(pd.DataFrame({"a": [1]}))
    assert kept(frame)[1].attrs == {"unit": "m"}


TABLE = pa.table({"n": [1, None, 3], "s": ["a", "bc", None], "l": [[1], None, []], "b": [True, None, False]})


@pytest.mark.parametrize("value", [TABLE, TABLE.to_batches()[0], TABLE.slice(1)], ids=["table", "batch", "slice"])
def test_arrow_is_kept_as_arrow(value: Any) -> None:
    form, found = kept(value, pickles=False)
    assert form in ("table", "batch")
    assert found.equals(value) and type(found) is type(value)


def test_how_a_table_is_cut_is_no_content_and_what_it_holds_is() -> None:
    assert told(pa.concat_tables([TABLE.slice(0, 1), TABLE.slice(1)])) == told(TABLE)
    assert told(TABLE.slice(1)) == told(pa.table(TABLE.slice(1).to_pydict(), schema=TABLE.schema))
    changed = TABLE.set_column(0, "n", pa.array([1, 0, 3]))
    assert (
        len({told(TABLE), told(changed), told(TABLE.rename_columns(["x", "s", "l", "b"])), told(TABLE.slice(1))}) == 4
    )


def test_what_lies_under_a_missing_value_is_no_content() -> None:
    column = pa.array([1, 2, 3])
    masked = pa.Array.from_buffers(pa.int64(), 3, [pa.py_buffer(b"\x05"), column.buffers()[1]])
    assert told(masked) == told(pa.array([1, None, 3]))


@pytest.mark.parametrize(
    "value", [decimal.Decimal("1.10"), datetime.date(2020, 1, 2), Path("a/b"), {1: {decimal.Decimal(1)}}]
)
def test_other_values_are_pickled(value: Any) -> None:
    assert kept(value) == ("pickle", value)
    with pytest.raises(NotKeptError):
        kept(value, pickles=False)


def test_pickles_are_not_read_where_they_are_not_wanted() -> None:
    _, pieces = to_bytes(decimal.Decimal(1), None, True)
    with pytest.raises(ValueError, match="which this cache does not read"):
        from_bytes("pickle", bytearray(pieces[0]), False)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (np.arange(4), np.arange(4.0)),
        (np.arange(4), np.arange(4).reshape(2, 2)),
        (np.zeros(3), np.array([0, 0, -0.0])),
        (pd.DataFrame({"a": [1]}), pd.DataFrame({"b": [1]})),
        (pd.Series([1], index=[0]), pd.Series([1], index=[1])),
        ([1, [2]], [[1], 2]),
        ({"a": 1}, [("a", 1)]),
    ],
)
def test_different_values_have_different_contents(first: Any, second: Any) -> None:
    assert told(first) != told(second)


def test_the_content_of_large_bytes_and_of_arrays_in_pieces_is_that_of_the_whole() -> None:
    array = np.random.default_rng(0).random(300_000)
    assert told(array[::1]) == told(array.copy())
    strided = np.repeat(array, 2)[::2]
    assert told(strided) == told(array)
    assert told(array.reshape(300, 1000)[:, ::2]) == told(array.reshape(300, 1000)[:, ::2].copy())
    assert told(b"a" * 5_000_000) != told(b"a" * 4_999_999 + b"b")
