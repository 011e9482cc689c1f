"""How long does a pipeline take of which nothing has changed, and how fast is that found out?"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from benchmarks.runner import links, node_parts
from benchmarks.table import Row, interleaved, median

NODES = 1000
ARRAY_BYTES = 200_000_000


def main(short: bool = False) -> list[Row]:
    """Measures the cache.

    Args:
        short: fewer rounds.

    Returns:
        the rows of the table.
    """
    rounds = 3 if short else 9
    return [*(_cached_row(shape, rounds) for shape in ("chain", "layers")), *_hashing_rows(rounds)]


def _cached_row(shape: str, rounds: int) -> Row:
    from chariots.pipelines import Pipeline, explained
    from chariots.pipelines.nodes import Node
    from chariots.pipelines.runners import SequentialRunner

    count = len(links(shape, NODES))
    nodes = [Node(op, reads, writes, writes, cache=True) for op, reads, writes in node_parts(shape, NODES)]
    pipeline = Pipeline(nodes, "cached")
    with tempfile.TemporaryDirectory() as folder:
        runner = SequentialRunner(cache=folder)
        expected = runner.run(pipeline, 1)
        with explained() as explanation:
            runner.run(pipeline, 1)
        if set(explanation.states.values()) != {"cached"}:
            raise AssertionError("something ran that was to be found")
        took, worked = [], []
        for _ in range(rounds):
            began, worked_before = time.perf_counter(), time.process_time()
            if runner.run(pipeline, 1) != expected:
                raise AssertionError("what was found is something else")
            took.append(time.perf_counter() - began)
            worked.append(time.process_time() - worked_before)
    beside = f"of which {median(worked) * 1e3:.0f} ms of CPU time"
    return Row("caching", f"{shape} of {count} nodes, all found", median(took) * 1e3, "ms", 150, "<=", beside)


def _hashing_rows(rounds: int) -> list[Row]:
    import hashlib

    import numpy as np

    from chariots.pipelines.caching.content import content_of

    array = np.random.default_rng(0).standard_normal((2000, ARRAY_BYTES // 8 // 2000))
    values: dict[str, Any] = {"an array in C order": array, "an array in Fortran order": np.asfortranarray(array)}
    tasks: dict[str, Callable[[], float]] = {
        name: partial(_timed, partial(content_of, value, "it")) for name, value in values.items()
    }
    tasks["sha256"] = partial(_timed, lambda: hashlib.sha256(array.data).digest())
    took = {name: median(seconds) for name, seconds in interleaved(tasks, rounds).items()}
    beside = f"plain SHA-256 {ARRAY_BYTES / took['sha256'] / 1e9:.2f} GB/s"
    return [
        Row("caching", f"hashing {name}", ARRAY_BYTES / took[name] / 1e9, "GB/s", 1.0, ">=", beside) for name in values
    ]


def _timed(work: Callable[[], Any]) -> float:
    began = time.process_time()  # other work on the machine matters little to it
    work()
    return time.process_time() - began
