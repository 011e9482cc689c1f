"""Running pipelines: results, callbacks, nesting, errors, memory."""

from __future__ import annotations

import gc
import threading
import weakref

import pytest

from chariots.pipelines import Pipeline
from chariots.pipelines.callbacks import OpCallBack, PipelineCallback
from chariots.pipelines.nodes import Node, ReservedNodes
from chariots.pipelines.ops import BaseOp
from chariots.pipelines.runners import BaseRunner, SequentialRunner
from tests.pipelines.sample_ops import Add, AddOne, Constant, Counter, Double, Fail, IsOdd, Pair

INPUT, OUTPUT = "__pipeline_input__", "__pipeline_output__"


class StepByStep(BaseRunner):
    """The runner that the documentation of `BaseRunner` shows."""

    def run(self, pipeline, pipeline_input=None):
        results = pipeline.start_results(pipeline_input)
        for node in pipeline.pipeline_nodes:
            results = pipeline.execute_node(node, results, self)
        return pipeline.extract_results(results)


class Journal(PipelineCallback, OpCallBack):
    """Writes down every call it gets, as a pipeline callback or as an op callback."""

    def __init__(self, lines=None):
        self.lines = [] if lines is None else lines

    def before_execution(self, subject, args):
        self.lines.append(f"before {subject.name} {args}")

    def after_execution(self, subject, args, output):
        self.lines.append(f"after {subject.name} {args} {output}")

    def before_node_execution(self, pipeline, node, args):
        self.lines.append(f"before node {node.name} {args}")

    def after_node_execution(self, pipeline, node, args, output):
        self.lines.append(f"after node {node.name} {args} {output}")


@pytest.fixture(params=[SequentialRunner, StepByStep])
def runner(request):
    return request.param()


def is_odd_pipeline(**kwargs):
    return Pipeline([Node(AddOne(), [INPUT], "added"), Node(IsOdd(), ["added"], OUTPUT)], "simple_pipeline", **kwargs)


def test_the_documented_pipeline_runs(runner):
    assert runner.run(pipeline=is_odd_pipeline(), pipeline_input=4) is True


def test_a_pipeline_without_output_returns_none(runner):
    assert runner.run(Pipeline([Node(Constant(3))], "silent")) is None


def test_an_empty_pipeline_returns_none(runner):
    assert runner.run(Pipeline([], "empty")) is None


def test_branches_and_several_outputs(runner):
    nodes = [
        Node(Pair(), [INPUT], ["plus", "minus"]),
        Node(Double(), ["plus"], "doubled"),
        Node(Add(), ["doubled", "minus"], OUTPUT),
    ]
    assert runner.run(Pipeline(nodes, "branches"), 3) == 3


def test_several_outputs_may_include_the_pipeline_output(runner):
    nodes = [Node(Pair(), [INPUT], [OUTPUT, "minus"]), Node(AddOne(), ["minus"])]
    assert runner.run(Pipeline(nodes, "branches"), 3) == 3


def test_one_named_output_keeps_a_tuple_whole(runner):
    assert runner.run(Pipeline([Node(Pair(), [INPUT], [OUTPUT])], "whole"), 3) == (3, -3)


@pytest.mark.parametrize("value", [(1, 2, 3), 5, "ab"])
def test_a_result_that_does_not_split_names_the_node_and_its_outputs(runner, value):
    nodes = [Node(Constant(value), output_nodes=["a", "b"]), Node(Add(), ["a", "b"], OUTPUT)]
    with pytest.raises(ValueError, match=r"node 'constant' has 2 outputs \('a', 'b'\) but returned"):
        runner.run(Pipeline(nodes, "split"))


def test_an_input_that_nobody_reads_is_refused(runner):
    with pytest.raises(ValueError, match="pipeline 'constant' was given an input, but none of its nodes reads"):
        runner.run(Pipeline([Node(Constant(1), output_nodes=OUTPUT)], "constant"), 5)


def test_falsy_inputs_arrive(runner):
    assert runner.run(Pipeline([Node(AddOne(), [INPUT], OUTPUT)], "zero"), 0) == 1


def test_callbacks_run_in_the_documented_order(runner):
    lines = []

    class Hooked(AddOne):
        def before_execution(self, args):
            lines.append(f"own before {args}")

        def execute(self, number):
            lines.append("execute")
            return super().execute(number)

        def after_execution(self, args, output):
            lines.append(f"own after {args} {output}")

    class PipelineJournal(Journal):
        def before_execution(self, pipeline, args):
            lines.append(f"pipeline before {args}")

        def after_execution(self, pipeline, args, output):
            lines.append(f"pipeline after {args} {output}")

    pipeline = Pipeline(
        [Node(Hooked(op_callbacks=[Journal(lines)]), [INPUT], OUTPUT)],
        "ordered",
        pipeline_callbacks=[PipelineJournal(lines)],
    )
    assert runner.run(pipeline, 3) == 4
    # What surrounds the whole run is the business of the runner itself.
    assert lines == (ORDER if isinstance(runner, SequentialRunner) else ORDER[1:-1])


ORDER = [
    "pipeline before [3]",
    "before node hooked [3]",
    "before hooked [3]",
    "own before [3]",
    "execute",
    "own after [3] 4",
    "after hooked [3] 4",
    "after node hooked [3] 4",
    "pipeline after [3] 4",
]


def test_an_op_callback_prints_as_documented(capsys):
    class PrintOpName(OpCallBack):
        def before_execution(self, callback_op, args):
            print(f"{callback_op.name} called with {args}")

    pipeline = Pipeline(
        [
            Node(AddOne(), input_nodes=[INPUT], output_nodes="modified"),
            Node(IsOdd(op_callbacks=[PrintOpName()]), input_nodes=["modified"], output_nodes=[OUTPUT]),
        ],
        "simple_pipeline",
    )
    assert SequentialRunner().run(pipeline, 3) is False
    assert capsys.readouterr().out == "isodd called with [4]\n"


def test_a_pipeline_callback_prints_as_documented(capsys):
    class MyPipelineLogger(PipelineCallback):
        def before_execution(self, pipeline, args):
            print(f"running {pipeline}")

        def before_node_execution(self, pipeline, node, args):
            print(f"running {node.name} for {pipeline.name}")

    SequentialRunner().run(is_odd_pipeline(pipeline_callbacks=[MyPipelineLogger()]), 3)
    assert capsys.readouterr().out == (
        "running <OP simple_pipeline>\nrunning addone for simple_pipeline\nrunning isodd for simple_pipeline\n"
    )


def test_a_callback_added_after_the_first_run_is_called():
    op, journal = AddOne(), Journal()
    pipeline = Pipeline([Node(op, [INPUT], OUTPUT)], "late")
    SequentialRunner().run(pipeline, 1)
    op.callbacks.append(journal)
    SequentialRunner().run(pipeline, 1)
    assert journal.lines == ["before addone [1]", "after addone [1] 2"]


def test_the_callers_list_of_callbacks_is_left_alone():
    callbacks = [Journal()]
    pipeline = is_odd_pipeline(pipeline_callbacks=callbacks)
    pipeline.clone(extra_callbacks=[Journal()])
    pipeline.callbacks.append(Journal())
    assert len(callbacks) == 1


def test_an_op_replaced_on_its_object_is_called(monkeypatch):
    op = AddOne()
    pipeline = Pipeline([Node(op, [INPUT], OUTPUT)], "patched")
    assert SequentialRunner().run(pipeline, 1) == 2
    monkeypatch.setattr(op, "execute", lambda number: "patched")
    assert SequentialRunner().run(pipeline, 1) == "patched"


def test_a_nested_pipeline_gets_the_value_itself(runner):
    inner = Pipeline([Node(Double(), [INPUT], "x"), Node(AddOne(), ["x"], OUTPUT)], "inner")
    outer = Pipeline([Node(AddOne(), [INPUT], "y"), Node(inner, ["y"], OUTPUT)], "outer")
    assert runner.run(outer, [1][0]) == 5
    assert runner.run(Pipeline([Node(inner, [INPUT], OUTPUT)], "outer"), 4) == 9


def test_a_nested_pipeline_runs_its_own_callbacks():
    journal = Journal()
    inner = Pipeline([Node(Double(), [INPUT], OUTPUT)], "inner", pipeline_callbacks=[journal])
    SequentialRunner().run(Pipeline([Node(inner, [INPUT], OUTPUT)], "outer"), 4)
    assert journal.lines == [
        "before inner [4]",
        "before node double [4]",
        "after node double [4] 8",
        "after inner [4] 8",
    ]


def test_the_version_of_a_nested_pipeline_is_that_of_its_content():
    class Triple(Double):
        factor = 3

    def version_around(op):
        return Node(Pipeline([Node(op, [INPUT], OUTPUT)], "inner"), [INPUT], OUTPUT).node_version

    assert version_around(Double()) == version_around(Double())
    assert version_around(Double()).major != version_around(Triple()).major
    assert version_around(Double()).minor == version_around(Triple()).minor


def test_a_nested_pipeline_with_two_inputs_is_refused():
    inner = Pipeline([Node(Double(), [INPUT], OUTPUT)], "inner")
    with pytest.raises(ValueError, match="gives 2 inputs to pipeline 'inner'"):
        Pipeline([Node(Pair(), [INPUT], ["a", "b"]), Node(inner, ["a", "b"], OUTPUT)], "outer")


def test_a_nested_pipeline_without_a_runner_is_refused():
    inner = Pipeline([Node(Double(), [INPUT], OUTPUT)], "inner")
    with pytest.raises(ValueError, match="needs a runner"):
        Node(inner).execute([1])


def test_an_error_of_an_op_stays_itself_and_names_the_node(runner):
    pipeline = Pipeline([Node(AddOne(), [INPUT], "x"), Node(Fail(), ["x"], OUTPUT, name="divide")], "failing")
    with pytest.raises(ZeroDivisionError, match="nothing to divide") as caught:
        runner.run(pipeline, 1)
    assert caught.value.__notes__ == ["raised in node 'divide' of pipeline 'failing'"]


def test_a_pipeline_does_not_execute_itself():
    with pytest.raises(ValueError, match=r"SequentialRunner\(\)\.run"):
        is_odd_pipeline().execute(SequentialRunner(), 3)


def test_leftover_results_are_refused_by_name():
    node = Node(AddOne(), [INPUT], "spare")
    assert Pipeline.extract_results({ReservedNodes.pipeline_output.reference: 5}) == 5
    assert Pipeline.extract_results({}) is None
    with pytest.raises(ValueError, match="nothing reads 'spare'"):
        Pipeline.extract_results({node.output_references[0]: 1})


def test_the_results_of_0_2_runners_start_from_the_reserved_reference():
    pipeline = is_odd_pipeline()
    results = {ReservedNodes.pipeline_input.reference: 4}
    for node in pipeline.pipeline_nodes:
        results = pipeline.execute_node(node, results, None)
    assert pipeline.extract_results(results) is True


class Big:
    """Something whose death can be seen."""


@pytest.mark.parametrize("callbacks", [[], [PipelineCallback()]])
def test_a_value_is_freed_when_its_last_reader_has_run(callbacks):
    watched = {}

    class Make(BaseOp):
        def execute(self, seed):
            big = Big()
            watched["big"] = weakref.ref(big)
            return big, 1

    class Use(BaseOp):
        def execute(self, big, *rest):
            assert watched["big"]() is big
            return 1

    class Look(BaseOp):
        def execute(self, *values):
            gc.collect()
            return watched["big"]() is None

    pipeline = Pipeline(
        [
            Node(Make(), [INPUT], ["big", "one"]),
            Node(Use(), ["big"], "a", name="first"),
            Node(Use(), ["big", "a"], "b", name="last"),
            Node(Look(), ["a", "b", "one"], OUTPUT),
        ],
        "memory",
        pipeline_callbacks=callbacks,
    )
    assert SequentialRunner().run(pipeline, 0) is True


def test_one_pipeline_serves_many_threads():
    pipeline = Pipeline([Node(AddOne(), [INPUT], "x"), Node(Double(), ["x"], OUTPUT)], "shared")
    wrong = []

    def work(start):
        for number in range(start, start + 500):
            if SequentialRunner().run(pipeline, number) != 2 * (number + 1):
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(1000 * i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_clone_copies_what_can_be_loaded_and_shares_the_rest():
    journal = Journal()
    counter, plain = Counter(5, op_callbacks=[journal]), AddOne()
    pipeline = Pipeline([Node(plain, [INPUT], "x"), Node(counter, ["x"], OUTPUT)], "cloned")
    clone = pipeline.clone()
    clone.node_for_name["counter"].op.load(b"100")
    assert SequentialRunner().run(clone, 0) == 101
    assert SequentialRunner().run(pipeline, 0) == 6
    assert clone.node_for_name["addone"].op is plain
    assert clone.node_for_name["counter"].op.callbacks == [journal]


def test_one_op_in_two_nodes_stays_one_op_in_a_clone():
    counter = Counter(1)
    nodes = [Node(counter, [INPUT], "x", name="a"), Node(counter, ["x"], OUTPUT, name="b")]
    clone = Pipeline(nodes, "shared").clone()
    ops = {id(node.op) for node in clone.pipeline_nodes}
    assert len(ops) == 1
    assert id(counter) not in ops


def test_what_cannot_be_copied_is_named():
    counter = Counter()
    counter.lock = threading.Lock()
    with pytest.raises(TypeError, match=r"op 'counter' holds something that cannot be copied.*copy_for_snapshot"):
        Pipeline([Node(counter, [INPUT], OUTPUT)], "locked").clone()


def test_versions_are_given_by_node_and_by_name():
    node = Node(Double(), [INPUT], OUTPUT)
    pipeline = Pipeline([node], "versions")
    assert pipeline.get_pipeline_versions() == {node: Double.__version__}
    assert pipeline.versions() == {"double": Double.__version__}


def test_the_readers_of_the_input_are_found_through_nested_pipelines():
    inner_node = Node(Double(), [INPUT], OUTPUT)
    inner = Pipeline([inner_node], "inner")
    outer_node = Node(Add(), ["x", INPUT], OUTPUT)
    outer = Pipeline([Node(inner, [INPUT], "x"), outer_node], "outer")
    assert outer.nodes_reading_input == [(inner_node, 0), (outer_node, 1)]
