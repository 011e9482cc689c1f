"""Does one cheap question tell what many pipelines are to serve, and whether any of that is new?"""

from __future__ import annotations

import pytest

from chariots.errors import InputError
from chariots.op_store import BaseOpStoreClient, OpStoreServer
from tests.op_store.support import query, save_pair
from tests.op_store.test_lookup_cost import listened, whole_reads


def described(client: BaseOpStoreClient, *pipelines: str) -> None:
    """Tells the store of pipelines that load both ops."""
    for name in pipelines:
        client.describe_pipeline(name, [query("pca"), query("forest")], [("pca", "forest")])


def test_what_was_promoted_comes_before_what_was_deployed(client: BaseOpStoreClient) -> None:
    first, second = save_pair(client, 1), save_pair(client, 2)
    described(client, "promoted", "deployed", "neither")
    for name in ("promoted", "deployed"):
        client.record_deployment(name, first)
    client.promote("promoted", versions=second)
    asked = ["promoted", "deployed", "neither", "unknown"]
    found = client.standings(asked, "production")
    assert found is not None
    assert {name: one.versions for name, one in found.pipelines.items()} == {"promoted": second, "deployed": first}
    other = client.standings(asked, "candidate")
    alone = client.standings(asked, None)
    assert other is not None
    assert other == alone
    assert {name: one.versions for name, one in other.pipelines.items()} == {"promoted": first, "deployed": first}


def test_who_knows_the_answer_is_told_so_until_another_decision(client: BaseOpStoreClient) -> None:
    first, second = save_pair(client, 1), save_pair(client, 2)
    described(client, "one", "other")
    asked = (["one", "other"], "production")
    marks = [client.standings(*asked).mark]  # type: ignore[union-attr]

    def is_new() -> bool:
        found = client.standings(*asked, marks[-1])
        if found is None:
            return False
        marks.append(found.mark)
        return client.standings(*asked, found.mark) is None

    assert not is_new()
    client.promote("one", versions=first)
    assert is_new()
    client.record_deployment("one", second)
    assert not is_new()  # what is promoted counts
    client.record_deployment("other", second)
    assert is_new()
    client.promote("one", versions=second)
    assert is_new()
    client.rollback("one")
    assert is_new()
    client.promote("other", "candidate", versions=first)
    assert not is_new()
    client.accept("one", "pca", "forest", "for a reason", {"pca": first["pca"], "forest": second["forest"]})
    assert not is_new()
    assert len(set(marks)) == len(marks)


def test_the_same_versions_decided_anew_are_another_entry(client: BaseOpStoreClient) -> None:
    first, second = save_pair(client, 1), save_pair(client, 2)
    entries = []
    for versions in (first, second, first):
        client.record_deployment("predict", versions)
        found = client.standings(["predict"], None)
        assert found is not None
        entries.append(found.pipelines["predict"].entry)
    assert len(set(entries)) == 3


def test_a_name_that_is_none_is_refused(client: BaseOpStoreClient) -> None:
    with pytest.raises(InputError, match="pipelines"):
        client.standings(["predict", ""], "production")
    with pytest.raises(InputError, match="alias"):
        client.standings(["predict"], "a\nb")


def test_it_takes_as_many_statements_whatever_there_is(local: BaseOpStoreClient, store: OpStoreServer) -> None:
    names = [f"p{number}" for number in range(40)]
    described(local, *names)
    for number in range(3):
        versions = save_pair(local, number)
        for name in names:
            local.record_deployment(name, versions)
        for name in names[::2]:
            local.promote(name, versions=versions)
    with listened(store) as all_of_it:
        found = local.standings(names, "production")
    assert found is not None
    assert len(found.pipelines) == 40
    with listened(store) as usual:
        assert local.standings(names, "production", found.mark) is None
    assert (len(all_of_it), len(usual)) == (3, 1)
    with store.registry.database.reading() as connection:
        for statement, parameters in all_of_it:
            assert whole_reads(connection, statement, parameters) == [], statement


@pytest.mark.sqlite
def test_more_names_than_a_database_takes_at_once_are_asked_for(local: BaseOpStoreClient) -> None:
    versions = save_pair(local, 1)
    local.record_deployment("last", versions)
    found = local.standings([*(f"p{number}" for number in range(70_000)), "last"], "production")
    assert found is not None
    assert found.pipelines["last"].versions == versions
