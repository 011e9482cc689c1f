"""Is what is known of a training on a server in the store when the server has saved it?"""

from __future__ import annotations

from chariots.op_store.origin import present_origin
from chariots.serving import Chariots
from tests.serving.support import Http, iris, live


def test_a_training_on_a_server_is_saved_with_all_that_is_known(tmp_path):
    train, pred = iris()
    app = Chariots([train, pred], tmp_path)
    store = app.op_store_server.client()
    with live(app) as url:
        for route in ("train/main", "train/save", "pred/load", "pred/save"):
            assert Http(url).post(f"/pipelines/{route}", {}).status == 200
    (pca,), (logistic,) = store.versions("pcaop"), store.versions("logisticop")
    assert pca.parameters["n_components"] == 2
    assert (pca.pipeline, pca.save, pca.origin) == ("train", logistic.save, present_origin())
    assert pca.trained_at < logistic.trained_at
    assert {parent.version.op for parent in store.parents(logistic.id)} == {"pcaop", "irisxy"}


def test_each_training_on_a_server_has_a_record_of_its_own(tmp_path):
    train, pred = iris()
    app = Chariots([train, pred], tmp_path)
    store = app.op_store_server.client()
    with live(app) as url:
        for _ in range(2):
            assert Http(url).post("/pipelines/train/main", {}).status == 200
            assert Http(url).post("/pipelines/train/save", {}).status == 200
    newer, older = store.versions("pcaop")
    assert newer.trained_at > older.trained_at
    assert [child.version.op for child in store.children(older.id)] == ["logisticop"]
