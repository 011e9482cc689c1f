"""Does the store tell where a version comes from, page by page, however many there are?"""

from __future__ import annotations

import json
import math
import urllib.error
import urllib.request
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
import sqlalchemy as sa

from chariots.errors import InputError, UnknownNameError
from chariots.op_store import BaseOpStoreClient, OpStoreServer, tables
from chariots.op_store.details import LinkedVersion
from chariots.pipelines.store import Origin
from tests.op_store.support import record, save_pair, version

TRAINING = {
    "metrics": {"accuracy": 0.9, "loss": "inf"},
    "parameters": {"C": 10.0, "classes": ["a", None]},
    "data_fingerprint": "sha256:abc",
    "duration": 1.5,
    "trained_at": 1_700_000_000.25,
}
WHO = Origin("ada", "engine", "c0ffee-dirty", "1.2.3")


def ask(url: str, path: str, **parameters: Any) -> Any:
    """Asks with GET, as a person with a browser does."""
    with urllib.request.urlopen(f"{url}{path}?{urlencode(parameters)}", timeout=30) as answer:
        return json.load(answer)


def test_a_version_comes_with_everything_that_was_saved_of_it(client: BaseOpStoreClient) -> None:
    saved = replace(record(client, "pca", b"1", version("a", created=10.25)), training=TRAINING, format="dill")
    number = client.commit_save("train", "pca", [saved], [], WHO)["pca"]
    found = client.version(number)
    assert (found.id, found.op, found.version, found.sha256) == (number, "pca", saved.version, saved.sha256)
    assert (found.size, found.format, found.fingerprint) == (1, "dill", "a1b2")
    assert found.fields == saved.fields
    assert found.metrics == {"accuracy": 0.9, "loss": "inf"}
    assert found.parameters == {"C": 10.0, "classes": ["a", None]}
    assert (found.data_fingerprint, found.duration, found.trained_at) == ("sha256:abc", 1.5, 1_700_000_000.25)
    assert (found.pipeline, found.origin) == ("train", WHO)
    assert found.pruned_at is None


def test_a_version_was_saved_at_a_time_in_utc(client: BaseOpStoreClient) -> None:
    found = client.version(save_pair(client, 1)["pca"])
    assert found.saved_at is not None
    assert found.saved_at.tzinfo == UTC
    assert abs(found.saved_at - datetime.now(UTC)) < timedelta(minutes=10)


def test_what_was_saved_together_has_one_save(client: BaseOpStoreClient) -> None:
    first, second = save_pair(client, 1), save_pair(client, 2)
    saves = {number: client.version(number).save for number in (*first.values(), *second.values())}
    assert saves[first["pca"]] == saves[first["forest"]] != saves[second["pca"]]


def test_a_version_that_came_alone_has_no_save(client: BaseOpStoreClient) -> None:
    client.save_op_bytes("pca", version("a"), b"1")
    found = client.versions("pca")[0]
    assert (found.pipeline, found.save, found.origin) == (None, None, Origin())


def test_saving_the_same_again_keeps_what_was_known_first(client: BaseOpStoreClient) -> None:
    saved = replace(record(client, "pca", b"1"), training=TRAINING)
    number = client.commit_save("train", "pca", [saved], [], WHO)["pca"]
    again = client.commit_save("other", "pca", [replace(saved, training={})], [], Origin("bob"))
    assert again == {"pca": number}
    assert client.version(number).origin == WHO
    assert client.version(number).metrics["accuracy"] == 0.9


def test_an_unknown_number_is_refused_with_what_there_is(client: BaseOpStoreClient) -> None:
    newest = save_pair(client, 1)["forest"]
    with pytest.raises(UnknownNameError, match=rf"number 99 was asked for.*\(numbers go up to {newest}\)"):
        client.version(99)


def test_an_empty_store_says_that_it_is_empty(client: BaseOpStoreClient) -> None:
    assert client.ops() == []
    with pytest.raises(UnknownNameError, match="it holds no versions yet"):
        client.version(1)


@pytest.mark.parametrize("number", [0, -1, 2**63])
def test_what_cannot_be_a_number_is_refused(local: BaseOpStoreClient, number: int) -> None:
    with pytest.raises(InputError):
        local.version(number)
    with pytest.raises(InputError):
        local.versions_by_number([1, number])
    with pytest.raises(InputError):
        local.parents(number)


def test_ops_are_listed_by_name_with_their_newest_version(client: BaseOpStoreClient) -> None:
    save_pair(client, 1)
    newest = save_pair(client, 2)
    client.commit_save("", "later", [record(client, "later")], [])
    found = client.ops()
    assert [op.name for op in found] == ["forest", "later", "pca"]
    assert {op.name: op.newest for op in found if op.name in newest} == newest
    assert found[0].saved_at is not None


def test_ops_come_in_pages(client: BaseOpStoreClient) -> None:
    client.commit_save("", "op 0", [record(client, f"op {number}") for number in range(7)], [])
    names: list[str] = []
    while page := client.ops(limit=3, after=names[-1] if names else ""):
        assert len(page) <= 3
        names += [op.name for op in page]
    assert names == [f"op {number}" for number in range(7)]


def test_pipelines_are_listed_by_name_with_what_they_serve(client: BaseOpStoreClient) -> None:
    first, second = save_pair(client, 1), save_pair(client, 2)
    client.record_deployment("predict", first)
    client.record_deployment("predict", second)
    client.promote("predict", versions=second, reason="good")
    event = client.promote("predict", versions=first, reason="better", who="ada")
    trial = client.promote("predict", "candidate", second)
    predict, train = client.pipelines()
    assert (predict.name, dict(predict.serves)) == ("predict", second)
    assert predict.serves_since is not None
    assert predict.serves_since.tzinfo == UTC
    assert list(predict.aliases) == [trial, event]
    assert (train.name, dict(train.serves), train.serves_since, list(train.aliases)) == ("train", {}, None, [])


def test_pipelines_come_in_pages(client: BaseOpStoreClient, url: str) -> None:
    for name in ("c", "a", "b"):
        client.record_deployment(name, {})
    assert [one.name for one in client.pipelines(limit=2)] == ["a", "b"]
    assert [one.name for one in client.pipelines(limit=2, after="b")] == ["c"]
    page = ask(url, "/v2/lineage/pipelines", limit=1, after="a")
    assert ([one["name"] for one in page["pipelines"]], page["next"]) == (["b"], "b")
    with pytest.raises(InputError, match="a number from 1 to 1000"):
        client.pipelines(limit=0)


def test_versions_come_in_pages_newest_first(client: BaseOpStoreClient) -> None:
    saved = [save_pair(client, number)["pca"] for number in range(7)]
    found: list[int] = []
    while page := client.versions("pca", limit=3, before=found[-1] if found else None):
        assert len(page) <= 3
        found += [version.id for version in page]
    assert found == saved[::-1]


def test_versions_of_an_unknown_op_are_refused_with_the_nearest_name(client: BaseOpStoreClient) -> None:
    save_pair(client, 1)
    with pytest.raises(UnknownNameError, match=r"no op of that name.*Did you mean 'forest'"):
        client.versions("forrest")


def test_beyond_the_last_page_there_is_nothing(client: BaseOpStoreClient) -> None:
    first = save_pair(client, 1)["pca"]
    assert client.versions("pca", before=first) == []


@pytest.mark.parametrize("limit", [0, -1, 1001])
def test_a_page_has_a_size_within_reason(local: BaseOpStoreClient, limit: int) -> None:
    save_pair(local, 1)
    for question in (local.ops, lambda limit: local.versions("pca", limit), lambda limit: local.parents(1, limit)):
        with pytest.raises(InputError, match="a number from 1 to 1000"):
            question(limit=limit)  # type: ignore[operator]


def test_many_versions_are_told_at_once_and_unknown_ones_left_out(client: BaseOpStoreClient) -> None:
    numbers = save_pair(client, 1)
    found = client.versions_by_number([*numbers.values(), 99])
    assert {number: version.op for number, version in found.items()} == {numbers[op]: op for op in numbers}
    assert client.versions_by_number([]) == {}


def test_more_versions_than_fit_into_a_request_are_told_too(client: BaseOpStoreClient) -> None:
    newest = save_pair(client, 1)["forest"]
    assert max(client.versions_by_number(range(1, 2500))) == newest


def test_a_question_for_too_many_versions_is_refused(url: str) -> None:
    body = json.dumps({"numbers": list(range(1, 1002))}).encode()
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(f"{url}/v2/lineage/by-number", body, timeout=30)
    assert caught.value.status == 422


def test_the_parents_of_a_version_are_what_it_was_trained_with(client: BaseOpStoreClient) -> None:
    save_pair(client, 1)
    numbers = save_pair(client, 2)
    found = client.parents(numbers["forest"])
    assert found == [LinkedVersion(client.version(numbers["pca"]))]
    assert client.parents(numbers["pca"]) == []


def test_the_children_of_a_version_are_what_was_trained_with_it(client: BaseOpStoreClient) -> None:
    records = [record(client, "pca", b"pca"), record(client, "forest", b"0", version("0"))]
    trained = [client.commit_save("train", "forest", records, [("pca", "forest")])]
    for number in range(1, 5):
        records = [records[0], record(client, "forest", repr(number).encode(), version(repr(number)))]
        trained.append(client.commit_save("train", "forest", records, [("pca", "forest")]))
    pca = trained[0]["pca"]
    newest_first = [numbers["forest"] for numbers in trained][::-1]
    assert [child.version.id for child in client.children(pca)] == newest_first
    page = client.children(pca, limit=2)
    assert [child.version.id for child in page] == newest_first[:2]
    rest = client.children(pca, before=page[-1].version.id)
    assert [child.version.id for child in rest] == newest_first[2:]


def test_a_pair_that_a_person_accepted_is_told_from_a_training(client: BaseOpStoreClient, store: OpStoreServer) -> None:
    first, second = save_pair(client, 1), save_pair(client, 2)
    with store.registry.database.writing() as connection:
        pipeline = connection.scalar(sa.select(tables.pipeline.c.id))
        values = {"pipeline_id": pipeline, "kind": "accept", "reason": "same scale"}
        event = connection.execute(sa.insert(tables.event).values(values).returning(tables.event.c.id)).scalar_one()
        link = tables.link.c
        ends = (link.upstream_op_id, link.downstream_op_id)
        ops = connection.execute(sa.select(*ends).limit(1)).one()
        pair = {"upstream_version_id": first["pca"], "downstream_version_id": second["forest"], "event_id": event}
        connection.execute(sa.insert(tables.link).values({**dict(ops._mapping), **pair}))
    found = client.parents(second["forest"])
    assert [(parent.version.id, parent.accepted_by) for parent in found] == [
        (second["pca"], None),
        (first["pca"], event),
    ]


def test_what_an_old_client_vouched_for_is_no_lineage(client: BaseOpStoreClient) -> None:
    numbers = save_pair(client, 1)
    client.register_valid_link("forest", "pca", version("other"))
    assert [parent.version.id for parent in client.parents(numbers["forest"])] == [numbers["pca"]]
    other = client.versions("pca")[0]
    assert other.id != numbers["pca"]
    assert client.children(other.id) == []


def test_the_relatives_of_an_unknown_version_are_refused(client: BaseOpStoreClient) -> None:
    for question in (client.parents, client.children):
        with pytest.raises(UnknownNameError, match="number 7 was asked for"):
            question(7)


def test_a_training_in_another_form_is_left_out(client: BaseOpStoreClient) -> None:
    strange = {"metrics": 5, "parameters": [1], "data_fingerprint": 3, "duration": True, "trained_at": "now", "x": 1}
    number = client.commit_save("", "pca", [replace(record(client, "pca"), training=strange)], [])["pca"]
    found = client.version(number)
    assert (found.metrics, found.parameters) == ({}, {})
    assert (found.data_fingerprint, found.duration, found.trained_at) == (None, None, None)


@pytest.mark.parametrize("training", [{"metrics": {"loss": math.nan}}, {"x": {1}}, {"x": "a" * (4 * 2**20)}])
def test_what_no_database_keeps_as_json_is_refused(local: BaseOpStoreClient, training: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"versions\.training"):
        local.commit_save("", "pca", [replace(record(local, "pca"), training=training)], [])
    assert local.ops() == []


def test_a_person_asks_with_get(store: OpStoreServer, url: str) -> None:
    client = store.client()
    numbers = save_pair(client, 1)
    assert [op["name"] for op in ask(url, "/v2/lineage/ops")["ops"]] == ["forest", "pca"]
    page = ask(url, "/v2/lineage/versions", op="pca", limit=1)
    assert page["next"] == numbers["pca"] == page["versions"][0]["id"]
    assert ask(url, "/v2/lineage/versions", op="pca", before=page["next"]) == {"versions": [], "next": None}
    assert ask(url, "/v2/lineage/version", number=numbers["forest"])["op"] == "forest"
    assert ask(url, "/v2/lineage/parents", number=numbers["forest"])["parents"][0]["version"]["op"] == "pca"
    assert ask(url, "/v2/lineage/children", number=numbers["pca"])["children"][0]["version"]["op"] == "forest"


@pytest.mark.parametrize("name", ["..", "a/b", "/", "?op=x&y", "naïve 😀"])
def test_an_op_of_any_name_can_be_asked_for_with_get(store: OpStoreServer, url: str, name: str) -> None:
    number = store.client().commit_save("", name, [record(store.client(), name)], [])[name]
    assert ask(url, "/v2/lineage/versions", op=name)["versions"][0]["id"] == number


def test_the_questions_are_in_the_openapi_document(url: str) -> None:
    paths = ask(url, "/openapi.json")["paths"]
    assert {"get", "post"} <= set(paths["/v2/lineage/versions"])
    assert [parameter["name"] for parameter in paths["/v2/lineage/parents"]["get"]["parameters"]] == [
        "number",
        "limit",
        "before",
    ]


def test_no_question_reads_a_whole_table(client: BaseOpStoreClient, store: OpStoreServer) -> None:
    for number in range(3):
        client.record_deployment("predict", save_pair(client, number))
    client.promote("predict", source="serving")
    statements: list[tuple[str, Any]] = []
    engine = store.registry.database.engine

    def keep(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        statements.append((statement, parameters))

    sa.event.listen(engine, "before_cursor_execute", keep)
    lineage = store.registry.lineage
    lineage.ops(), lineage.pipelines(), lineage.versions("pca"), lineage.version(1)
    lineage.versions_by_number([1, 2]), lineage.parents(2), lineage.children(1)
    sa.event.remove(engine, "before_cursor_execute", keep)
    asked = [(statement, parameters) for statement, parameters in statements if statement.startswith("SELECT")]
    assert len(asked) >= 9
    with store.registry.database.reading() as connection:
        if connection.dialect.name == "postgresql":
            # So few rows are read faster without an index; what matters is whether there is one to use.
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        for statement, parameters in asked:
            explain = "EXPLAIN QUERY PLAN " if connection.dialect.name == "sqlite" else "EXPLAIN "
            plan = "\n".join(str(row) for row in connection.exec_driver_sql(explain + statement, parameters))
            assert "Seq Scan" not in plan, plan
            for line in plan.splitlines():
                assert "SCAN " not in line or "SCAN (subquery" in line or "SCAN anon" in line, plan
