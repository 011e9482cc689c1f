"""Does a process that follows ask little, load once, and lose nothing?"""

from __future__ import annotations

import logging

import pytest

from chariots.errors import UnknownNameError, UnreachableError
from chariots.op_store import BaseOpStoreClient, LocalOpStoreClient
from chariots.pipelines import Pipeline
from chariots.pipelines.nodes import Node
from chariots.serving import PipelinesServer
from chariots.testing import TestOpStoreClient, TestPipelinesClient
from tests.serving.support import IN, OUT, Learner, one_op


class CountingStore(TestOpStoreClient):
    """A real store that notes what it is asked, behind a line that can be cut."""

    is_cut = False

    def __init__(self, path):
        super().__init__(path)
        self.questions, self.fetched = [], 0

    def standings(self, pipelines, alias, seen=None):
        self._noted("standings")
        return super().standings(pipelines, alias, seen)

    def alias(self, pipeline, name):
        self._noted(f"alias {pipeline}")
        return super().alias(pipeline, name)

    def last_deployment(self, pipeline):
        self._noted(f"last_deployment {pipeline}")
        return super().last_deployment(pipeline)

    def read_version(self, version):
        self.fetched += 1
        return super().read_version(version)

    def _noted(self, question):
        self.questions.append(question)
        if self.is_cut:
            raise UnreachableError("the line to the store is cut. Mend it")


@pytest.fixture
def store(tmp_path):
    """An op store in a folder."""
    return CountingStore(tmp_path)


def pipelines(predicting=1):
    """One pipeline that trains, and some that predict."""
    train = Pipeline([Node(Learner(learns=True), [IN])], "train")
    return [train, *(one_op(Learner(), f"pred{number}") for number in range(predicting))]


def server(store, predicting=1, **arguments):
    """A server that was just started; nobody but the test asks the store for it."""
    app = PipelinesServer(pipelines(predicting), "following", op_store_client=store, **arguments)
    return app, TestPipelinesClient(app)


def train(client, *marks):
    """Trains and saves, once for each mark; puts nothing into service."""
    for mark in marks:
        client.call_pipeline("train", mark)
        client.save_pipeline("train")


def numbers(store):
    """What can be promoted, oldest first."""
    return [{"learner": version.id} for version in store.versions("learner")][::-1]


def promote(store, versions, predicting=1):
    """Promotes one set of versions for all pipelines that predict."""
    for number in range(predicting):
        store.promote(f"pred{number}", versions=versions)


def test_the_usual_question_is_one_for_all_pipelines(store):
    app, client = server(store, 20)
    train(client, "old", "new")
    promote(store, numbers(store)[0], 20)
    app.follower.look()
    store.questions.clear()
    for _ in range(5):
        app.follower.look()
    assert store.questions == ["standings"] * 5
    store.promote("pred7", versions=numbers(store)[1])
    store.questions.clear()
    app.follower.look()
    assert store.questions == ["standings", "alias pred7"]
    assert [client.call_pipeline(f"pred{number}").value for number in (6, 7, 8)] == ["old", "new", "old"]


def test_the_process_that_loaded_does_not_load_again_and_the_others_load_once(store):
    here, client = server(store)
    other, other_client = server(store)
    train(client, "mark")
    client.load_pipeline("pred0")
    snapshot, store.fetched = here.served["pred0"].current, 0
    here.follower.look()
    assert (store.fetched, here.served["pred0"].current) == (0, snapshot)
    for _ in range(3):
        other.follower.look()
    assert store.fetched == 1
    assert other_client.call_pipeline("pred0").value == "mark"


def test_a_server_that_was_just_started_asks_once_and_loads_nothing_again(store):
    train(server(store)[1], "old", "new")
    promote(store, numbers(store)[0])
    app, client = server(store)
    store.questions.clear()
    store.fetched = 0
    app.follower.look()
    assert (store.questions, store.fetched) == (["standings"], 0)
    assert client.call_pipeline("pred0").value == "old"


def test_what_was_loaded_here_is_not_undone_where_the_store_was_not_told(store):
    app, client = server(store)
    train(client, "old")
    client.load_pipeline("pred0")
    app.follower.look()
    train(client, "new")
    store.record_deployment = lambda *_: None  # as with a token that may only read
    client.load_pipeline("pred0")
    for _ in range(3):
        app.follower.look()
    assert client.call_pipeline("pred0").value == "new"


class Sum(Learner):
    """Learns on the output of an op that is loaded."""

    def execute(self, value=None):
        self.mark = value
        return self.mark


def test_what_was_trained_here_and_not_saved_is_not_replaced(store):
    mixed = Pipeline([Node(Learner(), [IN], "marked"), Node(Sum(learns=True), ["marked"], OUT)], "mixed")
    here, other = (PipelinesServer([*pipelines(), mixed], "mixing", op_store_client=store) for _ in ("here", "other"))
    client, other_client = TestPipelinesClient(here), TestPipelinesClient(other)
    train(client, "first")
    client.load_pipeline("mixed")
    assert client.call_pipeline("mixed").value == "first"
    learned = client.pipeline_versions("mixed")["sum"]
    train(other_client, "second")
    other_client.load_pipeline("mixed")
    here.follower.look()
    assert client.pipeline_versions("mixed")["sum"] == learned
    client.save_pipeline("mixed")
    here.follower.look()
    assert client.call_pipeline("mixed").value == "second"


def test_what_was_refused_is_not_fetched_every_second_but_again_after_a_while(store, caplog):
    app, client = server(store)
    train(client, "old", "broken")
    promote(store, numbers(store)[0])
    app.follower.look()
    promote(store, numbers(store)[1])
    fails = True

    def read_version(version):
        store.fetched += 1
        if fails:
            raise ValueError("these bytes mean nothing")
        return TestOpStoreClient.read_version(store, version)

    store.read_version, store.fetched = read_version, 0
    with caplog.at_level(logging.WARNING):
        for _ in range(5):
            app.follower.look()
    assert store.fetched == 1
    assert [record.getMessage() for record in caplog.records] == [
        "pipeline 'pred0' goes on with the versions it served before, because what was put into service since cannot "
        "be loaded here: these bytes mean nothing"
    ]
    answer = client.send("GET", "/pipelines/pred0/health_check")
    assert answer.json() == {"is_loaded": True, "behind": "these bytes mean nothing"}
    assert client.call_pipeline("pred0").value == "old"
    fails, app.follower._try_refused_at = False, 0.0
    app.follower.look()
    assert client.call_pipeline("pred0").value == "broken"
    assert client.send("GET", "/pipelines/pred0/health_check").json() == {"is_loaded": True}


def test_going_back_to_what_serves_here_ends_being_behind(store):
    app, client = server(store)
    train(client, "old", "broken")
    promote(store, numbers(store)[0])
    app.follower.look()
    promote(store, numbers(store)[1])
    store.read_version = lambda _: 1 / 0
    app.follower.look()
    assert app.served["pred0"].behind == "division by zero"
    store.rollback("pred0")
    app.follower.look()
    assert app.served["pred0"].behind is None


def test_a_pipeline_that_serves_nothing_yet_takes_up_what_is_promoted(store):
    app, client = server(store)
    assert not client.is_pipeline_loaded("pred0")
    train(server(store)[1], "first")
    promote(store, numbers(store)[0])
    app.follower.look()
    assert client.send("GET", "/health_check").json()["pred0"] is True


def test_while_the_store_is_away_it_is_asked_less_often_and_said_once(store, caplog):
    app, client = server(store)
    train(client, "old")
    client.load_pipeline("pred0")
    store.is_cut = True
    with caplog.at_level(logging.WARNING):
        pauses = [app.follower.look() for _ in range(8)]
        readiness = client.send("GET", "/readyz")
        assert client.call_pipeline("pred0").value == "old"
        store.is_cut = False
        app.follower.look()
    assert (min(pauses[4:]) > max(pauses[:1]), max(pauses) <= 5) == (True, True)
    assert (readiness.status, readiness.json()["store"]) == (503, "away")
    assert "the line to the store is cut" in readiness.json()["detail"]
    assert len(caplog.records) == 2
    assert client.send("GET", "/readyz").status == 200


def test_pauses_differ_and_are_not_longer_than_asked_for(store):
    app, _ = server(store, follow_seconds=0.5)
    pauses = [app.follower.look() for _ in range(50)]
    assert max(pauses) <= 0.5
    assert len(set(pauses)) > 40


@pytest.mark.parametrize("alias", ["production", "candidate", None])
def test_only_the_alias_of_the_server_counts(store, alias):
    app, client = server(store, alias=alias)
    train(client, "old", "new")
    client.load_pipeline("pred0")
    app.follower.look()
    promote(store, numbers(store)[0])
    app.follower.look()
    assert client.call_pipeline("pred0").value == ("old" if alias == "production" else "new")


class EarlierStore(LocalOpStoreClient):
    """A client of a store of an earlier release, which has no such route."""

    def standings(self, *asked):
        return BaseOpStoreClient.standings(self, *asked)

    def post(self, route, arguments_json):
        if route == "/v2/standings":
            raise UnknownNameError("no such route")
        return super().post(route, arguments_json)


def test_a_store_of_an_earlier_release_is_asked_for_each_pipeline(store):
    app, client = server(EarlierStore(store.server))
    train(client, "old", "new")
    for versions, mark in zip(numbers(store), ("old", "new"), strict=True):
        promote(store, versions)
        app.follower.look()
        assert client.call_pipeline("pred0").value == mark
    fetched = app.served["pred0"].current
    app.follower.look()
    assert app.served["pred0"].current is fetched
