"""What does it cost to hand a large array or frame from node to node in processes? Beside a `ProcessPoolExecutor`.

Nodes hand on what they are given, with one number changed in place, or each returns a new one. What a copy takes, the
same nodes in this process, and the processes are measured in turns; so are the processes and a pool that is given
everything by value.
"""

from __future__ import annotations

import contextlib
import gc
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.table import Row, interleaved, median

BYTES = 100_000_000
CHAIN = 10


class Case(NamedTuple):
    """What goes through the nodes, and what they do with it."""

    what: str
    value: Any
    copy: Callable[[], Any]
    work: Callable[[Any], Any]
    is_new: bool


def rows(rounds: int) -> list[Row]:
    """Measures all cases.

    Args:
        rounds: how often each is measured.
    """
    return [row for case in _cases() for row in _case_rows(case, rounds)]


def _cases() -> list[Case]:
    import numpy as np
    import pandas as pd

    array = np.ones(BYTES // 8)
    length = BYTES // 8 // 5
    floats = pd.DataFrame({f"column_{number}": np.ones(length) for number in range(5)})
    mixed = floats.assign(column_4=np.arange(length))
    return [
        Case(what, value, copy, work, work is _new)
        for what, value, copy, write in (
            ("array", array, array.copy, _write_array),
            ("frame of floats", floats, floats.copy, _write_frame),
            ("frame with integers", mixed, mixed.copy, _write_frame),
        )
        for work in (write, _new)
    ]


def _write_array(array: Any) -> Any:
    array[0] += 1
    return array


def _write_frame(frame: Any) -> Any:
    frame.iat[0, 0] += 1
    return frame


def _new(value: Any) -> Any:
    return value + 1


def _case_rows(case: Case, rounds: int) -> list[Row]:
    from chariots.pipelines.runners import ProcessRunner, SequentialRunner

    pipeline, apart = _pipeline(case.work), _pipeline(case.work, timeout=600.0)
    sequential = SequentialRunner()
    with ProcessRunner(2) as runner:
        runner.run(pipeline, case.value.iloc[:9] if hasattr(case.value, "iloc") else case.value[:9])
        base = _memory()  # before it keeps any memory
        peak = max(_peak_memory(lambda: runner.run(pipeline, case.value), base) for _ in range(2))
        alone = _peak_memory(lambda: sequential.run(pipeline, case.value), _memory())
        tasks: dict[str, Callable[[], float]] = {
            "copy": lambda: _wall(case.copy),
            "sequential": lambda: _wall(lambda: sequential.run(pipeline, case.value)),
            "processes": lambda: _wall(lambda: runner.run(pipeline, case.value)),
            "apart": lambda: _wall(lambda: runner.run(apart, case.value)),
        }
        took = {name: median(values) for name, values in interleaved(tasks, rounds).items()}
        with ProcessPoolExecutor(2) as pool:
            pool.submit(_new, 1).result()
            beside: dict[str, Callable[[], float]] = {
                "processes": tasks["processes"],
                "by value": lambda: _wall(lambda: _by_value(pool, case)),
            }
            against = {name: median(values) for name, values in interleaved(beside, 2).items()}
    copies = (took["processes"] - took["sequential"]) / took["copy"]
    hop = (took["apart"] - took["sequential"]) / took["copy"] / CHAIN
    kind = "new from each node" if case.is_new else "handed on"
    what = f"{BYTES // 10**6} MB {case.what}, {kind}, {CHAIN} nodes in processes"
    beside_us = f"a copy takes {took['copy'] * 1e3:.0f} ms, the nodes alone {took['sequential'] * 1e3:.0f} ms"
    # What nodes make takes memory wherever they run, so that nothing is promised of that.
    copies_most, peak_most = (None, None) if case.is_new else (3.0, 2.5)
    return [
        Row("parallel", f"{what}: overhead in copies of it", copies, "x", copies_most, "<=", beside_us),
        Row("parallel", f"{what}, each by itself: copies a node", hop, "x", note="each could be in another process"),
        Row(
            "parallel",
            f"{what}: peak memory / value",
            peak / BYTES,
            "x",
            peak_most,
            "<=",
            f"beyond what was there before; {alone / BYTES:.2f} where the nodes run in this process",
        ),
        Row(
            "parallel",
            f"{what}: times faster than by value",
            against["by value"] / against["processes"],
            "x",
            5.0,
            ">=",
            f"ProcessPoolExecutor {against['by value']:.1f} s",
        ),
    ]


def _pipeline(work: Callable[[Any], Any], **options: Any) -> Any:
    from chariots.pipelines import Pipeline
    from chariots.pipelines.nodes import Node
    from chariots.pipelines.ops import BaseOp

    class Work(BaseOp):
        def execute(self, value: Any) -> Any:
            return work(value)

    last = CHAIN - 1
    nodes = [
        Node(
            Work(),
            [f"value_{at - 1}" if at else "__pipeline_input__"],
            "__pipeline_output__" if at == last else f"value_{at}",
            f"node_{at}",
            **options,
        )
        for at in range(CHAIN)
    ]
    return Pipeline(nodes, "large")


def _by_value(pool: ProcessPoolExecutor, case: Case) -> Any:
    value = case.value
    for _ in range(CHAIN):
        value = pool.submit(case.work, value).result()
    return value


def _peak_memory(work: Callable[[], Any], base: int) -> int:
    """How much more memory than some this process and its children have at most meanwhile (Linux)."""
    gc.collect()
    peak, over = 0, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not over.is_set():
            peak = max(peak, _memory() - base)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        result = work()
        peak = max(peak, _memory() - base)
        del result
    finally:
        over.set()
        watcher.join()
    return peak


def _memory() -> int:
    """Bytes of this process and its children, each page counted once, and those of shared memory that nobody maps."""
    total = 0
    shared: dict[tuple[int, int], int] = {}
    for pid in (os.getpid(), *_children()):
        with contextlib.suppress(OSError):
            lines = (line.split() for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:])
            sizes = {parts[0]: int(parts[1]) * 1024 for parts in lines}
            total += sizes["Pss:"] - sizes["Pss_Shmem:"]
            for file in Path(f"/proc/{pid}/fd").iterdir():
                with contextlib.suppress(OSError):
                    if str(file.readlink()).startswith("/memfd:"):
                        found = file.stat()
                        shared[found.st_dev, found.st_ino] = found.st_blocks * 512
    return total + sum(shared.values())


def _children() -> list[int]:
    found = Path(f"/proc/{os.getpid()}/task")
    if not found.is_dir():
        return []
    return [int(pid) for task in found.iterdir() for pid in (task / "children").read_text().split()]


def _wall(work: Callable[[], Any]) -> float:
    gc.collect()
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
