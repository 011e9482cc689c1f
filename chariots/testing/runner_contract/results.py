"""What does every runner return, for every form of pipeline? (tests)"""

from __future__ import annotations

import pickle
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chariots.pipelines import Pipeline
from chariots.pipelines.nodes import ABTestNode, BaseNode, DataLoadingNode, DataSavingNode, MapNode, Node
from chariots.pipelines.ops import BaseOp
from chariots.pipelines.runners import BaseRunner
from chariots.testing.runner_contract.ops import (
    PATIENCE,
    Add,
    Collect,
    Constant,
    Counts,
    Doubling,
    Increment,
    Listed,
    Same,
    Split,
    Writes,
)

__all__ = ["INPUT", "OUTPUT", "ResultsContract", "chain", "shown"]

INPUT, OUTPUT = "__pipeline_input__", "__pipeline_output__"


def chain(*ops: BaseOp, name: str = "chain", **kwargs: Any) -> Pipeline:
    """A pipeline whose nodes run one after the other, each on what the one before it returned."""
    names = [INPUT, *(f"step_{number}" for number in range(1, len(ops))), OUTPUT]
    return Pipeline([Node(op, [names[at]], names[at + 1]) for at, op in enumerate(ops)], name, **kwargs)


def shown(error: BaseException) -> str:
    """All that a person would be shown of an error."""
    return "".join(traceback.format_exception(error))


class ResultsContract:
    """What a pipeline gives is the same whoever runs it."""

    @pytest.fixture
    def runner(self) -> BaseRunner:
        """The runner; to be overridden."""
        raise NotImplementedError("define a fixture named runner that returns a runner of yours")

    # -- graphs -------------------------------------------------------------------------------------------------------

    def test_a_chain_runs_in_order(self, runner: BaseRunner) -> None:
        """Each node reads what the one before it returned."""
        assert runner.run(chain(Increment(), Same(), Increment()), 3) == 5

    def test_it_takes_the_documented_names(self, runner: BaseRunner) -> None:
        """The arguments may be named."""
        assert runner.run(pipeline=chain(Increment()), pipeline_input=3) == 4

    def test_branches_are_joined(self, runner: BaseRunner) -> None:
        """One value may have several readers, one node several inputs, in the order it names them."""

        class Minus(BaseOp):
            def execute(self, left: int, right: int) -> int:
                return left - right

        nodes = [
            Node(Minus(), ["left", "right"], OUTPUT),  # nodes may be given in any order
            Node(Increment(), [INPUT], "start"),
            Node(Increment(), ["start"], "left", name="left_branch"),
            Node(Same(), ["start"], "right"),
        ]
        assert runner.run(Pipeline(nodes, "branches"), 3) == 1

    def test_a_wide_pipeline_keeps_its_values_apart(self, runner: BaseRunner) -> None:
        """However many nodes are ready at once."""
        nodes: list[BaseNode] = [
            Node(Constant(number), output_nodes=f"value_{number}", name=f"node_{number}") for number in range(20)
        ]
        nodes.append(Node(Collect(), [f"value_{number}" for number in range(20)], OUTPUT))
        assert runner.run(Pipeline(nodes, "wide")) == list(range(20))

    def test_several_outputs_go_to_several_readers(self, runner: BaseRunner) -> None:
        """And the pipeline's output may be one of them."""
        nodes = [
            Node(Split(), [INPUT], ["plus", "minus"]),
            Node(Increment(), ["plus"], "more"),
            Node(Add(), ["more", "minus"], OUTPUT),
        ]
        assert runner.run(Pipeline(nodes, "several"), 3) == 1
        both = [Node(Split(), [INPUT], [OUTPUT, "minus"]), Node(Same(), ["minus"])]
        assert runner.run(Pipeline(both, "output_among_them"), 3) == 3

    def test_one_named_output_keeps_a_tuple_whole(self, runner: BaseRunner) -> None:
        """Only several names split it."""
        assert runner.run(Pipeline([Node(Split(), [INPUT], [OUTPUT])], "whole"), 3) == (3, -3)

    def test_a_pipeline_without_output_returns_none_and_runs_all_the_same(
        self, runner: BaseRunner, tmp_path: Path
    ) -> None:
        """So does one of whose nodes nobody reads the last."""
        file = tmp_path / "ran"
        nodes = [Node(Constant(3), output_nodes="three"), Node(Writes(file), ["three"])]
        assert runner.run(Pipeline(nodes, "silent")) is None
        assert file.exists()

    def test_an_empty_pipeline_returns_none(self, runner: BaseRunner) -> None:
        """It has nothing to do."""
        assert runner.run(Pipeline([], "empty")) is None

    def test_one_op_class_twice_is_two_ops(self, runner: BaseRunner) -> None:
        """Each with what it was made with."""
        nodes = [
            Node(Constant(1), output_nodes="one"),
            Node(Constant(2), output_nodes="two"),
            Node(Collect(), ["one", "two"], OUTPUT),
        ]
        assert runner.run(Pipeline(nodes, "twice")) == [1, 2]

    def test_one_op_object_in_two_nodes_runs_in_both(self, runner: BaseRunner) -> None:
        """Nobody told them apart, and nobody has to."""
        op = Increment()
        nodes = [Node(op, [INPUT], "first", name="first"), Node(op, ["first"], OUTPUT, name="second")]
        assert runner.run(Pipeline(nodes, "shared"), 3) == 5

    def test_pipelines_nest(self, runner: BaseRunner) -> None:
        """With and without an input, several levels deep."""
        inner = chain(Increment(), Increment(), name="inner")
        outer = Pipeline([Node(inner, [INPUT], "inside"), Node(Increment(), ["inside"], OUTPUT)], "outer")
        source = Pipeline([Node(Constant(5), output_nodes=OUTPUT)], "source")
        nodes = [
            Node(source, output_nodes="five"),
            Node(outer, ["five"], "eight"),
            Node(chain(Same(), name="again"), ["eight"], OUTPUT),
        ]
        assert runner.run(Pipeline(nodes, "nesting")) == 8

    def test_a_node_of_ones_own_runs(self, runner: BaseRunner) -> None:
        """It needs the four documented members, and no op."""
        nodes = [Node(Increment(), [INPUT], "more"), Doubling(["more"], "twice"), Node(Increment(), ["twice"], OUTPUT)]
        assert runner.run(Pipeline(nodes, "own_node"), 3) == 9

    def test_a_node_that_chooses_runs_what_it_chose(self, runner: BaseRunner) -> None:
        """The same for the same key, whoever runs it; a variant may be a pipeline."""
        node = ABTestNode(
            {"one": Increment(), "two": chain(Increment(), Increment(), name="two_steps")},
            [INPUT],
            OUTPUT,
            name="choice",
            key=lambda number: number,
        )
        pipeline = Pipeline([node], "choosing")
        expected = [number + (1 if node.variant_for(number) == "one" else 2) for number in range(20)]
        assert [runner.run(pipeline, number) for number in range(20)] == expected
        assert len({output - number for number, output in enumerate(expected)}) == 2

    # -- values -------------------------------------------------------------------------------------------------------

    def test_a_node_maps_a_pipeline_over_elements(self, runner: BaseRunner) -> None:
        """In order, and whatever the pipeline is."""
        inner = chain(Increment(), Increment(), name="inner")
        pipeline = Pipeline([MapNode(inner, [INPUT], "more"), MapNode(Increment(), ["more"], OUTPUT)], "maps")
        assert runner.run(pipeline, range(5)) == [3, 4, 5, 6, 7]
        assert runner.run(pipeline, []) == []

    def test_nodes_load_and_save_data(self, runner: BaseRunner, tmp_path: Path) -> None:
        """And their versions tell what was loaded and saved."""
        (tmp_path / "in.json").write_text("41")
        reads = DataLoadingNode(tmp_path / "in.json", output_nodes="number")
        saves = DataSavingNode(tmp_path / "out.json", ["next"], OUTPUT)
        pipeline = Pipeline([reads, Node(Increment(), ["number"], "next"), saves], "data")
        assert runner.run(pipeline) == 42
        assert (tmp_path / "out.json").read_text() == "42"
        before = reads.node_version
        (tmp_path / "in.json").write_text("5")
        assert runner.run(pipeline) == 6
        assert reads.node_version != before

    def test_an_input_that_nobody_reads_is_refused(self, runner: BaseRunner) -> None:
        """Before anything runs."""
        with pytest.raises(ValueError, match="pipeline 'constant' was given an input, but none of its nodes reads"):
            runner.run(Pipeline([Node(Constant(1), output_nodes=OUTPUT)], "constant"), 5)

    @pytest.mark.parametrize("value", [None, 0, "", [], {}, (), False, (1, 2), {"a": [1, {2}]}, "ü", b"\0", 2**200])
    def test_values_arrive_as_they_were(self, runner: BaseRunner, value: Any) -> None:
        """With their types, whatever counts as false included."""
        found = runner.run(chain(Same(), Same()), value)
        assert found == value
        assert type(found) is type(value)

    @pytest.mark.parametrize("dtype", ["float64", "float32", "int8", "bool", "complex128", "datetime64[ns]"])
    def test_arrays_arrive_bit_by_bit(self, runner: BaseRunner, dtype: str) -> None:
        """Large ones and those that are not contiguous included."""
        import numpy

        for array in (numpy.arange(300_000).astype(dtype), numpy.arange(24).reshape(4, 6).astype(dtype)[::2, ::-3]):
            found = runner.run(chain(Same(), Same()), array)
            assert found.dtype == array.dtype
            assert found.shape == array.shape
            assert found.tobytes() == array.tobytes()

    def test_frames_arrive_with_index_types_and_gaps(self, runner: BaseRunner) -> None:
        """Also those without rows or without columns."""
        import numpy
        import pandas

        full = pandas.DataFrame(
            {
                "number": numpy.arange(5000) / 7,
                "gap": [None if row % 3 else f"text {row}" for row in range(5000)],
                "kind": pandas.Categorical(["a", "b"] * 2500),
                "when": pandas.date_range("2020-01-01", periods=5000, tz="UTC"),
            },
            index=pandas.RangeIndex(7, 15007, 3, name="row"),
        )
        for frame in (full, full.iloc[:0], full[[]], pandas.DataFrame()):
            pandas.testing.assert_frame_equal(
                runner.run(chain(Same(), Same()), frame), frame, check_exact=True, check_freq=True
            )

    def test_what_an_op_computes_is_equal_bit_by_bit(self, runner: BaseRunner) -> None:
        """To what it computes here."""
        import numpy

        class Compute(BaseOp):
            def execute(self, seed: int) -> Any:
                drawn = numpy.random.default_rng(seed).normal(size=(200, 5))
                return numpy.linalg.svd(drawn, full_matrices=False)[2] * numpy.pi

        assert runner.run(chain(Compute()), 3).tobytes() == Compute().execute(3).tobytes()

    def test_an_op_may_change_what_it_is_given(self, runner: BaseRunner) -> None:
        """Arrays and frames can be written to; who else sees that is not promised, so each has one reader here."""
        import numpy
        import pandas

        class ChangeInPlace(BaseOp):
            def execute(self, array: Any, frame: Any) -> Any:
                array.sort()
                frame["more"] = array[: len(frame)]
                frame.iloc[0, 0] = -1.0
                return array, frame

        class Draw(BaseOp):
            def execute(self, seed: int) -> Any:
                drawn = numpy.random.default_rng(seed).normal(size=100_000)
                return drawn, pandas.DataFrame({"number": drawn[:50_000].copy()})

        nodes = [Node(Draw(), [INPUT], ["array", "frame"]), Node(ChangeInPlace(), ["array", "frame"], OUTPUT)]
        array, frame = runner.run(Pipeline(nodes, "in_place"), 3)
        expected_array, expected_frame = ChangeInPlace().execute(*Draw().execute(3))
        assert array.tobytes() == expected_array.tobytes()
        pandas.testing.assert_frame_equal(frame, expected_frame, check_exact=True)

    def test_a_generator_arrives_or_is_refused_by_name(self, runner: BaseRunner) -> None:
        """It cannot leave its process; the message then says of which node it is, and what to return instead."""
        nodes = [Node(Counts(), [INPUT], "numbers"), Node(Listed(), ["numbers"], OUTPUT)]
        try:
            found = runner.run(Pipeline(nodes, "generating"), 3)
        except TypeError as error:
            assert "'counts'" in shown(error)
        else:
            assert found == [0, 1, 2]

    # -- ops of every origin ------------------------------------------------------------------------------------------

    def test_ops_of_classes_that_nobody_can_import_run(self, runner: BaseRunner) -> None:
        """Those that a function or a notebook defines, with functions on them."""
        step = 4

        class Local(BaseOp):
            def __init__(self, change: Callable[[int], int]) -> None:
                super().__init__()
                self.change = change

            def execute(self, number: int) -> int:
                return self.change(number) + step

        assert runner.run(chain(Local(lambda number: number * 10), Local(abs)), -3) == 30

    def test_ops_of_the_main_module_run(self, runner: BaseRunner) -> None:
        """As a script defines them."""
        import __main__

        code = (
            "from chariots.pipelines.ops import BaseOp\n"
            "offset = 40\n"
            "class FromMain(BaseOp):\n"
            "    def execute(self, number):\n"
            "        return number + offset\n"
        )
        exec(compile(code, "<a script>", "exec"), vars(__main__))  # what a script is: code that runs in this module
        try:
            assert runner.run(chain(__main__.FromMain()), 2) == 42
        finally:
            del __main__.FromMain, __main__.offset

    # -- one runner, many runs ----------------------------------------------------------------------------------------

    def test_a_pipeline_runs_again_and_nothing_is_left_of_the_run_before(self, runner: BaseRunner) -> None:
        """The input of the next run is its own."""
        pipeline = chain(Increment(), Increment())
        assert [runner.run(pipeline, number) for number in range(5)] == [2, 3, 4, 5, 6]

    def test_map_runs_once_for_each_input_and_keeps_their_order(self, runner: BaseRunner) -> None:
        """For none as well, and for whatever can be iterated over."""
        pipeline = chain(Increment(), Same())
        assert runner.map(pipeline, range(10)) == list(range(1, 11))
        assert runner.map(pipeline, iter([5])) == [6]
        assert runner.map(pipeline, []) == []

    def test_two_threads_run_pipelines_on_one_runner(self, runner: BaseRunner) -> None:
        """At the same time, and neither gets what is the other's."""
        pipeline = chain(Increment(), Same(), Increment())
        found: dict[int, list[int]] = {}

        def run(start: int) -> None:
            found[start] = [runner.run(pipeline, start + number) for number in range(10)]

        threads = [threading.Thread(target=run, args=(start,)) for start in (0, 1000)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
        assert found == {start: [start + number + 2 for number in range(10)] for start in (0, 1000)}

    def test_running_changes_neither_pipeline_nor_ops(self, runner: BaseRunner) -> None:
        """Unless they learn; a pipeline that can be pickled still can be."""
        pipeline = chain(Increment(), Same())
        before, ops = pipeline.versions(), list(pipeline.ops)
        runner.run(pipeline, 1)
        assert pipeline.versions() == before
        assert all(mine is known for mine, known in zip(pipeline.ops, ops, strict=True))
        pickle.dumps(pipeline.ops)

    def test_a_runner_is_closed_as_often_as_one_likes_and_runs_again(self, runner: BaseRunner) -> None:
        """What it needs is started again when it is needed."""
        with runner as entered:
            assert entered is runner
            assert runner.run(chain(Increment()), 1) == 2
        runner.close()
        assert runner.run(chain(Increment()), 2) == 3
