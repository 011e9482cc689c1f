"""What does every runner raise where something goes wrong, and what does it leave undone? (tests)"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from chariots.errors import NodeTimeoutError
from chariots.pipelines import Pipeline
from chariots.pipelines.nodes import ABTestNode, BaseNode, Node
from chariots.pipelines.runners import BaseRunner
from chariots.testing.runner_contract.ops import (
    Add,
    AwkwardError,
    Blocks,
    Constant,
    Fails,
    FailsAtFirst,
    Increment,
    PicklesBadlyError,
    Raises,
    Same,
    Writes,
)
from chariots.testing.runner_contract.results import INPUT, OUTPUT, chain, shown
from chariots.web.retry import RetryPolicy

__all__ = ["FailuresContract"]

AT_ONCE = {"base": 0.0}  # a policy without pauses


class FailuresContract:
    """A pipeline that fails does so with the error of its op, wherever that ran."""

    def test_the_error_is_that_of_the_op(self, runner: BaseRunner) -> None:
        """Of its type and with its message."""
        with pytest.raises(LookupError, match="nothing to divide") as caught:
            runner.run(chain(Increment(), Fails()), 3)
        assert type(caught.value) is LookupError
        assert caught.value.args == ("nothing to divide",)

    def test_the_error_shows_where_it_happened(self, runner: BaseRunner) -> None:
        """The frames of the op with its file, as if it had run here."""
        with pytest.raises(LookupError) as caught:
            runner.run(chain(Fails()), 3)
        text = shown(caught.value)
        assert "in execute" in text
        assert "in look_up" in text
        assert "ops.py" in text

    def test_the_error_names_the_node_and_the_pipeline(self, runner: BaseRunner) -> None:
        """And of nested pipelines all, from the inside to the outside."""
        outer = Pipeline([Node(chain(Fails(), name="inner"), [INPUT], OUTPUT, name="holder")], "outer")
        with pytest.raises(LookupError) as caught:
            runner.run(outer, 3)
        text = shown(caught.value)
        inside = text.index("raised in node 'fails' of pipeline 'inner'")
        assert inside < text.index("raised in node 'holder' of pipeline 'outer'")

    def test_the_error_names_the_variant(self, runner: BaseRunner) -> None:
        """Where a node chose what failed."""
        node = ABTestNode({"only": Fails()}, [INPUT], OUTPUT, name="choice", key=lambda number: number)
        with pytest.raises(LookupError) as caught:
            runner.run(Pipeline([node], "choosing"), 3)
        assert "variant 'only' of node 'choice'" in shown(caught.value)

    def test_an_error_keeps_its_class_and_message_whatever_is_on_it(self, runner: BaseRunner) -> None:
        """What cannot leave its process is left behind; the rest of it comes."""
        with pytest.raises(AwkwardError, match=r"^out of cheese \(7\)") as awkward:
            runner.run(chain(Raises("awkward")), 1)
        assert awkward.value.code == 7
        with pytest.raises(PicklesBadlyError, match="in a pickle"):
            runner.run(chain(Raises("unpicklable")), 1)

    def test_an_error_of_a_class_that_nobody_can_import_arrives(self, runner: BaseRunner) -> None:
        """Under its name, and as what it is derived from."""
        with pytest.raises(ValueError, match="made at home") as caught:
            runner.run(chain(Raises("local")), 1)
        assert type(caught.value).__name__ == "HomemadeError"

    def test_what_cannot_be_split_over_the_outputs_names_them(self, runner: BaseRunner) -> None:
        """And what came instead."""
        for value, found in (((1, 2, 3), "3 values"), (5, "a int")):
            nodes = [Node(Constant(value), output_nodes=["a", "b"]), Node(Add(), ["a", "b"], OUTPUT)]
            with pytest.raises(ValueError, match=rf"node 'constant' has 2 outputs \('a', 'b'\) but returned {found}"):
                runner.run(Pipeline(nodes, "split"))

    def test_nothing_runs_that_needs_what_failed(self, runner: BaseRunner, tmp_path: Path) -> None:
        """However far behind it."""
        nodes = [
            Node(Fails(), [INPUT], "failed"),
            Node(Writes(tmp_path / "next"), ["failed"], "next", name="next_node"),
            Node(Writes(tmp_path / "last"), ["next"], OUTPUT, name="last_node"),
        ]
        with pytest.raises(LookupError):
            runner.run(Pipeline(nodes, "failing"), 3)
        assert list(tmp_path.iterdir()) == []

    def test_one_of_several_failures_is_raised_and_others_are_told_on_it(
        self, runner: BaseRunner, tmp_path: Path
    ) -> None:
        """Of nodes that may run at once: only what happened, under the names of the nodes."""
        nodes: list[BaseNode] = [
            Node(Fails(f"failure-{number}", tmp_path), [INPUT], f"part_{number}", name=f"node_{number}")
            for number in range(4)
        ]
        nodes.append(Node(Add(), [f"part_{number}" for number in range(4)], OUTPUT))
        with pytest.raises(LookupError) as caught:
            runner.run(Pipeline(nodes, "failing"), 3)
        happened = {path.name for path in tmp_path.iterdir()}
        text = shown(caught.value)
        told = {f"failure-{number}" for number in range(4) if f"node 'node_{number}' failed as well" in text}
        raised = caught.value.args[0]
        assert {raised, *told} <= happened
        assert raised not in told
        assert f"raised in node '{raised.replace('failure-', 'node_')}'" in text

    def test_a_runner_outlives_a_failure(self, runner: BaseRunner) -> None:
        """The same pipeline runs on the next input, and so does another."""
        divide = chain(Inverse())
        with pytest.raises(ZeroDivisionError):
            runner.run(divide, 0)
        assert runner.run(divide, 4) == 0.25
        with pytest.raises(ZeroDivisionError):
            runner.map(divide, [1, 0, 2])
        assert runner.map(divide, [1, 2]) == [1.0, 0.5]

    # -- what a node asks for -----------------------------------------------------------------------------------------

    def test_a_node_is_tried_again_as_often_as_it_asks(self, runner: BaseRunner, tmp_path: Path) -> None:
        """And no node that does not ask."""
        retries = RetryPolicy(attempts=3, **AT_ONCE)
        op = FailsAtFirst(tmp_path / "twice", 2)
        assert runner.run(Pipeline([Node(op, [INPUT], OUTPUT, retries=retries)], "trying"), 5) == 5
        assert (tmp_path / "twice").read_text() == "xxx"
        for name, count, options in (("thrice", 3, {"retries": retries}), ("once", 1, {})):
            node = Node(FailsAtFirst(tmp_path / name, 9), [INPUT], OUTPUT, **options)  # type: ignore[arg-type]  # mixed
            with pytest.raises(LookupError, match=rf"failed for the {count}\. time"):
                runner.run(Pipeline([node], "trying"), 5)
            assert (tmp_path / name).read_text() == "x" * count

    def test_a_node_gets_no_more_time_than_it_asks_for(self, runner: BaseRunner, tmp_path: Path) -> None:
        """The message names it and the time; one that is quick enough is not disturbed."""
        slow = Node(Blocks(tmp_path / "release"), [INPUT], OUTPUT, timeout=0.2)
        try:
            with pytest.raises(NodeTimeoutError, match=r"node 'blocks' was given 0\.2 s") as caught:
                runner.run(Pipeline([slow], "slow"), 3)
        finally:
            (tmp_path / "release").touch()
        assert "raised in node 'blocks' of pipeline 'slow'" in shown(caught.value)
        assert runner.run(Pipeline([Node(Same(), [INPUT], OUTPUT, timeout=60)], "quick"), 3) == 3

    def test_needs_that_can_be_met_are(self, runner: BaseRunner) -> None:
        """A node that says what it needs runs as any other."""
        node = Node(Same(), [INPUT], OUTPUT, resources={"cpu": 1, "memory": 2**20})
        assert runner.run(Pipeline([node], "needing"), 3) == 3


class Inverse(Same):
    """Fails for one number."""

    def execute(self, value: Any) -> Any:
        """Returns one over the number."""
        return 1 / value
