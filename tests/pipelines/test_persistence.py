"""Saving and loading pipelines against a real op store: what is kept, what fits, what is refused."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import pytest

from chariots.errors import VERSION_HINT, DamagedError, VersionError
from chariots.op_store import OpStoreServer
from chariots.op_store.savers import FileSaver
from chariots.pipelines import Pipeline
from chariots.pipelines.nodes import BaseNode, Node
from chariots.pipelines.ops import LoadableOp
from chariots.pipelines.runners import SequentialRunner
from chariots.versioning import Version, VersionedField, VersionType
from tests.pipelines.sample_ops import Add, AddOne, Counter, Double

INPUT, OUTPUT = "__pipeline_input__", "__pipeline_output__"


@pytest.fixture
def store(tmp_path):
    return OpStoreServer(FileSaver(tmp_path / "ops"), f"sqlite:///{tmp_path}/db.sqlite").client()


def rows(tmp_path):
    """How many rows every table holds and how many files there are: what "adds nothing" means."""
    with closing(sqlite3.connect(tmp_path / "db.sqlite")) as connection:
        tables = ["op", "version", "link", "pipeline"]
        counts = {name: connection.execute(f"select count(*) from {name}").fetchone()[0] for name in tables}
    counts["files"] = sum(1 for path in (tmp_path / "ops").rglob("*") if path.is_file())
    return counts


class Model(LoadableOp):
    """Learns a number in training and adds it in prediction; each training is a new major version."""

    has_learned = False

    def __init__(self, training: bool = False) -> None:
        super().__init__()
        self.training = training
        self.learned: int | None = None

    def execute(self, number):
        if self.training:
            self.learned = number
            self.has_learned = True
        return number + self.learned

    @property
    def allow_version_change(self):
        return self.training

    @property
    def needs_loading(self):
        return not self.training

    @property
    def is_ready(self):
        return self.learned is not None

    @property
    def op_version(self):
        return self.__version__ + Version().update_major(str(self.learned).encode())

    def serialize(self):
        return json.dumps(self.learned).encode()

    def load(self, serialized_object):
        self.learned = json.loads(serialized_object)
        self.has_learned = False


class First(Model):
    pass


class Second(Model):
    pass


class Third(Model):
    pass


def chain(*ops, name="chain"):
    """A pipeline in which each op reads the one before."""
    nodes = []
    for position, op in enumerate(ops):
        source = INPUT if position == 0 else f"v{position - 1}"
        target = OUTPUT if position == len(ops) - 1 else f"v{position}"
        nodes.append(Node(op, [source], target))
    return Pipeline(nodes, name)


def train(store, *ops, value=1, name="train"):
    pipeline = chain(*ops, name=name)
    if any(not op.training for op in ops if isinstance(op, Model)):
        pipeline.load(store)
    SequentialRunner().run(pipeline, value)
    pipeline.save(store)
    return pipeline


def test_what_was_trained_is_loaded_into_a_prediction_pipeline(store):
    train(store, First(True), Second(True), value=10)
    prediction = chain(First(), Second(), name="predict").load(store)
    assert SequentialRunner().run(prediction, 0) == 10 + 20
    assert set(prediction.loaded_versions) == {"first", "second"}


def test_loading_what_was_never_saved_is_refused(store):
    with pytest.raises(VersionError) as caught:
        chain(First(), name="predict").load(store)
    assert str(caught.value).startswith(VERSION_HINT)
    assert "first" in str(caught.value).removeprefix(VERSION_HINT)


def test_an_op_of_ones_own_without_a_saved_version_keeps_its_state(store):
    pipeline = chain(Counter(3)).load(store)
    assert SequentialRunner().run(pipeline, 1) == 4


def test_an_op_of_ones_own_is_saved_and_loaded(store):
    chain(Counter(3)).save(store)
    chain(Counter(4)).save(store)
    assert SequentialRunner().run(chain(Counter(0)).load(store), 1) == 5


def test_a_state_that_returns_is_the_newest_again(store, tmp_path):
    for state in (3, 4, 3):
        chain(Counter(state)).save(store)
    assert SequentialRunner().run(chain(Counter(0)).load(store), 0) == 3
    before = rows(tmp_path)
    chain(Counter(3)).save(store)
    assert rows(tmp_path) == before
    assert before["files"] == 2


def test_retraining_upstream_alone_makes_the_load_fail_and_change_nothing(store):
    train(store, First(True), Second(True), value=10)
    prediction = chain(First(), Second(), name="predict").load(store)
    train(store, First(True), value=50, name="train_first")
    with pytest.raises(VersionError, match=r"(?s)HINT: retrain.*second.*first|HINT: retrain.*first.*second"):
        prediction.load(store)
    assert SequentialRunner().run(prediction, 0) == 30


def test_retraining_downstream_on_the_new_upstream_makes_it_load_again(store):
    train(store, First(True), Second(True), value=10)
    train(store, First(True), value=50, name="train_first")
    train(store, First(), Second(True), value=1, name="train_second")
    prediction = chain(First(), Second(), name="predict").load(store)
    assert SequentialRunner().run(prediction, 0) == 50 + 51


def test_every_edge_of_a_join_is_checked(store):
    def join(*ops, name):
        left, right, joined = ops
        return Pipeline(
            [
                Node(left, [INPUT], "l"),
                Node(right, [INPUT], "r"),
                Node(Add(), ["l", "r"], "sum"),
                Node(joined, ["sum"], OUTPUT),
            ],
            name,
        )

    training = join(First(True), Second(True), Third(True), name="train")
    SequentialRunner().run(training, 5)
    training.save(store)
    prediction = join(First(), Second(), Third(), name="predict").load(store)
    for value, op in enumerate((First(True), Second(True))):
        before = prediction.loaded_versions
        train(store, op, value=7, name="alone")
        assert join(First(), Second(), Third(), name="predict").load(store).loaded_versions == before
        with pytest.raises(VersionError, match="third"):
            prediction.load(store)
        SequentialRunner().run(training, 10 + value)
        training.save(store)
        prediction.load(store)
        assert not set(prediction.loaded_versions.values()) & set(before.values())


def test_a_stateless_op_between_two_models_hides_nothing(store):
    train(store, First(True), Double(), Second(True), value=10)
    prediction = chain(First(), Double(), Second(), name="predict").load(store)
    train(store, First(True), Double(), value=50, name="first_with_double")
    with pytest.raises(VersionError, match="second"):
        prediction.load(store)
    assert prediction.pipeline_nodes[0].op.learned == 10


def test_models_with_a_stateless_op_between_them_are_trained_apart(store):
    train(store, First(True), Double(), AddOne(), Second(True), value=10)
    train(store, First(True), value=50, name="train_first")
    train(store, First(), Double(), AddOne(), Second(True), value=1, name="train_second")
    prediction = chain(First(), Double(), AddOne(), Second(), name="predict").load(store)
    assert prediction.pipeline_nodes[0].op.learned == 50
    assert prediction.pipeline_nodes[-1].op.learned == 51 * 2 + 1


def test_a_changed_stateless_op_before_a_model_is_refused(store):
    train(store, Double(), First(True), value=10)

    class Changed(Double):
        factor = VersionedField(3, VersionType.MAJOR)
        name = "double"

    assert chain(Double(), First(), name="predict").load(store).is_ready
    with pytest.raises(VersionError, match="double"):
        chain(Changed(), First(), name="predict").load(store)


def test_an_adapter_that_was_not_part_of_the_training_is_accepted(store):
    train(store, First(True), value=10)
    assert SequentialRunner().run(chain(AddOne(), First(), AddOne(), name="predict").load(store), 0) == 12


def test_models_that_never_met_are_refused(store):
    train(store, First(True), value=10, name="train_first")
    train(store, Second(True), value=10, name="train_second")
    with pytest.raises(VersionError, match="second"):
        chain(First(), Second(), name="predict").load(store)


def test_a_load_that_fails_half_way_leaves_every_op_as_it_was(store, tmp_path):
    train(store, First(True), Second(True), value=10)
    prediction = chain(First(), Second(), name="predict").load(store)
    before = prediction.loaded_versions
    files = set((tmp_path / "ops").rglob("*"))
    train(store, First(True), Second(True), value=50)
    (damaged,) = (
        path for path in set((tmp_path / "ops").rglob("*")) - files if path.is_file() and b"100" in path.read_bytes()
    )
    damaged.chmod(0o600)
    damaged.write_bytes(b"101")
    with pytest.raises(DamagedError, match="second"):
        prediction.load(store)
    assert [node.op.learned for node in prediction.pipeline_nodes] == [10, 20]
    assert prediction.loaded_versions == before


def test_code_with_another_major_does_not_load_old_bytes(store):
    train(store, First(True), value=10)

    class Renewed(First):
        depth = VersionedField(2, VersionType.MAJOR)
        name = "first"

    with pytest.raises(VersionError, match="code"):
        chain(Renewed(), name="predict").load(store)


def test_saving_an_unchanged_pipeline_adds_nothing(store, tmp_path):
    pipeline = train(store, First(True), Second(True), value=10)
    before = rows(tmp_path)
    pipeline.save(store)
    pipeline.save(store)
    assert rows(tmp_path) == before


def test_saving_a_loaded_pipeline_adds_no_version_and_no_file(store, tmp_path):
    train(store, First(True), Second(True), value=10)
    before = rows(tmp_path)
    chain(First(), Second(), name="train").load(store).save(store)
    assert rows(tmp_path) == before


def test_what_was_only_loaded_is_not_serialized_again(store, tmp_path):
    class Restless(First):
        """Never gives the same bytes twice, as many formats do not."""

        name = "first"
        written = 0

        def serialize(self):
            Restless.written += 1
            return json.dumps(self.learned).encode() + b" " * Restless.written

    train(store, Restless(True), value=10)
    before = rows(tmp_path)
    pipeline = chain(Restless(), Second(True), name="train_second").load(store)
    SequentialRunner().run(pipeline, 1)
    pipeline.save(store)
    assert rows(tmp_path)["files"] == before["files"] + 1
    assert chain(Restless(), Second(), name="predict").load(store).is_ready


def test_what_was_loaded_from_one_store_is_saved_whole_to_another(store, tmp_path):
    train(store, First(True), value=10)
    pipeline = chain(First(), name="moved").load(store)
    other = OpStoreServer(FileSaver(tmp_path / "other"), f"sqlite:///{tmp_path}/other.sqlite").client()
    pipeline.save(other)
    assert SequentialRunner().run(chain(First(), name="predict").load(other), 0) == 10


def test_an_untrained_model_is_not_saved(store, tmp_path):
    chain(AddOne(), First(), name="predict").save(store)
    assert store.get_all_versions_of_op("first") is None
    assert rows(tmp_path)["files"] == 0


def test_what_was_only_loaded_vouches_for_nothing(store):
    train(store, First(True), Second(True), value=10)
    train(store, First(True), value=50, name="train_first")
    pipeline = chain(First(True), Second(True), name="train_both").load(store)
    pipeline.save(store)
    prediction = chain(First(), Second(), name="predict").load(store)
    assert prediction.pipeline_nodes[0].op.learned == 10


def test_saving_what_was_only_loaded_does_not_bind_the_plain_code_behind_it(store):
    train(store, First(True), value=10)
    chain(First(), Double(), name="predict").load(store).save(store)
    train(store, First(True), value=50)
    assert SequentialRunner().run(chain(First(), Double(), name="predict").load(store), 0) == 100


def test_two_ops_of_one_class_keep_separate_models(store):
    training = chain(First(True), First(True), name="train")
    SequentialRunner().run(training, 10)
    training.save(store)
    prediction = chain(First(), First(), name="predict").load(store)
    assert [node.op.learned for node in prediction.pipeline_nodes] == [10, 20]


def test_models_in_a_nested_pipeline_are_saved_loaded_and_linked(store):
    def outer(inner_op, last, name):
        inner = chain(AddOne(), inner_op, name="inner")
        return Pipeline([Node(inner, [INPUT], "x"), Node(last, ["x"], OUTPUT)], name)

    training = outer(First(True), Second(True), "train")
    SequentialRunner().run(training, 10)
    training.save(store)
    prediction = outer(First(), Second(), "predict").load(store)
    assert SequentialRunner().run(prediction, 0) == (1 + 11) + 22
    train(store, First(True), value=50, name="alone")
    assert SequentialRunner().run(outer(First(), Second(), "predict").load(store), 0) == (1 + 11) + 22
    with pytest.raises(VersionError, match="second"):
        prediction.load(store)


def test_one_name_for_two_models_in_nested_pipelines_is_refused(store):
    inner = chain(First(True), name="inner")
    outer = Pipeline([Node(inner, [INPUT], "x"), Node(First(True), ["x"], OUTPUT)], "outer")
    with pytest.raises(ValueError, match="two different ops named 'first'"):
        outer.save(store)


def test_a_node_persists_and_loads_by_itself(store):
    model = First(True)
    model.execute(7)
    reader = Node(Second(), ["x"])
    assert Node(model).persist(store, [reader]) == model.op_version
    fresh = Node(First())
    assert fresh.load_latest_version(store) is fresh
    assert fresh.op.learned == 7
    assert Node(Third()).load_latest_version(store) is None
    reader.check_version_compatibility(fresh, store)


def test_a_node_refuses_an_upstream_version_it_was_not_validated_with(store):
    model = First(True)
    model.execute(7)
    Node(model).persist(store, [Node(Second())])
    model.execute(8)
    with pytest.raises(VersionError, match="node 'second' does not accept"):
        Node(Second()).check_version_compatibility(Node(model), store)


def test_a_node_of_ones_own_is_persisted_and_loaded(store):
    calls = []

    class Data(BaseNode):
        name = "data"
        node_version = Version().update_major(b"content")
        is_loadable = True

        def execute(self, *params):
            return 3

        def persist(self, store, downstream_nodes=None):
            calls.append(("persist", [node.name for node in downstream_nodes]))

        def load_latest_version(self, store_to_look_in):
            calls.append("load")
            return self

    pipeline = Pipeline([Data(output_nodes="x"), Node(AddOne(), ["x"], OUTPUT)], "with_data")
    pipeline.save(store)
    pipeline.load(store)
    assert calls == [("persist", ["addone"]), "load"]
    assert SequentialRunner().run(pipeline) == 4


def test_the_pipeline_and_its_last_op_are_registered(store):
    train(store, First(True), Second(True), value=1, name="registered")
    assert store.pipeline_exists("registered")
    assert not store.pipeline_exists("other")
    assert store.get_validated_links("second", "first") is not None
