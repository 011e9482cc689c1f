"""Does a server with nothing but a folder keep everything in that folder?"""

from __future__ import annotations

import pytest

import chariots
from chariots.op_store.savers import FileSaver
from chariots.serving import Chariots, PipelinesServer
from chariots.testing import TestOpStoreClient, TestPipelinesClient
from tests.serving.support import iris, is_odd

ROW = [[5.1, 3.5, 1.4, 0.2]]


def through_the_flow(app, train, pred):
    client = TestPipelinesClient(app)
    client.call_pipeline(train)
    client.save_pipeline(train)
    client.load_pipeline(pred)
    return client.call_pipeline(pred, ROW).value


@pytest.mark.parametrize("folder", ["plain", "with space", "per%20cent", "naïve/deep/er", "quest?ion#hash"])
def test_the_folder_is_made_and_holds_the_database_and_the_bytes(tmp_path, folder):
    train, pred = iris()
    app = Chariots([train, pred], tmp_path / folder, import_name="iris_app")
    assert through_the_flow(app, train, pred) == [0]
    assert (tmp_path / folder / "db.sqlite").stat().st_size > 0
    assert any(path.is_file() for path in (tmp_path / folder / "ops").rglob("*"))
    assert sorted(path.name for path in tmp_path.iterdir()) == [folder.split("/")[0]]


def test_a_relative_path_stays_where_it_was_meant(tmp_path, monkeypatch):
    train, pred = iris()
    monkeypatch.chdir(tmp_path)
    app = Chariots([train, pred], "here")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert through_the_flow(app, train, pred) == [0]
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_it_is_a_pipelines_server_and_offered_at_the_top():
    assert chariots.Chariots is Chariots
    assert issubclass(Chariots, PipelinesServer)
    assert chariots.Client is chariots.PipelinesClient


def test_the_import_name_may_be_left_out_or_given_either_way(tmp_path):
    assert Chariots([is_odd()], tmp_path).name == "chariots"
    assert Chariots([is_odd()], tmp_path, "by_position").name == "by_position"
    assert Chariots([is_odd()], tmp_path, import_name="by_name").name == "by_name"


def test_a_saver_of_ones_own_keeps_the_bytes(tmp_path):
    written = []

    class Noting(FileSaver):
        def save(self, serialized_object, path):
            written.append(path)
            return super().save(serialized_object, path)

        def save_stream(self, chunks, path):
            written.append(path)
            return super().save_stream(chunks, path)

    train, pred = iris()
    assert through_the_flow(Chariots([train, pred], tmp_path, saver_cls=Noting), train, pred) == [0]
    assert written


def test_a_second_store_is_refused(tmp_path):
    with pytest.raises(TypeError, match="op_store_client as well"):
        Chariots([is_odd()], tmp_path, op_store_client=TestOpStoreClient(tmp_path))


def test_a_folder_can_move_to_a_server_of_its_own(tmp_path):
    train, pred = iris()
    through_the_flow(Chariots([train, pred], tmp_path), train, pred)
    grown = PipelinesServer([train, pred], "grown", op_store_client=TestOpStoreClient(tmp_path))
    assert TestPipelinesClient(grown).call_pipeline(pred, ROW).value == [0]
