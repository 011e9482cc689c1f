"""How do requests that wait for the same pipeline run together?

Leader and followers: a request that finds nobody running runs at once, alone, and so waits for nobody. Those that come
meanwhile wait; when it is done, the first of them takes as many others along as the limits allow, stacks their inputs,
runs the pipeline once and gives each its rows. If that fails, each runs again alone, so that only the bad one fails.

Where threads compete for the interpreter, those that bring requests come one after the other, and whoever ran at once
would run for few. So a leader that finds fewer requests than the batch before had waits for the others, as long as one
comes within the time of a run: so long would that request have to run for itself.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from chariots.serving import execution
from chariots.serving.batchable import Batching, is_batchable
from chariots.serving.places import PLACES
from chariots.serving.stacking import Rows, part, row_count, rows_of, stacked
from chariots.web import tracing

if TYPE_CHECKING:
    from chariots.pipelines.runners import BaseRunner
    from chariots.serving.snapshots import Snapshot

__all__ = ["Batcher"]

LONGEST_PAUSE: Final = 0.005  # seconds in which the next request must come if a leader is to wait for more
RECENT_SECONDS: Final = 0.05  # for which the size of a batch tells how many requests to expect


class _Call:
    """One request that waits, or runs."""

    __slots__ = (
        *("following", "has_output", "is_leader", "is_waiting", "output", "rows", "snapshot", "span", "turn"),
        "value",
    )

    def __init__(self, snapshot: Snapshot, value: Any, rows: Rows, span: Any) -> None:
        self.snapshot = snapshot
        self.value = value
        self.rows = rows
        self.output: Any = None
        self.has_output = False
        self.following: _Call | None = None  # whom it wakes, of those that ran together
        self.is_leader = False
        self.is_waiting = False
        self.span = span
        self.turn: threading.Lock  # of those that wait: held until something happens; an Event takes five times as long

    def wake_following(self) -> None:
        if self.following is not None:
            self.following.turn.release()


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
        self._last_size, self._last_end = 1, 0.0  # of the last batch
        self._wanted = 0  # how many a leader waits for; then `_enough` is held until they have come
        self._enough = threading.Lock()

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
            return self._run_alone(snapshot, value, runner)
        with self._lock:
            if self._leader is None:
                self._leader, call.is_leader = call, True
            else:
                call.is_waiting = True
                call.turn = threading.Lock()
                call.turn.acquire()
                self._waiting.append(call)
                if 0 < self._wanted <= len(self._waiting):
                    self._wanted = 0
                    self._enough.release()
        if not call.is_leader:
            self._wait(call)
            call.wake_following()
        if call.is_leader:
            self._lead(call, runner)
        return call.output if call.has_output else self._run_alone(snapshot, value, runner)

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
        if len(values) == 1:  # it need not be known what could stand beside it
            return [self._outcome_of_one(snapshot, values[0], runner, spans[0])]
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

    def _outcome_of_one(self, snapshot: Snapshot, value: Any, runner: BaseRunner, span: Any) -> execution.Outcome:
        output, error = execution.outcome(snapshot, value, runner, span)
        if self.observed is not None and self.may_batch(snapshot):
            count = row_count(output)  # sooner told than that of the input, which a failure leaves to be asked
            if error is not None and (call := self._call(snapshot, value, span)) is not None:
                count = call.rows.count
            if count is not None:
                self.observed(1, count)
        return output, error

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

    def _run_alone(self, snapshot: Snapshot, value: Any, runner: BaseRunner) -> Any:
        """Runs as requests for pipelines that are not batchable do, of which many may come at once."""
        with PLACES:
            return self._run(snapshot, value, runner)

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
            self._wait_for_more(first.snapshot)
            batch += self._companions(first)
            if len(batch) == 1:
                first.output = self._run(first.snapshot, first.value, runner)
                first.has_output = True
            else:
                self._run_together(batch, runner)
            if self.observed is not None:
                self.observed(len(batch), sum(call.rows.count for call in batch))
        finally:
            self._last_size, self._last_end = len(batch), time.monotonic()
            # Each wakes the next: woken all at once, they would wait for the interpreter, and be woken for that again.
            for call, following in pairwise(batch):
                call.following = following
            first.wake_following()
            self._hand_on(first)

    def _wait_for_more(self, snapshot: Snapshot) -> None:
        """Waits until as many requests are there as ran together last, if the next ones come soon enough."""
        if self._last_size == 1 or time.monotonic() - self._last_end > RECENT_SECONDS:
            return
        pause = min(snapshot.pace.shortest, LONGEST_PAUSE)
        with self._lock:
            there, wanted = len(self._waiting), self._last_size - 1
            if there >= wanted or self._wanted:
                return
            self._wanted = wanted
            self._enough.acquire()
        while not self._enough.acquire(timeout=pause):
            with self._lock:
                if self._wanted and len(self._waiting) == there:
                    self._wanted = 0
                    break
                there = len(self._waiting)
        self._enough.release()

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
