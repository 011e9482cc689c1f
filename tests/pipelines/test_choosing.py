"""Does a key get the same variant everywhere and always, and each variant its share?"""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chariots.pipelines.choosing import Choice, as_bytes, fraction

KEYS = [f"user {number}" for number in range(20_000)]


def chosen(weights, salt="model"):
    choice = Choice(salt, weights)
    return {key: choice.of(key) for key in KEYS}


def test_each_variant_gets_its_share():
    counts = Counter(chosen({"a": 6, "b": 3, "c": 1}).values())
    # Three standard deviations of 20,000 draws are 210 keys at most.
    assert {name: round(count / len(KEYS), 1) for name, count in counts.items()} == {"a": 0.6, "b": 0.3, "c": 0.1}
    assert abs(counts["a"] - 12_000) < 210
    assert abs(counts["c"] - 2_000) < 210


def test_the_choice_is_the_same_in_every_process_and_release():
    code = (
        "from chariots.pipelines.choosing import Choice; choice = Choice('model', {'a': 2, 'b': 1}); "
        "print(*map(choice.of, 'abcdefghij'))"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed},
            cwd=".",
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1")
    }
    # Written down: who is in which group of a test must not change with a release.
    assert found == {"a a a a b a a a b a\n"}


@pytest.mark.parametrize("grown", ["a", "b", "c"])
def test_a_weight_that_grows_takes_keys_and_moves_none_between_the_others(grown):
    weights = {"a": 5.0, "b": 3.0, "c": 2.0}
    before, after = chosen(weights), chosen({**weights, grown: weights[grown] * 2})
    moved = {key for key in KEYS if before[key] != after[key]}
    assert moved
    assert {after[key] for key in moved} == {grown}


def test_a_new_variant_moves_only_what_it_gets():
    before, after = chosen({"a": 1, "b": 1}), chosen({"a": 1, "b": 1, "c": 1})
    assert {after[key] for key in KEYS if before[key] != after[key]} == {"c"}


def test_the_order_of_the_variants_does_not_matter():
    assert chosen({"a": 1, "b": 2}) == chosen({"b": 2, "a": 1})


def test_a_variant_of_no_weight_is_never_chosen():
    assert set(chosen({"a": 1, "b": 0}).values()) == {"a"}


def test_choices_of_two_names_are_independent():
    first, second = chosen({"a": 1, "b": 1}, "one"), chosen({"a": 1, "b": 1}, "two")
    both = sum(first[key] == second[key] for key in KEYS)
    assert abs(both - len(KEYS) / 2) < 3 * (len(KEYS) / 4) ** 0.5


def test_a_number_is_the_same_key_as_its_digits():
    assert as_bytes(42) == as_bytes("42") == as_bytes(b"42")


@pytest.mark.parametrize("key", [None, 1.5, True, ["a"], object()])
def test_what_is_no_key_is_refused(key):
    with pytest.raises(TypeError, match="give a string, an integer or bytes"):
        as_bytes(key)


@given(st.one_of(st.text(), st.integers(), st.binary()))
def test_every_key_has_a_fraction_between_the_ends(key):
    assert 0 < fraction("canary", key) < 1


def test_fractions_are_even():
    below = sum(fraction("canary", key) < 0.05 for key in KEYS)
    assert abs(below - 1000) < 3 * (20_000 * 0.05 * 0.95) ** 0.5
