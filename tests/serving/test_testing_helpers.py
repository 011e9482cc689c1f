"""Do the helpers for tests do what the real things do?"""

from __future__ import annotations

import pytest

import chariots
from chariots.errors import BackendError, InputError, NotLoadedError, UnknownNameError, VersionError
from chariots.op_store.savers import FileSaver
from chariots.serving import PipelinesServer
from chariots.testing import TestOpStoreClient, TestPipelinesClient
from tests.serving.support import Boom, iris, is_odd, one_op


def test_the_test_client_answers_as_the_real_one(tmp_path):
    train, pred = iris()
    app = PipelinesServer([train, pred, is_odd()], "app", op_store_client=TestOpStoreClient(tmp_path))
    client = TestPipelinesClient(app)
    assert client.call_pipeline(is_odd(), 4).value is True
    with pytest.raises(VersionError):
        client.load_pipeline(pred)
    with pytest.raises(NotLoadedError):
        client.call_pipeline(pred, [[1, 2, 3, 4]])
    client.call_pipeline(train)
    client.save_pipeline(train)
    client.load_pipeline(pred)
    assert client.is_pipeline_loaded(pred)
    assert client.call_pipeline(pred, [[1, 2, 3, 4]]).value in ([0], [1], [2])
    assert set(client.pipeline_versions(pred)) == {"pcaop", "logisticop"}


@pytest.mark.parametrize("testing", [True, False])
def test_the_test_client_raises_as_the_real_one(testing):
    app = PipelinesServer([one_op(Boom(), "boom"), is_odd()], "app")
    app.testing = testing
    client = TestPipelinesClient(app)
    with pytest.raises(BackendError, match="cannot digest"):
        client.call_pipeline("boom", 1)
    with pytest.raises(UnknownNameError, match="is_odd"):
        client.call_pipeline("is_od", 1)
    with pytest.raises(InputError):
        client.call_pipeline("is_odd")


def test_the_store_keeps_what_it_has_in_the_folder(tmp_path):
    store = TestOpStoreClient(tmp_path / "made")
    store.register_valid_link(None, "op", chariots.versioning.Version())
    assert store.db_path == str(tmp_path / "made" / "db.sqlite")
    assert (tmp_path / "made" / "db.sqlite").exists()
    assert store.server.flask.name == "OpStoreServer"


def test_the_store_takes_a_saver_of_ones_own(tmp_path):
    saver = FileSaver(str(tmp_path / "mine"))
    store = TestOpStoreClient(tmp_path, saver)
    assert store.server.saver is saver
    assert not (tmp_path / "ops").exists()


def test_the_alias_at_the_top_is_the_test_client():
    assert chariots.TestClient is TestPipelinesClient
    assert TestPipelinesClient.__test__ is False
    assert TestOpStoreClient.__test__ is False
