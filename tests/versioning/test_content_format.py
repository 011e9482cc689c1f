"""The published format of the content hash, beside what the code does."""

from __future__ import annotations

import collections
import datetime as dt
import decimal
import fractions
import functools
import hashlib
import math
import pathlib
import re
import struct
import uuid
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import chariots
from chariots.versioning import content_hash
from chariots.versioning.content import encoded

ROOT = pathlib.Path(chariots.__file__).parent
PAGE = (ROOT.parent / "docs/reference/content-hash.rst").read_text(encoding="utf-8")
VECTORS = re.findall(r"^   ([0-9a-f]{40})  (.+)$", PAGE, re.MULTILINE)
NAMES = {
    "np": np,
    "pd": pd,
    "dt": dt,
    "math": math,
    "decimal": decimal,
    "fractions": fractions,
    "uuid": uuid,
    "pathlib": pathlib,
    "re": re,
    "collections": collections,
    "functools": functools,
}


def test_the_page_has_vectors() -> None:
    assert len(VECTORS) > 40


@pytest.mark.parametrize(("digest", "expression"), VECTORS, ids=[expression for _, expression in VECTORS])
def test_a_published_vector_holds(digest: str, expression: str) -> None:
    assert content_hash(eval(expression, dict(NAMES))) == digest


def test_every_tag_is_published() -> None:
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "versioning").glob("content*.py"))
    written = (
        r'(?:\.(?:parts|sequence|unordered|mapping)|\b(?:tagged|_record|encode_values))\((?:encoder, )?"([a-z-]+)"'
    )
    tags = set(re.findall(written, code))
    assert {"int", "dict", "array", "frame", "fields"} <= tags
    assert [tag for tag in sorted(tags) if f"``{tag}``" not in PAGE] == []


def test_the_example_of_the_page_is_what_is_hashed() -> None:
    one, letter = b"int:" + bytes(7) + b"\1\1", b"str:" + bytes(7) + b"\1a"
    assert encoded([1, "a"]) == b"list:" + bytes(7) + b"\x1a" + one + letter


# The format once more, written from the page.


def piece(tag: str, payload: bytes) -> bytes:
    return tag.encode("ascii") + b":" + struct.pack(">Q", len(payload)) + payload


def written_from_the_page(value: Any) -> bytes:
    tag = type(value).__name__
    if value is None:
        return piece("none", b"")
    if tag == "bool":
        return piece(tag, bytes([value]))
    if tag == "int":
        return piece(tag, value.to_bytes(abs(value).bit_length() // 8 + 1, "big", signed=True))
    if tag == "float":
        return piece(tag, bytes.fromhex("7ff8000000000000") if math.isnan(value) else struct.pack(">d", value))
    if tag == "str":
        return piece(tag, value.encode("utf-8", "surrogatepass"))
    if tag == "bytes":
        return piece(tag, value)
    if tag in ("list", "tuple"):
        return piece(tag, b"".join(map(written_from_the_page, value)))
    if tag in ("set", "frozenset"):
        return piece(tag, b"".join(sorted(map(written_from_the_page, value))))
    pairs = [written_from_the_page(key) + written_from_the_page(item) for key, item in value.items()]
    return piece("dict", b"".join(sorted(pairs)))


keys = st.none() | st.booleans() | st.integers() | st.text() | st.binary()
values = st.recursive(
    keys | st.floats(),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(keys, inner) | st.frozensets(keys),
    max_leaves=15,
)


@given(values)
def test_an_encoder_written_from_the_page_agrees(value: Any) -> None:
    assert encoded(value) == written_from_the_page(value)


@given(values)
def test_the_hash_is_that_of_the_encoded_value_behind_a_header(value: Any) -> None:
    plain = type(value) in (int, float, bool)
    data = str(value).encode() if plain else b"chariots-content-1\n" + written_from_the_page(value)
    assert content_hash(value) == hashlib.sha1(data).hexdigest()


@pytest.mark.parametrize("value", [2**2048, -(2**2048), 10**5000], ids=["first", "negative", "longer"])
def test_a_very_long_integer_is_hashed_by_its_bytes(value: int) -> None:
    data = b"chariots-content-1\n" + written_from_the_page(value)
    assert content_hash(value) == hashlib.sha1(data).hexdigest()
