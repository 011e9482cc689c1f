"""Is a text that is read window by window read as every other?"""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chariots.errors import MalformedRequestError
from chariots.schema import consuming, loads, loads_consuming


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows of a few bytes, so that a small text has many."""
    monkeypatch.setattr(consuming, "WINDOW", 24)


def read(text: str) -> Any:
    return loads_consuming(bytearray(text.encode()))


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=40,
)


@settings(max_examples=300)
@given(values, st.sampled_from([(",", ":"), (" , ", " : "), (",\n", ": ")]))
def test_every_text_is_read_as_ever(value, separators):
    text = json.dumps(value, separators=separators, ensure_ascii=False)
    try:
        expected = loads(text)
    except MalformedRequestError:  # a lone surrogate
        with pytest.raises(MalformedRequestError):
            read(text)
    else:
        assert repr(read(text)) == repr(expected)


@pytest.mark.parametrize(
    "row",
    [
        "[1.5, 2.5, 3.5, 4.5]",
        '{"a": 1, "b": [1, 2]}',
        '"a, b], c"',
        '"\\", \\\\"',
        "[[1,2],[3,4]]",
        "12345",
        "[]",
        "{}",
    ],
)
def test_rows_that_look_like_their_ends_are_told_apart(row):
    text = f"[{', '.join([row] * 50)}]"
    assert read(text) == loads(text)


@pytest.mark.parametrize("end", ["", ",", ",]", "]]", "] x", ", ,1]", ",\n\t ]", '"]'])
def test_a_text_that_is_none_is_refused(end):
    text = f"[{','.join(['[1,2,3]'] * 20)}{end}"
    with pytest.raises(MalformedRequestError):
        loads(text)
    with pytest.raises(MalformedRequestError):
        read(text)


@pytest.mark.parametrize("text", ["[" + " " * 100 + ",1]", "[,1" + " " * 100 + "]", "[" + " " * 200 + "]"])
def test_emptiness_is_no_value(text):
    try:
        expected = loads(text)
    except MalformedRequestError:
        with pytest.raises(MalformedRequestError):
            read(text)
    else:
        assert read(text) == expected


def test_integers_stay_exact():
    text = f"[{', '.join(['123456789012345678901234567890'] * 20)}]"
    assert read(text) == [123456789012345678901234567890] * 20
