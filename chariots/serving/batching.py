"""How do requests that wait for the same pipeline run together?

Leader and followers: a request that finds nobody running runs at once, alone, and so waits for nobody. Those that come
meanwhile wait; when it is done, the first of them takes as many others along as the limits allow, stacks their inputs,
runs the pipeline once and gives each its rows. If that fails, each runs again alone, so that only the bad one fails.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chariots.pipelines.nodes import Node
from chariots.serving import execution
from chariots.serving.stacking import Rows, part, row_count, rows_of, stacked
from chariots.web import tracing

if TYPE_CHECKING:
    from chariots.pipelines import Pipeline
    from chariots.pipelines.runners import BaseRunner
    from chariots.serving.snapshots import Snapshot

__all__ = ["Batcher", "Batching", "is_batchable"]


@dataclass(frozen=True)
class Batching:
    """How far requests may run together.

    Attributes:
        max_rows: the rows of one run. A request with more than a quarter of them runs alone and beside the others: it
            would gain nothing.
        max_bytes: the bytes that the inputs of one run may take; the same holds.
        max_wait: the seconds after which a request waits no longer for the run before it: it begins the next one beside
            that, and takes along whoever waits with it.

    Raises:
        ValueError: if one of them is not positive.
    """

    max_rows: int = 1024
    max_bytes: int = 4 * 2**20
    max_wait: float = 1.0

    def __post_init__(self) -> None:
        for name in ("max_rows", "max_bytes", "max_wait"):
            if not getattr(self, name) > 0:
                raise ValueError(
                    f"Batching was given {name}={getattr(self, name)!r}, which must be positive; to run every request "
                    "alone, give the server batching=False"
                )

    @classmethod
    def read(cls, wanted: bool | Batching) -> Batching | None:
        """Reads what a server was given.

        Args:
            wanted: whether to batch, or how far.

        Returns:
            the limits; None where every request is to run alone.

        Raises:
            TypeError: if it is neither.
        """
        if isinstance(wanted, Batching):
            return wanted
        if isinstance(wanted, bool):
            return cls() if wanted else None
        raise TypeError(f"batching is {wanted!r}; give True, False, or Batching(max_rows=...)")


def is_batchable(pipeline: Pipeline) -> bool:
    """Whether the inputs of several requests may go through a pipeline together.

    What the pipeline declares counts. Where it declares nothing, every op must say that it maps rows to rows, and
    nobody may be watching: a callback would see one execution where there were several requests.

    Args:
        pipeline: the pipeline, loaded.
    """
    if pipeline.trains or not pipeline.takes_input:
        return False
    if pipeline.batchable is not None:
        return pipeline.batchable
    plan = pipeline.plan
    if plan.output_slot is None or any(not getattr(each, "welcomes_batches", False) for each in pipeline.callbacks):
        return False
    for op, hooks, reads, *_, position in plan.steps:
        node = pipeline.graph_nodes[position]
        if type(node) is not Node or reads == ():
            return False
        nested = node.nested
        if not (is_batchable(nested) if nested is not None else not hooks and op.batchable):
            return False
    return True


class _Call:
    """One request that waits, or runs."""

    __slots__ = ("has_output", "is_leader", "is_waiting", "output", "rows", "snapshot", "span", "turn", "value")

    def __init__(self, snapshot: Snapshot, value: Any, rows: Rows, span: Any) -> None:
        self.snapshot = snapshot
        self.value = value
        self.rows = rows
        self.output: Any = None
        self.has_output = False
        self.is_leader = False
        self.is_waiting = False
        self.span = span
        self.turn: threading.Lock  # of those that wait: held until something happens; an Event takes five times as long


class Batcher:
    """Runs the requests for one pipeline, together where that can be.

    Args:
        name: the pipeline.
        limits: how far they may run together.
        logger: who is told if the pipeline turns out not to map rows to rows.
    """

    def __init__(self, name: str, limits: Batching, logger: logging.Logger) -> None:
        self._name = name
        self._limits = limits
        self._logger = logger
        #: Told of every run: for how many requests it was, and how many rows they had together.
        self.observed: Callable[[int, int], None] | None = None
        self._lock = threading.Lock()  # held for moments, never while anything runs
        self._waiting: deque[_Call] = deque()
        self._leader: _Call | None = None  # whoever hands on when it is done; None where nobody runs
        self._judged: tuple[Snapshot | None, bool] = (None, False)  # the last snapshot asked about, and the answer
        self._is_refuted = False

    def run(self, snapshot: Snapshot, value: Any, runner: BaseRunner) -> Any:
        """Runs a pipeline for one request.

        Args:
            snapshot: the state to run on; only requests on the very same one run together.
            value: the input, converted.
            runner: who runs it.

        Returns:
            the output.
        """
        call = self._call(snapshot, value, tracing.span_here())
        if call is None:
            return self._run(snapshot, value, runner)
        with self._lock:
            if self._leader is None:
                self._leader, call.is_leader = call, True
            else:
                call.is_waiting = True
                call.turn = threading.Lock()
                call.turn.acquire()
                self._waiting.append(call)
        if not call.is_leader:
            self._wait(call)
        if call.is_leader:
            self._lead(call, runner)
        return call.output if call.has_output else self._run(snapshot, value, runner)

    def run_all(
        self, snapshot: Snapshot, values: Sequence[Any], runner: BaseRunner, spans: Sequence[Any]
    ) -> list[execution.Outcome]:
        """Runs a pipeline for several requests that are there at once, in this thread, beside whoever leads.

        Args:
            snapshot: the state to run on.
            values: their inputs, converted.
            runner: who runs it.
            spans: those of the requests; each None where tracing is off.

        Returns:
            what came of each.
        """
        calls = [self._call(snapshot, value, span) for value, span in zip(values, spans, strict=True)]
        together: dict[Hashable, list[_Call]] = {}
        for call in calls:
            if call is not None:
                together.setdefault(call.rows.kind, []).append(call)
        for alike in together.values():
            waiting = deque(alike)
            while waiting:
                first = waiting.popleft()
                batch = [first, *_within(self._limits, first, waiting)]
                if len(batch) > 1:
                    self._run_together(batch, runner)
                if self.observed is not None:
                    self.observed(len(batch), sum(call.rows.count for call in batch))
        return [
            (call.output, None)
            if call is not None and call.has_output
            else execution.outcome(snapshot, value, runner, span)
            for call, value, span in zip(calls, values, spans, strict=True)
        ]

    def _call(self, snapshot: Snapshot, value: Any, span: Any) -> _Call | None:
        """A request that may run together with others; None where it has to run alone."""
        rows = rows_of(value) if self.may_batch(snapshot) else None
        limits = self._limits
        if rows is None or 4 * rows.count > limits.max_rows or 4 * rows.size > limits.max_bytes:
            return None
        return _Call(snapshot, value, rows, span)

    def may_batch(self, snapshot: Snapshot) -> bool:
        """Whether several requests for a snapshot may be run as one.

        Args:
            snapshot: the state that they are for.
        """
        known, may = self._judged
        if known is not snapshot:
            may = is_batchable(snapshot.pipeline)
            self._judged = snapshot, may
        return may and not self._is_refuted

    def _run(self, snapshot: Snapshot, value: Any, runner: BaseRunner) -> Any:
        return execution.run_as_it_is(snapshot, value, runner)

    def _wait(self, call: _Call) -> None:
        """Waits until a leader has run the call, or made it the leader; takes over when that takes too long."""
        if call.turn.acquire(timeout=self._limits.max_wait):
            return
        with self._lock:
            if call.is_waiting:
                self._waiting.remove(call)
                self._appoint(call)
                return
        call.turn.acquire()  # it is running, together with others

    def _lead(self, first: _Call, runner: BaseRunner) -> None:
        batch = [first]
        try:
            batch += self._companions(first)
            if len(batch) == 1:
                first.output = self._run(first.snapshot, first.value, runner)
                first.has_output = True
            else:
                self._run_together(batch, runner)
            if self.observed is not None:
                self.observed(len(batch), sum(call.rows.count for call in batch))
        finally:
            for call in batch[1:]:
                call.turn.release()
            self._hand_on(first)

    def _companions(self, first: _Call) -> list[_Call]:
        """Takes out of those that wait whoever can run with the leader; the others keep their order."""
        if not self._waiting:
            return []
        with self._lock:
            taken = _within(self._limits, first, self._waiting)
            for call in taken:
                call.is_waiting = False
        return taken

    def _run_together(self, batch: Sequence[_Call], runner: BaseRunner) -> None:
        try:
            with tracing.together([call.span for call in batch], self._name):
                output = self._run(batch[0].snapshot, stacked([call.value for call in batch]), runner)
        except Exception as error:  # noqa: BLE001  # each runs again alone, and whoever caused it gets it
            self._logger.debug("%d requests for %r run again one by one: %r", len(batch), self._name, error)
            return
        total = sum(call.rows.count for call in batch)
        found = row_count(output)
        if found != total:
            self._refute(total, output, found)
            return
        start = 0
        for call in batch:
            end = start + call.rows.count
            call.output = part(output, start, end)
            call.has_output = True
            start = end

    def _hand_on(self, call: _Call) -> None:
        with self._lock:
            if self._leader is not call:
                return  # it took too long, and another has taken over
            if not self._waiting:
                self._leader = None
                return
            following = self._waiting.popleft()
            self._appoint(following)
        following.turn.release()

    def _appoint(self, call: _Call) -> None:
        call.is_waiting, call.is_leader = False, True
        self._leader = call

    def _refute(self, rows: int, output: Any, found: int | None) -> None:
        self._is_refuted = True
        came = f"a {type(output).__name__} without rows of its own" if found is None else f"{found} rows"
        self._logger.warning(
            "pipeline %r was taken to map rows to rows, and %d rows gave %s. From now on its requests run one by one; "
            "say Pipeline(..., batchable=False) to have that from the start.",
            self._name,
            rows,
            came,
        )


def _within(limits: Batching, first: _Call, waiting: deque[_Call]) -> list[_Call]:
    """Takes out of those that wait whoever can run with one of them; the others keep their order."""
    rows, size = first.rows.count, first.rows.size
    taken: list[_Call] = []
    kept: list[_Call] = []
    while waiting:
        call = waiting.popleft()
        if call.snapshot is not first.snapshot or call.rows.kind != first.rows.kind:
            kept.append(call)
            continue
        rows, size = rows + call.rows.count, size + call.rows.size
        if rows > limits.max_rows or size > limits.max_bytes:
            kept.append(call)
            break
        taken.append(call)
    waiting.extendleft(reversed(kept))
    return taken
