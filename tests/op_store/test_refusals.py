"""Does a refused load tell what each op was trained with, what runs now, what changed, and who can mend it?"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

from chariots.op_store import BaseOpStoreClient
from chariots.pipelines.store import FieldChange, NodeQuery, Refusal, Resolution
from tests.op_store.support import query, record, save_pair, version

EDGE = [("pca", "forest")]


def fields(**values: tuple[Any, str]) -> dict[str, Any]:
    """Declared fields, each given as its value and the subversion it counts in."""
    return {
        name: {"value": repr(value), "affects": affects, "hash": str(hash(repr(value)))}
        for name, (value, affects) in values.items()
    }


def save(client: BaseOpStoreClient, op: str, text: str, pipeline: str = "alone", **changes: Any) -> int:
    """Saves a new version of one op by itself."""
    made = replace(record(client, op, text.encode(), version(text)), **changes)
    return client.commit_save(pipeline, op, [made], [])[op]


def asked(found: Resolution) -> Refusal:
    """The only refusal."""
    (refusal,) = found.refusals
    return refusal


def test_an_op_that_was_never_saved_is_missing(client: BaseOpStoreClient) -> None:
    refusal = asked(client.resolve("predict", [query("pca")], []))
    assert (refusal.node, refusal.cause, refusal.upstream) == ("pca", "missing", None)


def test_what_changed_in_the_code_since_the_newest_version_is_told(client: BaseOpStoreClient) -> None:
    before = fields(rate=(3, "major"), depth=(7, "minor"), seen=(1, "patch"))
    number = save(client, "pca", "1", pipeline="train_pca", fields=before)
    now = fields(rate=(5, "major"), depth=(7, "minor"), shape=("round", "minor"))
    running = replace(query("pca", code=version("changed")), fields=now)
    refusal = asked(client.resolve("predict", [running], []))
    assert (refusal.cause, refusal.retrain, refusal.trained_with_numbers) == ("code", ["train_pca"], [number])
    assert refusal.changes == [
        FieldChange("rate", "major", "3", "5"),
        FieldChange("seen", "patch", "1", None),
        FieldChange("shape", "minor", None, "'round'"),
    ]
    assert "rate: 3 -> 5 (major)" in refusal.sentence


def test_code_that_changed_without_a_declared_field_is_told_by_its_fingerprint(client: BaseOpStoreClient) -> None:
    save(client, "pca", "1", fields={}, fingerprint="a" * 64)
    running = replace(query("pca", code=version("changed")), fingerprint="b" * 64)
    refusal = asked(client.resolve("predict", [running], []))
    assert refusal.changes == [FieldChange("code", "major", "a" * 10, "b" * 10)]


def refused_pair(client: BaseOpStoreClient, new: Any = None, **changes: Any) -> tuple[Refusal, int]:
    """Saves two ops together, then the first again; asks for the new first beside the old second."""
    numbers = save_pair(client, 1)
    number = save(client, "pca", "new", **changes)
    pinned = {"pca": number, "forest": numbers["forest"]}
    return asked(client.resolve("predict", [new or query("pca"), query("forest")], EDGE, pinned)), number


def test_the_same_code_that_learned_again_is_a_matter_of_data(client: BaseOpStoreClient) -> None:
    refusal, number = refused_pair(client)
    assert (refusal.node, refusal.upstream, refusal.cause, refusal.changes) == ("forest", "pca", "data", [])
    assert (refusal.trained_with, refusal.running_with) == ([str(version("pca 1"))], str(version("new")))
    assert (refusal.trained_with_numbers, refusal.running_number) == ([number - 2], number)
    assert refusal.retrain == ["train"]


def test_an_upstream_op_whose_declared_fields_changed_is_a_matter_of_code(client: BaseOpStoreClient) -> None:
    refusal, _ = refused_pair(client, fields={"rate": {"value": "9", "affects": "major", "hash": "9"}})
    assert (refusal.cause, refusal.changes) == ("code", [FieldChange("rate", "major", "3", "9")])


def test_an_upstream_op_that_was_trained_on_another_upstream_is_a_matter_of_that(client: BaseOpStoreClient) -> None:
    def saved(*ops: str, text: str) -> dict[str, int]:
        made = [record(client, op, f"{op} {text}".encode(), version(f"{op} {text}")) for op in ops]
        return dict(client.commit_save("train", ops[-1], made, list(pairwise(ops))))

    first = saved("words", "pca", "forest", text="1")
    second = saved("words", "pca", text="2")
    nodes = [query("words"), query("pca"), query("forest")]
    refusal = asked(client.resolve("predict", nodes, [("words", "pca"), *EDGE], {**first, **second}))
    assert (refusal.node, refusal.upstream, refusal.cause) == ("forest", "pca", "upstream")


def test_changed_plain_code_before_a_trained_op_is_told_with_its_fields(client: BaseOpStoreClient) -> None:
    scale = replace(record(client, "scale", of=version("scale 1")), fields=fields(factor=(2, "major")))
    client.commit_save("train", "forest", [scale, record(client, "forest", b"1")], [("scale", "forest")])
    running = NodeQuery("scale", "code", str(version("2")), str(version("2")), fields=fields(factor=(4, "major")))
    refusal = asked(client.resolve("predict", [running, query("forest")], [("scale", "forest")]))
    assert (refusal.node, refusal.cause, refusal.running_number) == ("forest", "code", None)
    assert refusal.changes == [FieldChange("factor", "major", "2", "4")]


def test_a_pinned_version_that_is_none_is_told_as_such(client: BaseOpStoreClient) -> None:
    save(client, "pca", "1")
    assert asked(client.resolve("predict", [query("pca")], [], {"pca": 99})).cause == "pin"


def test_the_pipelines_that_saved_an_op_are_named_the_latest_first(client: BaseOpStoreClient) -> None:
    for number, pipeline in enumerate(["first", "second", "first", "third"]):
        save(client, "pca", str(number), pipeline=pipeline)
    refusal = asked(client.resolve("predict", [query("pca", code=version("changed"))], []))
    assert refusal.retrain == ["third", "first", "second"]


def test_edges_that_older_versions_settle_are_no_refusals(client: BaseOpStoreClient) -> None:
    save_pair(client, 1)
    save(client, "pca", "new")
    found = client.resolve("predict", [query("pca"), query("forest"), query("nobody")], EDGE)
    assert [refusal.node for refusal in found.refusals] == ["nobody"]


def test_an_accepted_pair_counts_like_one_that_was_trained(client: BaseOpStoreClient) -> None:
    numbers = save_pair(client, 1)
    new = save(client, "pca", "new")
    client.register_valid_link("forest", "pca", version("new"))
    found = client.resolve("predict", [query("pca"), query("forest")], EDGE)
    assert {name: stored.id for name, stored in found.versions.items()} == {"pca": new, "forest": numbers["forest"]}


def test_a_version_whose_bytes_were_given_up_is_not_loaded(client: BaseOpStoreClient, store: Any) -> None:
    from chariots.op_store import tables

    first = save_pair(client, 1)
    second = save_pair(client, 2)
    with store.registry.database.writing() as connection:
        pruned = tables.version.c.id == second["pca"]
        connection.execute(tables.version.update().where(pruned).values(pruned_at=tables.version.c.created_at))
    found = client.resolve("predict", [query("pca"), query("forest")], EDGE)
    assert {name: stored.id for name, stored in found.versions.items()} == first
    assert client.resolve("predict", [query("pca")], [], {"pca": second["pca"]}).refusals[0].cause == "pin"
