"""Does a store tell, in one answer, what is trained and live? (what a check of a change is held against)"""

from __future__ import annotations

from dataclasses import replace

import pytest

from chariots.checking.stores import ask_baseline
from chariots.errors import InputError
from chariots.op_store import BaseOpStoreClient
from chariots.pipelines.store import Origin
from tests.op_store.support import CODE, query, record, save_pair, version


def test_the_newest_version_comes_with_what_tells_which_code_made_it(client: BaseOpStoreClient) -> None:
    save_pair(client, 1)
    numbers = save_pair(client, 2)
    (known,) = ask_baseline(client, ["pca"], [], None).ops["pca"]
    assert (known.id, known.has_bytes, known.saved_by) == (numbers["pca"], True, "train")
    assert known.code_version is not None
    assert known.code_version.partition("_")[0] == str(CODE).partition("_")[0]
    assert known.fields["rate"]["value"] == "3"
    assert known.fingerprint == "a1b2"


def test_versions_that_serve_come_along_with_the_newest(client: BaseOpStoreClient) -> None:
    served = save_pair(client, 1)
    newest = save_pair(client, 2)
    client.record_deployment("predict", served)
    found = ask_baseline(client, ["pca", "forest"], ["predict"], None)
    assert [known.id for known in found.ops["pca"]] == [newest["pca"], served["pca"]]
    assert found.pipelines["predict"].versions == served


def test_who_saved_a_version_is_told(client: BaseOpStoreClient) -> None:
    client.commit_save("train", "pca", [record(client, "pca", b"1")], [], Origin(who="ada"))
    (known,) = ask_baseline(client, ["pca"], [], None).ops["pca"]
    assert known.who == "ada"
    assert known.created_at is not None


def test_a_version_that_does_not_tell_its_code_is_not_hidden(client: BaseOpStoreClient) -> None:
    client.commit_save("train", "pca", [record(client, "pca", b"1")], [])
    client.save_op_bytes("pca", version("other"), b"2")
    told, untold = sorted(ask_baseline(client, ["pca"], [], None).ops["pca"], key=lambda known: known.id)
    assert told.code_version is not None
    assert untold.code_version is None


def test_what_nobody_saved_is_unknown(client: BaseOpStoreClient) -> None:
    found = ask_baseline(client, ["pca"], ["predict"], "production")
    assert found.ops == {"pca": []}
    assert (found.pipelines["predict"].is_known, found.pipelines["predict"].versions) == (False, None)


def test_an_alias_wins_over_a_deployment(client: BaseOpStoreClient) -> None:
    first, second = save_pair(client, 1), save_pair(client, 2)
    nodes = [query("pca"), query("forest")]
    client.describe_pipeline("predict", nodes, [("pca", "forest")])
    client.record_deployment("predict", second)
    client.promote("predict", versions=first, reason="the second is worse")
    assert ask_baseline(client, [], ["predict"], "production").pipelines["predict"].versions == first
    assert ask_baseline(client, [], ["predict"], "candidate").pipelines["predict"].versions == second
    assert ask_baseline(client, [], ["predict"], None).pipelines["predict"].versions == second


def test_what_a_pipeline_was_made_of_comes_along(client: BaseOpStoreClient) -> None:
    nodes = [query("clean", "code"), query("pca")]
    client.describe_pipeline("predict", nodes, [("clean", "pca")])
    shape = ask_baseline(client, [], ["predict"], None).pipelines["predict"].shape
    assert shape is not None
    assert [node.name for node in shape.nodes] == ["clean", "pca"]


def test_pipelines_that_serve_and_were_not_asked_about_are_named_newest_first(client: BaseOpStoreClient) -> None:
    served = save_pair(client, 1)
    for name in ("one", "two", "three", "one"):
        client.record_deployment(name, {"pca": served["pca"]} if name != "one" else served)
    client.record_deployment("one", {"forest": served["forest"]})
    assert ask_baseline(client, [], ["two"], None).others == ["one", "three"]


@pytest.mark.parametrize("name", ["", "a\0b", "x" * 300])
def test_a_name_that_cannot_be_one_is_refused(client: BaseOpStoreClient, name: str) -> None:
    with pytest.raises(InputError):
        ask_baseline(client, [name], [], None)
    with pytest.raises(InputError):
        ask_baseline(client, [], [name], None)
    with pytest.raises(InputError):
        ask_baseline(client, [], [], name)


def test_code_that_is_saved_again_is_known_anew_though_no_field_was_bumped(client: BaseOpStoreClient) -> None:
    before = replace(record(client, "clean", of=version("clean")), fingerprint="before")
    after = replace(before, fingerprint="after")
    first = client.commit_save("train", "clean", [before], [])
    assert client.commit_save("train", "clean", [before], []) == first
    second = client.commit_save("train", "clean", [after], [])
    assert second["clean"] > first["clean"]
    assert client.commit_save("train", "clean", [after], []) == second
    (known,) = ask_baseline(client, ["clean"], [], None).ops["clean"]
    assert known.fingerprint == "after"
    assert len(client.get_all_versions_of_op("clean") or ()) == 1
