"""What do runners cost, and bring, that do several things at once? Beside Hamilton, Dask, Kedro and Ray.

Trivial nodes show what starting a node costs; busy ones how much faster several processors are; a large array what
handing it on costs. Everything that is compared is measured in turns.
"""

from __future__ import annotations

import contextlib
import gc
import importlib.util
import logging
import os
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from benchmarks import parallel_arrays
from benchmarks.runner import build, hamilton_module, links, make_nodes, node_parts, plain_loop
from benchmarks.table import Row, interleaved, median

NODES = 1000
BRANCHES = 8
MANY = 100_000


def main(short: bool = False) -> list[Row]:
    """Measures the runners.

    Args:
        short: fewer rounds.

    Returns:
        the rows of the table.
    """
    rounds = 3 if short else 11
    return [
        *(row for shape in ("chain", "layers") for row in _dispatch_rows(shape, rounds)),
        _speed_up_row("threads", 0.9, 2 if short else 5),
        _speed_up_row("processes", 0.85, 2 if short else 5),
        *parallel_arrays.rows(3 if short else 7),
        *_many_rows(10_000 if short else MANY),
    ]


# -- what starting a node costs -----------------------------------------------------------------------------------


def _dispatch_rows(shape: str, rounds: int) -> list[Row]:
    from chariots.pipelines.callbacks import PipelineCallback
    from chariots.pipelines.runners import SequentialRunner, ThreadRunner

    class Counting(PipelineCallback):
        def before_node_execution(self, pipeline: Any, node: Any, args: list[Any]) -> None:
            pass

    parts = node_parts(shape, NODES)
    pipeline, loop, sequential = build(parts), plain_loop(shape, parts), SequentialRunner()
    watched = pipeline.watched([Counting()])
    with ThreadRunner(max_workers=4) as threads, _peers(shape) as peers:
        calls: dict[str, Callable[[], Any]] = {
            "loop": lambda: loop(1),
            "sequential": lambda: sequential.run(pipeline, 1),
            "watched": lambda: sequential.run(watched, 1),
            "threads": lambda: threads.run(pipeline, 1),
            **peers,
        }
        for name, call in calls.items():
            if call() != loop(1):
                raise AssertionError(f"{name} and the loop do not compute the same")
        tasks = {name: partial(_wall, call, 1 if name in peers else 20) for name, call in calls.items()}
        took = {name: min(values) / len(parts) * 1e6 for name, values in interleaved(tasks, rounds).items()}
    what = f"{shape} of {len(parts)}: a node"
    beside = f"loop {took['loop']:.2f} us"
    rows = [
        Row("parallel", f"{what}, one callback", took["watched"] - took["loop"], "us", 3.0, "<=", beside),
        Row("parallel", f"{what}, threads", took["threads"] - took["loop"], "us", 5.0, "<=", beside),
    ]
    for name in ("hamilton", "dask", "kedro", "ray"):
        ours = "sequential" if name == "hamilton" else "threads"
        if name in took:
            ratio, note = took[ours] / took[name], f"{name} {took[name]:.1f} us a node"
            rows.append(Row("parallel", f"{what}, {ours} / {name}'s", ratio, "x", 1.0, "<=", note))
        else:
            rows.append(Row("parallel", f"{what}, {ours} / {name}'s", None, "x", note=f"{name} is not installed here"))
    return rows


@contextlib.contextmanager
def _peers(shape: str) -> Iterator[dict[str, Callable[[], Any]]]:
    """The same graph, run by everybody else who is installed."""
    graph = links(shape, NODES)
    result = graph[-1][0]
    calls: dict[str, Callable[[], Any]] = {}
    module = hamilton_module(shape, NODES)
    if module is not None:
        from hamilton import driver

        peer = driver.Builder().with_modules(module).build()
        calls["hamilton"] = lambda: peer.execute([result], inputs={"start": 1})[result]
    if importlib.util.find_spec("dask") is not None:
        import dask.threaded

        tasks: dict[str, Any] = {
            name: (_add, *reads) if len(reads) == 2 else (_add_one, reads[0] if reads else 1) for name, reads in graph
        }
        calls["dask"] = lambda: dask.threaded.get(tasks, result, num_workers=4)
    if importlib.util.find_spec("kedro") is not None:
        calls["kedro"] = _kedro(graph, result)
    with contextlib.ExitStack() as stack:
        if importlib.util.find_spec("ray") is not None:
            calls["ray"] = stack.enter_context(_ray(graph, result))
        yield calls


def _add_one(value: int) -> int:
    return value + 1


def _add(left: int, right: int) -> int:
    return left + right & 0xFFFF


def _kedro(graph: list[tuple[str, list[str]]], result: str) -> Callable[[], Any]:
    os.environ.setdefault("DO_NOT_TRACK", "1")
    from kedro.io import DataCatalog, MemoryDataset
    from kedro.pipeline import node, pipeline
    from kedro.runner import ThreadRunner

    logging.getLogger("kedro").setLevel(logging.ERROR)
    peer = pipeline(
        [
            node(_add if len(reads) == 2 else _add_one, reads or ["start"], name, name=f"node_{name}")
            for name, reads in graph
        ]
    )
    runner = ThreadRunner(max_workers=4)

    def run() -> Any:
        found = runner.run(peer, DataCatalog({"start": MemoryDataset(1)}))[result]
        return found.load() if hasattr(found, "load") else found

    return run


@contextlib.contextmanager
def _ray(graph: list[tuple[str, list[str]]], result: str) -> Iterator[Callable[[], Any]]:
    import ray

    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="error", object_store_memory=2**28)
    try:
        one, two = ray.remote(_add_one), ray.remote(_add)

        def run() -> Any:
            values: dict[str, Any] = {}
            for name, reads in graph:
                given = [values[read] for read in reads] or [1]
                values[name] = (two if len(given) == 2 else one).remote(*given)
            return ray.get(values[result])

        yield run
    finally:
        ray.shutdown()


# -- how much faster several processors are -----------------------------------------------------------------------


def _speed_up_row(where: str, part: float, rounds: int) -> Row:
    from chariots.pipelines import Pipeline
    from chariots.pipelines.nodes import Node
    from chariots.pipelines.ops import BaseOp
    from chariots.pipelines.runners import ProcessRunner, SequentialRunner, ThreadRunner

    class Release(BaseOp):
        """Computes without the interpreter: hashlib lets go of it for large input."""

        def execute(self, data: bytes) -> int:
            import hashlib

            return len(hashlib.sha256(data).digest())

    class Hold(BaseOp):
        """Computes in Python."""

        def execute(self, data: bytes) -> int:
            total = 0
            for number in range(3_000_000):
                total += number & 3
            return total

    class Add(BaseOp):
        def execute(self, *values: int) -> int:
            return sum(values)

    workers = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    op, data = (Release(), bytes(150_000_000)) if where == "threads" else (Hold(), b"")
    nodes = [Node(op, ["__pipeline_input__"], f"v{i}", name=f"n{i}") for i in range(BRANCHES)]
    joined = Node(Add(), [f"v{i}" for i in range(BRANCHES)], "__pipeline_output__")
    pipeline, sequential = Pipeline([*nodes, joined], where), SequentialRunner()
    with ThreadRunner(workers) if where == "threads" else ProcessRunner(workers) as runner:
        runner.run(pipeline, data)  # warm
        tasks: dict[str, Callable[[], float]] = {
            "one": lambda: _wall(lambda: sequential.run(pipeline, data)),
            "all": lambda: _wall(lambda: runner.run(pipeline, data)),
            "limit": lambda: _wall(partial(_plain_speed_up, where, op, data, workers)),
        }
        took = {name: median(values) for name, values in interleaved(tasks, rounds).items()}
    found, limit = took["one"] / took["all"], took["one"] / took["limit"]
    kind = "let go of the interpreter" if where == "threads" else "hold the interpreter"
    note = f"{found:.2f}x on {workers} processors; the same work in plain {where} {limit:.2f}x"
    return Row("parallel", f"{BRANCHES} nodes that {kind}, {where}: part of N", found / workers, "x", part, ">=", note)


def _plain_speed_up(where: str, op: Any, data: bytes, workers: int) -> None:
    """What the machine gives: the same calls in threads or forked processes that know exactly what to do."""
    share = BRANCHES // workers
    if where == "threads":
        threads = [threading.Thread(target=lambda: [op.execute(data) for _ in range(share)]) for _ in range(workers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return
    children = []
    for _ in range(workers):
        pid = os.fork()
        if not pid:
            for _ in range(share):
                op.execute(data)
            os._exit(0)
        children.append(pid)
    for child in children:
        os.waitpid(child, 0)


# -- many nodes ---------------------------------------------------------------------------------------------------


def _many_rows(count: int) -> list[Row]:
    from chariots.pipelines import Pipeline
    from chariots.pipelines.runners import SequentialRunner, ThreadRunner

    parts = node_parts("layers", count)
    began = time.perf_counter()
    pipeline = build(parts)
    built = time.perf_counter() - began
    with ThreadRunner(2) as threads:
        if threads.run(pipeline, 1) != SequentialRunner().run(pipeline, 1):
            raise AssertionError("the runners do not compute the same")
    del pipeline
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    kept = Pipeline(make_nodes(parts), "measured")
    assert kept.plan
    used = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    what = f"a graph of {count:,} nodes"
    return [
        Row("parallel", f"{what} builds", built, "s", 10.0, "<=", "and runs, one after the other and on threads"),
        Row(
            "parallel", f"{what}: bytes a node", used / count, "", 2048, "<=", "nodes, graph and plan, without the ops"
        ),
    ]


def _wall(work: Callable[[], Any], repeat: int = 1) -> float:
    """Seconds of one call, from several in a row."""
    gc.collect()
    began = time.perf_counter()
    for _ in range(repeat):
        work()
    return (time.perf_counter() - began) / repeat
