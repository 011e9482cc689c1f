"""How are runs told to a viewer of traces? (the JSON of Chrome's trace event format)

https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU describes it. Each run and each node is
a complete event (``"ph": "X"``), with its beginning and its duration in microseconds.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from chariots.pipelines.drawing.texts import visible

if TYPE_CHECKING:
    from chariots.pipelines.timing import NodeTiming, RunTiming

__all__ = ["Bar", "bars_of", "lanes_by_thread", "trace_of"]


class Bar(NamedTuple):
    """A stretch of time on a thread: a node at work, or a whole run.

    Attributes:
        start: when it begins, in seconds.
        end: when it ends.
        run: the run.
        node: the node; None for the run itself.
    """

    start: float
    end: float
    run: RunTiming
    node: NodeTiming | None


def bars_of(run: RunTiming, origin: float) -> list[tuple[int, str, Bar]]:
    """A run and its nodes as stretches of time, each with the number and the name of its thread.

    Args:
        run: the run.
        origin: what the times are counted from.
    """
    begun = run.begun - origin
    found = [(run.thread_id, run.thread, Bar(begun, begun + run.duration, run, None))]
    for node in run.nodes:
        start = begun + node.start
        found.append((node.thread_id, node.thread, Bar(start, start + node.duration, run, node)))
    return found


def lanes_by_thread(
    bars: Iterable[tuple[int, str, Bar]], *, is_nesting: bool
) -> dict[tuple[int, str], list[tuple[int, Bar]]]:
    """Puts stretches of time into rows, for each thread by itself, so that none lies over another.

    Args:
        bars: the stretches with their threads.
        is_nesting: whether one that lies within another may stand in the same row; else it stands below it.

    Returns:
        for each thread, by its number and name, each stretch with its row.
    """
    threads: dict[tuple[int, str], list[Bar]] = {}
    for number, name, bar in bars:
        threads.setdefault((number, name), []).append(bar)
    placed: dict[tuple[int, str], list[tuple[int, Bar]]] = {}
    for thread, group in threads.items():
        rows: list[list[float]] = []  # for each row, where what lasts in it ends, the innermost last
        placed[thread] = []
        for bar in sorted(group, key=lambda one: (one.start, -one.end, one.node is not None)):
            row = next((row for row, ends in enumerate(rows) if _has_room(ends, bar, is_nesting)), len(rows))
            if row == len(rows):
                rows.append([])
            rows[row].append(bar.end)
            placed[thread].append((row, bar))
    return placed


def _has_room(ends: list[float], bar: Bar, is_nesting: bool) -> bool:
    while ends and ends[-1] <= bar.start:
        ends.pop()
    return not ends or (is_nesting and bar.end <= ends[-1])


def trace_of(runs: Sequence[RunTiming]) -> dict[str, Any]:
    """Tells runs as a trace.

    Args:
        runs: the runs.

    Returns:
        what is written as JSON.
    """
    process = os.getpid()
    origin = min((run.begun for run in runs), default=0.0)
    events: list[Mapping[str, Any]] = [_named("process_name", process, 0, f"chariots, process {process}")]
    bars = [bar for run in runs for bar in bars_of(run, origin)]
    numbers: dict[tuple[int, str, int], int] = {}
    for (thread, name), placed in lanes_by_thread(bars, is_nesting=True).items():
        for row, bar in placed:
            # What overlaps on one thread, as nodes do that are at work elsewhere, needs threads of its own here.
            number = numbers.get((thread, name, row))
            if number is None:
                number = numbers[thread, name, row] = len(numbers) + 1
                shown = visible(name) + (f" ({row + 1})" if row else "")
                events.append(_named("thread_name", process, number, shown))
            events.append(_event(bar, process, number))
    started = min((run.started for run in runs), default=None)
    return {
        "traceEvents": events,
        "displayTimeUnit": "ms",
        "otherData": {"started": started.isoformat() if started is not None else ""},
    }


def _named(what: str, process: int, thread: int, name: str) -> Mapping[str, Any]:
    return {"ph": "M", "name": what, "pid": process, "tid": thread, "args": {"name": name}}


def _event(bar: Bar, process: int, thread: int) -> Mapping[str, Any]:
    node, run = bar.node, bar.run
    state = node.state if node is not None else "ran" if run.error is None else "failed"
    told = {"pipeline": visible(run.pipeline), "state": state}
    if node is None and run.error is not None:
        told["error"] = visible(run.error)
    return {
        "ph": "X",
        "name": visible(run.pipeline if node is None else node.name),
        "cat": "pipeline" if node is None else "node",
        "ts": round(bar.start * 1e6, 3),
        "dur": round((bar.end - bar.start) * 1e6, 3),
        "pid": process,
        "tid": thread,
        "args": told,
    }
