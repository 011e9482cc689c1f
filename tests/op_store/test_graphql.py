"""Does the store answer in GraphQL, change nothing, and refuse what would cost too much?"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import urllib.error
import urllib.request
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from graphql import get_introspection_query

from chariots.errors import ChariotsError, InputError, StoreError
from chariots.op_store import BaseOpStoreClient, OpStoreServer
from chariots.pipelines.store import Origin
from tests.op_store.support import ROOT, count_rows, record, save_pair

BOTH_WAYS = "{ versions(op: %s) { number parents { version { op } } children { version { op } } } }"


def ask(store: OpStoreServer, query: str, variables: Any = None, **others: Any) -> Any:
    """Sends a question to a store in this process; returns the whole answer."""
    answer = store.flask.test_client().post("/graphql", json={"query": query, "variables": variables, **others})
    assert answer.status_code == 200, answer.text
    return json.loads(answer.data)


def refusal(store: OpStoreServer, query: str, variables: Any = None) -> str:
    """Why a question is not answered."""
    answer = ask(store, query, variables)
    assert answer["data"] is None
    return str(answer["errors"][0]["message"])


def test_a_version_is_told_with_its_parents_and_children(client: BaseOpStoreClient) -> None:
    numbers = save_pair(client, 1)
    found = client.graphql(BOTH_WAYS % '"pca"')
    assert found == {
        "versions": [{"number": numbers["pca"], "parents": [], "children": [{"version": {"op": "forest"}}]}]
    }


def test_everything_that_is_known_of_a_version_can_be_asked(client: BaseOpStoreClient) -> None:
    training = {
        "metrics": {"accuracy": 0.9, "loss": "inf"},
        "parameters": {"C": [1, {"a": None}]},
        "data_fingerprint": "abc",
        "duration": 1.5,
        "trained_at": 1_700_000_000.25,
    }
    saved = replace(record(client, "pca", b"12"), training=training, format="dill")
    number = client.commit_save("train", "pca", [saved], [], Origin("ada", "engine", "c0ffee", "1.2"))["pca"]
    query = """query ($number: Number!) { version(number: $number) {
        number op version sha256 size format signedBy fingerprint prunedAt pipeline parameters dataFingerprint duration
        trainedAt fields { name value affects } metrics { name value text } origin { who host gitCommit codeVersion }
    } }"""
    assert client.graphql(query, {"number": number})["version"] == {
        "number": number,
        "op": "pca",
        "version": saved.version,
        "sha256": saved.sha256,
        "size": 2,
        "format": "dill",
        "signedBy": None,
        "fingerprint": "a1b2",
        "prunedAt": None,
        "pipeline": "train",
        "parameters": {"C": [1, {"a": None}]},
        "dataFingerprint": "abc",
        "duration": 1.5,
        "trainedAt": 1_700_000_000.25,
        "fields": [{"name": "rate", "value": "3", "affects": "major"}],
        "metrics": [
            {"name": "accuracy", "value": 0.9, "text": "0.9"},
            {"name": "loss", "value": None, "text": "inf"},
        ],
        "origin": {"who": "ada", "host": "engine", "gitCommit": "c0ffee", "codeVersion": "1.2"},
    }


def test_numbers_larger_than_32_bits_are_told(store: OpStoreServer) -> None:
    client = store.client()
    number = client.commit_save("", "pca", [replace(record(client, "pca", b"1"), size=2**40)], [])["pca"]
    assert client.graphql(f"{{ version(number: {number}) {{ size }} }}") == {"version": {"size": 2**40}}


def test_ops_with_their_newest_version_are_told_in_pages(store: OpStoreServer) -> None:
    client = store.client()
    newest = [save_pair(client, number) for number in range(3)][-1]
    query = "query ($after: String!) { ops(limit: 1, after: $after) { name newest versions(limit: 1) { number } } }"
    assert client.graphql(query, {"after": "forest"}) == {
        "ops": [{"name": "pca", "newest": newest["pca"], "versions": [{"number": newest["pca"]}]}]
    }


def test_pipelines_are_told_with_the_versions_they_serve(store: OpStoreServer) -> None:
    client = store.client()
    first, second = save_pair(client, 1), save_pair(client, 2)
    client.record_deployment("predict", second)
    client.promote("predict", versions=first, reason="calmer", who="ada")
    query = """{ pipelines(limit: 1) {
        name serves { node number version { op parents { version { op } } } }
        aliases { name who reason serves { node version { number } } }
    } }"""
    assert client.graphql(query)["pipelines"] == [
        {
            "name": "predict",
            "serves": [
                {
                    "node": "forest",
                    "number": second["forest"],
                    "version": {"op": "forest", "parents": [{"version": {"op": "pca"}}]},
                },
                {"node": "pca", "number": second["pca"], "version": {"op": "pca", "parents": []}},
            ],
            "aliases": [
                {
                    "name": "production",
                    "who": "ada",
                    "reason": "calmer",
                    "serves": [
                        {"node": "forest", "version": {"number": first["forest"]}},
                        {"node": "pca", "version": {"number": first["pca"]}},
                    ],
                }
            ],
        }
    ]


def test_what_pipelines_serve_is_asked_of_the_database_at_once(store: OpStoreServer) -> None:
    client, statements = store.client(), list[str]()
    query = "{ pipelines { serves { version { op } } aliases { serves { version { op } } } } }"
    counts = []
    for number in range(2):
        for name in range(1 + 9 * number):
            client.record_deployment(f"predict {name}", save_pair(client, f"{number} {name}"))
            client.promote(f"predict {name}", source="serving")
        engine = store.registry.database.engine
        keep = lambda _connection, _cursor, statement, *_: statements.append(statement)
        sa.event.listen(engine, "before_cursor_execute", keep)
        ask(store, query)
        sa.event.remove(engine, "before_cursor_execute", keep)
        counts.append(len(statements))
        statements.clear()
    assert counts[0] == counts[1]


def test_versions_are_told_by_number(store: OpStoreServer) -> None:
    save_pair(store.client(), 1)
    found = store.client().graphql("{ versionsByNumber(numbers: [2, 1, 77]) { number op } }")
    assert found == {"versionsByNumber": [{"number": 1, "op": "pca"}, {"number": 2, "op": "forest"}]}


def test_one_question_that_fails_takes_no_other_with_it(store: OpStoreServer) -> None:
    save_pair(store.client(), 1)
    answer = ask(store, '{ version(number: 1) { op } lost: version(number: 9) { op } versions(op: "pcb") { op } }')
    assert answer["data"] == {"version": {"op": "pca"}, "lost": None, "versions": None}
    told = {error["path"][0]: error for error in answer["errors"]}
    assert "number 9 was asked for" in told["lost"]["message"]
    assert "Did you mean 'pca'?" in told["versions"]["message"]
    assert told["lost"]["extensions"] == {"type": "urn:chariots:unknown-name"}


def test_the_python_client_raises_what_was_wrong(client: BaseOpStoreClient) -> None:
    with pytest.raises(InputError, match=r"could not be answered: the version number 9 .*Correct it"):
        client.graphql("{ version(number: 9) { op } }")


def test_each_level_of_an_answer_is_asked_of_the_database_at_once(store: OpStoreServer) -> None:
    statements: list[str] = []
    for number in range(2):
        save_pair(store.client(), number)
    sa.event.listen(
        store.registry.database.engine,
        "before_cursor_execute",
        lambda _connection, _cursor, statement, *_: statements.append(statement),
    )
    few = ask(store, BOTH_WAYS % '"forest"')
    count = len(statements)
    for number in range(2, 20):
        save_pair(store.client(), number)
    statements.clear()
    many = ask(store, BOTH_WAYS % '"forest"')
    assert (len(few["data"]["versions"]), len(many["data"]["versions"])) == (2, 20)
    assert len(statements) == count


def test_an_answer_is_from_one_state_of_the_store(store: OpStoreServer) -> None:
    save_pair(store.client(), 1)
    transactions: list[int] = []
    sa.event.listen(store.registry.database.engine, "begin", lambda _connection: transactions.append(1))
    ask(store, BOTH_WAYS % '"pca"')
    assert len(transactions) == 1


def test_nothing_can_be_changed(store: OpStoreServer, tmp_path: Path) -> None:
    save_pair(store.client(), 1)
    before = count_rows(tmp_path)
    assert "read-only" in refusal(store, "mutation { prune(number: 1) }")
    assert "read-only" in refusal(store, "subscription { versions }")
    assert "read-only" in refusal(store, "query a { ops { name } } mutation b { prune }")
    introspection = ask(store, "{ __schema { mutationType { name } subscriptionType { name } } }")
    assert introspection["data"]["__schema"] == {"mutationType": None, "subscriptionType": None}
    assert count_rows(tmp_path) == before


def test_get_is_no_way_to_ask(store: OpStoreServer) -> None:
    assert store.flask.test_client().get("/graphql?query={ops{name}}").status_code == 405


def test_the_question_that_tools_ask_about_the_schema_is_answered(store: OpStoreServer) -> None:
    answer = ask(store, get_introspection_query(descriptions=True, specified_by_url=True))
    assert "errors" not in answer
    assert {"Query", "Op", "Version", "Link"} <= {found["name"] for found in answer["data"]["__schema"]["types"]}


def test_several_operations_need_a_name(store: OpStoreServer) -> None:
    answer = ask(store, "query a { ops { name } } query b { __typename }")
    assert answer["data"] is None
    assert answer["errors"][0]["message"].startswith("the query holds 2 operations ('a', 'b'), and nothing says which")


def test_an_operation_is_chosen_by_its_name(store: OpStoreServer) -> None:
    answer = ask(store, "query a { ops { name } } query b { __typename }", operationName="b")
    assert answer["data"] == {"__typename": "Query"}


@pytest.mark.sqlite
def test_a_store_whose_database_fails_says_so(store: OpStoreServer, url: str) -> None:
    save_pair(store.client(), 1)
    with store.registry.database.writing() as connection:
        connection.execute(sa.text("ALTER TABLE version RENAME TO elsewhere"))
    body = json.dumps({"query": "{ version(number: 1) { op } }"}).encode()
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(f"{url}/graphql", body, timeout=30)
    assert caught.value.status == 503
    with pytest.raises(StoreError, match="version"):
        store.client().graphql("{ version(number: 1) { op } }")


def test_an_embedded_store_answers_inside_of_an_event_loop(store: OpStoreServer) -> None:
    save_pair(store.client(), 1)

    async def notebook() -> Any:
        return store.client().graphql("{ version(number: 1) { op } }")

    assert asyncio.run(notebook()) == {"version": {"op": "pca"}}


def test_a_store_is_imported_and_asked_in_rest_without_graphql(tmp_path: Path) -> None:
    program = """if True:
        import sys
        sys.modules["graphql"] = sys.modules["strawberry"] = None
        from chariots.errors import ChariotsError
        from chariots.op_store import OpStoreServer, savers
        client = OpStoreServer(savers.FileSaver(sys.argv[1]), "sqlite:///:memory:").client()
        print(client.ops())
        try:
            client.graphql("{ ops { name } }")
        except ChariotsError as error:
            print(error.status, error)
        """
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True, cwd=ROOT
    )
    listed, refused = done.stdout.splitlines()
    assert listed == "[]"
    assert refused.startswith("501 ")
    assert "install chariots[graphql]" in refused


def test_nothing_of_graphql_is_loaded_before_it_is_asked(tmp_path: Path) -> None:
    program = "import sys, chariots.op_store.server; print('strawberry' in sys.modules, 'graphql' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.split() == ["False", "False"]


def test_a_refused_question_is_no_failure_of_the_server(store: OpStoreServer, caplog: pytest.LogCaptureFixture) -> None:
    refusal(store, "{ nothing }")
    ask(store, "{ version(number: 9) { op } }")
    assert caplog.records == []
    assert issubclass(InputError, ChariotsError)
