"""Does a pipeline train, save, load and predict through a server, and is a refused load told truly?"""

from __future__ import annotations

import logging

import numpy as np
import pytest

from chariots.errors import VERSION_HINT, ConflictError, NotLoadedError, VersionError
from chariots.ml import MLMode
from chariots.pipelines import Pipeline
from chariots.pipelines.nodes import Node
from chariots.serving import Chariots, PipelinesServer
from chariots.testing import TestOpStoreClient
from tests.serving.support import IN, OUT, Echo, Http, IrisX, IrisXY, LogisticOp, PCAOp, Total, iris, live, one_op

ROW = [[5.1, 3.5, 1.4, 0.2]]


def test_train_save_load_predict(embedded):
    train, pred = iris()
    client = embedded(train, pred)
    assert not client.is_pipeline_loaded(pred)
    client.call_pipeline(train)
    client.save_pipeline(train)
    client.load_pipeline(pred)
    assert client.is_pipeline_loaded(pred)
    assert client.call_pipeline(pred, ROW).value == [0]


def test_prediction_shows_the_versions_that_were_trained(embedded):
    train, pred = iris()
    client = embedded(train, pred)
    trained = client.call_pipeline(train).versions
    client.save_pipeline(train)
    client.load_pipeline(pred)
    versions = client.call_pipeline(pred, ROW).versions
    assert versions == {name: trained[name] for name in ("pcaop", "logisticop")}
    assert versions == client.pipeline_versions(pred)
    assert versions != pred.versions()


def test_the_callers_pipelines_never_change(embedded):
    train, pred = iris()
    client = embedded(train, pred)
    client.call_pipeline(train)
    client.save_pipeline(train)
    client.load_pipeline(pred)
    assert not any(node.op.is_ready for node in pred.pipeline_nodes)
    assert not any(node.op.is_ready for node in train.pipeline_nodes[1:])


def test_a_call_before_the_load_is_a_not_loaded_error_that_says_what_to_do(embedded):
    train, pred = iris()
    client = embedded(train, pred)
    with pytest.raises(NotLoadedError, match="'pcaop', 'logisticop' must be loaded first") as raised:
        client.call_pipeline(pred, ROW)
    assert "never trained and saved" in str(raised.value) or "Run and save" in str(raised.value)


def test_not_loaded_is_a_419_on_the_health_check(tmp_path):
    train, pred = iris()
    with live(Chariots([train, pred], tmp_path)) as url:
        served = Http(url)
        answer = served.request("GET", "/pipelines/pred/health_check")
        assert answer.status == 419
        assert answer.json()["is_loaded"] is False
        assert served.request("GET", "/health_check").json() == {"train": True, "pred": False}


def test_loading_what_was_never_trained_is_a_version_error_with_the_hint_first(embedded):
    train, pred = iris()
    client = embedded(train, pred)
    with pytest.raises(VersionError) as raised:
        client.load_pipeline(pred)
    assert str(raised.value).startswith(VERSION_HINT)
    assert "pcaop" in str(raised.value)


def documented_three():
    train_pca = Pipeline([Node(IrisX(), output_nodes=["x"]), Node(PCAOp(MLMode.FIT), ["x"])], "train_pca")
    train_logistic = Pipeline(
        [
            Node(IrisXY(), output_nodes=["x", "y"]),
            Node(PCAOp(MLMode.PREDICT), ["x"], "x_transformed"),
            Node(LogisticOp(MLMode.FIT), ["x_transformed", "y"]),
        ],
        "train_logistics",
    )
    return train_pca, train_logistic, iris()[1]


def test_the_documented_wrong_order_is_refused_and_the_old_versions_go_on_serving(embedded):
    train_pca, train_logistic, pred = documented_three()
    client = embedded(train_pca, train_logistic, pred)
    client.call_pipeline(train_pca)
    client.save_pipeline(train_pca)
    client.load_pipeline(train_logistic)
    client.call_pipeline(train_logistic)
    client.save_pipeline(train_logistic)
    client.load_pipeline(pred)
    before = client.call_pipeline(pred, ROW)
    assert before.value == [0]
    client.call_pipeline(train_pca)
    client.save_pipeline(train_pca)
    with pytest.raises(VersionError) as raised:
        client.load_pipeline(pred)
    text = str(raised.value)
    assert text.startswith(VERSION_HINT)
    assert "pcaop" in text
    assert "logisticop" in text
    after = client.call_pipeline(pred, ROW)
    assert (after.value, after.versions) == (before.value, before.versions)


def test_a_refused_load_is_a_419_problem_with_the_same_text(tmp_path):
    train, pred = iris()
    with live(Chariots([train, pred], tmp_path)) as url:
        answer = Http(url).post("/pipelines/pred/load")
    assert (answer.status, answer.headers["Content-Type"]) == (419, "application/problem+json")
    assert answer.json()["detail"].startswith(VERSION_HINT)
    assert answer.json()["type"] == "urn:chariots:version-incompatibility"


def test_saving_twice_adds_nothing(tmp_path):
    train, _ = iris()
    store = TestOpStoreClient(tmp_path)
    with live(PipelinesServer([train], "app", op_store_client=store)) as url:
        served = Http(url)
        served.post("/pipelines/train/main")
        assert served.post("/pipelines/train/save").json() == {}
        saved = store.get_all_versions_of_op(PCAOp(MLMode.FIT))
        files = sorted((tmp_path / "ops").rglob("*"))
        assert served.post("/pipelines/train/save").json() == {}
        assert store.get_all_versions_of_op(PCAOp(MLMode.FIT)) == saved
        assert sorted((tmp_path / "ops").rglob("*")) == files
        assert len(saved) == 1


def test_saving_what_was_never_trained_is_a_409_that_says_so(embedded):
    train, pred = iris()
    client = embedded(train, pred)
    with pytest.raises(ConflictError, match="'pcaop', 'logisticop' was not trained in this process"):
        client.save_pipeline(train)


def test_a_retrained_op_is_loaded_in_its_newest_version(embedded):
    train, pred = iris()
    client = embedded(train, pred)
    seen = []
    for _ in range(2):
        client.call_pipeline(train)
        client.save_pipeline(train)
        client.load_pipeline(pred)
        seen.append(client.pipeline_versions(pred)["logisticop"])
    assert seen[0] != seen[1]


def test_a_failed_training_changes_nothing(embedded):
    failing = one_op(Total(fails=True), "failing")
    client = embedded(failing)
    before = client.pipeline_versions("failing")
    for _ in range(2):
        with pytest.raises(ValueError, match="learned half of it"):
            client.call_pipeline("failing", 1)
    assert client.pipeline_versions("failing") == before


def test_a_training_goes_on_from_the_last_one(client):
    caller = client(one_op(Total(), "total"))
    assert [caller.call_pipeline("total", 1).value for _ in range(3)] == [1, 2, 3]


def test_a_server_says_at_its_start_what_is_not_loaded_and_why(tmp_path, caplog):
    train, pred = iris()
    with caplog.at_level(logging.INFO):
        Chariots([train, pred], tmp_path, import_name="saying")
    told = [record.getMessage() for record in caplog.records if record.name == "saying"]
    assert len(told) == 1
    assert [record.levelname for record in caplog.records if record.name == "saying"] == ["INFO"]
    assert "'pred' is not loaded" in told[0]
    assert "pcaop" in told[0]


def test_a_pipeline_without_trained_ops_needs_no_load_but_may_be_asked_for_one(embedded):
    client = embedded(one_op(Echo(), "echo"))
    client.save_pipeline("echo")
    client.load_pipeline("echo")
    assert client.call_pipeline("echo", 1).value == 1


def test_ops_inside_a_nested_pipeline_are_trained_saved_and_loaded(embedded):
    train, pred = iris()
    outer_train = Pipeline([Node(train)], "outer_train")
    outer_pred = Pipeline([Node(pred, [IN], "inner"), Node(Echo(), ["inner"], OUT)], "outer_pred")
    client = embedded(outer_train, outer_pred)
    with pytest.raises(NotLoadedError, match="pcaop"):
        client.call_pipeline(outer_pred, ROW)
    client.call_pipeline(outer_train)
    client.save_pipeline(outer_train)
    client.load_pipeline(outer_pred)
    assert client.call_pipeline(outer_pred, np.array(ROW)).value == [0]


def test_a_store_over_http_serves_as_well_as_the_embedded_one(tmp_path):
    from chariots.op_store import OpStoreClient, OpStoreServer
    from chariots.op_store.savers import FileSaver
    from chariots.serving import PipelinesClient

    store = OpStoreServer(FileSaver(str(tmp_path / "ops")), f"sqlite:///{tmp_path / 'db.sqlite'}")
    train, pred = iris()
    with live(store.flask) as store_url:
        app = PipelinesServer([train, pred], "app", op_store_client=OpStoreClient(store_url))
        with live(app) as url:
            client = PipelinesClient(url)
            client.call_pipeline(train)
            client.save_pipeline(train)
            client.load_pipeline(pred)
            assert client.call_pipeline(pred, ROW).value == [0]
