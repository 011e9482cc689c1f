"""What goes to a cluster as one task, and is everything the same as if it had not? On real clusters of two workers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy
import pytest

from chariots.ml import MLMode
from chariots.pipelines import Pipeline
from chariots.pipelines.callbacks import OpCallBack, PipelineCallback
from chariots.pipelines.nodes import Node
from chariots.pipelines.ops import BaseOp
from chariots.pipelines.runners import BaseRunner
from chariots.runners.cluster_runner import ClusterRunner
from chariots.runners.errands import Errand
from chariots.testing.runner_contract.failures import Inverse
from chariots.testing.runner_contract.ops import Add, Centre, Increment, Same, Split, Writes
from chariots.testing.runner_contract.results import INPUT, OUTPUT, chain, shown

Errands = list[list[str]]


@pytest.fixture
def errands(cluster: ClusterRunner[Any], monkeypatch: pytest.MonkeyPatch) -> Errands:
    """The nodes of each task that is sent."""
    found: Errands = []
    perform: Callable[..., Any] = cluster.perform

    def noting(errand: Errand, *args: Any) -> Any:
        found.append([step.node for step in errand.steps])
        return perform(errand, *args)

    monkeypatch.setattr(cluster, "perform", noting)
    return found


def test_a_chain_is_one_task(cluster: BaseRunner, errands: Errands) -> None:
    ops = [Increment() for _ in range(50)]
    pipeline = chain(*ops)
    assert cluster.run(pipeline, 0) == 50
    assert errands == [[node.name for node in pipeline.pipeline_nodes]]


def test_branches_are_tasks_of_their_own(cluster: BaseRunner, errands: Errands) -> None:
    nodes = [
        Node(Same(), [INPUT], "first", name="first"),
        Node(Split(), ["first"], ["plus", "minus"], name="split"),
        Node(Increment(), ["plus"], "left", name="left"),
        Node(Increment(), ["left"], "left_again", name="left_again"),
        Node(Add(), ["left_again", "minus"], "sum", name="sum"),
        Node(Same(), ["sum"], OUTPUT, name="last"),
    ]
    assert cluster.run(Pipeline(nodes, "branches"), 3) == 2
    assert errands == [["first", "split"], ["left", "left_again", "sum", "last"]]


def test_a_node_that_asks_for_something_is_a_task_of_its_own(cluster: BaseRunner, errands: Errands) -> None:
    nodes = [
        Node(Increment(), [INPUT], "one", name="one"),
        Node(Increment(), ["one"], "two", name="two", resources={"cpu": 1}),
        Node(Increment(), ["two"], OUTPUT, name="three"),
    ]
    assert cluster.run(Pipeline(nodes, "asking"), 0) == 3
    assert errands == [["one"], ["two"], ["three"]]


def test_nodes_that_somebody_watches_are_tasks_of_their_own(cluster: BaseRunner, errands: Errands) -> None:
    seen: list[Any] = []

    class Watching(PipelineCallback):
        def after_node_execution(self, pipeline: Pipeline, node: Any, args: list[Any], output: Any) -> None:
            seen.append(output)

    class Hearing(OpCallBack):
        def after_execution(self, callback_op: BaseOp, args: list[Any], output: Any) -> None:
            seen.append(output)

    assert cluster.run(chain(Increment(), Increment(), pipeline_callbacks=[Watching()]), 0) == 2
    assert seen == [1, 2]
    assert len(errands) == 2
    assert cluster.run(chain(Increment(), Increment(op_callbacks=[Hearing()]), Increment()), 5) == 8
    assert seen == [1, 2, 7]
    assert len(errands) == 5


def test_the_node_of_a_chain_that_fails_is_named(cluster: BaseRunner, tmp_path: Path) -> None:
    pipeline = chain(Increment(), Inverse(), Writes(tmp_path / "ran"), name="failing")
    with pytest.raises(ZeroDivisionError) as caught:
        cluster.run(pipeline, -1)
    assert "raised in node 'inverse' of pipeline 'failing'" in shown(caught.value)
    assert not (tmp_path / "ran").exists()


def test_every_op_of_a_chain_comes_back_with_what_it_learned(cluster: BaseRunner, errands: Errands) -> None:
    first, second = Centre(MLMode.FIT_PREDICT), Centre(MLMode.FIT_PREDICT)
    nodes = [
        Node(first, [INPUT], "centred", name="first"),
        Node(Shift(), ["centred"], "shifted"),
        Node(second, ["shifted"], OUTPUT, name="second"),
    ]
    assert cluster.run(Pipeline(nodes, "learning"), [1, 3]) == [-1, 1]
    assert (first.predict([2]), second.predict([10])) == ([0], [0])
    assert len(errands) == 1


def test_what_a_chain_returns_that_cannot_be_sent_is_refused_by_name(cluster: BaseRunner) -> None:
    class Locks(BaseOp):
        def execute(self, ignored: Any) -> Any:
            import threading

            return threading.Lock()

    with pytest.raises(TypeError, match=r"node 'locks' ran, but what it returned cannot be sent"):
        cluster.run(chain(Same(), Locks()), 1)
    assert cluster.run(chain(Same(), Locks(), Kind()), 1) == "lock"  # it does not leave its process


def test_an_element_of_map_is_one_task(cluster: BaseRunner, errands: Errands) -> None:
    nodes = [
        Node(Split(), [INPUT], ["plus", "minus"], name="split"),
        Node(Increment(), ["plus"], "more"),
        Node(Add(), ["more", "minus"], OUTPUT),
    ]
    assert cluster.map(Pipeline(nodes, "mapped"), range(20)) == [1] * 20
    assert errands == [["mapped"]] * 20


def test_an_op_that_has_no_hash_is_sent(cluster: BaseRunner) -> None:
    assert cluster.run(chain(Plus(3), Plus(4)), 1) == 8


def test_what_is_cached_does_not_run_again(cluster: BaseRunner, errands: Errands, tmp_path: Path) -> None:
    nodes = [
        Node(Increment(), [INPUT], "more", name="more"),
        Node(Table(), ["more"], "table", name="table", cache=True),
        Node(Total(), ["table"], OUTPUT, name="total"),
    ]
    before, cluster.cache = cluster.cache, tmp_path
    try:
        assert [cluster.run(Pipeline(nodes, "cached"), number) for number in (3, 3, 4)] == [6.0, 6.0, 10.0]
    finally:
        cluster.cache = before
    assert errands == [["more"], ["table"], ["total"], ["more"], ["total"], ["more"], ["table"], ["total"]]


class Shift(BaseOp):
    """Adds ten to numbers."""

    def execute(self, numbers: list[float]) -> list[float]:
        return [number + 10 for number in numbers]


class Kind(BaseOp):
    """Says what it was given."""

    def execute(self, value: Any) -> str:
        return type(value).__name__


class Table(BaseOp):
    """The first numbers."""

    def execute(self, count: int) -> Any:
        return numpy.arange(count, dtype=float)


class Total(BaseOp):
    """Their sum."""

    def execute(self, numbers: Any) -> float:
        return float(numbers.sum())


@dataclass
class Plus(BaseOp):
    """Adds a number; two of them that add the same are equal, so that they have no hash."""

    number: int

    def __post_init__(self) -> None:
        super().__init__()

    def execute(self, value: int) -> int:
        return value + self.number
