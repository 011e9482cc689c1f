"""Is a GraphQL question that would cost too much refused before anything of it is executed?"""

from __future__ import annotations

import pytest

from chariots.op_store import OpStoreServer
from tests.op_store.support import save_pair
from tests.op_store.test_graphql import ask, refusal

pytestmark = pytest.mark.sqlite  # none of this reaches the database


@pytest.mark.parametrize("query", ["", "{", "{ nothing }", "{ ops { name }", "}", "\0", "{ ops(limit: {}) { name } }"])
def test_what_is_no_question_is_refused(store: OpStoreServer, query: str) -> None:
    assert refusal(store, query)


def test_a_value_that_is_no_number_is_refused(store: OpStoreServer) -> None:
    query = "query ($number: Number!) { version(number: $number) { op } }"
    for wrong in ("1", 1.5, True, [1]):
        assert "a whole number" in refusal(store, query, {"number": wrong})
    assert refusal(store, '{ version(number: "1") { op } }')


def test_a_question_that_goes_too_deep_is_refused(store: OpStoreServer) -> None:
    deep = "{ version(number: 1) {" + "parents(limit: 1) { version {" * 6 + "op" + "} }" * 6 + "} }"
    assert "14 levels, and 12 are answered" in refusal(store, deep)


def test_depth_hidden_in_fragments_counts(store: OpStoreServer) -> None:
    steps = " ".join(
        f"fragment f{number} on Version {{ parents(limit: 1) {{ version {{ ...f{number + 1} }} }} }}"
        for number in range(6)
    )
    query = f"{{ version(number: 1) {{ ...f0 }} }} {steps} fragment f6 on Version {{ op }}"
    assert "levels" in refusal(store, query)


def test_a_question_for_too_many_values_is_refused(store: OpStoreServer) -> None:
    query = '{ versions(op: "pca", limit: 500) { children(limit: 100) { version { number } } } }'
    assert refusal(store, query).endswith(
        " values, and 30,000 are answered at once; give smaller limits, or ask for fewer fields"
    )


def test_a_limit_given_as_a_variable_counts(store: OpStoreServer) -> None:
    query = 'query ($n: Int = 1) { versions(op: "pca", limit: $n) { children(limit: $n) { version { number } } } }'
    save_pair(store.client(), 1)
    assert "errors" not in ask(store, query)
    assert "errors" not in ask(store, query, {"n": 10})
    assert "values" in refusal(store, query, {"n": 1000})
    assert "values" in refusal(store, query.replace("= 1", "= 1000"))


def test_a_limit_that_is_no_number_counts_as_the_largest(store: OpStoreServer) -> None:
    query = 'query ($n: Int) { versions(op: "pca", limit: $n) { children(limit: $n) { version { number } } } }'
    for value in ("5", None, 1e3, [5]):
        assert "values" in refusal(store, query, {"n": value})


def test_a_list_of_numbers_counts_as_often_as_it_is_long(store: OpStoreServer) -> None:
    query = "query ($n: [Number!]!) { versionsByNumber(numbers: $n) { children(limit: 100) { version { number } } } }"
    assert "values" in refusal(store, query, {"n": list(range(1, 500))})
    literal = (
        f"{{ versionsByNumber(numbers: {list(range(1, 300))}) {{ children(limit: 100) {{ version {{ op }} }} }} }}"
    )
    assert "values" in refusal(store, literal)


def test_fragments_that_double_each_other_are_refused_at_once(store: OpStoreServer) -> None:
    steps = " ".join(f"fragment f{number} on Version {{ ...f{number + 1} ...f{number + 1} }}" for number in range(90))
    query = f"{{ version(number: 1) {{ ...f0 }} }} {steps} fragment f90 on Version {{ op }}"
    assert "more than a trillion values" in refusal(store, query)


def test_a_fragment_that_spreads_itself_is_refused(store: OpStoreServer) -> None:
    query = "{ version(number: 1) { ...f } } fragment f on Version { ...g } fragment g on Version { ...f op }"
    assert "Cannot spread fragment 'f' within itself" in refusal(store, query)


def test_too_many_aliases_are_refused(store: OpStoreServer) -> None:
    query = "{" + " ".join(f"a{number}: version(number: 1) {{ op }}" for number in range(31)) + "}"
    assert "31 aliases, and 30 are answered" in refusal(store, query)


def test_too_long_a_question_is_refused(store: OpStoreServer) -> None:
    assert "more than 1000 tokens" in refusal(store, "{ version(number: 1) {" + " op" * 1000 + " } }")
    answer = store.flask.test_client().post("/graphql", json={"query": "#" * 70_000})
    assert answer.status_code == 413


def test_a_look_at_the_schema_that_nests_without_end_is_refused(store: OpStoreServer) -> None:
    nested = "name"
    for _ in range(8):
        nested = f"fields {{ type {{ {nested} }} }}"
    assert "values" in refusal(store, f"{{ __schema {{ types {{ {nested} }} }} }}")
