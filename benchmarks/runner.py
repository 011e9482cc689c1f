"""What does a node cost, beside the calls themselves and beside Hamilton?

A chain and a layered graph of trivial ops. The same functions are called in a plain loop, run by a pipeline, and run
by a Hamilton driver, in turns. CPU time is measured, so that other work on the machine matters little.
"""

from __future__ import annotations

import gc
import importlib.util
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from benchmarks.table import Row, interleaved, median

NODES = 1000
WIDTH = 10  # of the layered graph: every node reads two nodes of the layer above
SIZES = (1_000, 10_000, 100_000)
LONGEST = 1_000_000


def main(short: bool = False) -> list[Row]:
    """Measures the runner.

    Args:
        short: fewer rounds, and no chain of a million nodes.

    Returns:
        the rows of the table.
    """
    rounds = 7 if short else 25
    rows = [*_run_rows("chain", rounds), *_run_rows("layers", rounds), *_build_rows(rounds)]
    return rows + _growth_rows(SIZES[:2] if short else SIZES) + _longest_row(100_000 if short else LONGEST)


def _ops() -> tuple[type[Any], type[Any]]:
    from chariots.pipelines.ops import BaseOp

    class AddOne(BaseOp):
        def execute(self, value: int) -> int:
            return value + 1

    class Add(BaseOp):
        def execute(self, left: int, right: int) -> int:
            return left + right & 0xFFFF

    return AddOne, Add


def links(shape: str, count: int) -> list[tuple[str, list[str]]]:
    """The nodes of a graph: the name of each, and of the nodes it reads; the last one is its result.

    Args:
        shape: ``"chain"`` or ``"layers"``.
        count: how many nodes.

    Returns:
        the nodes in an order in which they can run. Those that read nothing read the input.
    """
    if shape == "chain":
        return [(f"n{i}", [f"n{i - 1}"] if i else []) for i in range(count)]
    nodes: list[tuple[str, list[str]]] = []
    layers = count // WIDTH
    for layer in range(layers):
        for place in range(WIDTH):
            above = [f"n{layer - 1}_{place}", f"n{layer - 1}_{(place + 1) % WIDTH}"] if layer else []
            nodes.append((f"n{layer}_{place}", above))
    joined = f"n{layers - 1}_0"
    for place in range(1, WIDTH):  # Hamilton is asked for one result as well, so that both run every node
        nodes.append((f"joined_{place}", [joined, f"n{layers - 1}_{place}"]))
        joined = f"joined_{place}"
    return nodes


def node_parts(shape: str, count: int) -> list[tuple[Any, list[str], str]]:
    """The op, the inputs and the output of every node, with ops that exist already as Hamilton's functions do."""
    add_one, add = _ops()
    graph = links(shape, count)
    last = graph[-1][0]
    return [
        (
            add() if len(reads) == 2 else add_one(),
            reads or ["__pipeline_input__"],
            "__pipeline_output__" if name == last else name,
        )
        for name, reads in graph
    ]


def make_nodes(parts: list[tuple[Any, list[str], str]]) -> list[Any]:
    """Makes the nodes, each with a name of its own, as Hamilton's functions have."""
    from chariots.pipelines.nodes import Node

    return [Node(op, reads, writes, name=writes) for op, reads, writes in parts]


def build(parts: list[tuple[Any, list[str], str]]) -> Any:
    """Makes the nodes and the pipeline, up to the plan that it runs by."""
    from chariots.pipelines import Pipeline

    pipeline = Pipeline(make_nodes(parts), "measured")
    assert pipeline.plan  # made at the first look
    return pipeline


def plain_loop(shape: str, parts: list[tuple[Any, list[str], str]]) -> Callable[[int], int]:
    """The same calls, written by hand in a loop."""
    calls = [op.execute for op, _, _ in parts]
    if shape == "chain":

        def run_chain(value: int) -> int:
            for call in calls:
                value = call(value)
            return value

        return run_chain
    layers = [calls[start : start + WIDTH] for start in range(0, len(calls) - WIDTH + 1, WIDTH)]
    joins = calls[len(layers) * WIDTH :]

    def run_layers(value: int) -> int:
        row = [call(value) for call in layers[0]]
        for layer in layers[1:]:
            row = [call(row[at], row[at + 1 - WIDTH]) for at, call in enumerate(layer)]
        value = row[0]
        for join, other in zip(joins, row[1:], strict=True):
            value = join(value, other)
        return value

    return run_layers


def hamilton_module(shape: str, count: int) -> Any:
    """The same graph as a module of functions; None where Hamilton is not installed."""
    if importlib.util.find_spec("hamilton") is None:
        return None
    from hamilton import ad_hoc_utils

    source = []
    for name, reads in links(shape, count):
        arguments = ", ".join(f"{read}: int" for read in reads or ["start"])
        value = f"{' + '.join(reads)} & 0xFFFF" if len(reads) == 2 else f"{(reads or ['start'])[0]} + 1"
        source.append(f"def {name}({arguments}) -> int:\n    return {value}\n")
    sys.setrecursionlimit(max(sys.getrecursionlimit(), 50 * count))  # Hamilton walks its graph by recursion
    return ad_hoc_utils.module_from_source("\n".join(source))


def _timed(work: Callable[[], Any], repeat: int = 1) -> float:
    """CPU seconds of one call, from several in a row."""
    gc.collect()
    gc.freeze()  # so that nobody pays for collecting among what the others have built
    began = time.process_time()
    for _ in range(repeat):
        work()
    seconds = time.process_time() - began
    gc.unfreeze()
    return seconds / repeat


def _run_rows(shape: str, rounds: int) -> list[Row]:
    from chariots.pipelines.runners import SequentialRunner

    parts = node_parts(shape, NODES)
    count, pipeline, runner, loop = len(parts), build(parts), SequentialRunner(), plain_loop(shape, parts)
    if runner.run(pipeline, 1) != loop(1):
        raise AssertionError("the pipeline and the loop do not compute the same")
    tasks: dict[str, Callable[[], float]] = {
        "loop": lambda: _timed(lambda: loop(1), 50),
        "pipeline": lambda: _timed(lambda: runner.run(pipeline, 1), 50),
    }
    module = hamilton_module(shape, NODES)
    if module is not None:
        from hamilton import driver

        peer = driver.Builder().with_modules(module).build()
        result = links(shape, NODES)[-1][0]
        if peer.execute([result], inputs={"start": 1})[result] != loop(1):
            raise AssertionError("Hamilton and the loop do not compute the same")
        tasks["hamilton"] = lambda: _timed(lambda: peer.execute([result], inputs={"start": 1}), 5)
    took = {name: median(values) / count * 1e6 for name, values in interleaved(tasks, rounds).items()}
    beside = f"loop {took['loop']:.3f} us, pipeline {took['pipeline']:.3f} us a node"
    what = f"{shape} of {count}: a node"
    rows = [Row("runner", f"{what} over a plain loop", took["pipeline"] - took["loop"], "us", 1.0, "<=", beside)]
    if "hamilton" not in took:
        return [*rows, Row("runner", f"{what} / Hamilton's", None, "x", 0.2, "<=", MISSING)]
    beside = f"Hamilton {took['hamilton']:.2f} us a node"
    return [*rows, Row("runner", f"{what} / Hamilton's", took["pipeline"] / took["hamilton"], "x", 0.2, "<=", beside)]


MISSING = "Hamilton is not installed here; `make bench` brings it"


def _build_rows(rounds: int) -> list[Row]:
    what = f"building {NODES} nodes / Hamilton's time"
    rows = []
    for shape in ("chain", "layers"):
        parts = node_parts(shape, NODES)
        tasks: dict[str, Callable[[], float]] = {
            "pipeline": partial(_timed, partial(build, parts), 5),
            "nodes": partial(_timed, partial(make_nodes, parts), 5),
        }
        module = hamilton_module(shape, NODES)
        if module is None:
            rows.append(Row("runner", f"{shape}: {what}", None, "x", 0.1, "<=", MISSING))
            continue
        from hamilton import driver

        tasks["hamilton"] = partial(_timed, driver.Builder().with_modules(module).build, 2)
        took = {name: median(values) * 1e3 for name, values in interleaved(tasks, rounds).items()}
        beside = f"{took['pipeline']:.2f} ms ({took['nodes']:.2f} for the nodes), Hamilton {took['hamilton']:.2f} ms"
        rows.append(Row("runner", f"{shape}: {what}", took["pipeline"] / took["hamilton"], "x", 0.1, "<=", beside))
    return rows


def _growth_rows(sizes: tuple[int, ...]) -> list[Row]:
    """How the time per node grows with the graph; linear means that it hardly does."""
    from chariots.pipelines.runners import SequentialRunner

    runner = SequentialRunner()
    cost: dict[str, list[float]] = {"build": [], "run": []}
    for size in sizes:
        parts = node_parts("chain", size)
        repeat = max(3, 30_000 // size)
        built, ran = [], []
        for _ in range(repeat):
            gc.collect()
            gc.disable()  # its passes walk everything alive, so they would show the heap growing, not our loops
            built.append(_timed(partial(build, parts)) / size * 1e6)
            gc.enable()
            ran.append(_timed(partial(runner.run, build(parts), 1), 3) / size * 1e6)
        cost["build"].append(median(built))
        cost["run"].append(median(ran))
    rows = []
    for verb, values in cost.items():
        beside = ", ".join(f"{size:,}: {value:.2f} us" for size, value in zip(sizes, values, strict=True))
        what = f"{verb}: a node of {sizes[-1]:,} / one of {sizes[0]:,}"
        rows.append(Row("runner", what, values[-1] / values[0], "x", 2.0, "<=", beside))
    return rows


def _longest_row(count: int) -> list[Row]:
    from chariots.pipelines.runners import SequentialRunner

    parts = node_parts("chain", count)
    pipeline: list[Any] = []
    seconds = _timed(lambda: pipeline.append(build(parts)))
    if SequentialRunner().run(pipeline[0], 0) != count:
        raise AssertionError("the longest chain computes something else")
    return [Row("runner", f"a chain of {count:,} nodes builds, and runs", seconds, "s", note="CPU time to build it")]
