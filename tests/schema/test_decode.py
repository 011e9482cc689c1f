"""Which texts are JSON, and which are refused?"""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chariots.errors import MalformedRequestError
from chariots.schema import dumps, loads

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(JSON)
def test_json_makes_the_round_trip(value: Any) -> None:
    assert loads(dumps(value)) == value


@given(st.integers())
def test_integers_stay_exact(number: int) -> None:
    read = loads(f'{{"a": [{number}, 0.5]}}')["a"][0]
    assert read == number
    assert type(read) is int


@pytest.mark.parametrize("number", [2**63, -(2**63), -(2**63) - 1, 2**64 - 1, 2**64, -(10**18), 10**400, 10**4299])
def test_integers_at_the_edges_stay_exact(number: int) -> None:
    assert loads(str(number)) == number


@pytest.mark.parametrize(
    "text",
    [
        "1.00000000000000000000001",
        "0.12345678901234567890123",
        "1e0000000000000000000000001",
        "1E+000000000000000000002",
    ],
)
def test_long_floats_stay_floats(text: str) -> None:
    assert type(loads(text)) is float
    assert loads(text) == float(text)


def test_long_digits_inside_of_text_change_nothing() -> None:
    assert loads('{"id": "12345678901234567890123", "x": 1.5}') == {"id": "12345678901234567890123", "x": 1.5}


def test_of_a_repeated_key_the_last_value_counts() -> None:
    assert loads('{"a": 1, "a": 2}') == {"a": 2}
    assert loads('{"a": 1, "a": 20000000000000000000000}') == {"a": 20000000000000000000000}


def test_text_may_be_given_as_str() -> None:
    assert loads('"é"') == "é"


def test_escaped_pairs_of_surrogates_are_one_character() -> None:
    assert loads('["\\ud83d\\ude00", 20000000000000000000000]') == ["😀", 20000000000000000000000]


BAD = [
    b"",
    b" ",
    b"{",
    b"[1,]",
    b"{'a': 1}",
    b"nul",
    b"[1] [2]",
    b"NaN",
    b"[Infinity]",
    b"[-Infinity]",
    b"01",
    b"1.",
    b"+1",
    b'"\t"',
    b"\xef\xbb\xbf{}",
    b"\xff\xfe1\x00",
    '"é"'.encode("latin-1"),
    '{"a": 1}'.encode("utf-16"),
    b'"\xed\xa0\x80"',
    b'"\\ud800"',
    b'{"\\udfff": 1}',
    b"1e400",
    b"[-1e999]",
    b"9" * 4301,
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b"[" * 1025 + b"]" * 1025,
    b"\x00",
    b"{} // comment",
]


@pytest.mark.parametrize("body", BAD, ids=lambda body: repr(body[:16]))
@pytest.mark.parametrize("around", [b"%b", b"[20000000000000000000000, %b]"], ids=["alone", "after a huge integer"])
def test_what_is_not_json_is_refused(around: bytes, body: bytes) -> None:
    if around != b"%b" and not body.strip():
        body = b"}"
    with pytest.raises(MalformedRequestError, match=r"should be JSON and cannot be read: .*Send JSON in UTF-8"):
        loads(around % body)


def test_a_lone_surrogate_in_a_str_is_refused() -> None:
    with pytest.raises(MalformedRequestError, match="lone surrogate"):
        loads('"\ud800"')


@given(st.binary())
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    try:
        value = loads(body)
    except MalformedRequestError:
        return
    assert loads(dumps(value)) == value


@given(st.text(alphabet='{}[]",:0123456789.eE+-truefalsn\\u ', max_size=60))
def test_no_more_is_accepted_than_orjson_accepts(text: str) -> None:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        try:
            value = loads(text)
        except MalformedRequestError:
            return
        assert "0" * 19 in text.translate(str.maketrans("123456789", "000000000")), "only huge integers differ"
        assert loads(dumps(value)) == value
    else:
        assert dumps(loads(text))


def test_digits_behind_an_escape_are_no_huge_integer() -> None:
    assert loads(r'["\u12345678901234567890", 20000000000000000000000]') == [
        "\u12345678901234567890",
        20000000000000000000000,
    ]


LARGE = " " * 2**20  # from here on another reader saves memory


@pytest.mark.parametrize(
    "text", ['{"a": [1, 2.5, -0.0, "ü\\u0000", null, true]}', "[18446744073709551615, 1e5]", '{"a": 1, "a": 2}']
)
def test_a_large_text_is_read_as_a_small_one(text):
    assert repr(loads(LARGE + text)) == repr(loads(text))


@pytest.mark.parametrize("digits", ["123456789012345678901234567890", "-9999999999999999999"])
@pytest.mark.parametrize("before", [2**20 - 10, 2**20 - 1, 2**20, 2**21 - 25])
def test_integers_stay_exact_wherever_they_stand_in_a_large_text(digits, before):
    assert loads(" " * before + f"[1, {digits}]") == [1, int(digits)]


@pytest.mark.parametrize(
    "text", ["NaN", "[1,]", "1e400", "9" * 4301, "[" + "9" * 30 + ", NaN]", '"\\ud800"', "[" * 1025 + "]" * 1025, "01"]
)
def test_what_a_small_text_may_not_say_a_large_one_may_not_either(text):
    with pytest.raises(MalformedRequestError) as small:
        loads(text)
    with pytest.raises(MalformedRequestError) as large:
        loads(LARGE + text)
    assert str(large.value).partition(":")[0] == str(small.value).partition(":")[0]


def test_a_thousand_levels_are_read_in_a_large_text_too():
    depth = 1000
    found = loads(LARGE + "[" * depth + "]" * depth)
    for _ in range(depth - 1):
        (found,) = found
    assert found == []
