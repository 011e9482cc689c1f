"""Nodes with ``cache=True``: found again only where the same would be computed from the same."""

from __future__ import annotations

import importlib
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chariots.errors import ConflictError
from chariots.ml import MLMode
from chariots.pipelines import NodeCache, Pipeline, explained
from chariots.pipelines.callbacks import PipelineCallback
from chariots.pipelines.nodes import Node
from chariots.pipelines.ops import BaseOp
from chariots.pipelines.runners import BaseRunner, SequentialRunner
from tests.ml.sample_ops import PCAOp
from tests.pipelines.caching_ops import Both, Breaks, Listed, Logged, Minus, Plus, Same, Spoils, Times, Total, ran

INPUT, OUTPUT = "__pipeline_input__", "__pipeline_output__"


class StepByStep(BaseRunner):
    """A runner of one's own, as the documentation shows it."""

    def run(self, pipeline: Pipeline, pipeline_input: Any | None = None) -> Any:
        results: Any = pipeline.start_results(pipeline_input)
        for node in pipeline.pipeline_nodes:
            results = pipeline.execute_node(node, results, self)
        return pipeline.extract_results(results)


@pytest.fixture(params=[SequentialRunner, StepByStep])
def runner(request: pytest.FixtureRequest, tmp_path: Path) -> BaseRunner:
    """A runner with an empty cache."""
    made: BaseRunner = request.param()
    made.cache = tmp_path / "cache"
    return made


@pytest.fixture(autouse=True)
def nothing_ran() -> None:
    """Lets every test begin with an empty journal."""
    ran.clear()


def chain(*ops: BaseOp, cached: bool = True, name: str = "chain", **options: Any) -> Pipeline:
    """A pipeline of ops that each read what the one before returned."""
    last = len(ops) - 1
    nodes = [
        Node(op, [f"v{at}" if at else INPUT], f"v{at + 1}" if at < last else OUTPUT, name=f"n{at}", cache=cached)
        for at, op in enumerate(ops)
    ]
    return Pipeline(nodes, name, **options)


def runs(runner: BaseRunner, pipeline: Pipeline, value: Any = None) -> tuple[Any, list[str]]:
    """What a pipeline returns, and which ops ran for that."""
    ran.clear()
    return runner.run(pipeline, value), ran.copy()


def test_what_was_computed_from_the_same_is_found(runner: BaseRunner) -> None:
    assert runs(runner, chain(Plus(), Times()), 3) == (8, ["Plus", "Times"])
    assert runs(runner, chain(Plus(), Times()), 3) == (8, [])


def test_another_input_is_computed_and_the_first_is_still_found(runner: BaseRunner) -> None:
    pipeline = chain(Plus(), Times())
    runs(runner, pipeline, 3)
    assert runs(runner, pipeline, 4) == (10, ["Plus", "Times"])
    assert runs(runner, pipeline, 3) == (8, [])


def test_a_node_is_found_where_another_one_before_it_returned_the_same(runner: BaseRunner) -> None:
    runs(runner, chain(Plus(1), Times()), 3)
    assert runs(runner, chain(Plus(2), Times()), 2) == (8, ["Plus"])


@pytest.mark.parametrize(("first", "second"), [(1, True), (1, 1.0), (0, False), ("1", 1), ([1], (1,)), (b"1", "1")])
def test_values_that_are_equal_or_look_alike_are_told_apart(runner: BaseRunner, first: Any, second: Any) -> None:
    pipeline = chain(Same())
    found = runs(runner, pipeline, first)[0], runs(runner, pipeline, second)[0]
    assert [type(value) for value in found] == [type(first), type(second)]


def test_what_an_op_holds_counts(runner: BaseRunner) -> None:
    assert runs(runner, chain(Plus(1)), 3)[0] == 4
    assert runs(runner, chain(Plus(5)), 3) == (8, ["Plus"])
    op = Plus(1)
    pipeline = chain(op)
    assert runs(runner, pipeline, 3) == (4, [])
    op.number = 7
    assert runs(runner, pipeline, 3) == (10, ["Plus"])


def test_functions_that_an_op_holds_count_by_their_code(runner: BaseRunner) -> None:
    def twice(value: int) -> int:
        return 2 * value

    class Applies(Logged):
        def __init__(self, function: Any) -> None:
            super().__init__()
            self.function = function

        def compute(self, value: int) -> Any:
            return self.function(value)

    assert runs(runner, chain(Applies(twice)), 3) == (6, ["Applies"])
    assert runs(runner, chain(Applies(twice)), 3) == (6, [])
    assert runs(runner, chain(Applies(lambda value: 3 * value)), 3) == (9, ["Applies"])


def test_the_version_counts(runner: BaseRunner) -> None:
    class Scale(Logged):
        factor = Times.__version_fields__["factor"]

        def compute(self, value: int) -> Any:
            return value * self.factor

    runs(runner, chain(Scale()), 3)
    assert runs(runner, chain(Scale()), 3) == (6, [])
    Scale.__version__ = type("Other", (BaseOp,), {"factor": Times.__version_fields__["factor"]}).__version__ + (
        BaseOp.__version__
    )
    assert runs(runner, chain(Scale()), 3)[1] == ["Scale"]


def module(folder: Path, body: str) -> Any:
    """Writes a module with an op, and imports it anew."""
    folder.joinpath("cached_module.py").write_text(
        f"from chariots.pipelines.ops import BaseOp\n\ndef helper(value):\n    return {body}\n\n"
        "class Op(BaseOp):\n    def execute(self, value):\n        return helper(value)\n"
    )
    sys.modules.pop("cached_module", None)
    importlib.invalidate_caches()
    return importlib.import_module("cached_module")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of modules, which leave no bytecode behind."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    return tmp_path


def test_changed_code_that_nobody_bumped_is_not_served(folder: Path, runner: BaseRunner) -> None:
    assert runner.run(chain(module(folder, "value + 1").Op()), 1) == 2
    assert runner.run(chain(module(folder, "value + 10").Op()), 1) == 11
    with explained() as explanation:
        assert runner.run(chain(module(folder, "value + 1  # as it was").Op()), 1) == 2
    assert explanation.states == {"n0": "cached"}


def test_code_that_was_edited_after_it_was_imported_is_neither_found_nor_kept(folder: Path, runner: BaseRunner) -> None:
    op = module(folder, "value + 1").Op()
    path = folder / "cached_module.py"
    path.write_text(path.read_text().replace("+ 1", "+ 10"))
    later = time.time() + 60
    os.utime(path, (later, later))
    for _ in range(2):
        with explained() as explanation:
            assert runner.run(chain(op), 1) == 2
        assert explanation.nodes["n0"].state == "ran"
        assert "was edited after 'Op' had been imported" in explanation.nodes["n0"].why
    os.utime(path, (time.time() - 60,) * 2)
    assert runner.run(chain(module(folder, "value + 10").Op()), 1) == 11


def test_an_edited_comment_changes_nothing_for_what_is_known(folder: Path, runner: BaseRunner) -> None:
    op = module(folder, "value + 1").Op()
    runner.run(chain(op), 1)
    path = folder / "cached_module.py"
    path.write_text(path.read_text() + "# a remark\n")
    os.utime(path, (time.time() + 60,) * 2)
    with explained() as explanation:
        runner.run(chain(op), 1)
    assert explanation.states == {"n0": "cached"}


def test_several_outputs_are_found_each_for_itself(runner: BaseRunner) -> None:
    def pipeline() -> Pipeline:
        nodes = [
            Node(Both(), [INPUT], ["plus", "minus"], cache=True),
            Node(Times(), ["minus"], "doubled", cache=True),
            Node(Total(), ["plus", "doubled"], OUTPUT),
        ]
        return Pipeline(nodes, "several")

    assert runs(runner, pipeline(), 3) == (-3, ["Both", "Times", "Total"])
    assert runs(runner, pipeline(), 3) == (-3, ["Total"])


def test_nodes_that_are_not_cached_run_beside_those_that_are(runner: BaseRunner) -> None:
    nodes = [Node(Plus(), [INPUT], "a"), Node(Times(), ["a"], "b", cache=True), Node(Same(), ["b"], OUTPUT)]
    pipeline = Pipeline(nodes, "mixed")
    runs(runner, pipeline, 3)
    assert runs(runner, pipeline, 3) == (8, ["Plus", "Same"])


def test_a_node_nobody_reads_is_found_as_well(runner: BaseRunner) -> None:
    pipeline = Pipeline([Node(Same(), [INPUT], cache=True)], "silent")
    assert runs(runner, pipeline, 3) == (None, ["Same"])
    assert runs(runner, pipeline, 3) == (None, [])


def test_a_pipeline_that_was_interrupted_resumes(runner: BaseRunner) -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        runner.run(chain(Plus(), Times(), Breaks()), 3)
    assert any("raised in node 'n2' of pipeline 'chain'" in note for note in caught.value.__notes__)
    assert runs(runner, chain(Plus(), Times(), Same()), 3) == (8, ["Same"])


def test_a_nested_pipeline_is_found_as_a_whole_and_counts_by_its_links(runner: BaseRunner) -> None:
    def outer(*links: str) -> Pipeline:
        inner = Pipeline([Node(Both(), [INPUT], ["plus", "minus"]), Node(Minus(), list(links), OUTPUT)], "inner")
        return Pipeline([Node(inner, [INPUT], OUTPUT, cache=True)], "outer")

    assert runs(runner, outer("plus", "minus"), 3) == (6, ["Both", "Minus"])
    assert runs(runner, outer("plus", "minus"), 3) == (6, [])
    assert runs(runner, outer("minus", "plus"), 3) == (-6, ["Both", "Minus"])


def test_cached_nodes_inside_a_nested_pipeline_are_found(runner: BaseRunner) -> None:
    inner = chain(Plus(), Times(), name="inner")
    pipeline = Pipeline([Node(inner, [INPUT], OUTPUT)], "outer")
    runs(runner, pipeline, 3)
    with explained() as explanation:
        assert runs(runner, pipeline, 3) == (8, [])
    assert explanation.states == {"inner/n0": "cached", "inner/n1": "cached", "inner": "ran"}


def test_a_node_that_learns_is_refused(runner: BaseRunner) -> None:
    pipeline = Pipeline([Node(PCAOp(MLMode.FIT), [INPUT], cache=True)], "train")
    with pytest.raises(ConflictError, match=r"node 'pcaop' of pipeline 'train' has cache=True, but its op learns"):
        runner.run(pipeline, np.eye(4))


def test_a_loaded_model_counts_by_its_training(runner: BaseRunner) -> None:
    def trained(data: Any) -> PCAOp:
        op, loaded = PCAOp(MLMode.FIT), PCAOp(MLMode.PREDICT)
        op.execute(data)
        loaded.load(op.serialize())
        return loaded

    data = np.random.default_rng(0).random((20, 4))
    op = trained(data)
    first = runner.run(chain(op), data)
    with explained() as explanation:
        assert np.array_equal(runner.run(chain(op), data), first)
        other = runner.run(chain(trained(data[:10] * 7)), data)
    assert not np.array_equal(other, first)
    assert explanation.nodes["n0"].why.startswith("the patch version of its op has changed")


def test_a_model_that_no_training_made_is_refused(runner: BaseRunner) -> None:
    op = PCAOp(MLMode.PREDICT)
    op._model = "set by hand"
    with pytest.raises(TypeError, match=r"node 'n0' has cache=True.*op 'pcaop' has a model that was set by hand"):
        runner.run(chain(op), np.eye(4))


class Opaque:
    """Says nothing of what it holds."""


class Told:
    """Says what identifies it."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __chariots_hash__(self) -> int:
        return self.number


def test_an_input_without_content_is_refused_with_the_way_out(runner: BaseRunner) -> None:
    with pytest.raises(TypeError) as caught:
        runner.run(chain(Same()), {"model": Opaque()})
    said = str(caught.value)
    assert "input '__pipeline_input__' of node 'n0', which has cache=True" in said
    assert "Opaque (at value['model'])" in said
    assert "__chariots_hash__()" in said and "leave cache=True out" in said


def test_an_input_that_says_what_identifies_it_is_taken(runner: BaseRunner) -> None:
    pipeline = Pipeline([Node(Same(), [INPUT], cache=True)], "told")
    runs(runner, pipeline, Told(1))
    assert runs(runner, pipeline, Told(1))[1] == []
    assert runs(runner, pipeline, Told(2))[1] == ["Same"]


def test_trained_estimators_are_told_apart_though_their_parameters_are_equal(tmp_path: Path) -> None:
    from sklearn.linear_model import LinearRegression

    class Fits(Logged):
        def compute(self, slope: float) -> Any:
            return LinearRegression().fit([[0.0], [1.0]], [0.0, slope])

    class Predicts(Logged):
        def compute(self, model: Any) -> Any:
            return round(float(model.predict([[1.0]])[0]), 6)

    pipeline, runner = chain(Fits(), Predicts()), SequentialRunner(tmp_path)
    assert runs(runner, pipeline, 2.0) == (2.0, ["Fits", "Predicts"])
    assert runs(runner, pipeline, 5.0) == (5.0, ["Fits", "Predicts"])
    assert runs(runner, pipeline, 2.0) == (2.0, [])


def test_an_op_that_holds_what_has_no_content_is_refused(runner: BaseRunner) -> None:
    with pytest.raises(TypeError, match=r"what op 'plus' of node 'n0' holds was to be hashed.*\['number'\]"):
        runner.run(chain(Plus(threading.Lock())), 3)


def test_an_output_that_cannot_be_kept_is_refused(runner: BaseRunner) -> None:
    class Locks(Logged):
        def compute(self, value: int) -> Any:
            return threading.Lock()

    with pytest.raises(TypeError, match=r"node 'n0' has cache=True, but what it returned cannot be kept"):
        runner.run(Pipeline([Node(Locks(), [INPUT], OUTPUT, name="n0", cache=True)], "locks"), 3)


def test_a_reader_that_changes_its_argument_spoils_no_other_key(tmp_path: Path) -> None:
    def pipeline(first: BaseOp) -> Pipeline:
        nodes = [
            Node(Same(), [INPUT], "made", cache=True),
            Node(first, ["made"], "length"),
            Node(Same(), ["made"], "kept", cache=True),
            Node(Listed(), ["kept", "length"], OUTPUT),
        ]
        return Pipeline(nodes, "spoils")

    runner = SequentialRunner(tmp_path)
    for _ in range(2):
        assert runner.run(pipeline(Spoils()), [1]) == [[1, 100], 2]
    assert runner.run(pipeline(Same()), [1]) == [[1], [1]]


class Journal(PipelineCallback):
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def before_execution(self, pipeline: Pipeline, args: list[Any]) -> None:
        self.lines.append(f"begin {args}")

    def after_execution(self, pipeline: Pipeline, args: list[Any], output: Any) -> None:
        self.lines.append(f"end {output}")

    def before_node_execution(self, pipeline: Pipeline, node: Any, args: list[Any]) -> None:
        self.lines.append(f"before {node.name} {args}")

    def after_node_execution(self, pipeline: Pipeline, node: Any, args: list[Any], output: Any) -> None:
        self.lines.append(f"after {node.name} {output}")

    def on_cached_node(self, pipeline: Pipeline, node: Any) -> None:
        self.lines.append(f"cached {node.name}")


def test_callbacks_are_told_of_a_node_that_was_found_in_place_of_its_run(tmp_path: Path) -> None:
    runner, journal = SequentialRunner(tmp_path), Journal()
    nodes = [Node(Plus(), [INPUT], "a", name="n0", cache=True), Node(Same(), ["a"], OUTPUT, name="n1")]
    pipeline = Pipeline(nodes, "told", pipeline_callbacks=[journal])
    runner.run(pipeline, 3)
    assert journal.lines == ["begin [3]", "before n0 [3]", "after n0 4", "before n1 [4]", "after n1 4", "end 4"]
    journal.lines.clear()
    runner.run(pipeline, 3)
    assert journal.lines == ["begin [3]", "cached n0", "before n1 [4]", "after n1 4", "end 4"]


def test_retries_and_timeouts_hold_for_cached_nodes(tmp_path: Path) -> None:
    class Shaky(Logged):
        def compute(self, value: int) -> int:
            if len(ran) < 2:
                raise ConnectionError("not yet")
            return value

    pipeline = Pipeline([Node(Shaky(), [INPUT], OUTPUT, name="n0", cache=True, retries=1, timeout=30)], "shaky")
    assert runs(SequentialRunner(tmp_path), pipeline, 3) == (3, ["Shaky", "Shaky"])
    assert runs(SequentialRunner(tmp_path), pipeline, 3) == (3, [])


def test_the_cache_may_be_a_path_an_object_or_where_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHARIOTS_CACHE_DIR", str(tmp_path / "environment"))
    places = [str(tmp_path / "path"), NodeCache(tmp_path / "object"), None]
    for place in places:
        for expected in (["Plus"], []):
            assert runs(SequentialRunner(cache=place), chain(Plus()), 3)[1] == expected
    assert {path.name for path in tmp_path.iterdir()} == {"path", "object", "environment"}


@pytest.mark.parametrize("limits", [{"max_bytes": 0}, {"max_age": -1}, {"max_bytes": float("inf")}])
def test_limits_that_are_none_are_refused(tmp_path: Path, limits: Any) -> None:
    with pytest.raises(ValueError, match="give a number above 0, or None"):
        NodeCache(tmp_path, **limits)


def test_a_place_that_can_keep_nothing_is_refused() -> None:
    with pytest.raises(TypeError, match="give a directory, or a saver"):
        NodeCache(object())  # type: ignore[arg-type]
