"""Which node of one run may start, who runs it, and what becomes of the others when it fails?

Every thread that takes part goes from node to node by itself: when a node is done, its thread takes one of those that
became ready, and only where there are more does it call another thread. A chain therefore stays in one thread and costs
no change of threads; and while nodes are so short that a helper would come too late, none is waited for.
"""

from __future__ import annotations

import contextvars
import heapq
import itertools
import logging
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from chariots.pipelines.explaining import CURRENT
from chariots.pipelines.graph import INPUT_VALUE
from chariots.pipelines.handles import Handle, value_of, values_of
from chariots.pipelines.plan import annotate, overridden, tell_failure

if TYPE_CHECKING:
    from chariots.pipelines.caching.stepping import Cached
    from chariots.pipelines.parallel import ParallelRunner
    from chariots.pipelines.pipeline import Pipeline

__all__ = ["Chain", "Interrupted", "NodeFailure", "Run"]

Form = TypeVar("Form", bound=Handle)

_logger = logging.getLogger(__name__)


class Chain(NamedTuple):
    """What a runner returns that has executed several nodes at once, each of which reads what the one before returned.

    Attributes:
        positions: where the nodes stand in the pipeline.
        outputs: the outputs of the last one.
    """

    positions: Sequence[int]
    outputs: Sequence[Any]


class NodeFailure(Exception):  # noqa: N818  # it carries an error and is none of its own
    """Carries what a node of a chain has raised, and where it stands."""

    def __init__(self, position: int, error: BaseException) -> None:
        super().__init__(position, error)
        self.position = position
        self.error = error


class Interrupted(Exception):  # noqa: N818  # nothing went wrong
    """Raised for a node that was ended because its run is over."""


def _cached(pipeline: Pipeline, runner: ParallelRunner) -> Cached | None:
    if not pipeline.plan.is_cached and CURRENT.get() is None:
        return None
    from chariots.pipelines.caching.stepping import Cached

    return Cached(pipeline, runner.cache)


class Run:
    """One run of one pipeline.

    Args:
        pipeline: the pipeline.
        pipeline_input: its input.
        runner: who runs it; how a node is executed is its business.
    """

    def __init__(self, pipeline: Pipeline, pipeline_input: Any, runner: ParallelRunner) -> None:
        self.pipeline = pipeline
        self.runner = runner
        self.graph = pipeline.graph
        plan, links = pipeline.plan, self.graph.links
        self._links = links
        self._steps = plan.steps
        self._readers, self._distinct = links.readers, links.distinct
        self._waits = links.waits.copy()
        self._keeps = links.keeps.copy()
        self._slots: list[Any] = [None] * plan.slots
        #: What is found in the cache, and told to whoever wants to know why nodes ran; None where neither is asked for.
        self.cached = _cached(pipeline, runner)
        if plan.takes_input:
            held = pipeline_input if self.cached is None else self.cached.hold(INPUT_VALUE, pipeline_input)
            self._slots[INPUT_VALUE] = held
        self._output_slot = plan.output_slot
        self._ready = [position for position, waits in enumerate(links.waits) if not waits]  # sorted, and so a heap
        self._needs = {position: asked.resources for position, asked in plan.options.items() if asked.resources}
        self._deferred: list[int] = []  # nodes that are ready, and for which something is missing
        for position, needs in self._needs.items():
            runner.resources.check(pipeline.graph_nodes[position].name, needs)
        self._lock = threading.Lock()
        self._at_work = 0  # threads that are at a node
        self._called = False  # whether a helper was called that has not come yet
        self._owner_waits = False
        self._bell = threading.Lock()  # held, but for the moment in which the waiting owner is woken
        self._bell.acquire()
        self._failures: list[tuple[int, BaseException]] = []
        self._is_over = False
        self._context = contextvars.copy_context()
        callbacks = pipeline.callbacks
        self._before = overridden(callbacks, "before_node_execution")
        self._after = overridden(callbacks, "after_node_execution")
        self._converting = threading.Lock()
        self._telling = threading.Lock()  # callbacks are called one at a time
        if self.cached is not None:
            self.cached.telling = self._telling
        #: Whether somebody here looks at what the nodes read and return.
        self.is_watched = bool(self._before or self._after)

    @property
    def is_over(self) -> bool:
        """Whether no further node is to be started."""
        return self._is_over

    def sole_reader(self, position: int) -> int | None:
        """The node that reads what another one returns, if nobody else does, and if it waits for nothing else.

        Args:
            position: where the other one stands.
        """
        writes = self.graph.outputs[position]
        if len(writes) != 1 or self._links.keeps[writes[0]] != 1 or writes[0] == self._output_slot:
            return None
        reader = self._links.readers[writes[0]][0]
        return reader if self._waits[reader] == 1 and reader not in self._needs else None

    def converted(self, value: int, convert: Callable[[Any], Form]) -> Form:
        """A value in the form in which a runner sends it; it stays in that form for whoever reads it next.

        Args:
            value: its number.
            convert: gives it that form; called again with what it has returned.
        """
        with self._converting:
            found = self._slots[value] = convert(self._slots[value])
            return found

    def execute(self) -> Any:
        """Runs the pipeline; the calling thread takes part.

        Returns:
            the result of the pipeline, or None.

        Raises:
            BaseException: what the first of the nodes that failed has raised, in the order of the pipeline; others are
                named in its notes.
        """
        try:
            while True:
                with self._lock:
                    position = self._take()
                    if position is None and not self._at_work and not self._deferred:
                        break
                    self._owner_waits = position is None
                if position is None:
                    self._bell.acquire()
                else:
                    self._work(position)
        except BaseException as error:  # the owner itself was interrupted, by Ctrl+C for instance
            self.cancel()
            tell_failure(error, self.pipeline, None)
            raise
        if self._failures:
            raise self._failure()
        return None if self._output_slot is None else value_of(self._slots[self._output_slot])

    def cancel(self) -> None:
        """Starts no further node, and ends those that run where the runner can."""
        with self._lock:
            self._end()
        self.runner.interrupt(self)

    def _end(self) -> None:
        """Starts no further node; under the lock."""
        self._is_over = True
        self._ready.clear()
        self._deferred.clear()

    def try_deferred(self) -> None:
        """Looks again at the nodes for which something was missing."""
        with self._lock:
            if self._deferred:
                self._ready.extend(self._deferred)
                self._deferred.clear()
                heapq.heapify(self._ready)
                self._call()

    def _help(self) -> None:
        """What a helper does: it works until nothing is ready."""
        with self._lock:
            self._called = False
            position = self._take()
        if position is not None:
            self._context.copy().run(self._work, position)

    def _take(self) -> int | None:
        """A node that may start now, and a helper for what else may; under the lock."""
        position = self._next()
        if position is not None:
            self._at_work += 1
            if self._ready:
                self._call()
        return position

    def _next(self) -> int | None:
        """The first node that is ready and gets what it needs; under the lock."""
        ready = self._ready
        while ready:
            position = heapq.heappop(ready)
            if not self._needs or self._gets(position):
                return position
        return None

    def _gets(self, position: int) -> bool:
        needs = self._needs.get(position)
        if needs is None or self.runner.resources.take(needs, self):
            return True
        self._deferred.append(position)
        return False

    def _call(self) -> None:
        """Sees to it that somebody comes for what is ready; under the lock."""
        if self._owner_waits:
            self._owner_waits = False
            self._bell.release()
        elif not self._called:
            self._called = self.runner.crew.call(self._help)

    def _work(self, position: int | None) -> None:
        """Runs a node, and then one of those that may start because of it, and so on."""
        steps, slots = self._steps, self._slots
        inline = self.runner.calls_ops_itself and not self.is_watched and self.cached is None
        needs = self._needs
        while position is not None:
            op, hooks, reads, writes, _, _ = steps[position]
            args = [slots[reads]] if type(reads) is int else [slots[slot] for slot in reads]
            try:
                if inline and not hooks and type(writes) is int:
                    for arg in args:
                        if isinstance(arg, Handle):
                            args = values_of(args)
                            break
                    outputs: Any = (op.execute(*args),)
                else:
                    call = self._watched if self.is_watched else self._outputs_of
                    if self.cached is None:
                        outputs = call(position, args)
                    else:
                        outputs = self.cached.step(position, args, partial(call, position))
            except BaseException as error:  # noqa: BLE001  # the owner raises it
                self._failed(position, error)
                return
            finally:
                if needs and position in needs:
                    self.runner.resources.give_back(needs[position])
            del args
            if type(outputs) is Chain:
                position, outputs = self._passed(outputs)
                writes = steps[position][3]
            position = self._done(position, writes, outputs)
            del outputs

    def _passed(self, chain: Chain) -> tuple[int, Sequence[Any]]:
        """Files that all nodes of a chain but the last are done; returns that one, and its outputs."""
        with self._lock:
            for position, following in itertools.pairwise(chain.positions):
                self._dropped(position)
                self._waits[following] -= 1
        return chain.positions[-1], chain.outputs

    def _watched(self, position: int, args: list[Any]) -> Sequence[Any]:
        """Runs a node with the callbacks of the pipeline around it."""
        pipeline = self.pipeline
        node = pipeline.graph_nodes[position]
        args = values_of(args)
        with self._telling:
            for notify in self._before:
                notify(pipeline, node, args)
        outputs = values_of(self._outputs_of(position, args))
        with self._telling:
            shown = outputs[0] if len(outputs) == 1 else tuple(outputs)
            for notify in self._after:
                notify(pipeline, node, args, shown)
        return outputs

    def _done(self, position: int, writes: Any, outputs: Sequence[Any]) -> int | None:
        """Files what a node returned; returns the node to go on with."""
        slots, waits, ready = self._slots, self._waits, self._ready
        following = None
        with self._lock:
            self._dropped(position)
            if not self._is_over:
                for value, output in zip((writes,) if type(writes) is int else writes, outputs):  # noqa: B905  # checked
                    slots[value] = output
                    for reader in self._readers[value]:
                        left = waits[reader] = waits[reader] - 1
                        if not left:
                            if following is None and not self._needs:
                                following = reader  # what has just been computed is at hand here
                            else:
                                heapq.heappush(ready, reader)
                if ready:
                    if following is None:
                        following = self._next()
                    if ready and not self._called:
                        self._call()
            if following is None:
                self._leave()
        return following

    def _dropped(self, position: int) -> None:
        """A node has read its values, and those are emptied that nobody else will read; under the lock."""
        keeps = self._keeps
        for value in self._distinct[position]:
            left = keeps[value] = keeps[value] - 1
            if not left:
                self._slots[value] = None

    def _leave(self) -> None:
        """A thread has nothing more to do here; under the lock."""
        self._at_work -= 1
        if not self._at_work and self._owner_waits:
            self._owner_waits = False
            self._bell.release()

    def _outputs_of(self, position: int, args: list[Any]) -> Sequence[Any]:
        return self.runner.outputs_of(self, position, args)

    def _failed(self, position: int, error: BaseException) -> None:
        if isinstance(error, NodeFailure):
            position, error = error.position, error.error
        if isinstance(error, Interrupted):
            with self._lock:
                self._leave()
            return
        if isinstance(error, Exception):
            annotate(error, self.pipeline, position)
        with self._lock:
            was_over = self._is_over
            self._end()
            self._failures.append((position, error))
        if not was_over:
            self.runner.interrupt(self)
        with self._lock:
            self._leave()

    def _failure(self) -> BaseException:
        """What the run failed with."""
        failures = sorted(self._failures, key=lambda failure: failure[0])
        first = failures[0][1]
        for position, error in failures[1:]:
            name = self.pipeline.graph_nodes[position].name
            first.add_note(f"node {name!r} failed as well: {type(error).__name__}: {error}")
            _logger.error("node %r of pipeline %r failed as well", name, self.pipeline.name, exc_info=error)
        tell_failure(first, self.pipeline, self.pipeline.graph_nodes[failures[0][0]])
        return first
