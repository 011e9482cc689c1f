"""Is the cache the same to runners that do several things at once?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chariots.pipelines import Pipeline, explained
from chariots.pipelines.callbacks import PipelineCallback
from chariots.pipelines.nodes import BaseNode, Node
from chariots.pipelines.ops import BaseOp
from chariots.pipelines.runners import BaseRunner, ProcessRunner, SequentialRunner, ThreadRunner
from tests.pipelines.parallel_ops import INPUT, OUTPUT, Fail, Sum


class Noted(BaseOp):
    """Adds one, and notes in a file that it ran."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.file = file

    def __chariots_hash__(self) -> str:
        return "noted"

    def execute(self, value: Any) -> Any:
        with self.file.open("a") as file:
            file.write("x")
        return value + 1


class NotedToo(Noted):
    """Another op: what two nodes with the same op and the same inputs return is kept once."""


@pytest.fixture(params=[SequentialRunner, ThreadRunner, ProcessRunner])
def runner(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BaseRunner]:
    options = {} if request.param is SequentialRunner else {"max_workers": 2}
    with request.param(cache=tmp_path / "cache", **options) as made:
        yield made


def pipeline(file: Path, *callbacks: PipelineCallback) -> Pipeline:
    nodes = [
        Node(Noted(file), [INPUT], "a", "first", cache=True),
        Node(Noted(file), ["a"], "b", "left", cache=True),
        Node(NotedToo(file), ["a"], "c", "right", cache=True),
        Node(Sum(), ["b", "c"], OUTPUT, "sum"),
    ]
    return Pipeline(nodes, "cached", callbacks)


def test_what_has_not_changed_does_not_run_again(runner: BaseRunner, tmp_path: Path) -> None:
    file = tmp_path / "ran"
    array = np.arange(50_000.0)
    for _ in range(2):
        np.testing.assert_array_equal(runner.run(pipeline(file), array), 2 * (array + 2))
    assert file.read_text() == "xxx"
    with explained() as explanation:
        runner.run(pipeline(file), array)
    assert explanation.states == {"first": "cached", "left": "cached", "right": "cached", "sum": "ran"}
    array[7] = 0
    np.testing.assert_array_equal(runner.run(pipeline(file), array), 2 * (array + 2))
    assert file.read_text() == "xxxxxx"


def test_runners_find_what_others_have_kept(tmp_path: Path) -> None:
    file, cache = tmp_path / "ran", tmp_path / "cache"
    array = np.arange(50_000.0)
    with ThreadRunner(2, cache=cache) as threads, ProcessRunner(2, cache=cache) as processes:
        runners: list[BaseRunner] = [processes, threads, SequentialRunner(cache=cache)]
        found = [one.run(pipeline(file), array) for one in runners]
    assert file.read_text() == "xxx"
    for other in found[1:]:
        np.testing.assert_array_equal(other, found[0])


def test_callbacks_hear_of_what_was_found(runner: BaseRunner, tmp_path: Path) -> None:
    told: list[str] = []

    class Telling(PipelineCallback):
        def before_node_execution(self, pipeline: Pipeline, node: BaseNode, args: list[Any]) -> None:
            told.append(f"{node.name} runs")

        def on_cached_node(self, pipeline: Pipeline, node: BaseNode) -> None:
            told.append(f"{node.name} is found")

    for _ in range(2):
        runner.run(pipeline(tmp_path / "ran", Telling()), 1)
    assert sorted(told[:4]) == ["first runs", "left runs", "right runs", "sum runs"]
    assert sorted(told[4:]) == ["first is found", "left is found", "right is found", "sum runs"]


def test_a_run_that_failed_half_way_goes_on_from_there(runner: BaseRunner, tmp_path: Path) -> None:
    file = tmp_path / "ran"
    first = Node(Noted(file), [INPUT], "a", "first", cache=True)
    with explained() as explanation, pytest.raises(ValueError, match="nothing to do"):
        runner.run(Pipeline([first, Node(Fail(), ["a"], OUTPUT, "last")], "p"), 1)
    assert explanation.states == {"first": "ran", "last": "failed"}
    assert "nothing to do" in explanation.nodes["last"].why
    assert runner.run(Pipeline([first, Node(Sum(), ["a"], OUTPUT, "last")], "p"), 1) == 2
    assert file.read_text() == "x"


def test_explaining_alone_changes_nothing(runner: BaseRunner, tmp_path: Path) -> None:
    with explained() as explanation:
        assert runner.run(Pipeline([Node(Sum(), [INPUT], "a", "n"), Node(Sum(), ["a"], OUTPUT, "m")], "p"), 1) == 1
    assert explanation.states == {"n": "ran", "m": "ran"}
    assert not (tmp_path / "cache").exists()


def test_map_uses_the_cache_of_its_runner(runner: BaseRunner, tmp_path: Path) -> None:
    file = tmp_path / "ran"
    assert runner.map(pipeline(file), [1, 2, 1]) == [6, 8, 6]
    assert runner.map(pipeline(file), [2, 1]) == [8, 6]
    assert 5 <= len(file.read_text()) <= 9  # what is equal may be at work at the same time
    assert (tmp_path / "cache").exists()
