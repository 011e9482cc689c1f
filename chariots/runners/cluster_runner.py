"""How are the nodes of a pipeline run on a cluster, whichever it is?"""

from __future__ import annotations

import itertools
import os
import threading
from abc import abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from uuid import uuid4

import cloudpickle

from chariots.errors import MissingExtraError, nearest
from chariots.pipelines.at_work import AtWork
from chariots.pipelines.calling import try_again
from chariots.pipelines.elsewhere import chain_of, goes_whole, is_sent, reads_of, with_op_callbacks
from chariots.pipelines.handles import Handle, value_of, values_of
from chariots.pipelines.op_state import take_over
from chariots.pipelines.parallel import ParallelRunner
from chariots.pipelines.parallel_run import Chain, Interrupted, NodeFailure, Run
from chariots.pipelines.plan import split_outputs
from chariots.pipelines.reporting import is_wanted
from chariots.pipelines.resources import Resources
from chariots.pipelines.shipments import Shipments
from chariots.runners.errands import Errand, Failed, Result, Step
from chariots.runners.kept_values import KEPT_BYTES, KeptValue, KeptValues, OnCluster
from chariots.runners.parcels import Parcel

if TYPE_CHECKING:
    from chariots.pipelines.caching import NodeCache
    from chariots.pipelines.nodes import Node
    from chariots.pipelines.ops import BaseOp
    from chariots.pipelines.pipeline import Pipeline

__all__ = ["ClusterRunner", "LostError", "check_options", "missing_extra"]

Reference = TypeVar("Reference")
"""What stands, with the cluster's own library, for something that is there."""

MOST_AT_ONCE = 32  # nodes of one run; each of them costs a thread here, and that only waits


class ClusterRunner(ParallelRunner, Generic[Reference]):
    """Runs the ops of a pipeline on a cluster; a base for runners that say how something gets there.

    What a node returns stays on the cluster for those that read it, and is brought here only where somebody here wants
    to see it: callbacks, nodes that hold no op, and whoever called `run`. Nodes that follow each other and nothing else
    go there as one task. An op is sent when it is first needed, and again when it has learned or was loaded. A large
    value from here is sent once, and again when it has changed or the cluster has lost it.

    Args:
        max_workers: how many tasks of a run may be on their way at the same time.
        cache: where the outputs of nodes with ``cache=True`` are kept; see `SequentialRunner`.
        kept_bytes: how many bytes of large values from here may stay on the cluster when a run is over, so that a later
            one need not send them again; 0 for none.

    Raises:
        ValueError: if a number cannot be.
    """

    def __init__(
        self,
        max_workers: int | None = None,
        cache: NodeCache | str | os.PathLike[str] | None = None,
        kept_bytes: float = KEPT_BYTES,
    ) -> None:
        super().__init__(MOST_AT_ONCE if max_workers is None else max_workers, cache=cache)
        if not isinstance(kept_bytes, int | float) or not kept_bytes >= 0:
            raise ValueError(
                f"{type(self).__name__} was given kept_bytes={kept_bytes!r}; give a number of bytes, 0 to keep nothing"
            )
        self.resources = _LeftToTheCluster(type(self).__name__, self.max_workers)
        self._shipping = threading.Lock()  # so that nothing is sent twice that two nodes need at once
        self._shipments = _Sent(self.send)
        self._kept = KeptValues(kept_bytes, self.put, self.is_there)
        self._name = uuid4().hex
        self._numbers = itertools.count()
        self._at_work: AtWork[Any] = AtWork()

    # -- what a cluster has to do -------------------------------------------------------------------------------------

    @abstractmethod
    def send(self, data: bytes) -> Reference:
        """Puts bytes on the cluster, where they stay as long as somebody here holds what is returned.

        Args:
            data: the bytes.
        """

    @abstractmethod
    def put(self, parcel: Parcel) -> OnCluster:
        """Puts a value on the cluster, where it stays as long as somebody here holds what is returned.

        Args:
            parcel: the value; what becomes of it when this has returned does not matter.
        """

    @abstractmethod
    def is_there(self, value: OnCluster) -> bool:
        """Whether the cluster still has what it was sent.

        Args:
            value: what `put` has returned.
        """

    @abstractmethod
    def perform(
        self,
        errand: Errand,
        ops: Sequence[Reference],
        values: Sequence[Any],
        needs: Mapping[str, float],
        run: Run | None,
    ) -> tuple[list[Handle], Result]:
        """Has a worker run an errand, and waits for it.

        Args:
            errand: what is to be done.
            ops: the ops of its steps.
            values: the values of which it speaks.
            needs: what it needs while it runs.
            run: the run it belongs to.

        Returns:
            what stands for the output of the last step: one handle for each of its parts, or a single one where it
            could not be split; and what else came of it.

        Raises:
            LostError: if the cluster has lost an op or a value.
            Exception: why it could not be run.
        """

    # -- what is the same for all -------------------------------------------------------------------------------------

    def convert(self, value: Any) -> Handle:
        """Puts a value on the cluster, unless it is there.

        Args:
            value: the value, or a handle that stands for it.
        """
        return value if isinstance(value, OnCluster) else self._kept.of(Parcel.of(value_of(value)))

    def outputs_of(self, run: Run, position: int, args: list[Any]) -> Sequence[Any] | Chain:
        """Executes a node, and those that follow it and nothing else; see `ParallelRunner.outputs_of`."""
        node = run.pipeline.graph_nodes[position]
        if not is_sent(node):
            return super().outputs_of(run, position, args)
        if node.op.callbacks:
            return try_again(lambda: self._with_callbacks(run, position, node, args), node)
        chain = chain_of(run, position)
        found = try_again(lambda: self._run_chain(run, chain, args, int(run.is_watched)), node)
        return found if len(chain) == 1 else Chain(chain, found)

    def _with_callbacks(self, run: Run, position: int, node: Node, args: list[Any]) -> Sequence[Any]:
        """Runs a node whose op has callbacks, which are called here."""
        found: list[Handle] = []

        def call() -> Any:
            found.extend(self._run_chain(run, [position], args, 1))
            return found[0].value() if len(found) == 1 else tuple(values_of(found))

        with_op_callbacks(node.op, args, call)
        return found

    def _run_chain(self, run: Run, chain: list[int], given: list[Any], fewest: int) -> list[Handle]:
        """Has a worker run several nodes, each of which reads what the one before it returned.

        Args:
            run: the run they belong to.
            chain: where they stand in the pipeline.
            given: the arguments of the first one.
            fewest: how many values somebody wants of the last one, even if it has no outputs.

        Returns:
            what stands for the outputs of the last one.
        """
        nodes: list[Node] = [run.pipeline.graph_nodes[position] for position in chain]  # type: ignore[misc]  # see is_sent
        last = chain[-1]
        writes = run.graph.outputs[last]
        options = nodes[0].options
        found, result = self._performed(
            [node.name for node in nodes],
            [node.op for node in nodes],
            reads_of(run, chain, given, self.convert),
            len(writes) or fewest,
            None if options is None else options.timeout,
            {} if options is None else options.resources,
            run,
        )
        if isinstance(result, Failed):
            error = result.error.unpack()
            if run.is_over and self.was_cancelled(error):
                raise Interrupted
            raise error if len(chain) == 1 else NodeFailure(chain[result.step], error)
        if len(writes) > 1 and len(found) == 1:
            split_outputs(run.pipeline, last, found[0].value(), len(writes))  # says what is wrong
        return found

    def call_op(self, op: BaseOp, args: Sequence[Any]) -> Any:
        """Executes an op on the cluster, with its callbacks here; see `BaseRunner.call_op`."""
        return with_op_callbacks(op, list(args), lambda: self._call(op, args))

    def run_element(self, pipeline: Pipeline, value: Any) -> Any:
        """Runs a pipeline as one task, unless a node asks for more than that; see `ParallelRunner.run_element`."""
        if not goes_whole(pipeline) or any(asked.resources for asked in pipeline.plan.options.values()):
            return self.run(pipeline, value)
        pipeline.check_input(value)
        return self._call(pipeline, [value])

    def _call(self, op: BaseOp, args: Sequence[Any]) -> Any:
        """Executes an op, or runs a pipeline, on the cluster, and brings here what it returned."""
        values = [self.convert(arg) for arg in args]
        found, result = self._performed([op.name], [op], [values], 1, None, {}, None)
        if isinstance(result, Failed):
            raise result.error.unpack()
        return found[0].value()

    def _performed(
        self,
        names: Sequence[str],
        ops: Sequence[BaseOp],
        reads: Sequence[Sequence[Handle | None]],
        parts: int,
        timeout: float | None,
        needs: Mapping[str, float],
        run: Run | None,
    ) -> tuple[list[Handle], Result]:
        """Has a worker run ops one after the other, and gives them the state that they came to."""

        def attempt() -> tuple[list[Handle], Result]:
            sent, steps, values = self._steps(names, ops, reads)
            errand = Errand(f"{self._name}-{next(self._numbers)}", steps, parts, timeout, is_wanted())
            return self.perform(errand, sent, values, needs, run)

        try:
            found, result = attempt()
        except LostError as lost:  # somebody has restarted the cluster, for instance
            self._shipments.clear()
            for value in {arg for args in reads for arg in args if isinstance(arg, KeptValue)}:
                if value.handle in lost.values:
                    self._kept.again(value)
            try:
                found, result = attempt()
            except LostError as lost:
                raise lost.error from None
        for number, state in result.states.items():
            take_over(ops[number], state.value())
        return found, result

    def _steps(
        self, names: Sequence[str], ops: Sequence[BaseOp], reads: Sequence[Sequence[Handle | None]]
    ) -> tuple[list[Reference], tuple[Step, ...], list[Handle]]:
        """The ops as they lie on the cluster, the steps of running them, and the values that these read."""
        values: list[Handle] = []
        steps: list[Step] = []
        with self._shipping:
            sent = [self._shipments.of(op) for op in ops]
        for name, shipment, args in zip(names, sent, reads, strict=True):
            numbers: list[int | None] = []
            for arg in args:
                numbers.append(None if arg is None else len(values))
                if arg is not None:
                    values.append(arg.handle if isinstance(arg, KeptValue) else arg)
            steps.append(Step(name, f"{self._name}-{shipment.op}", shipment.token, tuple(numbers)))
        return [shipment.packed for shipment in sent], tuple(steps), values

    @contextmanager
    def noted(self, run: Run | None, task: Any) -> Iterator[None]:
        """Notes that something is on its way for a run, so that it is ended with it.

        Args:
            run: the run; None where it belongs to none.
            task: what stands for what is on its way.

        Raises:
            Interrupted: if the run is over, when it begins or when it fails.
        """
        try:
            with self._at_work.noted(run, task):
                yield
        except BaseException as error:
            # Not awaited any more: the run was over before it began, or Ctrl+C came to the very thread that waits.
            if isinstance(error, Interrupted) or not isinstance(error, Exception):
                self.cancel([task])
            if run is not None and run.is_over and self.was_cancelled(error):
                raise Interrupted from None
            raise

    @abstractmethod
    def cancel(self, tasks: Sequence[Any]) -> None:
        """Ends what is on its way.

        Args:
            tasks: what `noted` was given.
        """

    @abstractmethod
    def was_cancelled(self, error: BaseException) -> bool:
        """Whether an error says no more than that `cancel` was called."""

    def interrupt(self, run: Run) -> None:
        """Ends what is on its way for a run; see `ParallelRunner.interrupt`."""
        tasks = self._at_work.of(run)
        if tasks:
            self.cancel(tasks)

    def forget(self) -> None:
        """Forgets what is on the cluster, for that is left, or another one than it was."""
        self._shipments.clear()
        self._kept.clear()

    def close(self) -> None:
        """Leaves the cluster, or ends it where the runner has started it; a later run begins anew."""
        self.forget()
        super().close()


class LostError(Exception):
    """Raised where a cluster has lost what it was sent.

    Args:
        error: what its library says.
        values: which of the values may be lost; an op may be as well.
    """

    def __init__(self, error: BaseException, values: Sequence[Handle]) -> None:
        super().__init__(error)
        self.error = error
        self.values = values


class _Sent(Shipments[Reference]):
    """What a runner has on its cluster."""

    def __init__(self, send: Callable[[bytes], Reference]) -> None:
        super().__init__()
        self._send = send

    def pack(self, op: BaseOp) -> bytes:
        """Pickles an op; see `Shipments.pack`."""
        data: bytes = cloudpickle.dumps(op)
        return data

    def put(self, packed: bytes) -> Reference:
        """Sends an op; see `Shipments.put`."""
        return self._send(packed)


class _LeftToTheCluster(Resources):
    """What the nodes of a runner share is known to the scheduler of the cluster, which sees to it."""

    def check(self, node: str, needs: Mapping[str, float]) -> None:
        """Refuses nothing."""

    def take(self, needs: Mapping[str, float], run: Run) -> bool:
        """Lets every node go."""
        return True

    def give_back(self, needs: Mapping[str, float]) -> None:
        """Has nothing to take back."""


def check_options(runner: str, options: Mapping[str, Any], known: Collection[str]) -> None:
    """Refuses arguments that the library of a cluster does not know, before that is connected to.

    Args:
        runner: the class that was given them.
        options: the arguments.
        known: the names of those that it knows.

    Raises:
        TypeError: if it does not know one of them.
    """
    for name in options:
        if name not in known:
            raise TypeError(f"{runner} takes no argument {name!r}.{nearest(name, known)}")


def missing_extra(runner: str, library: str) -> MissingExtraError:
    """Words that a library is not installed.

    Args:
        runner: the class that needs it.
        library: the library, which is called as the extra is.
    """
    return MissingExtraError(
        f"{runner} needs {library}, which is not installed here; install it with `pip install 'chariots[{library}]'`, "
        "on the machines of the cluster as well"
    )
