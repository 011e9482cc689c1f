"""How are the nodes of a pipeline run in several processes, without values being copied from one to the other?"""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from chariots.errors import WorkerLostError
from chariots.pipelines.at_work import AtWork
from chariots.pipelines.base_node import BaseNode
from chariots.pipelines.calling import timed_out, try_again
from chariots.pipelines.elsewhere import chain_of, goes_whole, is_sent, reads_of, with_op_callbacks
from chariots.pipelines.error_travel import PackedError
from chariots.pipelines.handles import value_of, values_of
from chariots.pipelines.nodes import Node
from chariots.pipelines.op_state import take_over
from chariots.pipelines.parallel import ParallelRunner
from chariots.pipelines.parallel_run import Chain, Interrupted, NodeFailure, Run
from chariots.pipelines.pipeline import Pipeline
from chariots.pipelines.plan import split_outputs
from chariots.pipelines.processes.messages import Failed, Order, Step
from chariots.pipelines.processes.pool import Pool
from chariots.pipelines.processes.shared import Packed, pack
from chariots.pipelines.processes.shipping import Shipping
from chariots.pipelines.reporting import is_wanted

if TYPE_CHECKING:
    from chariots.pipelines.caching import NodeCache
    from chariots.pipelines.ops import BaseOp
    from chariots.pipelines.processes.worker import Worker

__all__ = ["ProcessRunner"]


class ProcessRunner(ParallelRunner):
    """Runs ops in processes that stay: at the same time, even where they hold the interpreter.

    Large arrays and frames are written once into memory that the processes share, and not copied for those that read
    them; nodes that follow each other run in one process, and what they hand on does not leave it. Nodes that hold no
    op, such as those that load data, and all callbacks run in the process that called `run`.

    >>> from chariots.pipelines import Pipeline
    >>> from chariots.pipelines.nodes import Node
    >>> from chariots.pipelines.ops import BaseOp
    >>> from chariots.pipelines.runners import ProcessRunner
    >>> class Double(BaseOp):
    ...     def execute(self, number):
    ...         return 2 * number
    >>> pipeline = Pipeline([Node(Double(), ["__pipeline_input__"], "__pipeline_output__")], "doubling")
    >>> with ProcessRunner(max_workers=2) as runner:
    ...     runner.run(pipeline, 4)
    8

    Args:
        max_workers: how many processes there may be; as many as there are processors if None. They are started when
            they are first needed.
        resources: see `ParallelRunner`.
        cache: see `SequentialRunner`.
    """

    def __init__(
        self,
        max_workers: int | None = None,
        resources: Mapping[str, float] | None = None,
        cache: NodeCache | str | os.PathLike[str] | None = None,
    ) -> None:
        super().__init__(max_workers, resources, cache)
        self._pool = Pool(self.max_workers)
        self._shipping = Shipping()
        self._at_work: AtWork[Worker] = AtWork()
        weakref.finalize(self, self._pool.close)

    def outputs_of(self, run: Run, position: int, args: list[Any]) -> Sequence[Any] | Chain:
        """Executes a node, and those that follow it and nothing else; see `ParallelRunner.outputs_of`."""
        node = run.pipeline.graph_nodes[position]
        if not is_sent(node):
            return super().outputs_of(run, position, args)
        if node.op.callbacks:
            return try_again(lambda: self._with_callbacks(run, position, node, values_of(args)), node)
        chain = chain_of(run, position)
        return try_again(lambda: self._run_chain(run, chain, args), node)

    def call_op(self, op: BaseOp, args: Sequence[Any]) -> Any:
        """Executes an op in one of the processes, with its callbacks here; see `BaseRunner.call_op`."""
        return with_op_callbacks(op, list(args), lambda: self._call(op, args).value())

    def run_element(self, pipeline: Pipeline, value: Any) -> Any:
        """Runs a whole pipeline in one of the processes; see `ParallelRunner.run_element`."""
        if not goes_whole(pipeline):
            return self.run(pipeline, value)
        pipeline.check_input(value)
        return self._call(pipeline, [value]).value()

    def interrupt(self, run: Run) -> None:
        """Ends the processes that are at work for a run; see `ParallelRunner.interrupt`."""
        for worker in self._at_work.of(run):
            worker.kill()

    def close(self) -> None:
        """Ends the processes and lets the threads go; a later run starts new ones."""
        self._pool.close()
        super().close()

    # -- what is sent -------------------------------------------------------------------------------------------------

    def _run_chain(self, run: Run, chain: list[int], given: list[Any]) -> Sequence[Any] | Chain:
        """Has one process run several nodes, each of which reads what the one before it returned."""
        nodes = run.pipeline.graph_nodes
        parcel = Parcel()
        for position, reads in zip(chain, reads_of(run, chain, given, _packed), strict=True):
            parcel.add(nodes[position].op, reads)  # type: ignore[attr-defined]  # see is_sent
        position = chain[-1]
        writes = run.graph.outputs[position]
        parts = len(writes) or int(run.is_watched)  # whoever watches is shown what nobody reads, too
        try:
            results = self._send(parcel, parts, run, nodes[chain[0]])
        except StepFailure as failure:
            if len(chain) == 1:
                raise failure.error from failure.error.__cause__
            raise NodeFailure(chain[failure.step], failure.error) from None
        if len(writes) > 1 and len(results) == 1:
            split_outputs(run.pipeline, position, results[0].value(), len(writes))  # says what is wrong
        return results if len(chain) == 1 else Chain(chain, results)

    def _with_callbacks(self, run: Run, position: int, node: Node, args: list[Any]) -> Sequence[Any]:
        """Runs a node whose op has callbacks, which are called here."""
        writes = run.graph.outputs[position]
        found: list[Packed] = []

        def call() -> Any:
            parcel = Parcel()
            parcel.add(node.op, [_packed(arg) for arg in args])
            found.extend(_original(self._send, parcel, len(writes) or 1, run, node))
            return found[0].value() if len(found) == 1 else tuple(values_of(found))

        output = with_op_callbacks(node.op, args, call)
        if len(writes) > 1 and len(found) == 1:
            split_outputs(run.pipeline, position, output, len(writes))
        return found

    def _call(self, op: BaseOp, args: Sequence[Any]) -> Packed:
        """Executes an op, or runs a pipeline, in one of the processes."""
        parcel = Parcel()
        parcel.add(op, [_packed(arg) for arg in args])
        found: list[Packed] = _original(self._send, parcel, 1, None, None)
        return found[0]

    def _send(self, parcel: Parcel, parts: int, run: Run | None, node: BaseNode | None) -> list[Packed]:
        """Has a process run what is in a parcel.

        Raises:
            StepFailure: if an op failed.
        """
        timeout = node.options.timeout if node is not None and node.options is not None else None
        with self._pool.worker() as worker, self._at_work.noted(run, worker):
            order, values = parcel.addressed(worker, self._shipping, parts)
            try:
                answer, results = worker.run(order, values, timeout)
            except TimeoutError:
                assert node is not None and timeout is not None
                raise timed_out(node.name, timeout, "the process that ran it was ended") from None
            except WorkerLostError as error:
                if run is not None and run.is_over:
                    raise Interrupted from None  # ended by us
                raise WorkerLostError(f"{parcel.described()} did not return: {error}") from None
        others = 1 if isinstance(answer, Failed) else answer.parts
        for number, state in zip(answer.states, results[others:], strict=True):
            take_over(parcel.ops[number], state.value())
        if isinstance(answer, Failed):
            raise StepFailure(answer.step, _raised(answer, results[0].value(), parcel))
        return results[:others]


class Parcel:
    """Ops that are to run one after the other, and what they are given."""

    def __init__(self) -> None:
        self.ops: list[BaseOp] = []
        self._args: list[Sequence[Packed | None]] = []

    def add(self, op: BaseOp, args: Sequence[Packed | None]) -> None:
        """Adds an op.

        Args:
            op: the op.
            args: its arguments; None for what the op before it returned.
        """
        self.ops.append(op)
        self._args.append(args)

    def addressed(self, worker: Worker, shipping: Shipping, parts: int) -> tuple[Order, list[Packed]]:
        """What to tell a worker, and the values that go with it.

        Args:
            worker: who is told.
            shipping: knows how the ops are sent.
            parts: over how many values the last output is split.
        """
        values: list[Packed] = []
        steps = []
        forget = shipping.outdated(worker)
        for op, args in zip(self.ops, self._args, strict=True):
            shipment = shipping.of(op)
            sent = None
            if shipment.token not in worker.known:
                worker.known.add(shipment.token)
                sent = len(values)
                values.append(shipment.packed)
            numbers: list[int | None] = []
            for arg in args:
                numbers.append(None if arg is None else len(values))
                if arg is not None:
                    values.append(arg)
            steps.append(Step(shipment.token, sent, tuple(numbers)))
        return Order(tuple(steps), parts, forget, is_wanted()), values

    def described(self) -> str:
        """Names the ops, for messages."""
        names = [repr(op.name) for op in self.ops[:4]] + ["..."] * (len(self.ops) > 4)
        return f"op {names[0]}" if len(names) == 1 else f"one of the ops {', '.join(names)}"


class StepFailure(Exception):  # noqa: N818  # it carries an error and is none of its own
    """Carries what an op raised, and which one it was."""

    def __init__(self, step: int, error: BaseException) -> None:
        super().__init__(step, error)
        self.step = step
        self.error = error


def _original(call: Callable[..., list[Packed]], *args: Any) -> list[Packed]:
    """Makes a call that sends one op, and raises what that raised."""
    try:
        return call(*args)
    except StepFailure as failure:
        raise failure.error from failure.error.__cause__


def _raised(failed: Failed, packed: PackedError, parcel: Parcel) -> BaseException:
    """The exception that was raised elsewhere, with the stack it had there as its cause."""
    error = packed.unpack()
    if not failed.sending:
        return error
    refusal = TypeError(
        f"op {parcel.ops[failed.step].name!r} ran, but what it returned cannot be sent from its process: "
        f"{type(error).__name__}: {error}. Return something that can be pickled, or use a ThreadRunner"
    )
    refusal.__cause__ = error.__cause__
    return refusal


def _packed(value: Any) -> Packed:
    return value if isinstance(value, Packed) else pack(value_of(value))
