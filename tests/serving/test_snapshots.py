"""Does a request keep the state it began with, whatever is loaded or trained meanwhile?"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from chariots.errors import NotLoadedError, UnreachableError
from chariots.pipelines import Pipeline
from chariots.pipelines.nodes import Node
from chariots.pipelines.ops import BaseOp
from chariots.serving import Chariots, PipelinesClient, PipelinesServer
from chariots.testing import TestOpStoreClient
from chariots.versioning import Version
from tests.serving.support import IN, OUT, Learner, live, one_op, until


def pair():
    train = Pipeline([Node(Learner(learns=True), [IN])], "train")
    return train, one_op(Learner(), "pred")


def expected(mark):
    return Learner.__version__ + Version().update_patch(mark.encode())


def test_versions_and_value_of_an_answer_belong_together_while_loads_swap(embedded):
    train, pred = pair()
    client = embedded(train, pred)
    client.call_pipeline(train, "0")
    client.save_pipeline(train)
    client.load_pipeline(pred)
    stop = threading.Event()
    mixed, seen = [], set()

    def predict():
        while not stop.is_set():
            response = client.call_pipeline(pred)
            seen.add(response.value)
            if response.versions["learner"] != expected(response.value):
                mixed.append(response)

    with ThreadPoolExecutor(3) as pool:
        running = [pool.submit(predict) for _ in range(3)]
        for number in range(1, 16):
            client.call_pipeline(train, str(number))
            client.save_pipeline(train)
            client.load_pipeline(pred)
        stop.set()
        for task in running:
            task.result()
    assert mixed == []
    assert len(seen) > 1
    assert client.call_pipeline(pred).value == "15"


def test_concurrent_trainings_do_not_see_each_other(client):
    barrier = threading.Barrier(2, timeout=20)

    class Slow(Learner):
        def execute(self, value=None):
            self.mark = value
            barrier.wait()
            return self.mark

    caller = client(one_op(Slow(learns=True), "slow"))
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda mark: caller.call_pipeline("slow", mark), ("a", "b")))
    for mark, answer in zip(("a", "b"), answers, strict=True):
        assert answer.value == mark
        assert answer.versions["slow"] == Slow.__version__ + Version().update_patch(mark.encode())


def test_a_request_in_flight_finishes_on_the_state_it_began_with(embedded):
    entered, go_on = threading.Event(), threading.Event()

    class Wait(BaseOp):
        def execute(self, value=None):
            entered.set()
            assert go_on.wait(20)
            return value

    train, _ = pair()
    pred = Pipeline([Node(Wait(), [IN], "waited"), Node(Learner(), ["waited"], OUT)], "pred")
    client = embedded(train, pred)
    client.call_pipeline(train, "old")
    client.save_pipeline(train)
    client.load_pipeline(pred)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(client.call_pipeline, pred)
        assert entered.wait(20)
        client.call_pipeline(train, "new")
        client.save_pipeline(train)
        client.load_pipeline(pred)
        go_on.set()
        answer = running.result()
    assert answer.value == "old"
    assert answer.versions["learner"] == expected("old")
    assert client.call_pipeline(pred).value == "new"


class FlakyStore(TestOpStoreClient):
    """A real store behind a line that can be cut."""

    is_cut = True

    def last_deployment(self, pipeline):
        if self.is_cut:
            raise UnreachableError("the line to the store is cut. Mend it")
        return super().last_deployment(pipeline)


def test_a_store_that_comes_up_later_is_asked_again_by_the_next_call(tmp_path):
    train, pred = pair()
    with live(Chariots([train, pred], tmp_path)) as url:
        first = PipelinesClient(url)
        first.call_pipeline(train, "kept")
        first.save_pipeline(train)
        first.load_pipeline(pred)
    store = FlakyStore(tmp_path)
    app = PipelinesServer([train, pred], "later", op_store_client=store)
    with live(app) as url:
        second = PipelinesClient(url)
        assert not second.is_pipeline_loaded(pred)
        readiness = second.send("GET", "/readyz")
        assert readiness.status == 503
        assert "the line to the store is cut" in readiness.json()["detail"]
        store.is_cut = False
        until(lambda: second.send("GET", "/readyz").status == 200)
        assert second.call_pipeline(pred).value == "kept"


def test_a_server_that_has_nothing_loaded_takes_over_what_another_one_loads(tmp_path):
    train, pred = pair()
    with live(Chariots([train, pred], tmp_path)) as one, live(Chariots([train, pred], tmp_path)) as two:
        first, second = PipelinesClient(one), PipelinesClient(two)
        first.call_pipeline(train, "shared")
        first.save_pipeline(train)
        first.load_pipeline(pred)
        assert second.call_pipeline(pred).value == "shared"


def test_a_failing_load_of_an_op_leaves_the_old_state_serving(embedded):
    class Picky(Learner):
        def load(self, serialized_object):
            if serialized_object == b"bad":
                raise RuntimeError("will not eat that")
            super().load(serialized_object)

    train = Pipeline([Node(Picky(learns=True), [IN])], "train")
    pred = one_op(Picky(), "pred")
    client = embedded(train, pred)
    for mark in ("good", "bad"):
        client.call_pipeline(train, mark)
        client.save_pipeline(train)
        if mark == "good":
            client.load_pipeline(pred)
    with pytest.raises(ValueError, match="will not eat that"):
        client.load_pipeline(pred)
    assert client.call_pipeline(pred).value == "good"


def test_a_training_while_the_store_is_away_is_not_replaced_when_it_comes_back(tmp_path):
    train, pred = pair()
    with live(Chariots([train, pred], tmp_path)) as url:
        first = PipelinesClient(url)
        first.call_pipeline(train, "old")
        first.save_pipeline(train)
    store = FlakyStore(tmp_path)
    with live(PipelinesServer([train, pred], "later", op_store_client=store)) as url:
        second = PipelinesClient(url)
        second.call_pipeline(train, "new")
        store.is_cut = False
        until(lambda: second.send("GET", "/readyz").status == 200)
        second.save_pipeline(train)
        second.load_pipeline(pred)
        assert second.call_pipeline(pred).value == "new"


def test_a_start_on_code_that_does_not_fit_says_so_and_loads_what_does(tmp_path, caplog):
    """The major version of an op moves between two starts: what was deployed cannot go on, what was trained can."""
    from chariots.versioning import VersionedField, VersionType

    def made(size):
        body = {"size": VersionedField(size, VersionType.MAJOR)}
        kind = type("Learner", (Learner,), body)
        return Pipeline([Node(kind(learns=True), [IN])], "train"), one_op(kind(), "pred")

    def start(size):
        pipelines = made(size)
        return Chariots(pipelines, tmp_path, import_name="moving"), pipelines

    for size in (1, 2):
        app, _ = start(size)
        app.execute_pipeline("train", f"trained at {size}")
        if size == 1:
            app.load_pipeline("pred")
    caplog.clear()
    app, _ = start(2)
    assert app.execute_pipeline("pred").value == "trained at 2"
    assert "cannot go on with the versions it served before" in caplog.text
    caplog.clear()
    third, _ = start(3)
    assert not third.served["pred"].is_loaded
    assert "'pred' is not loaded" in caplog.text


class SlowStore(FlakyStore):
    """A real store whose blobs take until somebody says so."""

    def __init__(self, path):
        super().__init__(path)
        self.entered, self.go_on = threading.Event(), threading.Event()

    def read_blob(self, sha256):
        self.entered.set()
        assert self.go_on.wait(20)
        return super().read_blob(sha256)


def test_the_first_call_waits_for_a_load_that_is_under_way(tmp_path):
    train, pred = pair()
    store = SlowStore(tmp_path)
    app = PipelinesServer([train, pred], "first", op_store_client=store)
    served = app.served["pred"]
    before = Chariots([train, pred], tmp_path)
    before.execute_pipeline("train", "new")
    before.load_pipeline("pred")
    store.is_cut = False
    with ThreadPoolExecutor(2) as pool:
        following = pool.submit(served.follow, store)
        assert store.entered.wait(20)
        called = pool.submit(served.ready, store)
        until(lambda: served._next_attempt)  # the call has found that somebody loads
        with pytest.raises(NotLoadedError):
            served.ready(store)  # the next one does not wait, too
        store.go_on.set()
        following.result()
        assert called.result() is served.current
    assert served.is_loaded


def test_a_training_that_ends_while_the_start_is_still_loading_wins(tmp_path):
    train, _ = pair()
    before = Chariots([train], tmp_path)
    before.execute_pipeline("train", "old")
    store = SlowStore(tmp_path)
    app = PipelinesServer([train], "slow", op_store_client=store)
    served = app.served["train"]
    store.is_cut = False
    with ThreadPoolExecutor(1) as pool:
        restoring = pool.submit(served.try_again, store)
        assert store.entered.wait(20)
        trained = served.current.pipeline.clone()
        app.runner.run(trained, "new")
        served.publish(trained)
        store.go_on.set()
        restoring.result()
    assert served.current.pipeline is trained
