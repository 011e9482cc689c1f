"""Is a node that chooses served, trained, saved, loaded, checked and measured like any other?"""

from __future__ import annotations

import pytest

from chariots.pipelines import Pipeline, PipelinesServer
from chariots.pipelines.nodes import ABTestNode, Node
from chariots.pipelines.ops import BaseOp
from chariots.serving import Chariots
from chariots.serving.batching import is_batchable
from chariots.testing import TestPipelinesClient
from chariots.web.metrics import metrics
from tests.serving.support import IN, OUT, AddOneOp, Boom, Echo, Http, Learner, one_op


class Old(Learner):
    pass


class New(Learner):
    pass


class Shout(BaseOp):
    batchable = True

    def execute(self, value: float) -> float:
        return value * 100


class PlusOne(BaseOp):
    batchable = True

    def execute(self, value: float) -> float:
        return value + 1


def by_value(value):
    return str(value)


def chosen(first, second, name, **arguments):
    """A pipeline whose one node chooses; and the node."""
    arguments = {"key": by_value, **arguments}
    node = ABTestNode({"old": first, "new": second}, [IN], OUT, name="choice", **arguments)
    return Pipeline([node], name), node


def counted(pipeline):
    """How often the runs of a variant were counted, over all versions."""
    return {
        (sample.labels["variant"], sample.labels["outcome"]): sample.value
        for metric in metrics().registry.collect()
        if metric.name == "chariots_variant_requests"
        for sample in metric.samples
        if sample.name.endswith("_total") and sample.labels["pipeline"] == pipeline
    }


@pytest.mark.parametrize("fast_path", [True, False])
def test_each_caller_gets_its_variant_over_http_and_the_metrics_say_which(serve, fast_path):
    name = f"ab_{fast_path}"
    pipeline, node = chosen(Echo(), Shout(), name)
    http = Http(serve(pipeline, fast_path=fast_path))
    expected = {"old": 0, "new": 0}
    for number in range(20):
        value = float(number)
        answer = http.post(f"/pipelines/{name}/main", {"pipeline_input": value}, **{"Content-Type": "application/json"})
        variant = node.variant_for(str(value))
        assert answer.json()["pipeline_output"] == (value * 100 if variant == "new" else value)
        assert set(answer.json()["versions"]) == {"echo", "shout"}
        expected[variant] += 1
    assert min(expected.values()) > 0
    assert counted(name) == {(variant, "ok"): count for variant, count in expected.items()}
    text = http.request("GET", "/metrics").data.decode()
    version = str(Shout.__version__).partition("_")[0]
    count = expected["new"]
    about = f'pipeline="{name}",variant="new",version="{version}"'
    assert f'chariots_variant_requests_total{{node="choice",outcome="ok",{about}}} {count}.0' in text
    assert f'chariots_variant_seconds_count{{node="choice",{about}}} {count}.0' in text


def test_a_failure_is_counted_and_the_answer_names_the_variant(serve):
    pipeline, _ = chosen(Echo(), Boom(), "ab_fails", weights={"old": 0, "new": 1})
    http = Http(serve(pipeline))
    answer = http.post("/pipelines/ab_fails/main", {"pipeline_input": 1}, **{"Content-Type": "application/json"})
    assert answer.status == 500
    assert "raised in node 'boom', which is variant 'new' of node 'choice'" in answer.json()["detail"]
    assert counted("ab_fails") == {("new", "failed"): 1.0}


def test_the_users_pipeline_is_not_watched(serve):
    pipeline, node = chosen(Echo(), Shout(), "ab_mine")
    Http(serve(pipeline)).post("/pipelines/ab_mine/main", {"pipeline_input": 1.0})
    assert pipeline.graph_nodes[0] is node
    assert node._observer is None


def test_an_input_must_suit_every_variant(serve):
    pipeline, _ = chosen(PlusOne(), Shout(), "ab_typed")
    http = Http(serve(pipeline))
    answer = http.post("/pipelines/ab_typed/main", {"pipeline_input": "much"}, **{"Content-Type": "application/json"})
    assert answer.status == 422
    assert "pipeline_input" in answer.json()["detail"]


def test_calls_run_alone():
    pipeline, _ = chosen(PlusOne(), Shout(), "ab")
    assert is_batchable(one_op(PlusOne(), "one"))
    assert not is_batchable(pipeline)


def test_it_is_trained_saved_loaded_and_promoted_on_a_server(tmp_path):
    train = chosen(Old(learns=True), New(learns=True), "train")[0]
    predict, node = chosen(Old(), New(), "predict", weights={"old": 1, "new": 1})
    app = Chariots([train, predict], tmp_path, import_name="ab_trained", worker_pool=None)
    client = TestPipelinesClient(app)
    client.call_pipeline("train", "first")
    client.save_pipeline("train")
    client.load_pipeline("predict")
    assert list(client.pipeline_versions(predict)) == ["old", "new"]
    assert client.call_pipeline("predict", "x").value == "first"

    promoted = app.op_store_client.promote("predict").after
    assert set(promoted) == {"old", "new"}
    client.call_pipeline("train", "second")
    client.save_pipeline("train")
    client.load_pipeline("predict")
    assert client.call_pipeline("predict", "x").value == "first"

    again = Chariots([chosen(Old(), New(), "predict")[0]], tmp_path, import_name="ab_again", worker_pool=None)
    assert TestPipelinesClient(again).call_pipeline("predict", "x").value == "first"
    assert node.variants.keys() == {"old", "new"}


def test_a_job_runs_the_variant_of_its_input_and_saves_what_it_learned(tmp_path):
    train = chosen(Old(learns=True), New(learns=True), "train")[0]
    predict, node = chosen(Old(), Node(AddOneOp(), name="new"), "predict")
    app = Chariots([train, predict], tmp_path, import_name="ab_job", worker_pool=None)
    app.execute_pipeline("train", "mark")  # as a worker does
    assert {version.op for version in app.op_store_client.versions("old")} == {"old"}
    assert len(app.op_store_client.versions("new")) == 1
    app.load_pipeline("predict")
    for value in range(10):
        wanted = "mark" if node.variant_for(str(value)) == "old" else value + 1
        assert app.execute_pipeline("predict", value).value == wanted


def test_a_check_before_a_merge_knows_the_variants():
    from chariots.checking.asking import asked_by, ops_of

    pipeline, _ = chosen(Old(), New(), "predict")
    choice = ABTestNode({"old": Old(), "new": New()}, [IN], "x", name="choice")
    reads = Pipeline([choice, Node(Learner(), ["x"], OUT)], "reads")
    assert [name for name, _ in ops_of(pipeline)] == ["old", "new"]
    assert asked_by(reads).links == [("old", "learner"), ("new", "learner")]


def test_a_key_that_looks_at_the_request_is_asked_within_flask():
    app = PipelinesServer([chosen(Echo(), Shout(), "ab_header", key=_header)[0]], import_name="ab_header")
    client = app.test_client()
    for user in ("1", "2", "3"):
        told = client.post("/pipelines/ab_header/main", json={"pipeline_input": 2.0}, headers={"X-User": user})
        variant = app.pipelines["ab_header"].graph_nodes[0].variant_for(user)
        assert told.get_json()["pipeline_output"] == (200.0 if variant == "new" else 2.0)


def _header(_value):
    import flask

    return flask.request.headers["X-User"]
