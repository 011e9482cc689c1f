"""What counts as the same content, what as another, and what is refused."""

from __future__ import annotations

import collections
import functools
import hashlib
import math
import pathlib
import subprocess
import sys
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import Ridge

from chariots.versioning import content_hash
from tests.versioning.values import VALUES, Told, add


def test_no_two_of_many_different_values_have_one_hash() -> None:
    hashes = {name: content_hash(value) for name, value in VALUES.items()}
    by_hash = collections.defaultdict(list)
    for name, digest in hashes.items():
        by_hash[digest].append(name)
    assert [names for names in by_hash.values() if len(names) > 1] == []


PROGRAM = """
import sys
sys.path[:0] = sys.argv[1:]
from chariots.versioning import content_hash
from tests.versioning.values import VALUES
for name, value in VALUES.items():
    print(name, content_hash(value))
"""


def test_every_value_has_its_hash_in_other_processes_too() -> None:
    here = "".join(f"{name} {content_hash(value)}\n" for name, value in VALUES.items())
    root = str(pathlib.Path(__file__).parents[2])
    for seed in ("1", "2"):
        command = [sys.executable, "-c", PROGRAM, root]
        there = subprocess.run(command, capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": seed})
        assert there.stdout == here


@pytest.mark.parametrize("value", [3, -7, 0, 2.5, 1e300, True, False, math.nan, 2**2047])
def test_a_number_has_the_documented_hash_of_its_text(value: float) -> None:
    assert content_hash(value) == hashlib.sha1(str(value).encode()).hexdigest()


SAME = {
    "a dictionary in another order": ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
    "a set in another order": ({"a", "b", "c"}, {"c", "b", "a"}),
    "a function written in another way": (lambda x: x + 1, lambda x: x + 1),
    "every NaN": ([math.nan], [-math.nan]),
    "a cached function": (add, functools.lru_cache(add)),
    "a path made in two ways": (pathlib.Path("a/b"), pathlib.Path("a") / "b"),
    "a fitted estimator": (Ridge(), Ridge().fit([[1], [2]], [1, 2])),
    "a value met twice": ([(x := [1]), x], [[1], [1]]),
}


@pytest.mark.parametrize("name", SAME)
def test_the_same_content_has_the_same_hash(name: str) -> None:
    first, second = SAME[name]
    assert content_hash(first) == content_hash(second)


def test_a_docstring_is_not_part_of_a_function() -> None:
    def told(x: int) -> int:
        """Adds."""
        return x + 1

    first = content_hash(told)

    def told(x: int) -> int:  # type: ignore[no-redef]
        return x + 1  # as simple as that

    assert content_hash(told) == first


class Holder(collections.abc.Mapping):
    def __init__(self, items: dict[str, int]) -> None:
        self.items_ = items

    def __getitem__(self, key: str) -> int:
        return self.items_[key]

    def __iter__(self) -> Any:
        return iter(self.items_)

    def __len__(self) -> int:
        return len(self.items_)


def test_a_mapping_of_ones_own_is_hashed_by_its_items() -> None:
    assert content_hash(Holder({"a": 1, "b": 2})) == content_hash(Holder({"b": 2, "a": 1}))
    assert content_hash(Holder({"a": 1})) != content_hash(Holder({"a": 2}))


def endless() -> list[Any]:
    items: list[Any] = []
    items.append({"again": items})
    return items


class Broken:
    def __repr__(self) -> str:
        raise RuntimeError("out of order")


REFUSED = {
    "a plain object": (object(), "neither fields nor a text"),
    "a lock": (threading.Lock(), "memory address"),
    "an iterator": (iter([1]), "neither fields nor a text"),
    "a generator": ((x for x in [1]), "memory address"),
    "an object that shows an address": (Told(object()), "memory address"),
    "an object that shows a set": (Told({"a", "b"}), "it holds a set"),
    "an object that shows a set further in": (Told({"k": [{"a", "b"}]}), "it holds a set"),
    "an object with a shortened text": (Told("a...b"), "shortened"),
    "an object that fails": (Broken(), "out of order"),
    "something inside a list": ([1, [object()]], r"at value\[1\]\[0\]"),
    "something inside a dictionary": ({"a": {"b": object()}}, r"at value\['a'\]\['b'\]"),
    "a list inside itself": (endless(), "contains itself"),
    "something too deep": (functools.reduce(lambda inner, _: [inner], range(5000), 0), "too deeply"),
    "a function without source": (eval("lambda x: x + 1"), "no source"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_stable_content_is_refused_with_the_reason(name: str) -> None:
    value, why = REFUSED[name]
    with pytest.raises(TypeError, match=f"(?s)^the value was to be hashed by its content, but .*{why}"):
        content_hash(value)


def test_a_refusal_names_what_was_hashed_and_the_way_out() -> None:
    with pytest.raises(TypeError) as caught:
        content_hash([object()], where="field 'a' of class 'Op'")
    message = str(caught.value)
    assert message.startswith("field 'a' of class 'Op' was to be hashed by its content, but it holds a builtins.object")
    assert "__init__" in message
    assert "__chariots_hash__()" in message


def test_only_what_is_needed_is_imported() -> None:
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); import chariots.versioning; "
        "print(*sorted({'numpy', 'pandas', 'ast', 'inspect', 'dataclasses', 'datetime'} & set(sys.modules)))"
    )
    root = str(pathlib.Path(__file__).parents[2])
    command = [sys.executable, "-S", "-c", program, root]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == ""


# Whatever value there is

atoms = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.dates() | st.decimals()
values = st.recursive(
    atoms,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text(max_size=3) | st.integers(), inner, max_size=4)
        | st.frozensets(st.text(max_size=3) | st.integers(), max_size=4)
    ),
    max_leaves=12,
)


def canonical(value: Any) -> Any:
    """A value with its types written down, so that equal means the same content."""
    if isinstance(value, (list, tuple)):
        return type(value).__name__, [canonical(item) for item in value]
    if isinstance(value, dict):
        return "dict", sorted((repr(canonical(key)), repr(canonical(item))) for key, item in value.items())
    if isinstance(value, frozenset):
        return "frozenset", sorted(repr(canonical(item)) for item in value)
    if isinstance(value, float) and math.isnan(value):
        return "nan"
    return type(value).__name__, repr(value)


@given(values, values)
def test_hashes_are_equal_exactly_when_contents_are(first: Any, second: Any) -> None:
    assert (content_hash(first) == content_hash(second)) is (canonical(first) == canonical(second))


@given(values)
def test_a_value_built_again_has_the_same_hash(value: Any) -> None:
    def again(value: Any) -> Any:
        if isinstance(value, (list, tuple)):
            return type(value)(again(item) for item in value)
        if isinstance(value, dict):
            return {again(key): again(value[key]) for key in reversed(value)}
        return frozenset(list(value)[::-1]) if isinstance(value, frozenset) else value

    assert content_hash(again(value)) == content_hash(value)


@given(values)
def test_wrapping_a_value_makes_another_one(value: Any) -> None:
    wrapped = [value, [value], (value,), {"k": value}, [value, value]]
    assert len({content_hash(item) for item in wrapped}) == len(wrapped)
