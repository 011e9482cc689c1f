"""Do calls from any depth find room for their frames, wherever chariots runs the code of users?"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from chariots import Node, Pipeline, PipelinesClient
from chariots._room import with_room
from chariots.pipelines.ops import BaseOp
from chariots.pipelines.runners import BaseRunner, ProcessRunner, SequentialRunner, ThreadRunner
from tests.cli.calling import Client, made_quick
from tests.cli.programs import CHARIOTS, DEADLINE, started
from tests.frame.edges import CALLS, Edges, worst

APP = """
from chariots import Chariots, Node, Pipeline
from chariots.pipelines.ops import BaseOp
from tests.frame.edges import Edges, worst

LOADING = worst()

class Loaded(BaseOp):
    def execute(self):
        return LOADING

def served(**options):
    edges = Pipeline([Node(Edges(), ["__pipeline_input__"], "__pipeline_output__")], "edges")
    loaded = Pipeline([Node(Loaded(), output_nodes="__pipeline_output__")], "loaded")
    return Chariots([edges, loaded], "store", **options)

def beneath():
    return served()

def dispatched():
    return served(fast_path=False)
"""
FEW = CALLS // 3  # some pages are new for other reasons


def pipeline(timeout: float | None = None) -> Pipeline:
    return Pipeline([Node(Edges(), ["__pipeline_input__"], "__pipeline_output__", timeout=timeout)], "edges")


class Largest(BaseOp):
    def execute(self, *numbers: int) -> int:
        return max(numbers)


def in_a_thread(work: Callable[[], int]) -> int:
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(work()))
    thread.start()
    thread.join()
    return found[0]


def test_calls_from_any_depth_find_room() -> None:
    assert in_a_thread(lambda: with_room(worst)) < FEW


def test_without_room_calls_from_some_depth_each_ask_for_memory() -> None:
    assert sys.version_info[:2] > (3, 11) or in_a_thread(worst) >= CALLS


def test_it_gives_and_raises_what_the_function_does() -> None:
    assert with_room(divmod, 7, 2) == (3, 1)
    assert with_room(sorted, [1, 2], reverse=True) == [2, 1]
    with pytest.raises(ZeroDivisionError):
        with_room(divmod, 7, 0)


@pytest.mark.parametrize("make", [ThreadRunner, ProcessRunner])
def test_nodes_of_a_runner_find_room(make: type[ThreadRunner | ProcessRunner]) -> None:
    nodes = [Node(Edges(), ["__pipeline_input__"], f"node {number}") for number in range(4)]
    of_all = Node(Largest(), [f"node {number}" for number in range(4)], "__pipeline_output__")
    wide = Pipeline([*nodes, of_all], "wide")
    with make(max_workers=2) as runner:
        with_room(runner.run, wide, 0)  # the thread that asks runs some of them itself
        assert with_room(runner.run, wide, 0) < FEW


def test_a_node_that_has_so_much_time_finds_room() -> None:
    runner: BaseRunner = SequentialRunner()
    assert runner.run(pipeline(timeout=60), 0) < FEW


@pytest.mark.parametrize("app", ["beneath", "dispatched"])
@pytest.mark.parametrize("threads", ["1", "8"])
def test_pipelines_of_a_server_find_room(app: str, threads: str, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APP)
    command = [*CHARIOTS, "serve", f"app:{app}", "--port=0", f"--threads={threads}"]
    with started(command, tmp_path) as (url, _):
        client = Client(urlsplit(url).netloc)
        made_quick(client, "edges", 1)
        assert max(client("edges", 1)[1] for _ in range(20)) < FEW


def test_modules_that_a_server_loads_and_jobs_of_its_workers_find_room(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APP)
    with started([*CHARIOTS, "serve", "app:beneath", "--port=0"], tmp_path) as (url, _):
        client = PipelinesClient(url)
        assert client.call_pipeline("loaded").value < FEW
        assert client.wait(client.enqueue("edges", 1), timeout=DEADLINE).value < FEW
