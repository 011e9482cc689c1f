"""Does a load ask the database a fixed number of questions, each of them answered by an index?"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from unittest import mock

import pytest
import sqlalchemy as sa

from chariots.op_store import BaseOpStoreClient, OpStoreClient, OpStoreServer
from chariots.op_store.resolution import lookup
from chariots.pipelines import Pipeline
from chariots.pipelines.nodes import Node
from chariots.pipelines.ops import LoadableOp
from chariots.pipelines.runners import SequentialRunner
from chariots.pipelines.store import NodeQuery, Resolution
from tests.op_store.support import query, record, save_pair, version

Statements = list[tuple[str, Any]]


@contextmanager
def listened(store: OpStoreServer) -> Iterator[Statements]:
    """Notes every statement that asks the database something."""
    said: Statements = []

    def note(_connection: object, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        if statement.startswith(("SELECT", "WITH")):
            said.append((statement, parameters))

    engine = store.registry.database.engine
    sa.event.listen(engine, "before_cursor_execute", note)
    try:
        yield said
    finally:
        sa.event.remove(engine, "before_cursor_execute", note)


def chain(client: BaseOpStoreClient, size: int) -> tuple[list[NodeQuery], list[tuple[str, str]]]:
    """Saves ops that were trained together, each reading the one before; returns how they are asked for."""
    names = [f"op{size} {position}" for position in range(size)]
    edges = list(itertools.pairwise(names))
    for training in range(2):
        made = [record(client, name, b"any", version(f"{name} {training}")) for name in names]
        client.commit_save(f"train {size}", names[-1], made, edges)
    return [query(name) for name in names], edges


def asked(store: OpStoreServer, nodes: list[NodeQuery], edges: list[tuple[str, str]]) -> tuple[Statements, Resolution]:
    """The statements of one load, and its answer."""
    with listened(store) as said:
        found = store.client().resolve("predict", nodes, edges)
    return said, found


def retrained_alone(client: BaseOpStoreClient, nodes: list[NodeQuery], **how: Any) -> None:
    """Saves a new version of every second op, which fits nothing."""
    for node in nodes[::2]:
        client.commit_save("alone", node.name, [record(client, node.name, b"alone", version("alone"), **how)], [])


SIZES = (2, 7, 30)


def test_a_load_of_the_newest_versions_is_two_statements(local: BaseOpStoreClient, store: OpStoreServer) -> None:
    counts = set()
    for size in SIZES:
        said, found = asked(store, *chain(local, size))
        assert (len(found.versions), found.passed_over) == (size, [])
        counts.add(len(said))
    assert counts == {2}


def test_a_load_of_older_versions_is_as_many_statements_whatever_the_size(
    local: BaseOpStoreClient, store: OpStoreServer
) -> None:
    counts = set()
    for size in SIZES:
        nodes, edges = chain(local, size)
        retrained_alone(local, nodes)
        said, found = asked(store, nodes, edges)
        assert (found.problems, len(found.passed_over)) == ([], size - 1)
        counts.add(len(said))
    assert len(counts) == 1
    assert counts.pop() <= 10


def test_a_search_through_many_versions_is_a_bounded_number_of_statements(
    local: BaseOpStoreClient, store: OpStoreServer
) -> None:
    nodes, edges = chain(local, 7)
    retrained_alone(local, nodes)
    with mock.patch.object(lookup, "WINDOWS", (1, 2, None)):
        said, found = asked(store, nodes, edges)
    assert (found.problems, len(found.passed_over)) == ([], 6)
    assert len(said) <= 16


def test_a_refusal_is_as_many_statements_whatever_the_size(local: BaseOpStoreClient, store: OpStoreServer) -> None:
    counts = set()
    for size in SIZES:
        nodes, edges = chain(local, size)
        local.commit_save("alone", "x", [record(local, nodes[0].name, b"alone", version("alone"), code=None)], [])
        numbers = {nodes[0].name: local.resolve("p", nodes[:1], []).versions[nodes[0].name].id}
        with listened(store) as said:
            found = local.resolve("predict", nodes, edges, numbers)
        assert len(found.problems) == 1
        counts.add(len(said))
    assert len(counts) == 1
    assert counts.pop() <= 10


@pytest.fixture
def busy(local: BaseOpStoreClient, store: OpStoreServer) -> OpStoreServer:
    """A store in which everything that a load may ask for has several rows."""
    for number in range(3):
        save_pair(local, number)
    local.save_op_bytes("pca", version("by an old client"), b"old")
    local.register_valid_link("forest", "pca", version("by an old client"))
    return store


def test_no_statement_of_a_load_has_to_read_a_whole_table(local: BaseOpStoreClient, busy: OpStoreServer) -> None:
    for statements in every_kind_of_load(local, busy):
        with busy.registry.database.reading() as connection:
            for statement, parameters in statements:
                if "ORDER BY op.id DESC" not in statement:  # the last ten thousand names, for a suggestion
                    assert whole_reads(connection, statement, parameters) == [], statement


def whole_reads(connection: sa.Connection, statement: str, parameters: Any) -> list[str]:
    """The steps of the plan of a statement that go through a table from end to end."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET LOCAL enable_seqscan = off")  # tables this small are read whole otherwise
        plan = connection.exec_driver_sql(f"EXPLAIN {statement}", parameters)
        return [row[0] for row in plan if "Seq Scan" in row[0]]
    plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
    tables = {row[0] for row in connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'table'")}
    aliases = tables | {"source", "candidate"}
    # What the request holds is read whole, and so is what a step before has found.
    return [row[3] for row in plan if row[3].startswith("SCAN") and row[3].split()[1] in aliases]


def every_kind_of_load(local: BaseOpStoreClient, store: OpStoreServer) -> Iterator[Statements]:
    """The statements of loads that are accepted, that take older versions, and that are refused."""
    edges = [("pca", "forest"), ("forest", "shape"), ("shape", "pick")]
    nodes = [query("pca"), query("forest"), query("shape", "code"), query("pick", "optional")]
    yield asked(store, nodes, edges)[0]
    retrained_alone(local, nodes[:1])
    said, found = asked(store, nodes, edges)
    assert len(found.passed_over) == 1
    yield said
    with mock.patch.object(lookup, "WINDOWS", (1, 2, None)):
        said, again = asked(store, nodes, edges)
    assert again.versions == found.versions
    yield said
    with listened(store) as said:
        found = local.resolve("p", nodes, edges, {"pca": max(found.passed_over[0].running_number or 0, 1)})
    assert found.problems
    yield said
    other = [query("pca"), query("forests"), query("forest", code=version("other"))]
    said, found = asked(store, other, [("pca", "forest")])
    assert len(found.problems) == 2
    yield said


class CountingClient(OpStoreClient):
    """Notes what it asks."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.questions: list[str] = []

    def post(self, route: str, arguments_json: Mapping[str, Any]) -> Any:
        """Asks one question."""
        self.questions.append(route)
        return super().post(route, arguments_json)


class Remembering(LoadableOp):
    """Knows one number."""

    number = 1

    def execute(self, number: int) -> int:
        """Adds what it knows."""
        return number + self.number

    def serialize(self) -> bytes:
        """Returns what it knows."""
        return str(self.number).encode()

    def load(self, serialized_object: bytes) -> None:
        """Takes over what another knew."""
        self.number = int(serialized_object)


@pytest.mark.sqlite
def test_a_load_is_one_question_and_a_prediction_none(url: str) -> None:
    client = CountingClient(url)
    labels = ["__pipeline_input__", *(f"v{place}" for place in range(9)), "__pipeline_output__"]
    nodes = [Node(Remembering(), [up], down, name=f"op {down}") for up, down in itertools.pairwise(labels)]
    pipeline = Pipeline(nodes, "predict")
    pipeline.save(client)
    client.questions.clear()
    pipeline.load(client)
    assert client.questions == ["/v2/resolve"]
    assert SequentialRunner().run(pipeline, 1) == 11
    assert client.questions == ["/v2/resolve"]
