"""Does a load choose what fits, refuse what does not, and say why?"""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import pytest

from chariots.errors import InputError
from chariots.op_store import BaseOpStoreClient
from chariots.pipelines.store import Resolution
from tests.op_store.support import CODE, query, record, save_pair, version

OTHER_CODE = version("other code")
EDGE = [("pca", "forest")]


def resolve(client: BaseOpStoreClient, *nodes: Any, edges: Any = (), **pinned: int) -> Resolution:
    """Asks for a load of the nodes given."""
    return client.resolve("predict", nodes, list(edges), pinned or None)


def ids(found: Resolution) -> dict[str, int]:
    """The numbers that would be loaded."""
    return {name: stored.id for name, stored in found.versions.items()}


def save_one(client: BaseOpStoreClient, op: str, data: bytes, **how: Any) -> int:
    """Saves one op by itself."""
    return client.commit_save("p", op, [record(client, op, data, **how)], [])[op]


def test_the_newest_version_is_chosen_by_the_sequence_of_the_store(client: BaseOpStoreClient) -> None:
    save_one(client, "pca", b"1", of=version("1", created=2_000_000_000.0))
    newest = save_one(client, "pca", b"2", of=version("2", created=1.0))
    assert ids(resolve(client, query("pca"))) == {"pca": newest}


def test_an_op_that_was_never_saved_stands_in_the_way(client: BaseOpStoreClient) -> None:
    save_one(client, "logistic", b"1")
    found = resolve(client, query("logistics"))
    assert found.versions == {}
    assert len(found.problems) == 1
    assert "node 'logistics' was never trained and saved" in found.problems[0]
    assert "Did you mean 'logistic'?" in found.problems[0]


def test_an_op_that_needs_no_loading_may_be_unknown(client: BaseOpStoreClient) -> None:
    found = resolve(client, query("vocabulary", "optional"), query("scale", "code"))
    assert (dict(found.versions), list(found.problems)) == ({}, [])


def test_an_op_that_will_learn_again_is_loaded_where_it_can_be(client: BaseOpStoreClient) -> None:
    number = save_one(client, "pca", b"1")
    found = resolve(client, query("pca", "retrain"), query("forest", "retrain"), edges=EDGE)
    assert (ids(found), found.problems) == ({"pca": number}, [])


def test_plain_code_is_never_loaded(client: BaseOpStoreClient) -> None:
    save_one(client, "scale", b"1")
    assert resolve(client, query("scale", "code")).versions == {}


def test_a_version_saved_by_other_code_is_passed_over(client: BaseOpStoreClient) -> None:
    mine = save_one(client, "pca", b"1")
    save_one(client, "pca", b"2", code=OTHER_CODE)
    assert ids(resolve(client, query("pca"))) == {"pca": mine}


def test_an_older_release_of_the_code_gets_its_own_bytes_back(client: BaseOpStoreClient) -> None:
    old = save_one(client, "pca", b"1")
    new = save_one(client, "pca", b"2", code=OTHER_CODE)
    assert ids(resolve(client, query("pca", code=OTHER_CODE))) == {"pca": new}
    assert ids(resolve(client, query("pca"))) == {"pca": old}


def test_a_minor_change_of_the_code_does_not_matter(client: BaseOpStoreClient) -> None:
    number = save_one(client, "pca", b"1", code=version(minor="x"))
    assert ids(resolve(client, query("pca", code=version(minor="y")))) == {"pca": number}


def test_a_version_of_an_old_client_fits_any_code(client: BaseOpStoreClient) -> None:
    client.save_op_bytes("pca", version("1"), b"1")
    assert set(resolve(client, query("pca", code=OTHER_CODE)).versions) == {"pca"}


def test_the_newest_is_chosen_whether_an_old_client_saved_it_or_not(client: BaseOpStoreClient) -> None:
    save_one(client, "pca", b"1")
    client.save_op_bytes("pca", version("by an old client"), b"2")
    assert resolve(client, query("pca")).versions["pca"].version == str(version("by an old client"))
    newest = save_one(client, "pca", b"3")
    assert ids(resolve(client, query("pca"))) == {"pca": newest}


@pytest.mark.parametrize("role", ["load", "optional"])
def test_only_versions_by_other_code_stand_in_the_way(client: BaseOpStoreClient, role: str) -> None:
    number = save_one(client, "pca", b"1", code=OTHER_CODE)
    found = resolve(client, query("pca", role))
    assert found.versions == {}
    assert "node 'pca' has saved versions, but its code changed since" in found.problems[0]
    assert f"number {number}" in found.problems[0]
    assert OTHER_CODE.major[:5] in found.problems[0]
    assert CODE.major[:5] in found.problems[0]


def test_neighbours_that_were_trained_together_fit(client: BaseOpStoreClient) -> None:
    numbers = save_pair(client, 1)
    found = resolve(client, query("pca"), query("forest"), edges=EDGE)
    assert (ids(found), found.problems) == (numbers, [])


def test_a_reader_is_loaded_with_what_it_was_trained_with_while_it_is_not_retrained(client: BaseOpStoreClient) -> None:
    numbers = save_pair(client, 1)
    new = save_one(client, "pca", b"new", of=version("retrained"))
    found = resolve(client, query("pca"), query("forest"), edges=EDGE)
    assert (ids(found), found.problems) == (numbers, [])
    (why,) = found.passed_over
    assert (why.node, why.upstream, why.running_number, why.cause) == ("forest", "pca", new, "data")


def test_an_upstream_op_that_the_reader_never_saw_does_not_fit(client: BaseOpStoreClient) -> None:
    save_pair(client, 1)
    new = save_one(client, "pca", b"new", of=version("retrained"), code=OTHER_CODE)
    found = resolve(client, query("pca", code=OTHER_CODE), query("forest"), edges=EDGE)
    (problem,) = found.problems
    assert "node 'forest'" in problem
    assert "was never validated with node 'pca'" in problem
    assert f"number {new}" in problem
    assert version("retrained").major[:5] in problem
    assert version("pca 1").major[:5] in problem
    assert "retrain 'forest'" in problem


def test_an_upstream_op_whose_major_version_stayed_fits(client: BaseOpStoreClient) -> None:
    save_pair(client, 1)
    save_one(client, "pca", b"new", of=version("pca 1", minor="more", patch="later"))
    assert resolve(client, query("pca"), query("forest"), edges=EDGE).problems == []


def test_a_link_counts_for_the_downstream_version_it_names_only(client: BaseOpStoreClient) -> None:
    first, second = save_pair(client, 1), save_pair(client, 2)
    again = save_one(client, "pca", b"pca 1 again", of=version("pca 1"))
    found = resolve(client, query("pca"), query("forest"), edges=EDGE)
    assert ids(found) == {"pca": again, "forest": first["forest"]}
    (problem,) = resolve(client, query("pca"), query("forest"), edges=EDGE, pca=again, forest=second["forest"]).problems
    assert version("pca 2").major[:5] in problem


def test_a_link_of_an_old_client_counts_for_every_downstream_version(client: BaseOpStoreClient) -> None:
    for number in (1, 2):
        client.save_op_bytes("pca", version(f"pca {number}"), b"p")
        client.save_op_bytes("forest", version(f"forest {number}"), b"f")
        client.register_valid_link("forest", "pca", version(f"pca {number}"))
    assert resolve(client, query("pca"), query("forest"), edges=EDGE).problems == []


def test_two_saved_ops_that_never_met_do_not_fit(client: BaseOpStoreClient) -> None:
    save_one(client, "pca", b"1")
    save_one(client, "forest", b"1")
    (problem,) = resolve(client, query("pca"), query("forest"), edges=EDGE).problems
    assert "no version of the two was saved together" in problem


def test_new_code_between_saved_ops_is_accepted(client: BaseOpStoreClient) -> None:
    save_pair(client, 1)
    edges = [("pca", "shape"), ("shape", "forest"), ("pca", "forest")]
    assert resolve(client, query("pca"), query("shape", "code"), query("forest"), edges=edges).problems == []


def test_changed_code_before_a_trained_op_does_not_fit(client: BaseOpStoreClient) -> None:
    records = [record(client, "scale", of=version("scale 1")), record(client, "forest", b"1")]
    client.commit_save("train", "forest", records, [("scale", "forest")])
    edges = [("scale", "forest")]
    same = resolve(client, query("scale", "code", of=version("scale 1")), query("forest"), edges=edges)
    assert same.problems == []
    changed = resolve(client, query("scale", "code", of=version("scale 2")), query("forest"), edges=edges)
    assert "node 'scale' (code" in changed.problems[0]


def test_changed_code_after_a_trained_op_fits(client: BaseOpStoreClient) -> None:
    records = [record(client, "pca", b"1"), record(client, "score", of=version("score 1"))]
    client.commit_save("train", "score", records, [("pca", "score")])
    edges = [("pca", "score")]
    found = resolve(client, query("pca"), query("score", "code", of=version("score 2")), edges=edges)
    assert found.problems == []


def test_edges_around_an_op_that_will_learn_again_are_not_checked(client: BaseOpStoreClient) -> None:
    save_pair(client, 1)
    save_one(client, "pca", b"new", of=version("retrained"))
    assert resolve(client, query("pca"), query("forest", "retrain"), edges=EDGE).problems == []
    assert resolve(client, query("pca", "retrain"), query("forest"), edges=EDGE).problems == []


def test_plain_code_before_an_op_that_will_learn_again_is_part_of_the_training(client: BaseOpStoreClient) -> None:
    records = [
        record(client, "pca", b"1", of=version("pca 1")),
        record(client, "shape"),
        record(client, "forest", b"1"),
    ]
    client.commit_save("train", "forest", records, [("pca", "shape"), ("shape", "forest"), ("pca", "forest")])
    newest = save_one(client, "pca", b"2", of=version("pca 2"))
    edges = [("pca", "shape"), ("shape", "forest"), ("pca", "forest")]
    nodes = query("pca"), query("shape", "code"), query("forest", "retrain")
    assert resolve(client, *nodes, edges=edges).versions["pca"].id == newest
    # The same code is read by an op that stays as it is, too: then it has to have seen what it reads.
    nodes, edges = (*nodes, query("other", "code")), [*edges, ("shape", "other")]
    assert resolve(client, *nodes, edges=edges).versions["pca"].id != newest


def test_edges_between_plain_code_are_not_checked(client: BaseOpStoreClient) -> None:
    records = [record(client, "a", of=version("a 1")), record(client, "b", of=version("b 1"))]
    client.commit_save("p", "b", records, [("a", "b")])
    nodes = query("a", "code", of=version("a 2")), query("b", "code", of=version("b 2"))
    assert resolve(client, *nodes, edges=[("a", "b")]).problems == []


def test_every_obstacle_is_told_at_once(client: BaseOpStoreClient) -> None:
    save_pair(client, 1)
    save_one(client, "pca", b"new", of=version("retrained"), code=version("newer code"))
    save_one(client, "moved", b"1", code=OTHER_CODE)
    nodes = query("pca", code=version("newer code")), query("forest"), query("moved"), query("nobody")
    found = resolve(client, *nodes, edges=[*EDGE, ("forest", "moved"), ("moved", "nobody")])
    assert len(found.problems) == 3


def test_a_pinned_version_is_chosen_exactly(client: BaseOpStoreClient) -> None:
    first = save_pair(client, 1)
    save_pair(client, 2)
    found = resolve(client, query("pca"), query("forest"), edges=EDGE, **first)
    assert (ids(found), found.problems) == (first, [])


def test_pinned_versions_must_fit_too(client: BaseOpStoreClient) -> None:
    first, second = save_pair(client, 1), save_pair(client, 2)
    mixed = {"pca": first["pca"], "forest": second["forest"]}
    assert len(resolve(client, query("pca"), query("forest"), edges=EDGE, **mixed).problems) == 1


@pytest.mark.parametrize("wrong", ["of another op", "of nobody"])
def test_a_number_of_no_version_of_the_op_is_refused(client: BaseOpStoreClient, wrong: str) -> None:
    numbers = save_pair(client, 1)
    number = numbers["forest"] if wrong == "of another op" else 999
    (problem,) = resolve(client, query("pca"), pca=number).problems
    assert f"pinned to the version number {number}" in problem


def test_a_pinned_version_of_other_code_is_refused(client: BaseOpStoreClient) -> None:
    number = save_one(client, "pca", b"1", code=OTHER_CODE)
    assert len(resolve(client, query("pca"), pca=number).problems) == 1


def test_an_edge_to_a_node_that_is_not_there_is_refused(client: BaseOpStoreClient) -> None:
    with pytest.raises(InputError, match="edges"):
        resolve(client, query("pca"), edges=EDGE)


def test_two_nodes_of_one_name_are_refused(client: BaseOpStoreClient) -> None:
    with pytest.raises(InputError, match=r"nodes\.name"):
        resolve(client, query("pca"), query("pca"))


def test_a_text_that_is_no_version_is_refused(client: BaseOpStoreClient) -> None:
    with pytest.raises(InputError, match=r"nodes\.code_version"):
        resolve(client, replace(query("pca"), code_version="1.0"))


def test_a_mismatch_on_that_is_no_subversion_is_refused(client: BaseOpStoreClient) -> None:
    with pytest.raises(InputError, match="mismatch_on"):
        resolve(client, replace(query("pca"), mismatch_on="mayor"))  # type: ignore[arg-type]  # that is the point


def test_a_pipeline_of_thousands_of_nodes_is_resolved(local: BaseOpStoreClient) -> None:
    names = [f"op{number}" for number in range(3000)]
    edges = list(itertools.pairwise(names))
    assert resolve(local, *(query(name, "code") for name in names), edges=edges).problems == []
