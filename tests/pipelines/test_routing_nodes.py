"""Does a slot with several ops work like any other: in its place, versioned, trained, saved and loaded?"""

from __future__ import annotations

import numpy as np
import pytest

from chariots.errors import VersionError
from chariots.ml import MLMode
from chariots.op_store import OpStoreServer
from chariots.op_store.savers import FileSaver
from chariots.pipelines import Pipeline
from chariots.pipelines.choosing_nodes import observed
from chariots.pipelines.nodes import ABTestNode, Node
from chariots.pipelines.ops import BaseOp
from chariots.pipelines.questions import questions
from chariots.pipelines.runners import BaseRunner, SequentialRunner
from tests.pipelines.sample_ops import Add, AddOne, Counter, Double, Fail, Pair
from tests.pipelines.test_persistence import First, Second, Third

INPUT, OUTPUT = "__pipeline_input__", "__pipeline_output__"


class Swapped(BaseOp):
    """What `Pair` gives, the other way round."""

    def execute(self, number):
        return -number, number


class NodeByNode(BaseRunner):
    """The runner of the documentation."""

    def run(self, pipeline, pipeline_input=None):
        results = pipeline.start_results(pipeline_input)
        for node in pipeline.pipeline_nodes:
            results = pipeline.execute_node(node, results, self)
        return pipeline.extract_results(results)


@pytest.fixture
def store(tmp_path):
    return OpStoreServer(FileSaver(tmp_path / "ops"), f"sqlite:///{tmp_path}/db.sqlite").client()


@pytest.fixture(params=[SequentialRunner, NodeByNode])
def run(request):
    return request.param().run


def ab(first, second, inputs=INPUT, outputs=OUTPUT, **arguments):
    """A node that chooses by the value it is given."""
    arguments = {"name": "choice", "key": lambda value, *_: int(value), **arguments}
    return ABTestNode({"a": first, "b": second}, [inputs], outputs, **arguments)


def expected(node, value, a, b):
    """The answer of the variant that a value should get."""
    return a if node.variant_for(value) == "a" else b


def values(node):
    """Some values; both variants have some of them."""
    assert {node.variant_for(value) for value in range(10)} == {"a", "b"}
    return range(10)


# -- in any slot ------------------------------------------------------------------------------------------------------


def test_the_only_slot(run):
    node = ab(AddOne(), Double())
    pipeline = Pipeline([node], "p")
    for value in values(node):
        assert run(pipeline, value) == expected(node, value, value + 1, value * 2)


def test_the_first_a_middle_and_the_last_slot(run):
    first = ab(AddOne(), Double(), INPUT, "x", name="first")
    middle = ab(Node(AddOne(), name="plus"), Node(Double(), name="times"), "x", "y", name="middle")
    last = ab(Node(AddOne(), name="more"), Node(Double(), name="twice"), "y", OUTPUT, name="last")
    pipeline = Pipeline([last, middle, first], "p")
    seen = set()
    for value in range(100):
        x = expected(first, value, value + 1, value * 2)
        y = expected(middle, x, x + 1, x * 2)
        assert run(pipeline, value) == expected(last, y, y + 1, y * 2)
        seen.add((first.variant_for(value), middle.variant_for(x), last.variant_for(y)))
    assert len(seen) == 8


def test_several_outputs(run):
    node = ab(Pair(), Swapped(), INPUT, ["left", "right"])
    double = Node(Double(), ["left"], "doubled")
    pipeline = Pipeline([node, double, Node(Add(), ["doubled", "right"], OUTPUT)], "p")
    for value in values(node):
        assert run(pipeline, value) == expected(node, value, value, -value)


def test_a_nested_pipeline_as_a_variant_and_around_one(run):
    inner = Pipeline([Node(AddOne(), [INPUT], "x"), Node(Double(), ["x"], OUTPUT)], "inner")
    node = ab(inner, Node(AddOne(), name="one"))
    outer = Pipeline(
        [Node(Pipeline([node], "around"), [INPUT], "z"), Node(Double(), ["z"], OUTPUT, name="end")], "outer"
    )
    for value in values(node):
        assert run(outer, value) == 2 * expected(node, value, (value + 1) * 2, value + 1)


def test_a_node_of_several_inputs(run):
    node = ABTestNode({"sum": Add(), "pair": Fail()}, ["x", "y"], OUTPUT, name="c", weights={"sum": 1, "pair": 0})
    pipeline = Pipeline([Node(Pair(), [INPUT], ["x", "y"]), node], "p")
    assert run(pipeline, 3) == 0


# -- who gets what ----------------------------------------------------------------------------------------------------


def test_without_a_key_equal_inputs_get_the_same_variant(run):
    node = ABTestNode({"a": AddOne(), "b": Double()}, [INPUT], OUTPUT, name="choice")
    pipeline = Pipeline([node], "p")
    answers = {tuple(run(pipeline, np.array([value, 10.0]))) for value in (1.0, 2.0, 3.0, 4.0, 5.0)}
    again = {tuple(run(pipeline, np.array([value, 10.0]))) for value in (1.0, 2.0, 3.0, 4.0, 5.0)}
    assert answers == again
    assert {last for _, last in answers} == {11.0, 20.0}


def test_without_a_key_an_input_without_content_asks_for_one():
    node = ABTestNode({"a": AddOne(), "b": Double()}, [INPUT], OUTPUT, name="choice")
    with pytest.raises(TypeError, match="input of node 'choice'") as caught:
        SequentialRunner().run(Pipeline([node], "p"), object())
    assert any("Give the node a key=" in note for note in caught.value.__notes__)


def test_a_key_that_is_none_is_refused(run):
    with pytest.raises(TypeError, match=r"the key of node 'choice' returned None \(NoneType\).*return a string"):
        run(Pipeline([ab(AddOne(), Double(), key=lambda value: None)], "p"), 1)


def test_a_variant_that_fails_is_named():
    node = ab(AddOne(), Fail(), weights={"a": 0, "b": 1})
    with pytest.raises(ZeroDivisionError) as caught:
        SequentialRunner().run(Pipeline([node], "p"), 1)
    assert caught.value.__notes__ == [
        "raised in node 'fail', which is variant 'b' of node 'choice'",
        "raised in node 'choice' of pipeline 'p'",
    ]


def test_callbacks_of_the_op_and_its_hooks_are_called():
    seen = []

    class Hooked(AddOne):
        def before_execution(self, args):
            seen.append(args)

    SequentialRunner().run(Pipeline([ab(Hooked(), Double(), weights={"a": 1, "b": 0})], "p"), 1)
    assert seen == [[1]]


# -- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variants", "arguments", "message"),
    [
        ({}, {}, "has no variants"),
        (
            {"a": AddOne(), "b": Double()},
            {"weights": {"a": 1, "b": -1}},
            "weight of variant 'b' .* is -1; give a finite",
        ),
        ({"a": AddOne(), "b": Double()}, {"weights": {"a": 1, "b": float("nan")}}, "is nan; give a finite"),
        ({"a": AddOne(), "b": Double()}, {"weights": {"a": 1, "b": True}}, "is True; give a finite"),
        ({"a": AddOne(), "b": Double()}, {"weights": {"a": 0, "b": 0}}, "are all 0"),
        ({"new": AddOne(), "b": Double()}, {"weights": {"neww": 1, "b": 1}}, "name 'neww'.*Did you mean 'new'"),
        ({"a": AddOne(), "b": Double()}, {"weights": {"a": 1}}, "leave out variant 'b'"),
        ({"a": AddOne(), "b": AddOne()}, {}, r"'a' and 'b' .* both named 'addone'.*Node\(op, name=\"addone_b\"\)"),
        ({"a": Node(AddOne(), [INPUT])}, {}, "has inputs or outputs of its own"),
        ({"": AddOne()}, {}, "a variant of node 'choice' is named ''"),
    ],
)
def test_unusable_variants_and_weights(variants, arguments, message):
    with pytest.raises(ValueError, match=message):
        ABTestNode(variants, [INPUT], OUTPUT, name="choice", **arguments)


@pytest.mark.parametrize(
    ("variants", "arguments", "message"),
    [
        ({"a": AddOne}, {}, r"variant 'a' of node 'choice' cannot be used: .*write Node\(AddOne\(\), ...\)"),
        ([AddOne()], {}, "give a mapping from names to ops"),
        ({"a": AddOne()}, {"key": "user"}, "key of node 'choice' is 'user', which cannot be called"),
    ],
)
def test_variants_and_keys_of_the_wrong_kind(variants, arguments, message):
    with pytest.raises(TypeError, match=message):
        ABTestNode(variants, [INPUT], OUTPUT, name="choice", **arguments)


def test_a_variant_named_like_another_node_is_refused():
    with pytest.raises(ValueError, match="variant of node 'choice' is named 'addone'"):
        Pipeline([Node(AddOne(), [INPUT], "x"), ab(AddOne(), Double(), "x")], "p")


def test_a_nested_pipeline_takes_one_input():
    inner = Pipeline([Node(AddOne(), [INPUT], OUTPUT)], "inner")
    node = ABTestNode({"a": inner, "b": Add()}, ["x", "y"], OUTPUT, name="choice")
    with pytest.raises(ValueError, match="gives 2 inputs to pipeline 'inner'"):
        Pipeline([Node(Pair(), [INPUT], ["x", "y"]), node], "p")


def test_a_pipeline_that_chooses_is_not_batchable():
    with pytest.raises(ValueError, match="batchable=True, but one of its nodes chooses"):
        Pipeline([ab(AddOne(), Double())], "p", batchable=True)
    with pytest.raises(ValueError, match="batchable=True"):
        Pipeline([Node(Pipeline([ab(AddOne(), Double())], "in"), [INPUT], OUTPUT)], "p", batchable=True)


# -- versions, training, saving, loading ------------------------------------------------------------------------------


def test_every_variant_has_its_version_and_is_asked_for():
    pipeline = Pipeline([ab(First(), Second(), INPUT, "x"), Node(Third(), ["x"], OUTPUT)], "p")
    assert [op.name for op in pipeline.ops] == ["first", "second", "third"]
    assert list(pipeline.versions()) == ["first", "second", "third"]
    nodes, edges = questions(pipeline)
    assert [(node.name, node.role) for node in nodes] == [("first", "load"), ("second", "load"), ("third", "load")]
    assert edges == [("first", "third"), ("second", "third")]
    assert [(up.name, down.name) for up, down in pipeline.get_all_op_links()] == edges
    assert not pipeline.is_ready


def trained(store, first=10, name="train"):
    """Trains two variants and what reads them, and saves them."""
    nodes = [ab(First(True), Second(True), INPUT, "x"), Node(Third(True), ["x"], OUTPUT)]
    pipeline = Pipeline(nodes, name)
    SequentialRunner().run(pipeline, first)
    pipeline.save(store)
    return pipeline


def predicting(name="predict"):
    return Pipeline([ab(First(), Second(), INPUT, "x"), Node(Third(), ["x"], OUTPUT)], name)


def test_all_variants_learn_from_every_input_and_the_first_goes_on(store):
    asked = []
    node = ab(First(True), Second(True), INPUT, "x", key=asked.append)
    pipeline = Pipeline([node, Node(Third(True), ["x"], OUTPUT)], "train")
    assert pipeline.trains
    SequentialRunner().run(pipeline, 10)
    assert [op.learned for op in pipeline.ops] == [10, 10, 20]
    assert asked == []


def test_a_variant_that_learns_beside_one_that_does_not_learns_from_every_input():
    fixed, learning = First(), Second(True)
    fixed.learned = 100
    node = ab(fixed, learning)
    pipeline = Pipeline([node], "p")
    for value in values(node):
        assert SequentialRunner().run(pipeline, value) == expected(node, value, value + 100, 2 * value)
        assert learning.learned == value


def test_what_was_trained_is_loaded(store):
    trained(store)
    pipeline = predicting().load(store)
    assert set(pipeline.loaded_versions) == {"first", "second", "third"}
    assert SequentialRunner().run(pipeline, 0) == 10 + 20
    assert pipeline.is_ready


def test_a_variant_trained_again_alone_waits_for_what_reads_it(store):
    trained(store)
    alone = Pipeline([Node(Second(True), [INPUT], OUTPUT)], "alone")
    SequentialRunner().run(alone, 50)
    alone.save(store)
    pipeline = predicting()
    assert pipeline.load(store).loaded_versions["second"] < store.versions("second")[0].id
    with pytest.raises(VersionError, match="second"):
        pipeline.load(store)


def test_a_variant_that_was_never_trained_keeps_the_pipeline_from_loading(store):
    nodes = [Node(First(True), [INPUT], "x"), Node(Third(True), ["x"], OUTPUT)]
    pipeline = Pipeline(nodes, "train")
    SequentialRunner().run(pipeline, 10)
    pipeline.save(store)
    with pytest.raises(VersionError, match="second"):
        predicting().load(store)


def test_what_a_variant_reads_counts(store):
    nodes = [Node(First(True), [INPUT], "x"), ab(Second(True), Third(True), "x")]
    pipeline = Pipeline(nodes, "train")
    SequentialRunner().run(pipeline, 10)
    pipeline.save(store)
    _, edges = questions(pipeline)
    assert edges == [("first", "second"), ("first", "third")]
    assert store.get_validated_links("third", "first")
    again = Pipeline([Node(First(), [INPUT], "x"), ab(Second(), Third(), "x")], "predict").load(store)
    assert again.is_ready


def test_promotions_name_the_variants(store):
    trained(store)
    predicting().save(store)
    event = store.promote("predict")
    assert set(event.after) == {"first", "second", "third"}
    trained(store, 50)
    assert predicting().load(store, "production").loaded_versions == event.after


def test_a_copy_learns_alone():
    pipeline = Pipeline([ab(First(True), Second(True))], "p")
    copy = pipeline.clone()
    SequentialRunner().run(copy, 5)
    assert [op.learned for op in copy.ops] == [5, 5]
    assert [op.learned for op in pipeline.ops] == [None, None]


def test_the_node_alone_is_saved_and_loaded(store):
    node = ab(Counter(3), Node(Counter(4), name="other"))
    assert node.persist(store) == node.node_version
    fresh = ab(Counter(), Node(Counter(), name="other"))
    assert fresh.load_latest_version(store) is fresh
    assert [each.op.learned for each in fresh.alternatives] == [3, 4]
    assert ab(First(), Second()).load_latest_version(store) is None


def test_scikit_learn_ops_as_variants(store):
    from sklearn.linear_model import LinearRegression, Ridge

    from chariots.ml.sklearn import SKSupervisedOp

    class Straight(SKSupervisedOp):
        model_class = LinearRegression

    class Bent(SKSupervisedOp):
        model_class = Ridge

    x = np.array([[0.0], [1.0], [2.0]])
    train = Pipeline(
        [Node(Table(), [INPUT], ["x", "y"]), ab2(Straight(MLMode.FIT), Bent(MLMode.FIT), ["x", "y"], None)], "train"
    )
    SequentialRunner().run(train, x)
    train.save(store)
    node = ab2(Straight(MLMode.PREDICT), Bent(MLMode.PREDICT), [INPUT], OUTPUT)
    predict = Pipeline([node], "predict").load(store)
    answers = {
        node.variant_for(key): round(float(SequentialRunner().run(predict, np.array([[float(key)]]))[0]) / (2 * key), 2)
        for key in range(1, 10)
    }
    assert answers["a"] == 1.0
    assert answers["b"] < 1.0


class Table(BaseOp):
    def execute(self, x):
        return x, 2 * x[:, 0]


def ab2(first, second, inputs, outputs):
    return ABTestNode({"a": first, "b": second}, inputs, outputs, name="choice", key=lambda x, *_: int(x[0, 0]))


# -- who is told ------------------------------------------------------------------------------------------------------


def test_who_watches_is_told_of_every_run_of_a_variant_wherever_it_is():
    told = []
    inner = Pipeline([ab(AddOne(), Fail())], "inner")
    pipeline = Pipeline([Node(inner, [INPUT], OUTPUT)], "outer")
    watched = observed(
        pipeline, lambda name, variant, node, is_done, seconds: told.append((name, variant, node.name, is_done))
    )
    node = inner.graph_nodes[0]
    for value in values(node):
        if node.variant_for(value) == "a":
            SequentialRunner().run(watched, value)
        else:
            with pytest.raises(ZeroDivisionError):
                SequentialRunner().run(watched, value)
        assert told.pop() == (
            "choice",
            node.variant_for(value),
            *expected(node, value, ("addone", True), ("fail", False)),
        )
    SequentialRunner().run(pipeline, next(value for value in range(10) if node.variant_for(value) == "a"))
    assert told == []


def test_a_pipeline_without_variants_is_left_as_it_is():
    pipeline = Pipeline([Node(AddOne(), [INPUT], OUTPUT)], "p")
    assert observed(pipeline, print) is pipeline


def test_a_copy_of_what_is_watched_is_watched():
    told = []
    pipeline = observed(Pipeline([ab(Counter(1), Double())], "p"), lambda *each: told.append(each[1]))
    SequentialRunner().run(pipeline.clone(), 1)
    assert told == [pipeline.graph_nodes[0].variant_for(1)]
