"""Does an explanation of a run tell the truth about every node?"""

from __future__ import annotations

import contextvars
import threading
from pathlib import Path
from typing import Any

import pytest

from chariots.pipelines import NodeCache, Pipeline, explained
from chariots.pipelines.explaining import Explanation
from chariots.pipelines.nodes import Node
from chariots.pipelines.ops import BaseOp
from chariots.pipelines.runners import SequentialRunner
from chariots.versioning import VersionedField, VersionType
from tests.pipelines.caching_ops import Breaks, Plus, Same, Total

INPUT, OUTPUT = "__pipeline_input__", "__pipeline_output__"


@pytest.fixture
def runner(tmp_path: Path) -> SequentialRunner:
    """A runner with an empty cache."""
    return SequentialRunner(tmp_path)


def one(op: BaseOp, name: str = "one") -> Pipeline:
    """A pipeline of one cached node."""
    return Pipeline([Node(op, [INPUT], OUTPUT, name="node", cache=True)], name)


def why(runner: SequentialRunner, pipeline: Pipeline, value: Any) -> tuple[str, str]:
    """The state of the node, and the reason."""
    with explained() as explanation:
        runner.run(pipeline, value)
    report = explanation.nodes["node"]
    return report.state, report.why


def scaling(by: int) -> BaseOp:
    """An op whose version tells by how much it scales."""

    class Scale(BaseOp):
        factor = VersionedField(by, VersionType.MINOR)

        def execute(self, value: int) -> Any:
            return value * self.factor

    return Scale()


def test_a_node_that_is_not_cached_is_told_as_such(runner: SequentialRunner) -> None:
    with explained() as explanation:
        runner.run(Pipeline([Node(Same(), [INPUT], OUTPUT, name="node")], "plain"), 1)
    report = explanation.nodes["node"]
    assert (report.state, report.why, report.bytes) == ("ran", "not asked to be cached", None)


def test_the_first_run_and_the_second(runner: SequentialRunner) -> None:
    assert why(runner, one(Plus()), 1) == ("ran", "the cache knows no earlier run of it")
    assert why(runner, one(Plus()), 1) == ("cached", "")
    assert why(runner, one(Plus(), "other"), 2) == ("ran", "the cache knows no earlier run of it")


def test_an_input_that_has_changed_is_named(runner: SequentialRunner) -> None:
    nodes = [
        Node(Plus(1), [INPUT], "a", name="a"),
        Node(Same(), ["a"], "b", name="b"),
        Node(Total(), ["a", "b", INPUT], OUTPUT, name="node", cache=True),
    ]
    why(runner, Pipeline(nodes, "p"), 1)
    changed = [Node(Plus(2), [INPUT], "a", name="a"), *(node.renamed(node.name) for node in nodes[1:])]
    assert why(runner, Pipeline(changed, "p"), 1) == ("ran", "inputs 'a' and 'b' have changed")
    assert why(runner, Pipeline(changed, "p"), 5)[1] == "inputs 'a', 'b' and '__pipeline_input__' have changed"
    assert why(runner, one(Plus()), 1)[0] == "ran"
    assert why(runner, one(Plus()), 2) == ("ran", "input '__pipeline_input__' has changed")


def test_a_version_that_has_changed_is_told(runner: SequentialRunner) -> None:
    why(runner, one(scaling(2)), 1)
    told = why(runner, one(scaling(3)), 1)
    assert told == ("ran", "the minor version of its op has changed")
    both = why(runner, one(scaling(4)), 9)[1]
    assert both == "the minor version of its op has changed; input '__pipeline_input__' has changed"


def test_what_the_op_holds_is_told(runner: SequentialRunner) -> None:
    why(runner, one(Plus(1)), 1)
    assert why(runner, one(Plus(2)), 1) == ("ran", "what its op holds has changed")


def test_code_that_has_changed_is_told(runner: SequentialRunner) -> None:
    class First(BaseOp):
        def execute(self, value: int) -> int:
            return value + 1

    class Second(BaseOp):
        def execute(self, value: int) -> int:
            return value + 2

    why(runner, one(First()), 1)
    assert why(runner, one(Second()), 1) == ("ran", "the code of its op has changed, while the version has not")


def test_an_entry_that_is_gone_or_damaged_is_told(runner: SequentialRunner, tmp_path: Path) -> None:
    why(runner, one(Plus()), 1)
    (entry,) = tmp_path.glob("??/*.entry")
    entry.write_bytes(b"nonsense")
    assert why(runner, one(Plus()), 1) == ("ran", "its entry is damaged")
    entry.unlink()
    assert why(runner, one(Plus()), 1) == ("ran", "its entry is gone")
    NodeCache(tmp_path).clear()
    assert why(runner, one(Plus()), 1) == ("ran", "the cache knows no earlier run of it")


def test_a_node_that_failed_is_told_and_those_after_it_are_not(runner: SequentialRunner) -> None:
    nodes = [Node(Plus(), [INPUT], "a", name="a", cache=True), Node(Breaks(), ["a"], "b", name="b")]
    pipeline = Pipeline([*nodes, Node(Same(), ["b"], OUTPUT, name="c")], "fails")
    with explained() as explanation, pytest.raises(ZeroDivisionError):
        runner.run(pipeline, 1)
    assert explanation.states == {"a": "ran", "b": "failed"}
    assert explanation.nodes["b"].why == "ZeroDivisionError: nothing to divide"


def test_a_node_that_could_not_be_asked_for_is_told_as_failed(runner: SequentialRunner) -> None:
    with explained() as explanation, pytest.raises(TypeError):
        runner.run(one(Same()), object())
    assert explanation.states == {"node": "failed"}


def test_sizes_and_times_are_told(runner: SequentialRunner) -> None:
    for state in ("ran", "cached"):
        with explained() as explanation:
            runner.run(one(Same()), b"12345")
        report = explanation.nodes["node"]
        assert (report.state, report.bytes) == (state, 5)
        assert report.seconds > 0
        assert (report.spared > 0) == (state == "cached")


def test_the_table_has_a_line_for_each_node(runner: SequentialRunner) -> None:
    with explained() as explanation:
        runner.run(one(Plus()), 1)
    head, line = explanation.table().splitlines()
    assert head.split() == ["node", "seconds", "bytes", "why"]
    assert line.split()[:2] == ["node", "ran"] and line.endswith("the cache knows no earlier run of it")


def test_only_runs_within_the_block_and_of_this_context_are_told(runner: SequentialRunner) -> None:
    runner.run(one(Same(), "before"), 1)
    with explained() as outer:
        with explained() as inner:
            runner.run(one(Same(), "inner"), 1)
        thread = threading.Thread(target=lambda: runner.run(one(Same(), "elsewhere"), 1))
        thread.start()
        thread.join()
        assert outer.nodes == {}
        copied = contextvars.copy_context()
        thread = threading.Thread(target=lambda: copied.run(runner.run, one(Same(), "copied"), 1))
        thread.start()
        thread.join()
    assert (list(inner.nodes), list(outer.nodes)) == (["node"], ["node"])
    runner.run(one(Same(), "after"), 3)
    assert isinstance(outer, Explanation) and len(outer.nodes) == 1
