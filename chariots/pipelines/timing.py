"""How long did a run take, and each of its nodes?"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chariots.pipelines.watching import NodeCall, RunWatcher, WatchedRun

if TYPE_CHECKING:
    from chariots.pipelines.drawing import Picture
    from chariots.pipelines.drawing.tables import Table

__all__ = ["NodeTiming", "RunTiming", "TimingCallback"]


@dataclass(frozen=True, slots=True)
class NodeTiming:
    """How long one node took.

    Attributes:
        name: the name of the node; in a nested pipeline after the name of the node that holds it, with a slash between.
        start: how many seconds after the run it began.
        duration: the seconds that it took.
        thread: the name of the thread that began it.
        thread_id: the number of that thread.
        state: ``ran``, ``cached``, ``failed``, or ``canceled`` where the run failed before it had ended.
    """

    name: str
    start: float
    duration: float
    thread: str
    thread_id: int
    state: str


@dataclass(frozen=True, slots=True)
class RunTiming:
    """How long one run took.

    Attributes:
        pipeline: the name of the pipeline.
        started: when it began.
        begun: the same, as `time.perf_counter` tells; to compare runs.
        duration: the seconds that it took.
        thread: the name of the thread that asked for it.
        thread_id: the number of that thread.
        nodes: its nodes in the order in which they began, those of nested pipelines that are watched as well.
        states: what became of each node, by its name; those that the run did not get to are ``canceled``.
        error: what it failed with, in one line; None if it did not.
    """

    pipeline: str
    started: datetime
    begun: float
    duration: float
    thread: str
    thread_id: int
    nodes: Sequence[NodeTiming]
    states: Mapping[str, str]
    error: str | None


class TimingCallback(RunWatcher):
    """Notes how long runs and their nodes take, and shows it.

    >>> from chariots.pipelines import Pipeline
    >>> from chariots.pipelines.callbacks import TimingCallback
    >>> from chariots.pipelines.nodes import Node
    >>> from chariots.pipelines.ops import BaseOp
    >>> from chariots.pipelines.runners import SequentialRunner
    >>> class Double(BaseOp):
    ...     def execute(self, number):
    ...         return 2 * number
    >>> timing = TimingCallback()
    >>> doubling = [Node(Double(), ["__pipeline_input__"], "__pipeline_output__")]
    >>> SequentialRunner().run(Pipeline(doubling, "doubling", pipeline_callbacks=[timing]), 4)
    8
    >>> [(node.name, node.state) for node in timing.last.nodes]
    [('double', 'ran')]

    Runs of several threads are told apart. What is nested is shown below what holds it where the nested pipeline was
    given the same callback.

    Args:
        keep: how many runs are remembered, the newest ones.

    Raises:
        ValueError: if it is to remember none.
    """

    settings = ("keep",)

    def __init__(self, keep: int = 100) -> None:
        super().__init__()
        if not isinstance(keep, int) or keep < 1:
            raise ValueError(f"TimingCallback was given keep={keep!r}; give the number of runs to remember, 1 or more")
        self.keep = keep
        self._finished: deque[RunTiming] = deque(maxlen=keep)
        self._newest: WatchedRun | None = None
        self._nodes: dict[int, list[NodeTiming]] = {}  # of the runs that last, by their numbers

    @property
    def runs(self) -> list[RunTiming]:
        """The runs that have ended, the newest one last."""
        return list(self._finished)

    @property
    def last(self) -> RunTiming:
        """The run that has ended last.

        Raises:
            ValueError: if there is none.
        """
        if not self._finished:
            raise ValueError(
                "this TimingCallback has watched no run yet; give it to a pipeline, Pipeline(..., "
                "pipeline_callbacks=[timing]), and run that"
            )
        return self._finished[-1]

    @property
    def states(self) -> Mapping[str, str]:
        """The states of the nodes in the newest run, which may last still; for `Pipeline.draw`."""
        newest = self._newest
        if newest is None:
            return self._finished[-1].states if self._finished else {}
        return self._states(newest, "waiting")

    def clear(self) -> None:
        """Forgets the runs that have ended."""
        self._finished.clear()

    def table(self, run: RunTiming | None = None) -> Table:
        """How long the nodes of a run took, as a table: text when it is printed, HTML in a notebook.

        Args:
            run: one of `runs`; the last one if None.
        """
        from chariots.pipelines.drawing.tables import timing_table

        return timing_table(run or self.last)

    def timeline(self, run: RunTiming | None = None) -> Picture:
        """When which node was at work, as a picture: a lane for each thread, and what is nested below what holds it.

        Args:
            run: one of `runs`; the last one if None.
        """
        from chariots.pipelines.drawing.timeline import timeline

        return timeline(run or self.last)

    def chrome_trace(self, path: str | Path | None = None) -> dict[str, Any]:
        """All runs in the trace event format of Chrome, which https://ui.perfetto.dev shows, and ``chrome://tracing``.

        The format is described in "Trace Event Format",
        https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU.

        Args:
            path: a file to write it to, as JSON; none if None.

        Returns:
            the trace.
        """
        from chariots.pipelines.drawing.traces import trace_of

        trace = trace_of(self.runs)
        if path is not None:
            Path(path).write_text(json.dumps(trace), encoding="utf-8")
        return trace

    # -- what it is told ------------------------------------------------------------------------------------------

    def on_run_begun(self, run: WatchedRun) -> None:
        """Begins to note; see `RunWatcher.on_run_begun`."""
        if run.parent is None:
            self._nodes[run.number] = []
            self._newest = run

    def on_node_ended(self, run: WatchedRun, call: NodeCall) -> None:
        """Notes how long a node took; see `RunWatcher.on_node_ended`."""
        root = run.root
        nodes = self._nodes.get(root.number)
        if nodes is not None:
            nodes.append(
                NodeTiming(call.path, call.began - root.began, call.seconds, call.thread_name, call.thread, call.state)
            )

    def on_run_ended(self, run: WatchedRun) -> None:
        """Keeps what was noted of a run; see `RunWatcher.on_run_ended`."""
        if run.parent is not None:
            return
        states = self._states(run, "canceled")
        nodes = self._nodes.pop(run.number, [])
        error = None if run.error is None else f"{type(run.error).__name__}: {run.error}"
        self._finished.append(
            RunTiming(
                pipeline=run.pipeline.name,
                started=datetime.fromtimestamp(run.started, UTC),
                begun=run.began,
                duration=run.seconds,
                thread=run.thread_name,
                thread_id=run.thread,
                nodes=tuple(sorted(nodes, key=lambda node: (node.start, -node.duration))),
                states=states,
                error=error,
            )
        )
        if self._newest is run:
            self._newest = None

    def _states(self, run: WatchedRun, otherwise: str) -> dict[str, str]:
        found = {node.name: otherwise for node in run.pipeline.graph_nodes}
        found.update((node.name, node.state) for node in tuple(self._nodes.get(run.number, ())))
        found.update((call.path, call.state) for call in list(run.at_work.values()))
        return found
