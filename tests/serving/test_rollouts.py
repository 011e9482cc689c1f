"""Is a part of the calls answered by a canary, computed by a shadow, and is either taken back when it fails?"""

from __future__ import annotations

import gc
import logging
import threading
import time
import weakref
from contextlib import contextmanager

import pytest

from chariots.errors import ForbiddenError, UnreachableError
from chariots.pipelines import Pipeline, PipelinesServer
from chariots.pipelines.nodes import Node
from chariots.pipelines.ops import BaseOp
from chariots.serving import Canary, PipelinesClient, Shadow
from chariots.serving.canaries import LiveCanary
from chariots.testing import TestOpStoreClient, TestPipelinesClient
from chariots.web.metrics import metrics
from tests.serving.support import IN, Http, Learner, live, one_op

JSON = {"Content-Type": "application/json"}


class Marked(Learner):
    """Answers with the mark it learned; fails with some marks, and for some inputs whatever the mark."""

    running = threading.Semaphore(0)
    released = threading.Event()

    def execute(self, value=None):
        if self.learns:
            return super().execute(value)
        if value == "bad input":
            raise ValueError("nobody can read that")
        if self.mark.startswith("broken"):
            raise RuntimeError(f"{self.mark} cannot answer")
        if self.mark.startswith("late"):
            self.running.release()
            assert self.released.wait(30)
        if self.mark.startswith("changes") and isinstance(value, dict):
            value["changed"] = True
        if isinstance(value, dict):
            return value
        return self.mark


class CuttableStore(TestOpStoreClient):
    """A real store behind a line that can be cut, and with a token that may be taken away."""

    failure = None

    def post(self, route, arguments_json):
        if self.failure is not None:
            raise self.failure
        return super().post(route, arguments_json)

    def withdraw(self, *args, **kwargs):
        if getattr(self, "is_read_only", False):
            raise ForbiddenError("this token may only read")
        return super().withdraw(*args, **kwargs)


@pytest.fixture
def store(tmp_path):
    return CuttableStore(tmp_path)


def train(store, *marks):
    """Trains and saves, once for each mark; returns what can be promoted, by mark."""
    pipeline = Pipeline([Node(Marked(learns=True), [IN])], "train")
    client = TestPipelinesClient(PipelinesServer([pipeline], "training", op_store_client=store))
    found = {}
    for mark in marks:
        client.call_pipeline("train", mark)
        client.save_pipeline("train")
        found[mark] = {"marked": store.versions("marked")[0].id}
    return found


_names = iter(range(10**6))


def server(store, *rollouts, name="pred", **arguments):
    """A server of one pipeline that is driven by hand: it follows when the test looks."""
    arguments = {"follow_seconds": 3600, **arguments}
    app = PipelinesServer(
        [one_op(Marked(), name)], f"rollouts{next(_names)}", op_store_client=store, rollouts=rollouts, **arguments
    )
    app.follower.ensure_running = lambda: None
    app.follower.look()
    return app


@contextmanager
def calling(app, name="pred"):
    """Calls over a real socket; gives a function from an input and a key to the answer."""
    with live(app) as url:
        http = Http(url)

        def call(key, value="x", path=f"/pipelines/{name}/main"):
            return http.post(path, {"pipeline_input": value}, **JSON, **{"X-Chariots-Key": key})

        yield call


def outputs(call, count=200, value="x"):
    """What so many callers are answered."""
    return {f"user {number}": call(f"user {number}", value).json()["pipeline_output"] for number in range(count)}


def counted(metric, **labels):
    """The samples of a metric, by their other labels."""
    found = {}
    for family in metrics().registry.collect():
        for sample in family.samples if f"chariots_{metric}" == family.name else ():
            if not sample.name.endswith("_created") and labels.items() <= sample.labels.items():
                rest = tuple(value for key, value in sorted(sample.labels.items()) if key not in labels)
                found[rest] = sample.value
    return found


@pytest.fixture
def tried(store):
    """A store in which 'old' is in service; gives a function that serves it and tries other marks."""
    marks = train(store, "old", "new", "broken", "late", "changes")

    def start(mark, *rollouts, **arguments):
        name = arguments.get("name", "pred")
        app = server(store, *rollouts, **arguments)
        store.promote(name, versions=marks["old"])
        for rollout in rollouts if mark is not None else ():
            store.promote(name, rollout.alias, marks[mark])
        app.follower.look()
        return app

    start.marks = marks
    return start


# -- canary -----------------------------------------------------------------------------------------------------------


def test_a_share_of_the_callers_gets_the_canary_and_keeps_it(tried):
    with calling(tried("new", Canary("pred", share=0.3))) as call:
        first, again = outputs(call), outputs(call)
        told = {(mark, call(user).json()["versions"]["marked"]) for user, mark in list(first.items())[:20]}
    assert first == again
    assert 0.2 < list(first.values()).count("new") / len(first) < 0.4
    assert len(told) == 2  # the versions of an answer are those that made it


def test_a_client_says_for_whom_it_asks(tried):
    app = tried("new", Canary("pred", share=0.5))
    names = ["ada", "grace", "edsger", "barbara", "東京", "a\nb", "100 %", "donald"]
    with live(app) as url:
        client = PipelinesClient(url)

        def call(name, format):
            return client.call_pipeline("pred", [1.0], format=format, caller=name).value

        found = {name: call(name, "json") for name in names}
        assert set(found.values()) == {"old", "new"}
        assert {name: call(name, "msgpack") for name in names} == found
        told = Http(url).post("/pipelines/pred/main", {"pipeline_input": 1}, **JSON, **{"X-Chariots-Key": "ada"})
        assert told.json()["pipeline_output"] == found["ada"]


def test_loading_takes_up_what_is_tried(tried, store):
    app = tried(None, Canary("pred", share=1.0))
    store.promote("pred", "canary", tried.marks["new"])
    app.load_pipeline("pred")
    assert TestPipelinesClient(app).call_pipeline("pred", "x").value == "new"


def test_a_share_that_grows_takes_nobody_out(tried, store):
    def chosen(share):
        app = server(store, Canary("pred", share=share))
        with calling(app) as call:
            return {user for user, mark in outputs(call).items() if mark == "new"}

    tried("new", Canary("pred"))
    assert chosen(0.2) < chosen(0.5)


def test_without_a_key_requests_are_told_apart_by_their_id(tried):
    app = tried("new", Canary("pred", share=0.5))
    with live(app) as url:
        http = Http(url)

        def call(request_id):
            sent = http.post("/pipelines/pred/main", {"pipeline_input": 1}, **JSON, **{"X-Request-ID": request_id})
            return sent.json()["pipeline_output"]

        found = [call(f"request-{number}") for number in range(40)]
        assert set(found) == {"old", "new"}
        assert found == [call(f"request-{number}") for number in range(40)]


def test_a_canary_that_fails_answers_from_what_is_in_service_and_is_withdrawn(tried, store, caplog):
    canary = Canary("pred", share=1.0, min_requests=10, max_error_rate=0.1)
    app, other = tried("broken", canary, name="pred"), server(store, canary)
    with calling(app) as call:
        assert app.served["pred"].routing.is_active
        for number in range(10):
            answer = call(f"user {number}")
            assert (answer.status, answer.json()["pipeline_output"]) == (200, "old")
            assert app.served["pred"].routing.is_active == (number < 9)  # this process stops at once
        assert store.alias("pred", "canary")
        app.follower.look()
        assert not store.alias("pred", "canary")
        assert other.served["pred"].routing.is_active
        other.follower.look()
        assert not other.served["pred"].routing.is_active
    event = store.history("pred", alias="canary")[0]
    assert (event.kind, event.before) == ("withdraw", tried.marks["broken"])
    assert event.who.startswith("canary@")
    assert "10 of the last 10 calls failed" in event.reason
    assert "RuntimeError: broken cannot answer" in event.reason
    assert store.alias("pred", "production") == tried.marks["old"]
    assert "is withdrawn by itself" in caplog.text


def test_a_canary_that_was_withdrawn_is_tried_again_when_it_is_promoted_again(tried, store):
    app = tried("broken", Canary("pred", share=1.0, min_requests=2))
    with calling(app) as call:
        call("a"), call("b")
        assert not app.served["pred"].routing.is_active
        app.follower.look()
        store.promote("pred", "canary", tried.marks["broken"])
        app.follower.look()
        assert app.served["pred"].routing.is_active
        store.promote("pred", "canary", tried.marks["new"])
        app.follower.look()
        assert call("a").json()["pipeline_output"] == "new"


def test_models_that_were_withdrawn_are_not_kept_in_memory(tried):
    app = tried("broken", Canary("pred", share=1.0, min_requests=2))
    model = weakref.ref(app.served["pred"].routing.canary.snapshot.pipeline.ops[0])
    with calling(app) as call:
        call("a"), call("b")
        app.follower.look()
    gc.collect()
    assert model() is None


def test_input_that_fails_everywhere_is_not_held_against_the_canary(tried, store):
    app = tried("new", Canary("pred", share=1.0, min_requests=2, max_error_rate=0.0))
    with calling(app) as call:
        for number in range(6):
            answer = call(f"user {number}", "bad input")
            assert answer.status == 500
            assert "nobody can read that" in answer.json()["detail"]
        assert app.served["pred"].routing.is_active
        assert call("a").json()["pipeline_output"] == "new"


def test_before_enough_calls_were_counted_nothing_is_withdrawn(tried):
    app = tried("broken", Canary("pred", share=1.0, min_requests=20))
    with calling(app) as call:
        outputs(call, 19)
        assert app.served["pred"].routing.is_active
        call("one more")
        assert not app.served["pred"].routing.is_active


def test_only_the_last_calls_count():
    canary = LiveCanary(Canary("p", min_requests=10, window=10, max_error_rate=0.2), Tried(), logging.getLogger())
    snapshot = canary.candidate.snapshot
    for number in range(200):
        canary.count(snapshot, RuntimeError() if number % 5 == 0 else None)  # a fifth of them, and no more than that
    assert canary.snapshot is snapshot
    for _ in range(3):
        canary.count(snapshot, RuntimeError())
    assert canary.snapshot is None


class Tried:
    """A candidate of which only the state matters."""

    snapshot = object()
    versions = {}


def test_a_store_that_is_away_is_told_later(tried, store):
    app = tried("broken", Canary("pred", share=1.0, min_requests=2))
    with calling(app) as call:
        store.failure = UnreachableError("the line is cut. Mend it")
        call("a"), call("b")
        assert not app.served["pred"].routing.is_active
        app.follower.look()
        assert call("c").json()["pipeline_output"] == "old"
        store.failure = None
        app.follower.look()
    assert store.history("pred", alias="canary")[0].kind == "withdraw"


def test_where_the_store_may_not_be_told_this_process_stops_all_the_same(tried, store, caplog):
    app = tried("broken", Canary("pred", share=1.0, min_requests=2))
    store.is_read_only = True
    with calling(app) as call:
        call("a"), call("b")
        app.follower.look()
        assert not app.served["pred"].routing.is_active
    assert "chariots withdraw pred --alias canary" in caplog.text
    assert app.follower.trouble is None


def test_many_calls_at_once_withdraw_it_once(tried, store):
    app = tried("broken", Canary("pred", share=1.0, min_requests=20))
    client = [app.test_client() for _ in range(8)]
    start = threading.Barrier(8)

    def work(one):
        start.wait(30)
        for _ in range(10):
            assert one.post("/pipelines/pred/main", json={"pipeline_input": 1}).get_json()["pipeline_output"] == "old"

    threads = [threading.Thread(target=work, args=(one,)) for one in client]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    app.follower.look()
    app.follower.look()
    assert [event.kind for event in store.history("pred", alias="canary")] == ["withdraw", "promote"]


@pytest.mark.parametrize("mark", [None, "old"])
def test_without_other_versions_nothing_is_tried_and_calls_take_the_short_way(tried, mark):
    app = tried(mark, Canary("pred", share=1.0), Shadow("pred"))
    assert not app.served["pred"].routing.is_active
    with calling(app) as call:
        assert set(outputs(call, 5).values()) == {"old"}


def test_what_was_promoted_after_it_proved_itself_ends_it(tried, store):
    app = tried("new", Canary("pred", share=0.5))
    assert app.served["pred"].routing.is_active
    store.promote("pred", source="canary")
    app.follower.look()
    assert not app.served["pred"].routing.is_active
    with calling(app) as call:
        assert set(outputs(call, 20).values()) == {"new"}


def test_versions_that_cannot_be_loaded_are_not_tried(tried, store, tmp_path, caplog):
    app = tried(None, Canary("pred", share=1.0))
    store.promote("pred", "canary", tried.marks["new"])
    for path in tmp_path.rglob("*"):
        if path.is_file() and path.read_bytes() == b"new":
            path.unlink()
    app.follower.look()
    assert not app.served["pred"].routing.is_active
    assert "cannot try what 'canary' stands for" in caplog.text
    with calling(app) as call:
        assert set(outputs(call, 5).values()) == {"old"}


def test_what_is_tried_is_never_taken_for_what_is_in_service(store):
    marks = train(store, "old", "new")
    app = server(store, Canary("pred", share=1.0))
    store.record_deployment("pred", marks["old"])
    app.follower.look()
    store.promote("pred", "canary", marks["new"])
    app.follower.look()
    with calling(app) as call:
        assert call("a").json()["pipeline_output"] == "new"
    assert store.last_deployment("pred") == marks["old"]
    with calling(server(store)) as call:
        assert call("a").json()["pipeline_output"] == "old"


def test_jobs_are_answered_from_what_is_in_service(tried):
    assert tried("new", Canary("pred", share=1.0)).execute_pipeline("pred", "x").value == "old"


def test_another_protocol_is_routed_as_well(tried):
    app = tried("new", Canary("pred", share=1.0))
    sent = {"inputs": [{"name": "pipeline_input", "datatype": "BYTES", "shape": [1], "data": ["x"]}]}
    told = app.test_client().post("/v2/models/pred/infer", json=sent).get_json()
    assert told["outputs"][0]["data"] == ["new"]


def test_a_process_follows_and_withdraws_by_itself(store):
    marks = train(store, "old", "new", "broken")
    pipeline = one_op(Marked(), "pred")
    canary = Canary("pred", share=1.0, min_requests=3)
    app = PipelinesServer([pipeline], "live", op_store_client=store, rollouts=[canary], follow_seconds=0.05)
    store.promote("pred", versions=marks["old"])
    app.follower.look()
    with calling(app) as call:
        store.promote("pred", "canary", marks["new"])
        _until(lambda: call("a").json()["pipeline_output"] == "new")
        store.promote("pred", "canary", marks["broken"])
        _until(lambda: call("a").json()["pipeline_output"] == "old" and not store.alias("pred", "canary"))
    app.follower.stop()
    assert [event.kind for event in store.history("pred", alias="canary")] == ["withdraw", "promote", "promote"]


def _until(holds):
    until = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_both_variants_are_counted_by_their_versions(tried):
    app = tried("new", Canary("counted", share=0.5), name="counted")
    with calling(app, "counted") as call:
        found = outputs(call, 30)
        assert counted("rollout_active", pipeline="counted") == {("canary", "canary"): 1.0}
    runs = counted("variant_requests", pipeline="counted", node="", outcome="ok")
    by_variant = {variant: value for (variant, _), value in runs.items()}
    assert by_variant == {"canary": list(found.values()).count("new"), "stable": list(found.values()).count("old")}
    assert len({version for _, version in runs}) == 2


def test_failures_and_the_withdrawal_are_counted(tried):
    app = tried("broken", Canary("failing", share=1.0, min_requests=3), name="failing")
    with calling(app, "failing") as call:
        call("x", "bad input")
        outputs(call, 5)
    runs = counted("variant_requests", pipeline="failing", node="")
    assert {(outcome, variant): value for (outcome, variant, _), value in runs.items()} == {
        ("both_failed", "canary"): 1.0,
        ("failed", "stable"): 1.0,
        ("failed", "canary"): 3.0,
        ("ok", "stable"): 3.0,
    }
    assert list(counted("canary_withdrawals", pipeline="failing").values()) == [1.0]
    assert list(counted("rollout_active", pipeline="failing").values()) == [0.0]


# -- shadow -----------------------------------------------------------------------------------------------------------


def shadowed(app, name="pred"):
    """Waits until the shadow has computed everything."""
    assert app.served[name].routing.shadow.wait(60)


@pytest.mark.parametrize(("mark", "result"), [("new", "different"), ("broken", "failed")])
def test_a_shadow_computes_and_never_answers(tried, mark, result):
    name = f"shadowed_{mark}"
    app = tried(mark, Shadow(name), name=name)
    with calling(app, name) as call:
        assert set(outputs(call, 10).values()) == {"old"}
        shadowed(app, name)
    assert [(key[0], value) for key, value in counted("shadow_results", pipeline=name).items()] == [(result, 10.0)]


def test_outputs_that_are_equal_count_as_equal(tried):
    app = tried("new", Shadow("same", share=0.5), name="same")
    with calling(app, "same") as call:
        for number in range(40):
            assert call(f"user {number}", {"a": [0.1, number]}).json()["pipeline_output"] == {"a": [0.1, number]}
        shadowed(app, "same")
    (((result, _), count),) = counted("shadow_results", pipeline="same").items()
    assert result == "equal"
    assert 8 < count < 32


def test_a_shadow_that_falls_behind_drops_calls_and_delays_nobody(tried):
    app = tried("late", Shadow("behind", queue=2), name="behind")
    Marked.released.clear()
    try:
        with calling(app, "behind") as call:
            call("a")
            assert Marked.running.acquire(timeout=30)  # the thread is in the op, and stays there
            assert set(outputs(call, 10).values()) == {"old"}
            Marked.released.set()
            shadowed(app, "behind")
    finally:
        Marked.released.set()
    results = {key[0]: value for key, value in counted("shadow_results", pipeline="behind").items()}
    assert results == {"different": 3.0, "dropped": 8.0}


def test_a_shadow_that_changes_its_input_changes_no_answer(tried):
    app = tried("changes", Shadow("kept"), name="kept")
    value, snapshot = {"a": 1}, app.served["kept"].current
    with app.test_request_context():
        output, _ = app.served["kept"].routing.answer(snapshot, value, app.runner)
    shadowed(app, "kept")
    assert output is value
    assert value == {"a": 1}
    assert {key[0] for key in counted("shadow_results", pipeline="kept")} <= {"different"}


def test_a_canary_and_a_shadow_at_once(tried, store):
    app = tried("new", Canary("pred", share=0.5), Shadow("pred"))
    store.promote("pred", "shadow", tried.marks["broken"])
    app.follower.look()
    with calling(app) as call:
        assert set(outputs(call, 30).values()) == {"old", "new"}
        shadowed(app)


# -- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Canary("p", share=1.5), r"Canary\('p'\) has share=1.5; give a number from 0 to 1"),
        (lambda: Canary("p", max_error_rate=-1), "max_error_rate=-1"),
        (lambda: Canary("p", min_requests=0), "min_requests=0; give an integer, 1 or more"),
        (lambda: Canary("p", min_requests=100, window=50), "would never be withdrawn; raise the window"),
        (lambda: Canary("p", alias=""), "alias=''; give a name"),
        (lambda: Canary(1), "pipeline=1; give a name"),
        (lambda: Shadow("p", key="a\nb"), "give a name of 1 to 255 printable"),
        (lambda: Shadow("p", queue=0), "queue=0"),
        (lambda: Shadow("p", tolerance=float("nan")), "tolerance=nan"),
    ],
)
def test_a_rollout_out_of_bounds(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("rollouts", "arguments", "message"),
    [
        ([Canary("prde")], {}, "does not have.*Did you mean 'pred'"),
        ([Canary("train")], {}, "pipeline that trains"),
        ([Shadow("train")], {}, "pipeline that trains"),
        ([Canary("plain")], {}, "nothing is loaded"),
        ([Canary("pred", alias="production")], {}, "names the alias that is in service"),
        ([Canary("pred"), Canary("pred", alias="b")], {}, "was given two of Canary"),
        ([Canary("pred")], {"follow_seconds": None}, "leave follow_seconds on"),
        ([Canary("pred")], {"op_store_client": None}, "needs an op store"),
    ],
)
def test_a_rollout_that_a_server_cannot_have(store, rollouts, arguments, message):
    pipelines = [
        one_op(Marked(), "pred"),
        Pipeline([Node(Marked(learns=True), [IN])], "train"),
        one_op(Plain(), "plain"),
    ]
    with pytest.raises(ValueError, match=message):
        PipelinesServer(pipelines, "refused", **{"op_store_client": store, "rollouts": rollouts, **arguments})


class Plain(BaseOp):
    def execute(self, value):
        return value
