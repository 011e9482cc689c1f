"""Does data come from files and buckets and get there, whole, in the form that was asked for, and is it the version?"""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest

from chariots.errors import StoreUnavailableError
from chariots.ml import MLMode
from chariots.ml.serializers import BaseSerializer
from chariots.op_store import OpStoreServer
from chariots.op_store.savers import FileSaver
from chariots.pipelines import Pipeline
from chariots.pipelines.nodes import ABTestNode, DataLoadingNode, DataSavingNode, Node
from chariots.pipelines.ops import BaseOp
from chariots.pipelines.parallel import ThreadRunner
from chariots.pipelines.runners import SequentialRunner
from chariots.testing import TestPipelinesClient
from chariots.versioning import Version, VersionType
from tests.ml.sample_ops import LogisticOp
from tests.object_stores import make_bucket, moto_server, open_saver
from tests.pipelines.sample_ops import AddOne, Constant, Double
from tests.pipelines.test_routing_nodes import NodeByNode

INPUT, OUTPUT = "__pipeline_input__", "__pipeline_output__"
FRAME = pd.DataFrame({"number": [1, 2], "share": [0.1, 1 / 3], "text": ["a", "ü"]})


class Memory:
    """A saver of one's own, with the two methods that one needs."""

    def __init__(self) -> None:
        self.kept = {}
        self.loads = 0

    def save(self, serialized_object, path):
        self.kept[path] = serialized_object
        return True

    def load(self, path):
        self.loads += 1
        if path not in self.kept:
            raise FileNotFoundError(path)
        return self.kept[path]


class Stamped(Memory):
    """The same, when it knows what changes with the bytes."""

    def stamp(self, path):
        if path not in self.kept:
            raise FileNotFoundError(path)
        return str(hash(self.kept[path]))


@pytest.fixture(params=[SequentialRunner, NodeByNode, ThreadRunner])
def run(request):
    return request.param().run


@pytest.fixture(scope="module")
def s3_url():
    with moto_server() as url:
        yield url


def loading(path, **arguments):
    return Pipeline([DataLoadingNode(path, output_nodes=OUTPUT, **arguments)], "load")


def saving(path, **arguments):
    return Pipeline([DataSavingNode(path, [INPUT], OUTPUT, **arguments)], "save")


def age(path, seconds=60):
    """Lets a file be as old as one that nobody is writing any more."""
    past = time.time() - seconds
    os.utime(path, (past, past))


# -- forms ------------------------------------------------------------------------------------------------------------


def is_same(found, value):
    if isinstance(value, pd.DataFrame):
        pd.testing.assert_frame_equal(found, value)
    else:
        np.testing.assert_array_equal(found, value)
    return type(found) is type(value)


@pytest.mark.parametrize(
    ("name", "value", "arguments"),
    [
        ("data.csv", FRAME, {}),
        ("data.parquet", FRAME, {}),
        ("data.pq", FRAME, {}),
        ("data.json", {"a": [1, None, "ü"]}, {}),
        ("data.npy", np.arange(6.0).reshape(2, 3), {}),
        ("data.PKL", {"a": 1}, {"format": "pickle"}),
        ("data.pickle", (1, 2), {"format": "pickle"}),
        ("data", FRAME, {"format": "csv"}),
        ("data.txt", [1, 2], {"format": "json"}),
    ],
)
def test_what_was_saved_is_loaded(run, tmp_path, name, value, arguments):
    path = tmp_path / "not" / "there" / name
    assert run(saving(path, **arguments), value) is value
    assert is_same(run(loading(path, **arguments)), value)


def test_csv_is_what_everybody_reads(tmp_path):
    path = tmp_path / "data.csv"
    SequentialRunner().run(saving(path), FRAME)
    assert path.read_text(encoding="utf-8") == f"number,share,text\n1,0.1,a\n2,{1 / 3!r},ü\n"


def test_csv_keeps_an_index_with_a_name_and_refuses_one_without(tmp_path):
    path = tmp_path / "data.csv"
    named = FRAME.set_index(pd.Index(["x", "y"], name="key"))
    SequentialRunner().run(saving(path), named)
    assert SequentialRunner().run(loading(path))["key"].tolist() == ["x", "y"]
    SequentialRunner().run(saving(path), FRAME[FRAME["number"] > 1])  # rows that were counted elsewhere
    assert SequentialRunner().run(loading(path))["number"].tolist() == [2]
    with pytest.raises(TypeError, match="its index has no name") as told:
        SequentialRunner().run(saving(path), FRAME.set_index(pd.Index(["x", "y"])))
    assert any("data.csv' was to be written as csv" in note for note in told.value.__notes__)


def test_options_go_to_what_reads_and_writes(run, tmp_path):
    path = tmp_path / "data.csv"
    run(saving(path, format_options={"sep": ";", "index": False}), FRAME)
    assert path.read_text(encoding="utf-8").startswith("number;share;text\n")
    assert run(loading(path, format_options={"sep": ";", "usecols": ["number"]})).columns.tolist() == ["number"]


def test_a_serializer_is_a_form_too(run, tmp_path):
    class Text(BaseSerializer):
        def serialize_object(self, target):
            return target.encode()

        def deserialize_object(self, serialized_object):
            return serialized_object.decode()

    run(saving(tmp_path / "note.txt", format=Text()), "four")
    assert run(loading(tmp_path / "note.txt", format=Text())) == "four"


@pytest.mark.parametrize(
    ("path", "arguments", "kind", "expected"),
    [
        ("data.pkl", {}, ValueError, 'reading a pickle runs whatever code .* say format="pickle"'),
        ("data.xlsx", {}, ValueError, "whose suffix '.xlsx' tells no format; use one of .csv, .json, .npy"),
        ("data", {}, ValueError, "whose suffix '' tells no format"),
        ("data.csv", {"format": "parket"}, ValueError, "'parket', which is none; .*Did you mean 'parquet'"),
        ("data.csv", {"format": 3}, TypeError, "format=3; give one of csv"),
        ("data.csv", {"saver": "s3://bucket"}, TypeError, "saver='s3://bucket'; give an object with the methods load"),
        ("", {}, ValueError, "the path '', which names no file"),
        ("folder/", {"format": "csv"}, ValueError, "which names no file"),
        (
            "s3://bucket",
            {"format": "csv"},
            ValueError,
            "the URL 's3://bucket', which names no file; .*s3://bucket/name",
        ),
        ("file://data.csv", {}, ValueError, "names no file; give one, as in 'file:///folder/name.csv'"),
        ("s3://me:secret@bucket/data.csv", {}, ValueError, "a s3:// URL with a password"),
        ("data.csv", {"name": ""}, ValueError, "the name of a node is a string that is not empty"),
        ("data.csv", {"affected_version": "tiny"}, ValueError, "tiny"),
        ("data.csv", {"timeout": -1}, ValueError, "node 'data' was given timeout=-1"),
    ],
)
def test_what_cannot_be_is_refused_when_the_node_is_made(path, arguments, kind, expected):
    with pytest.raises(kind, match=expected) as told:
        DataLoadingNode(path, **arguments)
    assert "secret" not in str(told.value)


def test_pickles_do_not_pass_as_arrays(tmp_path):
    np.save(tmp_path / "data.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="allow_pickle") as told:
        SequentialRunner().run(loading(tmp_path / "data.npy"))
    assert any("was read as npy" in note for note in told.value.__notes__)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [("data.csv", [1], "a list was to be written as CSV"), ("data.parquet", 1, "a int was to be written as Parquet")],
)
def test_a_value_without_such_a_form_leaves_what_was_there(tmp_path, name, value, expected):
    SequentialRunner().run(saving(tmp_path / name), FRAME)
    before = (tmp_path / name).read_bytes()
    with pytest.raises(TypeError, match=expected):
        SequentialRunner().run(saving(tmp_path / name), value)
    assert (tmp_path / name).read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == [name]


# -- places -----------------------------------------------------------------------------------------------------------


def test_a_saver_of_ones_own(run):
    saver = Memory()
    run(saving("folder/data.json", saver=saver), [1])
    assert saver.kept == {"folder/data.json": b"[1]"}
    assert run(loading("folder/data.json", saver=saver)) == [1]


def test_a_saver_that_does_not_keep_the_bytes(run):
    class Full(Memory):
        def save(self, serialized_object, path):
            return False

    with pytest.raises(OSError, match=r"Full did not keep what was to be written to 'data.json'"):
        run(saving("data.json", saver=Full()), [1])


@pytest.mark.parametrize("name", ["data.json", "with space #1.json", "50%25.json"])
def test_paths_and_urls_of_files(run, tmp_path, monkeypatch, name):
    (tmp_path / name).write_text("[1]")
    monkeypatch.chdir(tmp_path)
    assert run(loading(name)) == [1]
    assert run(loading(str(tmp_path / name))) == [1]
    node = DataLoadingNode((tmp_path / name).as_uri(), output_nodes=OUTPUT)
    assert run(Pipeline([node], "load")) == [1]
    assert node.name == name.partition(".")[0]


def test_a_link_is_followed(run, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "real.json").write_text("[1]")
    (tmp_path / "data.json").symlink_to(tmp_path / "elsewhere" / "real.json")
    assert run(loading(tmp_path / "data.json")) == [1]
    run(saving(tmp_path / "data.json"), [2])
    assert (tmp_path / "data.json").is_symlink()
    assert (tmp_path / "elsewhere" / "real.json").read_text() == "[2]"


def test_a_saver_keeps_to_its_root(tmp_path):
    node = DataLoadingNode("../secret.json", saver=FileSaver(str(tmp_path / "root")), output_nodes=OUTPUT)
    with pytest.raises(ValueError, match=r"'\.\.' could lead out of its root"):
        SequentialRunner().run(Pipeline([node], "load"))


def test_an_unknown_kind_of_url_is_told_when_it_is_used():
    with pytest.raises(ValueError, match=r"starts with 's4', which stands for none; give one of file:///folder, s3://"):
        SequentialRunner().run(loading("s4://bucket/data.json"))


def test_what_is_not_there_is_told_with_the_node(run, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"node 'data' was to load '.*data.json', and nothing is there"):
        run(loading(tmp_path / "data.json"))


def test_making_a_node_reads_nothing_and_imports_no_saver(tmp_path):
    code = (
        "import sys; from chariots.pipelines.nodes import DataLoadingNode; from chariots.pipelines import Pipeline;"
        "Pipeline([DataLoadingNode('s3://bucket/data.csv', output_nodes='__pipeline_output__')], 'p');"
        "print([n for n in sys.modules if n.startswith(('chariots.op_store', 'pandas', 'numpy', 'obstore'))])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_a_bucket(run, s3_url):
    url, bucket = s3_url, make_bucket("s3", s3_url)
    saver = open_saver("s3", url, bucket)
    save, load = saving("folder/data.csv", saver=saver), loading("folder/data.csv", saver=saver)
    assert load.pipeline_nodes[0].node_version == Version()
    run(save, FRAME)
    assert is_same(run(load), FRAME)
    assert load.pipeline_nodes[0].node_version == save.pipeline_nodes[0].node_version
    fresh = DataLoadingNode("folder/data.csv", saver=saver)
    first = fresh.node_version
    assert fresh.node_version is first  # its tag is the same, so that it was not read again
    saver.save(b"a\n1\n", "folder/data.csv")
    assert fresh.node_version != first


def test_the_url_of_a_bucket(s3_url, monkeypatch):
    url, bucket = s3_url, make_bucket("s3", s3_url)
    for name, value in {"ACCESS_KEY_ID": "key", "SECRET_ACCESS_KEY": "secret", "REGION": "us-east-1",
                        "ENDPOINT_URL": url}.items():  # fmt: skip
        monkeypatch.setenv(f"AWS_{name}", value)
    SequentialRunner().run(saving(f"s3://{bucket}/a/b/data.json"), [1])
    assert SequentialRunner().run(loading(f"s3://{bucket}/a/b/data.json")) == [1]
    with pytest.raises(FileNotFoundError, match=f"node 'other' was to load 's3://{bucket}/a/other.json'"):
        SequentialRunner().run(loading(f"s3://{bucket}/a/other.json"))
    with pytest.raises(StoreUnavailableError):
        SequentialRunner().run(loading("s3://nobody-made-this/other.json"))


# -- versions ---------------------------------------------------------------------------------------------------------


def test_the_version_is_the_content(tmp_path):
    for name, text in {"a": "[1]", "b": "[1]", "c": "[2]"}.items():
        (tmp_path / f"{name}.json").write_text(text)
    a, b, c = (DataLoadingNode(tmp_path / f"{name}.json").node_version for name in "abc")
    assert a == b != c
    assert (a.major, a.minor) == (c.major, c.minor)
    assert a.patch != c.patch


def test_the_subversion_in_which_it_counts_can_be_chosen(tmp_path):
    (tmp_path / "a.json").write_text("[1]")
    version = DataLoadingNode(tmp_path / "a.json", affected_version=VersionType.MAJOR).node_version
    assert version.major != Version().major
    assert version.patch == Version().patch
    assert DataLoadingNode(tmp_path / "a.json", affected_version="major").node_version == version


def test_how_the_bytes_are_understood_is_part_of_the_content(tmp_path):
    (tmp_path / "a.csv").write_text("a;b\n1;2\n")
    versions = [
        DataLoadingNode(tmp_path / "a.csv", format_options=options).node_version for options in ({}, {"sep": ";"})
    ]
    assert versions[0] != versions[1]


def test_what_is_not_there_yet_has_the_empty_version(tmp_path):
    node = DataLoadingNode(tmp_path / "a.json", output_nodes=OUTPUT)
    assert node.node_version == Version()
    (tmp_path / "a.json").write_text("[1]")
    assert node.node_version != Version()


def test_a_change_is_seen_at_once_and_what_has_not_changed_is_not_read_again(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    path.write_text("[1]")
    node = DataLoadingNode(path)
    first = node.node_version
    path.write_text("[2]")  # as long, and perhaps within the same step of the clock
    second = node.node_version
    assert second != first
    age(path)
    reads = []
    load_stream = FileSaver.load_stream
    monkeypatch.setattr(FileSaver, "load_stream", lambda self, path: (reads.append(path), load_stream(self, path))[1])
    # The time of the change of the entry itself cannot be set back, so that the clock is put forward.
    now = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: now() + 60_000_000_000)
    assert [node.node_version for _ in range(3)] == [second] * 3
    assert reads == ["a.json"]


def test_a_saver_that_knows_no_stamp_is_read_and_one_that_does_is_not():
    for saver, expected in ((Memory(), 3), (Stamped(), 1)):
        saver.save(b"[1]", "a.json")
        node = DataLoadingNode("a.json", saver=saver)
        versions = [node.node_version for _ in range(3)]
        assert saver.loads == expected
        assert len({str(version) for version in versions}) == 1
        saver.save(b"[2]", "a.json")
        assert node.node_version != versions[0]


def test_after_a_run_the_version_is_that_of_what_was_loaded(run, tmp_path):
    path = tmp_path / "a.json"
    path.write_text("[1]")
    pipeline = loading(path)
    before = pipeline.versions()["a"]
    path.write_text("[2]")
    assert run(pipeline) == [2]
    loaded = pipeline.versions()["a"]
    assert loaded != before
    path.write_text("[3]")
    assert pipeline.versions()["a"] == loaded
    node = pipeline.pipeline_nodes[0]
    assert node.load_latest_version(None) is node
    assert node.node_version not in (before, loaded)


def test_the_version_of_what_is_saved_is_the_content_saved_last(run, tmp_path):
    pipeline = saving(tmp_path / "a.json")
    assert pipeline.versions()["a"] == Version()
    run(pipeline, [1])
    first = pipeline.versions()["a"]
    assert first == DataLoadingNode(tmp_path / "a.json").node_version
    run(pipeline, [2])
    assert pipeline.versions()["a"] != first
    assert saving(tmp_path / "a.json").versions() == pipeline.versions()  # as another process finds it


def test_a_copy_of_a_pipeline_keeps_what_it_loaded_to_itself(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("[1]")
    node = DataLoadingNode(path, output_nodes=OUTPUT)
    inner = Pipeline([ABTestNode({"a": Pipeline([node], "data")}, output_nodes=OUTPUT, name="c")], "inner")
    outer = Pipeline([Node(inner, output_nodes=OUTPUT)], "outer")
    one, other = outer.clone(), outer.clone()
    SequentialRunner().run(one)
    first = one.op_version
    path.write_text("[2]")
    SequentialRunner().run(other)
    assert one.op_version == first != other.op_version
    assert node.node_version == DataLoadingNode(path).node_version


# -- in pipelines -----------------------------------------------------------------------------------------------------


def test_inputs_are_waited_for(run, tmp_path):
    path = tmp_path / "a.json"
    pipeline = Pipeline(
        [
            DataLoadingNode(path, ["saved"], "loaded"),
            DataSavingNode(path, [INPUT], "saved", name="saving"),
            Node(Double(), ["loaded"], OUTPUT),
        ],
        "p",
    )
    assert run(pipeline, [1, 2]) == [1, 2, 1, 2]


def test_data_nodes_need_a_saver_and_pipelines_of_them_too(tmp_path):
    node = DataLoadingNode(tmp_path / "a.json", output_nodes=OUTPUT)
    assert node.require_saver
    assert not node.is_loadable
    inner = Pipeline([node], "inner")
    assert Node(inner).require_saver
    assert not Node(AddOne()).require_saver
    assert ABTestNode({"a": inner, "b": AddOne()}, name="c").require_saver


def test_it_is_tried_again_where_it_asks_for_that(run, tmp_path):
    class Unsteady(Memory):
        def load(self, path):
            data = super().load(path)
            if self.loads == 1:
                raise OSError("not now")
            return data

    saver = Unsteady()
    saver.save(b"[1]", "a.json")
    assert run(loading("a.json", saver=saver, retries=1)) == [1]


@pytest.fixture
def store(tmp_path):
    return OpStoreServer(FileSaver(tmp_path / "ops"), f"sqlite:///{tmp_path}/db.sqlite").client()


def training(path):
    class Split(BaseOp):
        def execute(self, frame):
            return frame[["x"]].to_numpy(), frame["y"].to_numpy()

    return Pipeline(
        [
            DataLoadingNode(path, output_nodes="table", name="table"),
            Node(Split(), ["table"], ["x", "y"]),
            Node(LogisticOp(MLMode.FIT), ["x", "y"]),
        ],
        "train",
    )


def test_training_on_other_data_shows_in_the_links(tmp_path, store):
    path = tmp_path / "table.csv"
    versions = []
    for shift in (0, 1):
        pd.DataFrame({"x": [0.0, 1, 2, 3], "y": [0, shift, 1, 1]}).to_csv(path, index=False)
        pipeline = training(path)
        SequentialRunner().run(pipeline)
        path.write_text("changed meanwhile")  # what it learned from is what is linked
        pipeline.save(store)
        versions.append(pipeline.versions()["table"])
    assert versions[0] != versions[1]
    assert store.get_all_versions_of_op(pipeline.node_for_name["table"]) == set(versions)
    links = store.get_validated_links("logisticop", "table")
    assert links == set(versions)
    pred = Pipeline([Node(LogisticOp(MLMode.PREDICT), [INPUT], OUTPUT)], "pred").load(store)
    assert SequentialRunner().run(pred, [[3.0]]).tolist() == [1]


def test_new_data_does_not_keep_a_model_from_being_loaded(tmp_path, store):
    path = tmp_path / "table.csv"
    pd.DataFrame({"x": [0.0, 1, 2, 3], "y": [0, 0, 1, 1]}).to_csv(path, index=False)
    pipeline = training(path)
    SequentialRunner().run(pipeline)
    pipeline.save(store)

    class Features(BaseOp):
        def execute(self, frame):
            return frame[["x"]].to_numpy()

    pd.DataFrame({"x": [5.0]}).to_csv(path, index=False)
    scoring = Pipeline(
        [
            DataLoadingNode(path, output_nodes="table", name="table"),
            Node(LogisticOp(MLMode.PREDICT), ["x"], "y"),
            Node(Features(), ["table"], "x"),
            DataSavingNode(tmp_path / "scores.npy", ["y"], OUTPUT),
        ],
        "score",
    )
    scoring.load(store)
    assert SequentialRunner().run(scoring).tolist() == [1]
    assert np.load(tmp_path / "scores.npy").tolist() == [1]


# -- on a server ------------------------------------------------------------------------------------------------------


def test_an_answer_names_the_content_that_made_it(tmp_path):
    from chariots.pipelines import PipelinesServer

    path = tmp_path / "a.json"
    path.write_text("[1]")
    pipeline = loading(path)
    app = PipelinesServer([pipeline, saving(tmp_path / "b.json")], import_name="data_app")
    client = TestPipelinesClient(app)
    for text in ("[1]", "[2]", "[2]"):
        path.write_text(text)
        expected = DataLoadingNode(path).node_version
        assert client.pipeline_versions("load") == {"a": expected}
        answer = client.call_pipeline("load")
        assert answer.value == json.loads(text)
        assert answer.versions == {"a": expected}
    answer = client.call_pipeline("save", [1, 2])
    assert answer.versions == {"b": DataLoadingNode(tmp_path / "b.json").node_version}
    assert client.pipeline_versions("save") == answer.versions
    assert pipeline.pipeline_nodes[0]._read_or_written is None  # the pipeline of the user has run nothing


def test_a_server_trains_on_data_and_saves_what_it_trained_on(tmp_path):
    from chariots.pipelines import PipelinesServer

    store = OpStoreServer(FileSaver(tmp_path / "ops"), f"sqlite:///{tmp_path}/db.sqlite").client()
    path = tmp_path / "table.csv"
    pd.DataFrame({"x": [0.0, 1, 2, 3], "y": [0, 0, 1, 1]}).to_csv(path, index=False)
    pipeline = training(path)
    client = TestPipelinesClient(PipelinesServer([pipeline], op_store_client=store, import_name="data_app"))
    trained = client.call_pipeline("train").versions["table"]
    assert trained == DataLoadingNode(path).node_version
    path.write_text("x,y\n1,1\n")
    client.save_pipeline("train")
    assert store.get_validated_links("logisticop", "table") == {trained}


def test_nodes_can_be_sent_to_another_process(tmp_path):
    node = pickle.loads(pickle.dumps(DataLoadingNode(tmp_path / "a.json", output_nodes=OUTPUT)))
    (tmp_path / "a.json").write_text("[1]")
    assert SequentialRunner().run(Pipeline([node], "p")) == [1]


def test_what_is_loaded_is_read_by_several(run, tmp_path):
    (tmp_path / "a.json").write_text("2")
    pipeline = Pipeline(
        [DataLoadingNode(tmp_path / "a.json", output_nodes="n"), Node(AddOne(), ["n"], OUTPUT), Node(Double(), ["n"])],
        "p",
    )
    assert run(pipeline) == 3
    assert run(Pipeline([Node(Constant(3), output_nodes="n"), DataSavingNode(tmp_path / "b.json", ["n"])], "q")) is None
    assert (tmp_path / "b.json").read_text() == "3"
