"""Is every promotion, rollback and acceptance kept, and does an alias stand for what the last of them says?"""

from __future__ import annotations

import itertools
import json
import re
import sys
import threading
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from chariots.errors import ConflictError, ForbiddenError, InputError, UnknownNameError, VersionError
from chariots.op_store import BaseOpStoreClient, OpStoreClient, OpStoreServer
from chariots.op_store.savers import FileSaver
from tests.op_store.support import count_rows, file_store, query, record, save_pair, serving, version

EDGE = [("pca", "forest")]


def describe(client: BaseOpStoreClient, pipeline: str = "predict") -> None:
    """Tells the store what the pipeline of these tests is made of, as a server does that serves it."""
    client.describe_pipeline(pipeline, [query("pca"), query("forest")], EDGE)


def sets(client: BaseOpStoreClient, count: int) -> list[Mapping[str, int]]:
    """Saves so many pairs that fit, and describes the pipeline that loads them."""
    describe(client)
    return [save_pair(client, number) for number in range(count)]


def promote(client: BaseOpStoreClient, versions: Mapping[str, int], alias: str = "production") -> int:
    """Promotes exactly these versions; returns the number of the event."""
    return client.promote("predict", alias, versions).id


def retrain_pca(client: BaseOpStoreClient) -> int:
    """Saves a newer version of the upstream op alone; returns its number."""
    records = [record(client, "pca", b"new", version("pca new"))]
    return client.commit_save("train", "pca", records, [])["pca"]


# What an alias stands for


def test_an_alias_stands_for_nothing_before_the_first_promotion(client: BaseOpStoreClient) -> None:
    assert client.alias("predict", "production") is None
    sets(client, 1)
    assert client.alias("predict", "production") is None
    assert client.aliases("predict") == []
    assert client.history("predict") == []


def test_a_promotion_takes_the_newest_versions_that_fit(client: BaseOpStoreClient) -> None:
    first, second = sets(client, 2)
    event = client.promote("predict", reason="looks better", who="anna@desk")
    assert (event.kind, event.alias, event.pipeline) == ("promote", "production", "predict")
    assert (event.before, event.after) == (None, second)
    assert (event.who, event.reason) == ("anna@desk", "looks better")
    assert client.alias("predict", "production") == second
    assert client.alias("predict", "candidate") is None
    assert first != second


def test_who_promotes_is_noted_without_being_said(local: BaseOpStoreClient) -> None:
    sets(local, 1)
    assert "@" in str(local.promote("predict").who)


def test_newer_versions_that_do_not_fit_are_told_where_nothing_else_comes_of_a_promotion(
    local: BaseOpStoreClient,
) -> None:
    (only,) = sets(local, 1)
    retrain_pca(local)
    assert local.promote("predict").after == only
    with pytest.raises(VersionError, match=r"newer ones were saved, but do not fit together"):
        local.promote("predict")
    assert local.promote("predict", versions=only).id == local.history("predict")[0].id


def test_versions_that_are_named_are_taken_and_the_others_fit_them(local: BaseOpStoreClient) -> None:
    first, _ = sets(local, 2)
    event = local.promote("predict", versions={"pca": first["pca"], "forest": first["forest"]})
    assert event.after == first


def test_a_promotion_may_take_what_another_alias_stands_for(local: BaseOpStoreClient) -> None:
    first, _ = sets(local, 2)
    promote(local, first, "candidate")
    assert local.promote("predict", source="candidate").after == first


def test_a_promotion_may_take_what_is_served(local: BaseOpStoreClient) -> None:
    first, _ = sets(local, 2)
    local.record_deployment("predict", first)
    assert local.promote("predict", source="serving").after == first


def test_promoting_the_same_set_again_adds_nothing(local: BaseOpStoreClient) -> None:
    (only,) = sets(local, 1)
    first = local.promote("predict")
    assert local.promote("predict", versions=only, reason="again") == first
    assert len(local.history("predict")) == 1


def test_the_history_of_a_store_outlives_its_server(local: BaseOpStoreClient, tmp_path: Path) -> None:
    (only,) = sets(local, 1)
    local.promote("predict")
    assert file_store(tmp_path).client().alias("predict", "production") == only


# What is refused


def test_an_unknown_pipeline_is_refused_with_the_nearest_name(client: BaseOpStoreClient) -> None:
    sets(client, 1)
    for ask in (client.promote, client.rollback, client.history, client.aliases):
        with pytest.raises(UnknownNameError, match="Did you mean 'predict'"):
            ask("predikt")


def test_an_unknown_node_is_refused_with_the_nearest_name(local: BaseOpStoreClient) -> None:
    sets(local, 1)
    with pytest.raises(UnknownNameError, match=r"'forrest'.*Did you mean 'forest'"):
        local.promote("predict", versions={"forrest": 1})


@pytest.mark.parametrize("wrong", ["of another op", "of nobody"])
def test_an_unknown_version_is_refused_with_those_that_are_there(local: BaseOpStoreClient, wrong: str) -> None:
    (only,) = sets(local, 1)
    number = only["forest"] if wrong == "of another op" else 999
    with pytest.raises(UnknownNameError, match=f"version {number} of 'pca'.*newest saved versions are {only['pca']}"):
        local.promote("predict", versions={"pca": number})
    assert local.history("predict") == []


def test_an_unknown_source_is_refused_with_the_nearest_name(local: BaseOpStoreClient) -> None:
    sets(local, 1)
    local.promote("predict", "candidate")
    with pytest.raises(UnknownNameError, match="Did you mean 'candidate'"):
        local.promote("predict", source="candidat")


def test_versions_that_do_not_fit_are_refused(client: BaseOpStoreClient) -> None:
    first, second = sets(client, 2)
    with pytest.raises(VersionError) as refused:
        client.promote("predict", versions={"pca": second["pca"], "forest": first["forest"]})
    assert refused.value.extra["problems"]
    assert client.alias("predict", "production") is None


def test_a_pipeline_of_which_nothing_is_known_is_refused_unless_versions_are_named(local: BaseOpStoreClient) -> None:
    numbers = save_pair(local, 1)
    local.record_deployment("predict", numbers)
    with pytest.raises(ConflictError, match="nothing in the op store says what pipeline 'predict' is made of"):
        local.promote("predict")
    assert local.promote("predict", source="serving").after == numbers


def test_a_pipeline_of_code_alone_is_refused(local: BaseOpStoreClient) -> None:
    local.describe_pipeline("predict", [query("score", "code")], [])
    with pytest.raises(ConflictError, match="none of its nodes has a saved version"):
        local.promote("predict")


@pytest.mark.parametrize("role", ["code", "retrain"])
def test_a_node_that_loads_no_saved_version_cannot_be_named(local: BaseOpStoreClient, role: str) -> None:
    numbers = save_pair(local, 1)
    local.describe_pipeline("predict", [query("pca", role), query("forest")], EDGE)
    with pytest.raises(InputError, match="node 'pca' of pipeline 'predict'"):
        local.promote("predict", versions={"pca": numbers["pca"]})


@pytest.mark.parametrize(
    "wrong",
    [
        {"alias": ""},
        {"alias": "a\nb"},
        {"alias": "serving"},
        {"reason": "x" * 2001},
        {"who": "x" * 256},
        {"versions": {"pca": 0}},
        {"versions": {"pca": 1}, "source": "candidate"},
    ],
    ids=lambda wrong: ", ".join(wrong),
)
def test_what_cannot_be_written_down_is_refused(local: BaseOpStoreClient, wrong: dict[str, object]) -> None:
    sets(local, 1)
    with pytest.raises(InputError, match=list(wrong)[-1]):
        local.promote("predict", **wrong)


def test_a_version_whose_bytes_were_given_up_is_refused(local: BaseOpStoreClient, store: OpStoreServer) -> None:
    first, second = sets(local, 2)
    promote(local, first)
    promote(local, second)
    with store.registry.database.writing() as connection:
        connection.exec_driver_sql(f"UPDATE version SET pruned_at = CURRENT_TIMESTAMP WHERE id = {first['pca']}")
    with pytest.raises(ConflictError, match=f"version {first['pca']} of 'pca'.*given up"):
        local.rollback("predict")
    with pytest.raises(ConflictError, match="given up"):
        local.promote("predict", versions=first)
    assert local.alias("predict", "production") == second


# Rollbacks


def test_a_rollback_brings_back_the_set_before(client: BaseOpStoreClient) -> None:
    first, second = sets(client, 2)
    started = promote(client, first)
    promote(client, second)
    event = client.rollback("predict", reason="too many false alarms")
    assert (event.kind, event.before, event.after) == ("rollback", second, first)
    assert (event.restores, event.reason, event.problems) == (started, "too many false alarms", ())
    assert client.alias("predict", "production") == first


def test_two_rollbacks_go_back_twice(local: BaseOpStoreClient) -> None:
    first, second, third = sets(local, 3)
    for versions in (first, second, third):
        promote(local, versions)
    local.rollback("predict")
    assert local.rollback("predict").after == first


def test_a_rollback_after_another_promotion_goes_to_what_stood_before_that_promotion(local: BaseOpStoreClient) -> None:
    first, second, third = sets(local, 3)
    promote(local, first)
    promote(local, second)
    local.rollback("predict")
    promote(local, third)
    assert local.rollback("predict").after == first


def test_a_set_that_was_promoted_twice_is_left_twice(local: BaseOpStoreClient) -> None:
    first, second, third = sets(local, 3)
    local.record_deployment("predict", third)
    for versions in (first, second, first, second):
        promote(local, versions)
    assert [local.rollback("predict").after for _ in range(4)] == [first, second, first, third]


def test_a_rollback_may_name_the_event_to_go_back_to(local: BaseOpStoreClient) -> None:
    first, second, third = sets(local, 3)
    to = promote(local, first)
    promote(local, second)
    promote(local, third)
    event = local.rollback("predict", to=to)
    assert (event.after, event.restores) == (first, to)


def test_a_rollback_to_a_rollback_restores_what_that_one_restored(local: BaseOpStoreClient) -> None:
    first, second, third = sets(local, 3)
    started = promote(local, first)
    promote(local, second)
    back = local.rollback("predict")
    promote(local, third)
    assert local.rollback("predict", to=back.id).restores == started


def test_an_event_of_another_alias_is_not_gone_back_to(local: BaseOpStoreClient) -> None:
    first, second = sets(local, 2)
    other = promote(local, first, "candidate")
    mine = promote(local, second)
    for number in (other, 999):
        with pytest.raises(UnknownNameError, match=f"event {number}, which is none of its events.*are {mine};"):
            local.rollback("predict", to=number)


def test_before_the_first_promotion_comes_what_was_served_then(local: BaseOpStoreClient) -> None:
    first, second, third = sets(local, 3)
    local.record_deployment("predict", first)
    for versions in (second, third):
        promote(local, versions)
        local.record_deployment("predict", versions)
    local.rollback("predict")
    local.record_deployment("predict", second)
    event = local.rollback("predict")
    assert (event.after, event.restores) == (first, None)
    with pytest.raises(ConflictError, match="nothing before what it stands for"):
        local.rollback("predict")


def test_where_nothing_was_promoted_a_rollback_goes_to_the_deployment_before_the_last(
    local: BaseOpStoreClient,
) -> None:
    first, second, third = sets(local, 3)
    for versions in (first, second, third):
        local.record_deployment("predict", versions)
    event = local.rollback("predict")
    assert (event.before, event.after) == (third, second)
    local.record_deployment("predict", second)
    assert local.rollback("predict").after == first


def test_where_there_is_nothing_before_a_rollback_is_refused(local: BaseOpStoreClient) -> None:
    (only,) = sets(local, 1)
    for do in (lambda: None, lambda: local.record_deployment("predict", only), lambda: local.promote("predict")):
        do()
        with pytest.raises(ConflictError, match="nothing before what it stands for"):
            local.rollback("predict")


def test_a_rollback_to_versions_of_other_code_is_made_and_says_what_is_in_the_way(local: BaseOpStoreClient) -> None:
    first, second = sets(local, 2)
    promote(local, first)
    promote(local, second)
    changed = version("new code")
    local.describe_pipeline("predict", [query("pca", code=changed), query("forest", code=changed)], EDGE)
    event = local.rollback("predict")
    assert event.after == first
    assert len(event.problems) >= 1
    assert local.history("predict")[0].problems == ()


# Acceptances


def test_an_accepted_pair_may_be_promoted(client: BaseOpStoreClient) -> None:
    (only,) = sets(client, 1)
    mixed = {"pca": retrain_pca(client), "forest": only["forest"]}
    with pytest.raises(VersionError):
        client.promote("predict", versions=mixed)
    event = client.accept("predict", "pca", "forest", "compared on the test set", mixed, who="anna")
    assert (event.kind, event.alias, event.before, event.after) == ("accept", None, None, mixed)
    assert (event.who, event.reason) == ("anna", "compared on the test set")
    assert client.promote("predict").after == mixed


def test_of_an_accepted_pair_the_newest_are_meant_unless_others_are_named(local: BaseOpStoreClient) -> None:
    first, second = sets(local, 2)
    new = retrain_pca(local)
    event = local.accept("predict", "pca", "forest", "compared", {"forest": first["forest"]})
    assert event.after == {"pca": new, "forest": first["forest"]}
    assert local.accept("predict", "pca", "forest", "compared").after == {"pca": new, "forest": second["forest"]}


def test_code_that_was_never_saved_may_be_accepted(local: BaseOpStoreClient) -> None:
    records = [record(local, "scale", of=version("scale 1")), record(local, "forest", b"1")]
    local.commit_save("train", "forest", records, [("scale", "forest")])
    nodes = [query("scale", "code", of=version("scale 2")), query("forest")]
    local.describe_pipeline("predict", nodes, [("scale", "forest")])
    assert local.resolve("predict", nodes, [("scale", "forest")]).problems
    local.accept("predict", "scale", "forest", "the same numbers, faster")
    assert local.resolve("predict", nodes, [("scale", "forest")]).problems == []


@pytest.mark.parametrize("reason", ["", "  \n"])
def test_an_acceptance_needs_a_reason(local: BaseOpStoreClient, reason: str) -> None:
    sets(local, 1)
    with pytest.raises(InputError, match="reason"):
        local.accept("predict", "pca", "forest", reason)


def test_a_pair_that_fits_already_is_not_accepted(local: BaseOpStoreClient) -> None:
    (only,) = sets(local, 1)
    with pytest.raises(ConflictError, match="may run together already: they were saved together"):
        local.accept("predict", "pca", "forest", "why not")
    mixed = {"pca": retrain_pca(local), "forest": only["forest"]}
    first = local.accept("predict", "pca", "forest", "compared", mixed)
    with pytest.raises(ConflictError, match=f"already: event {first.id} accepted them"):
        local.accept("predict", "pca", "forest", "compared again", mixed)


def test_only_neighbours_are_accepted(local: BaseOpStoreClient) -> None:
    sets(local, 1)
    with pytest.raises(UnknownNameError, match=r"which it does not read.*reads no other node"):
        local.accept("predict", "forest", "pca", "the wrong way round")
    with pytest.raises(UnknownNameError, match="Did you mean 'pca'"):
        local.accept("predict", "pcaa", "forest", "misspelt")
    with pytest.raises(InputError, match="versions"):
        local.accept("predict", "pca", "forest", "one too many", {"other": 1})


def test_what_learns_anew_needs_no_acceptance(local: BaseOpStoreClient) -> None:
    save_pair(local, 1)
    local.describe_pipeline("train", [query("pca"), query("forest", "retrain")], EDGE)
    with pytest.raises(ConflictError, match="one of the two learns anew"):
        local.accept("train", "pca", "forest", "no need")


# The history itself


def test_the_history_tells_everything_newest_first(client: BaseOpStoreClient) -> None:
    first, second = sets(client, 2)
    promote(client, first, "candidate")
    promote(client, second)
    client.promote("predict", source="candidate")
    client.rollback("predict")
    found = client.history("predict")
    assert [(event.kind, event.alias) for event in found] == [
        ("rollback", "production"),
        ("promote", "production"),
        ("promote", "production"),
        ("promote", "candidate"),
    ]
    assert [event.after for event in found] == [second, first, second, first]
    assert [event.before for event in found] == [first, second, None, None]
    assert all(newer.created_at >= older.created_at for newer, older in itertools.pairwise(found))
    assert found[0].created_at.tzinfo is not None


def test_the_history_comes_in_pages(local: BaseOpStoreClient) -> None:
    first, second = sets(local, 2)
    numbers = [promote(local, versions) for versions in (first, second, first, second, first)]
    read, before = [], None
    while page := local.history("predict", limit=2, before=before):
        read += [event.id for event in page]
        before = read[-1]
    assert read == numbers[::-1]
    with pytest.raises(InputError, match="limit"):
        local.history("predict", limit=0)


def test_the_history_of_one_alias_or_of_one_pipeline_holds_nothing_else(local: BaseOpStoreClient) -> None:
    (only,) = sets(local, 1)
    describe(local, "other")
    promote(local, only, "candidate")
    mine = promote(local, only)
    local.promote("other")
    assert [event.id for event in local.history("predict", alias="production")] == [mine]
    assert {event.pipeline for event in local.history("predict")} == {"predict"}


def test_aliases_of_one_pipeline_and_of_all(client: BaseOpStoreClient) -> None:
    first, second = sets(client, 2)
    describe(client, "other")
    for versions in (first, second):
        promote(client, versions)
    promote(client, first, "candidate")
    client.promote("other")
    assert {event.alias: event.after for event in client.aliases("predict")} == {
        "candidate": first,
        "production": second,
    }
    assert [(event.pipeline, event.alias) for event in client.aliases()] == [
        ("other", "production"),
        ("predict", "candidate"),
        ("predict", "production"),
    ]


def test_nothing_that_was_written_down_is_ever_changed(local: BaseOpStoreClient) -> None:
    first, second = sets(local, 2)
    seen: list[object] = []
    for act in (
        lambda: promote(local, first),
        lambda: promote(local, second),
        lambda: local.rollback("predict"),
        lambda: local.rollback("predict", to=local.history("predict")[1].id),
    ):
        act()
        now = local.history("predict")[::-1]
        assert now[: len(seen)] == seen
        assert len(now) == len(seen) + 1
        seen = list(now)


# Several people at once


def test_what_was_expected_and_is_not_there_is_a_conflict_that_tells_both(client: BaseOpStoreClient) -> None:
    first, second = sets(client, 2)
    client.promote("predict", versions=first, expected={})
    for ask in (
        lambda: client.promote("predict", versions=second, expected=second),
        lambda: client.rollback("predict", expected={}),
    ):
        with pytest.raises(ConflictError) as refused:
            ask()
        assert refused.value.extra["actual"] == first
    assert f"pca {second['pca']}" not in str(refused.value)
    assert f"stands for forest {first['forest']}, pca {first['pca']}" in str(refused.value)
    assert client.promote("predict", versions=second, expected=first).after == second


def test_promotions_at_once_are_all_recorded_one_after_the_other(store: OpStoreServer) -> None:
    client = store.client()
    candidates = sets(client, 8)
    start = threading.Barrier(len(candidates))

    def work(versions: Mapping[str, int]) -> None:
        start.wait(30)
        store.client().promote("predict", versions=versions)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=work, args=(versions,)) for versions in candidates]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    found = client.history("predict")[::-1]
    assert len(found) == len(candidates)
    assert [event.before for event in found] == [None, *(event.after for event in found[:-1])]


@pytest.mark.parametrize(
    ("route", "asked"),
    [
        ("/v2/promotions", {}),
        ("/v2/rollbacks", {}),
        ("/v2/withdrawals", {"alias": "production"}),
        ("/v2/acceptances", {"upstream": "pca", "downstream": "forest", "reason": "compared"}),
    ],
)
def test_a_decision_that_is_sent_twice_is_made_once(
    local: BaseOpStoreClient, route: str, asked: dict[str, object]
) -> None:
    first, second = sets(local, 2)
    promote(local, first)
    promote(local, second)
    if "accept" in route:
        asked = {**asked, "versions": {"pca": retrain_pca(local), "forest": second["forest"]}}
    elif "promotion" in route:
        asked = {"versions": dict(first)}
    request = {"pipeline": "predict", "key": "one decision", **asked}
    once = local.post(route, request)
    assert local.post(route, request) == once
    assert len(local.history("predict")) == 3


def test_describing_the_same_pipeline_again_writes_nothing(store: OpStoreServer, tmp_path: Path) -> None:
    client = store.client()
    describe(client)
    with store.registry.database.reading():
        before = count_rows(tmp_path)
    describe(client)
    assert count_rows(tmp_path) == before


@pytest.mark.parametrize("wrong", ["a name twice", "an edge to nowhere", "no version"])
def test_what_is_no_pipeline_cannot_be_described(local: BaseOpStoreClient, wrong: str) -> None:
    nodes, edges = [query("pca")], []
    if wrong == "a name twice":
        nodes = nodes * 2
    elif wrong == "an edge to nowhere":
        edges = EDGE
    else:
        nodes = [type(nodes[0])("pca", "load", "1.0", "1.0")]
    with pytest.raises(InputError, match=r"nodes|edges"):
        local.describe_pipeline("predict", nodes, edges)


# How it is asked and kept


def test_people_ask_with_get(local: BaseOpStoreClient, url: str) -> None:
    first, second = sets(local, 2)
    promote(local, first)
    promote(local, second)

    def get(path: str) -> Any:
        with urllib.request.urlopen(url + path, timeout=30) as answer:
            return json.load(answer)

    page = get("/v2/history?pipeline=predict&limit=1")
    assert [event["after"] for event in page["events"]] == [second]
    assert get(f"/v2/history?pipeline=predict&before={page['next']}")["events"][0]["after"] == first
    assert get("/v2/alias?pipeline=predict&alias=production") == {"versions": second}
    assert [event["pipeline"] for event in get("/v2/aliases")["aliases"]] == ["predict"]


def test_only_a_token_that_may_write_decides(tmp_path: Path) -> None:
    tokens = {"read": "r" * 32, "write": "w" * 32}
    served = OpStoreServer(FileSaver(str(tmp_path / "ops")), f"sqlite:///{tmp_path / 'db.sqlite'}", tokens=tokens)
    with serving(served) as address:
        reader, writer = (OpStoreClient(address, token=token) for token in tokens.values())
        (only,) = sets(writer, 1)
        for ask in (
            lambda: reader.promote("predict"),
            lambda: reader.rollback("predict"),
            lambda: reader.accept("predict", "pca", "forest", "why not"),
            lambda: describe(reader),
        ):
            with pytest.raises(ForbiddenError):
                ask()
        writer.promote("predict")
        assert reader.alias("predict", "production") == only
        assert len(reader.history("predict")) == len(reader.aliases("predict")) == 1


def test_a_promotion_that_fails_at_any_statement_changes_nothing(tmp_path: Path) -> None:
    store = file_store(tmp_path)
    local = store.client()
    first, second = sets(local, 2)
    promote(local, first)
    left = -1

    def before(*_: object) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise RuntimeError("cut")

    sa.event.listen(store.registry.database.engine, "before_cursor_execute", before)
    for statement in itertools.count(1):
        left = statement
        try:
            store.registry.decisions.promote("predict", versions=second)
        except RuntimeError:
            left = -1
            assert local.alias("predict", "production") == first
            assert len(local.history("predict")) == 1
        else:
            break
    left = -1
    assert statement > 5
    assert [event.before for event in local.history("predict")] == [first, None]


def test_every_question_about_one_pipeline_uses_an_index(tmp_path: Path) -> None:
    store = file_store(tmp_path)
    local = store.client()
    first, second = sets(local, 2)
    asked: list[tuple[str, Any]] = []
    engine = store.registry.database.engine
    sa.event.listen(engine, "before_cursor_execute", lambda *given: asked.append((given[2], given[3])))
    decisions, history = store.registry.decisions, store.registry.history
    for versions in (first, second):
        decisions.promote("predict", versions=versions)
        store.registry.record_deployment("predict", versions)
    decisions.rollback("predict")
    decisions.rollback("predict", "other")
    history.alias("predict", "production")
    history.aliases("predict")
    history.history("predict", before=3, alias="production")
    history.history("predict")
    scans = set()
    with engine.connect() as connection:
        for statement, parameters in list(asked):
            if not statement.startswith(("SELECT", "UPDATE")):
                continue
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            scans |= {
                (row.detail, statement) for row in plan if re.match("SCAN (event|deployment|version|link)", row.detail)
            }
    assert len(asked) > 30
    assert scans == set()
