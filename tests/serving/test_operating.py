"""What may a token do to the pipelines of a server, and what do the metrics learn of them?"""

from __future__ import annotations

import pytest

from chariots.pipelines import Pipeline, PipelinesServer
from chariots.pipelines.nodes import Node
from chariots.web.metrics import metrics
from tests.serving.support import IN, OUT, AddOneOp, Boom, Learner, Total, one_op

TOKENS = {scope: {"Authorization": f"Bearer {scope}-token-1234567890"} for scope in ("predict", "operate", "admin")}
ALLOWED = [
    ("POST", "/pipelines/count/main", "predict"),
    ("POST", "/pipelines/count/versions", "predict"),
    ("GET", "/pipelines/count/health_check", "predict"),
    ("GET", "/available_pipelines", "predict"),
    ("GET", "/openapi.json", "predict"),
    ("GET", "/metrics", "predict"),
    ("POST", "/jobs/fetch/", "predict"),
    ("GET", "/jobs", "predict"),
    ("POST", "/pipelines/learn/main", "operate"),  # what it learns takes the place of what others are answered from
    ("POST", "/pipelines/count/load", "operate"),
    ("POST", "/pipelines/count/save", "operate"),
    ("POST", "/jobs", "operate"),
    ("POST", "/own", "admin"),
]


@pytest.mark.parametrize(("method", "path", "needed"), ALLOWED, ids=[f"{method} {path}" for method, path, _ in ALLOWED])
def test_a_token_allows_what_its_scope_says(method: str, path: str, needed: str) -> None:
    learn = Pipeline([Node(Total(), [], OUT)], "learn")
    app = PipelinesServer([one_op(AddOneOp(), "count"), learn], import_name="guarded")
    app.config["CHARIOTS_TOKENS"] = {scope: f"{scope}-token-1234567890" for scope in TOKENS}
    app.add_url_rule("/own", "own", lambda: {}, methods=["POST"])
    client = app.test_client()
    sent = {"pipeline_input": 1} if "count" in path else {}
    assert client.open(path, method=method, json=sent).status_code == 401
    scopes = list(TOKENS)
    for scope in scopes:
        status = client.open(path, method=method, json=sent, headers=TOKENS[scope]).status_code
        assert (status == 403) == (scopes.index(scope) < scopes.index(needed)), (scope, status)
        assert status != 401


def test_the_versions_in_service_and_the_generation_follow_what_is_served() -> None:
    registry = metrics().registry
    client = PipelinesServer([one_op(Learner(learns=True), "followed")], import_name="followed").test_client()

    def served() -> dict[str, float]:
        return {
            sample.labels["version"]: sample.value
            for metric in registry.collect()
            if metric.name == "chariots_pipeline_version"
            for sample in metric.samples
            if sample.labels["pipeline"] == "followed"
        }

    def generation() -> float | None:
        return registry.get_sample_value("chariots_pipeline_generation", {"pipeline": "followed"})

    client.get("/livez")
    (before,) = served()
    assert generation() == 1.0
    told = client.post("/pipelines/followed/main", json={"pipeline_input": "mark"}).get_json()
    assert generation() == 2.0
    assert served() == {before: 0.0, told["versions"]["learner"].partition("_")[0]: 1.0}


def test_nodes_are_timed_and_what_fails_is_not() -> None:
    def timed(pipeline: str, node: str) -> float | None:
        return metrics().registry.get_sample_value("chariots_node_seconds_count", {"pipeline": pipeline, "node": node})

    inner = one_op(AddOneOp(), "timed_inner")
    outer = Pipeline([Node(inner, [IN], "x"), Node(Boom(), ["x"], OUT)], "timed_outer")
    app = PipelinesServer([outer], import_name="timed")
    app.config["CHARIOTS_NODE_TIMES"] = True
    client = app.test_client()
    for _ in range(3):
        assert client.post("/pipelines/timed_outer/main", json={"pipeline_input": 1}).status_code == 500
    assert timed("timed_outer", "timed_inner") == 3.0
    assert timed("timed_outer", "boom") is None


@pytest.mark.parametrize("settings", [{}, {"CHARIOTS_METRICS": False, "CHARIOTS_NODE_TIMES": True}])
def test_where_nodes_are_not_timed_pipelines_run_without_callbacks(settings: dict[str, bool]) -> None:
    app = PipelinesServer([one_op(AddOneOp(), "plain")], import_name="plain")
    app.config.update(settings)
    assert app.test_client().post("/pipelines/plain/main", json={"pipeline_input": 1}).status_code == 200
    assert app.pipelines["plain"].callbacks == []
