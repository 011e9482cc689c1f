"""Does a server serve the versions that were promoted, just those, and go back when they are rolled back?"""

from __future__ import annotations

import logging
from contextlib import ExitStack

import pytest

from chariots.errors import VERSION_HINT, NotLoadedError, UnknownNameError, UnreachableError, VersionError
from chariots.ml import MLMode
from chariots.op_store import OpStoreClient, OpStoreServer
from chariots.op_store.savers import FileSaver
from chariots.pipelines import Pipeline
from chariots.pipelines.nodes import Node
from chariots.pipelines.store import OpStoreProtocol
from chariots.serving import PipelinesServer
from chariots.testing import TestOpStoreClient, TestPipelinesClient
from chariots.versioning import VersionedField, VersionType
from tests.serving.support import IN, IrisX, Learner, PCAOp, iris, live, one_op


class Mark(Learner):
    """Learns a mark, with code of which there are releases."""

    release = VersionedField(1, VersionType.MAJOR)


def next_release():
    """The same op after its code changed."""
    return type("Mark", (Mark,), {"release": VersionedField(2, VersionType.MAJOR), "name": "mark"})


def pipelines(op=Mark):
    """One pipeline that trains and one that predicts."""
    return Pipeline([Node(op(learns=True), [IN])], "train"), one_op(op(), "pred")


@pytest.fixture
def store(tmp_path):
    """An op store in a folder."""
    return TestOpStoreClient(tmp_path)


def server(store, op=Mark, **arguments):
    """A client of a server that was just started."""
    return TestPipelinesClient(PipelinesServer(pipelines(op), "promoting", op_store_client=store, **arguments))


def train(client, *marks):
    """Trains and saves, once for each mark; puts nothing into service."""
    for mark in marks:
        client.call_pipeline("train", mark)
        client.save_pipeline("train")


def numbers(store):
    """The numbers of the versions of the op, oldest first."""
    return [version.id for version in store.versions("mark")][::-1]


def test_what_was_promoted_is_loaded_and_not_the_newest(store):
    client = server(store)
    train(client, "old", "new")
    client.load_pipeline("pred")
    assert client.call_pipeline("pred").value == "new"
    store.promote("pred", versions={"mark": numbers(store)[0]})
    assert client.call_pipeline("pred").value == "new"
    client.load_pipeline("pred")
    assert client.call_pipeline("pred").value == "old"
    train(client, "newest")
    client.load_pipeline("pred")
    assert client.call_pipeline("pred").value == "old"


def test_a_server_that_starts_serves_what_was_promoted_without_a_load(store):
    client = server(store)
    train(client, "old", "new")
    client.load_pipeline("pred")
    store.promote("pred", versions={"mark": numbers(store)[0]})
    assert server(store).call_pipeline("pred").value == "old"


def test_after_a_rollback_the_versions_before_are_served(store):
    client = server(store)
    train(client, "first")
    store.promote("pred")
    train(client, "second")
    store.promote("pred")
    client.load_pipeline("pred")
    assert client.call_pipeline("pred").value == "second"
    assert store.rollback("pred").problems == ()
    client.load_pipeline("pred")
    assert client.call_pipeline("pred").value == "first"
    assert server(store).call_pipeline("pred").value == "first"


def test_where_nothing_was_promoted_a_rollback_goes_to_what_was_served_before(store):
    client = server(store)
    for mark in ("first", "second"):
        train(client, mark)
        client.load_pipeline("pred")
    store.rollback("pred")
    client.load_pipeline("pred")
    assert client.call_pipeline("pred").value == "first"


def test_a_pipeline_of_which_nothing_was_promoted_gets_the_newest(store):
    client = server(store)
    train(client, "old", "new")
    store.promote("pred", "candidate", versions={"mark": numbers(store)[0]})
    client.load_pipeline("pred")
    assert client.call_pipeline("pred").value == "new"


@pytest.mark.parametrize(("alias", "value"), [("candidate", "old"), (None, "new")])
def test_a_server_may_serve_another_alias_or_none(store, alias, value):
    train(server(store), "old", "middle", "new")
    store.promote("pred", "candidate", versions={"mark": numbers(store)[0]})
    store.promote("pred", versions={"mark": numbers(store)[1]})
    client = server(store, alias=alias)
    client.load_pipeline("pred")
    assert client.call_pipeline("pred").value == value


def test_a_worker_runs_what_was_promoted_last(store):
    app = PipelinesServer(pipelines(), "working", op_store_client=store)
    train(server(store), "old", "new")
    for number, mark in zip(numbers(store), ("old", "new"), strict=True):
        store.promote("pred", versions={"mark": number})
        assert app.execute_pipeline("pred").value == mark


def test_what_was_promoted_and_does_not_fit_the_code_is_refused_and_the_old_goes_on(store):
    train(server(store), "by the old code")
    old = numbers(store)[0]
    client = server(store, next_release())
    train(client, "by the new code")
    client.load_pipeline("pred")
    # Promoted for the code of before, which is what the store saw last.
    server(store)
    store.promote("pred", versions={"mark": old})
    with pytest.raises(VersionError) as refused:
        client.load_pipeline("pred")
    assert str(refused.value).startswith(VERSION_HINT)
    assert f"'production' of pipeline 'pred' stands for mark {old}" in str(refused.value)
    assert refused.value.extra["promoted"] == {"mark": old}
    assert client.call_pipeline("pred").value == "by the new code"


def test_a_server_whose_code_does_not_fit_what_was_promoted_serves_nothing_else(store, caplog):
    client = server(store)
    train(client, "by the old code")
    store.promote("pred")
    old = numbers(store)[0]
    train(server(store, next_release()), "by the new code")
    with caplog.at_level(logging.WARNING):
        restarted = server(store, next_release())
        assert any(f"stands for mark {old}" in record.getMessage() for record in caplog.records)
        with pytest.raises(NotLoadedError, match=f"stands for mark {old}"):
            restarted.call_pipeline("pred")


def test_a_server_that_could_not_load_takes_what_is_promoted_then(store):
    train(server(store), "by the old code")
    store.promote("pred")
    train(server(store, next_release()), "by the new code")
    restarted = PipelinesServer(pipelines(next_release()), "waiting", op_store_client=store)
    served = restarted.served["pred"]
    assert not served.is_loaded
    # Chosen for the code that was started last.
    store.promote("pred")
    served._next_attempt = 0.0
    assert TestPipelinesClient(restarted).call_pipeline("pred").value == "by the new code"


def test_what_is_loaded_because_it_was_promoted_counts_as_served(store):
    client = server(store)
    train(client, "old", "new")
    wanted = {"mark": numbers(store)[0]}
    store.promote("pred", versions=wanted)
    client.load_pipeline("pred")
    assert store.last_deployment("pred") == wanted
    assert store.promote("pred", "kept", source="serving").after == wanted


def test_a_server_tells_the_store_what_it_is_made_of_before_anything_was_trained(store):
    client = server(store)
    with pytest.raises(VersionError, match="never trained and saved"):
        store.promote("pred")
    train(client, "first")
    assert set(store.promote("pred").after) == {"mark"}


def test_an_accepted_pair_is_served(store):
    trained, predicting = iris()
    train_pca = Pipeline([Node(IrisX(), output_nodes=["x"]), Node(PCAOp(MLMode.FIT), ["x"])], "train_pca")
    app = PipelinesServer([trained, train_pca, predicting], "accepting", op_store_client=store)
    client = TestPipelinesClient(app)
    for name in ("train", "train_pca"):
        client.call_pipeline(name)
        client.save_pipeline(name)
        if name == "train":
            client.load_pipeline("pred")
    before = client.pipeline_versions("pred")
    with pytest.raises(VersionError, match="chariots accept pred pcaop logisticop"):
        client.load_pipeline("pred")
    store.accept("pred", "pcaop", "logisticop", "compared on the test set")
    client.load_pipeline("pred")
    after = client.pipeline_versions("pred")
    assert after["pcaop"] != before["pcaop"]
    assert after["logisticop"] == before["logisticop"]
    assert store.history("pred")[0].reason == "compared on the test set"


def test_a_script_loads_what_an_alias_stands_for(store):
    train(server(store), "old", "new")
    store.promote("pred", "candidate", versions={"mark": numbers(store)[0]})
    _, pred = pipelines()
    assert pred.load(store).node_for_name["mark"].op.mark == "new"
    assert pred.load(store, alias="candidate").node_for_name["mark"].op.mark == "old"
    with pytest.raises(UnknownNameError, match="'production', but that alias stands for nothing"):
        pred.load(store, alias="production")
    assert pred.node_for_name["mark"].op.mark == "old"


class Plain(OpStoreProtocol):
    """A store that knows nothing of aliases: everything it has, it has from another."""

    def __init__(self, other):
        for name in (
            "resolve",
            "write_blob",
            "read_blob",
            "commit_save",
            "read_version",
            "record_deployment",
            "last_deployment",
            "get_validated_links",
            "register_valid_link",
        ):
            setattr(self, name, getattr(other, name))


def test_a_store_without_aliases_keeps_working(store):
    client = server(Plain(store))
    train(client, "old", "new")
    client.load_pipeline("pred")
    assert client.call_pipeline("pred").value == "new"
    assert server(Plain(store)).call_pipeline("pred").value == "new"


class CutStore(TestOpStoreClient):
    """A real store behind a line that can be cut."""

    is_cut = False

    def alias(self, pipeline, name):
        if self.is_cut:
            raise UnreachableError("the line to the store is cut. Mend it")
        return super().alias(pipeline, name)


def test_while_the_store_cannot_say_what_was_promoted_nothing_else_is_served(tmp_path):
    store = CutStore(tmp_path)
    train(server(store), "old", "new")
    store.promote("pred", versions={"mark": numbers(store)[0]})
    store.is_cut = True
    app = PipelinesServer(pipelines(), "cut", op_store_client=store)
    client = TestPipelinesClient(app)
    with pytest.raises(NotLoadedError, match="the line to the store is cut"):
        client.call_pipeline("pred")
    assert app.test_client().get("/readyz").status_code == 503
    store.is_cut = False
    app.served["pred"]._next_attempt = 0.0
    assert client.call_pipeline("pred").value == "old"


def test_a_server_whose_token_may_only_read_serves_what_was_promoted(tmp_path):
    reading, writing = "r" * 32, "w" * 32
    op_store = OpStoreServer(
        FileSaver(str(tmp_path / "ops")),
        f"sqlite:///{tmp_path / 'db.sqlite'}",
        tokens={"read": reading, "write": writing},
    )
    with ExitStack() as stack:
        url = stack.enter_context(live(op_store.flask))
        trainer = OpStoreClient(url, token=writing)
        train(server(trainer), "old", "new")
        trainer.promote("pred", versions={"mark": numbers(trainer)[0]})
        client = server(OpStoreClient(url, token=reading))
        assert client.call_pipeline("pred").value == "old"
        trainer.promote("pred")
        client.load_pipeline("pred")
        assert client.call_pipeline("pred").value == "new"
