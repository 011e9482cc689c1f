"""Does an alias that was withdrawn stand for nothing, and is that kept like every other decision?"""

from __future__ import annotations

import pytest

from chariots.errors import ConflictError, UnknownNameError
from chariots.op_store import BaseOpStoreClient
from tests.op_store.test_history import promote, sets


def test_an_alias_that_was_withdrawn_stands_for_nothing(client: BaseOpStoreClient) -> None:
    (versions,) = sets(client, 1)
    promote(client, versions, "canary")
    event = client.withdraw("predict", "canary", who="server", reason="8 of 50 failed", expected=versions)
    assert (event.kind, event.before, event.after, event.who) == ("withdraw", versions, {}, "server")
    assert not client.alias("predict", "canary")
    newest, first = client.history("predict")
    assert (newest.id, newest.kind, newest.reason, first.kind) == (event.id, "withdraw", "8 of 50 failed", "promote")
    assert [one.after for one in client.aliases("predict")] == [{}]


def test_withdrawing_again_adds_nothing(local: BaseOpStoreClient) -> None:
    promote(local, sets(local, 1)[0], "canary")
    assert local.withdraw("predict", "canary").id == local.withdraw("predict", "canary").id
    assert len(local.history("predict")) == 2


def test_whoever_expects_something_else_withdraws_nothing(local: BaseOpStoreClient) -> None:
    first, second = sets(local, 2)
    promote(local, second, "canary")
    with pytest.raises(ConflictError, match="was expected to stand for"):
        local.withdraw("predict", "canary", expected=first)
    assert local.alias("predict", "canary") == second


def test_the_other_aliases_stand_for_what_they_did(local: BaseOpStoreClient) -> None:
    first, second = sets(local, 2)
    promote(local, first)
    promote(local, second, "canary")
    local.withdraw("predict", "canary")
    assert local.alias("predict", "production") == first


def test_a_rollback_undoes_it(local: BaseOpStoreClient) -> None:
    first, second = sets(local, 2)
    promote(local, first, "canary")
    number = promote(local, second, "canary")
    local.withdraw("predict", "canary")
    event = local.rollback("predict", "canary")
    assert (event.after, event.before, event.restores) == (second, {}, number)
    assert local.rollback("predict", "canary").after == first


def test_a_promotion_after_it_begins_anew(local: BaseOpStoreClient) -> None:
    first, second = sets(local, 2)
    promote(local, first, "canary")
    local.withdraw("predict", "canary")
    assert local.promote("predict", "canary", second, expected={}).before == {}
    assert local.alias("predict", "canary") == second


def test_nothing_is_promoted_from_an_alias_that_was_withdrawn(local: BaseOpStoreClient) -> None:
    promote(local, sets(local, 1)[0], "canary")
    number = local.withdraw("predict", "canary").id
    with pytest.raises(ConflictError, match=f"from 'canary', which event {number} has withdrawn"):
        local.promote("predict", source="canary")


def test_what_never_stood_for_anything_cannot_be_withdrawn(client: BaseOpStoreClient) -> None:
    sets(client, 1)
    with pytest.raises(ConflictError, match=r"'canary' of pipeline 'predict' .* never stood for anything"):
        client.withdraw("predict", "canary")
    with pytest.raises(UnknownNameError, match="'predikt'"):
        client.withdraw("predikt", "canary")


def test_servers_that_follow_it_are_told_in_their_usual_question(local: BaseOpStoreClient) -> None:
    (versions,) = sets(local, 1)
    promote(local, versions, "canary")
    seen = local.standings(["predict"], "canary")
    assert seen is not None
    local.withdraw("predict", "canary")
    found = local.standings(["predict"], "canary", seen.mark)
    assert found is not None
    assert found.pipelines["predict"].versions == {}
