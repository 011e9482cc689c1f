"""Does a data frame come back from CSV with its index, labels and types?"""

from __future__ import annotations

from typing import Any

import numpy
import pandas
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from chariots.ml.serializers import CSVSerializer
from tests.ml.sample_ops import FRAME

FRAMES = {
    "numbers, texts and truth values": pandas.DataFrame(
        {"a": [1, 2], "b": [0.1, None], "c": ["007", "NA"], "d": [True, False]}, index=["x", "y"]
    ),
    "dates": pandas.DataFrame(
        {
            "naive": pandas.to_datetime(["2020-01-01", "2020-01-02 03:04:05.000000007"], format="ISO8601"),
            "aware": pandas.to_datetime(["2020-01-01", None]).tz_localize("Europe/Paris"),
            "durations": pandas.to_timedelta([1, None], unit="ns"),
        }
    ),
    "categories": pandas.DataFrame(
        {
            "texts": pandas.Categorical(["a", None, "b"], categories=["b", "a", "unused"], ordered=True),
            "numbers": pandas.Categorical([3, 1, 3]),
        }
    ),
    "types with missing values": pandas.DataFrame(
        {
            "i": pandas.array([1, None], dtype="Int64"),
            "f": pandas.array([1.5, None], dtype="Float64"),
            "b": pandas.array([True, None], dtype="boolean"),
            "s": pandas.array(["", None], dtype="string"),
        }
    ),
    "small types": pandas.DataFrame(
        {
            "half": numpy.array([1.5, numpy.nan], "float16"),
            "single": numpy.array([0.1, 1e-30], "float32"),
            "great": numpy.array([2**64 - 1, 0], "uint64"),
            "tiny": numpy.array([-128, 127], "int8"),
        }
    ),
    "an index of several levels": pandas.DataFrame(
        {"v": [1.0, 2.0]}, index=pandas.MultiIndex.from_tuples([("a", 1), ("b", 1)], names=["k", None])
    ),
    "columns of several levels": pandas.DataFrame(
        numpy.eye(2), columns=pandas.MultiIndex.from_tuples([("a", "x"), ("b", "y")], names=["p", "q"])
    ),
    "an index of dates": pandas.DataFrame({"v": [1, 2]}, index=pandas.to_datetime(["2020", "2021"])),
    "an index with a name": pandas.DataFrame({"v": [1, 2]}, index=pandas.Index([5, 6], name="v")),
    "columns without names": pandas.DataFrame(numpy.eye(2)),
    "columns of one name": pandas.DataFrame(numpy.eye(2), columns=["a", "a"]),
    "numbers as labels": pandas.DataFrame(numpy.eye(2), columns=pandas.Index([5, "5"], dtype=object)),
    "no rows": pandas.DataFrame({"a": pandas.Series([], dtype="int64")}),
    "no columns": pandas.DataFrame(index=["a", "b"]),
    "nothing": pandas.DataFrame(),
    "hostile texts": pandas.DataFrame(
        {"a\nb": ["x\r\ny", 'q"uo,te'], "c": [" lead ", "\\N"], "d": ["", "\r"], "# e": ["#", "a\0b"]}
    ),
}


@pytest.mark.parametrize("kind", FRAMES)
def test_a_frame_comes_back_as_it_was(kind: str) -> None:
    frame = FRAMES[kind]
    data = CSVSerializer().serialize_object(frame)
    assert_frame_equal(CSVSerializer().deserialize_object(data), frame)


@given(
    st.lists(
        st.tuples(
            st.text(st.characters(exclude_categories=["Cs"]), max_size=6),
            st.floats(allow_nan=False),
            st.integers(-(2**63), 2**63 - 1),
            st.booleans(),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_texts_and_numbers_come_back_exactly(rows: list[tuple[str, float, int, bool]]) -> None:
    frame = pandas.DataFrame(rows, columns=["text", "float", "int", "bool"])
    found = CSVSerializer().deserialize_object(CSVSerializer().serialize_object(frame))
    assert_frame_equal(found, frame, check_exact=True)


def test_the_rest_of_the_file_is_ordinary_csv() -> None:
    data = CSVSerializer().serialize_object(pandas.DataFrame({"a": [1, 2], "b": ["x", "y"]}))
    assert data.split(b"\n")[1:] == [b'"0","a","b"', b'0,1,"x"', b'1,2,"y"', b""]


def test_the_same_frame_gives_the_same_bytes() -> None:
    assert CSVSerializer().serialize_object(FRAME) == CSVSerializer().serialize_object(FRAME.copy())


def test_the_frame_is_not_changed() -> None:
    before = FRAME.copy()
    CSVSerializer().serialize_object(FRAME)
    assert_frame_equal(FRAME, before)


def test_csv_from_elsewhere_is_read_with_guessed_types() -> None:
    found = CSVSerializer().deserialize_object(b"a,b\n1,x\n2,y\n")
    assert_frame_equal(found, pandas.DataFrame({"a": [1, 2], "b": ["x", "y"]}))


def test_csv_as_pandas_writes_it_has_its_index_back() -> None:
    frame = pandas.DataFrame({"a": [1, 2]}, index=["x", "y"])
    assert_frame_equal(CSVSerializer().deserialize_object(frame.to_csv().encode()), frame)


@pytest.mark.parametrize("target", [[1], {"a": [1]}, FRAME["sepal length (cm)"], FRAME.to_numpy(), None])
def test_what_is_no_frame_is_refused(target: Any) -> None:
    with pytest.raises(TypeError, match="keeps pandas DataFrames, not a"):
        CSVSerializer().serialize_object(target)


@pytest.mark.parametrize(
    "column",
    [[[1], [2]], [{"a": 1}, None], [1, "one"], [1j, 2j], list(pandas.period_range("2020", periods=2))],
)
def test_a_column_that_csv_would_turn_into_text_is_refused_and_named(column: list[Any]) -> None:
    with pytest.raises(TypeError, match="cannot keep column 'odd'"):
        CSVSerializer().serialize_object(pandas.DataFrame({"odd": column}))


def test_a_label_that_is_neither_text_nor_number_is_refused() -> None:
    frame = pandas.DataFrame([[1]], columns=[pandas.Timestamp("2020-01-01")])
    with pytest.raises(TypeError, match="cannot keep the column label Timestamp"):
        CSVSerializer().serialize_object(frame)
