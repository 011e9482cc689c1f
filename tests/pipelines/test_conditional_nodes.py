"""Does a slot with several ops choose by what it is given, and is it otherwise like any other slot?"""

from __future__ import annotations

import pytest

from chariots.op_store import OpStoreServer
from chariots.op_store.savers import FileSaver
from chariots.pipelines import Pipeline
from chariots.pipelines.choosing_nodes import observed
from chariots.pipelines.nodes import ConditionalNode, Node
from chariots.pipelines.ops import BaseOp
from chariots.pipelines.parallel import ThreadRunner
from chariots.pipelines.runners import SequentialRunner
from tests.pipelines.sample_ops import Add, AddOne, Counter, Double, Fail, Pair
from tests.pipelines.test_persistence import First, Second
from tests.pipelines.test_routing_nodes import NodeByNode

INPUT, OUTPUT = "__pipeline_input__", "__pipeline_output__"


@pytest.fixture(params=[SequentialRunner, NodeByNode, ThreadRunner])
def run(request):
    return request.param().run


def by_sign(**arguments):
    arguments = {"key": lambda number: "positive" if number > 0 else "negative", **arguments}
    return ConditionalNode({"positive": AddOne(), "negative": Double()}, [INPUT], OUTPUT, name="sign", **arguments)


def test_a_key_names_the_branch(run):
    pipeline = Pipeline([by_sign()], "p")
    assert [run(pipeline, number) for number in (3, -3)] == [4, -6]


def test_the_first_condition_that_holds_decides_and_otherwise_the_default(run):
    node = ConditionalNode(
        {"huge": Fail(), "large": AddOne(), "small": Double()}, [INPUT], OUTPUT, name="size",
        conditions={"large": lambda number: number > 10, "huge": lambda number: number > 100}, default="small",
    )  # fmt: skip
    assert [run(Pipeline([node], "p"), number) for number in (1, 11, 101)] == [2, 12, 102]


def test_what_the_key_does_not_know_goes_to_the_default(run):
    node = by_sign(key=lambda number: {1: "positive", 2: None, 3: 4, 4: []}.get(number, "other"), default="negative")
    assert [run(Pipeline([node], "p"), number) for number in (1, 2, 3, 4, 5)] == [2, 4, 6, 8, 10]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"key": lambda number: "postive"}, "its key returned 'postive', which is none of its branches .*'positive'"),
        ({"key": lambda number: None}, "its key returned None"),
        ({"key": None, "conditions": {"positive": lambda number: False}}, "none of its conditions holds"),
    ],
)
def test_without_a_default_a_call_without_a_branch_fails(run, arguments, expected):
    with pytest.raises(ValueError, match=f"node 'sign' cannot choose: {expected}") as told:
        run(Pipeline([by_sign(**arguments)], "p"), 1)
    assert "default=" in str(told.value)


def test_key_and_conditions_get_all_arguments(run):
    node = ConditionalNode(
        {"sum": Add(), "fail": Fail()}, ["x", "y"], OUTPUT, name="c",
        key=lambda left, right: "sum" if left > right else "fail",
    )  # fmt: skip
    pipeline = Pipeline([Node(Pair(), [INPUT], ["x", "y"]), node], "p")
    assert run(pipeline, 3) == 0
    with pytest.raises(ZeroDivisionError):
        run(pipeline, -3)


def test_branches_may_be_pipelines_and_have_several_outputs(run):
    class Swapped(BaseOp):
        def execute(self, number):
            return -number, number

    inner = Pipeline([Node(AddOne(), [INPUT], "n"), Node(Pair(), ["n"], OUTPUT)], "inner")
    node = ConditionalNode({"a": inner, "b": Swapped()}, [INPUT], ["x", "y"], name="c",
                           conditions={"a": lambda number: number > 0}, default="b")  # fmt: skip
    pipeline = Pipeline([node, Node(Double(), ["x"], "z"), Node(Add(), ["z", "y"], OUTPUT)], "p")
    assert [run(pipeline, number) for number in (1, -1)] == [2 * 2 - 2, 2 * 1 - 1]


@pytest.mark.parametrize(
    ("arguments", "kind", "expected"),
    [
        ({"key": None}, ValueError, "node 'sign' was given neither a key nor conditions"),
        ({"conditions": {"positive": bool}}, ValueError, "both a key and conditions"),
        ({"key": "positive"}, TypeError, "the key of node 'sign' is 'positive', which cannot be called"),
        ({"key": None, "conditions": {"positive": 1}}, TypeError, "the condition for branch 'positive' of node 'sign'"),
        ({"default": "postive"}, ValueError, "'postive', which is none of its branches; .*Did you mean 'positive'"),
        ({"key": None, "conditions": {"neg": bool}}, ValueError, "branch 'neg', which is none of its branches"),
    ],
)
def test_what_cannot_choose_is_refused_when_it_is_made(arguments, kind, expected):
    with pytest.raises(kind, match=expected):
        by_sign(**arguments)


def test_a_branch_that_fails_is_named(run):
    node = ConditionalNode({"bad": Fail(), "good": AddOne()}, [INPUT], OUTPUT, name="c", key=lambda number: "bad")
    with pytest.raises(ZeroDivisionError) as told:
        run(Pipeline([node], "p"), 1)
    assert "raised in node 'fail', which is variant 'bad' of node 'c'" in told.value.__notes__


def test_who_watches_is_told_which_branch_ran():
    told = []
    pipeline = observed(Pipeline([by_sign()], "p"), lambda node, variant, _, ok, __: told.append((node, variant, ok)))
    for number in (1, -1):
        SequentialRunner().run(pipeline, number)
    assert told == [("sign", "positive", True), ("sign", "negative", True)]


def test_only_the_branch_that_was_chosen_learns():
    branches = {"first": First(training=True), "second": Second(training=True)}
    node = ConditionalNode(branches, [INPUT], name="c", key=lambda number: "second" if number else "first")
    pipeline = Pipeline([node], "p")
    assert pipeline.trains
    SequentialRunner().run(pipeline, 7)
    assert [one.op.learned for one in node.alternatives] == [None, 7]


def test_every_branch_is_versioned_saved_and_loaded(tmp_path):
    store = OpStoreServer(FileSaver(tmp_path / "ops"), f"sqlite:///{tmp_path}/db.sqlite").client()

    def made(small, large):
        branches = {"small": Node(Counter(small), name="small_counter"), "large": Node(Counter(large), name="large")}
        return Pipeline(
            [ConditionalNode(branches, [INPUT], OUTPUT, name="c", conditions={"large": lambda n: n > 5},
                             default="small")], "p")  # fmt: skip

    saved = made(10, 20)
    saved.save(store)
    loaded = made(0, 0).load(store)
    assert [SequentialRunner().run(loaded, number) for number in (1, 6)] == [11, 26]
    assert list(loaded.versions()) == ["small_counter", "large"]
    copy = loaded.clone()
    copy.node_for_name["large"].op.learned = 1
    assert SequentialRunner().run(loaded, 6) == 26
    assert not loaded.batchable
    with pytest.raises(ValueError, match="one of its nodes chooses"):
        Pipeline([by_sign()], "p", batchable=True)
