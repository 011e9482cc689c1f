"""How are the nodes of a pipeline run on a cluster, whichever it is?"""

from __future__ import annotations

import itertools
import threading
import weakref
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from uuid import uuid4

import cloudpickle

from chariots.errors import MissingExtraError
from chariots.pipelines.calling import try_again
from chariots.pipelines.elsewhere import is_sent, with_op_callbacks
from chariots.pipelines.handles import Handle, values_of
from chariots.pipelines.op_state import Stamp, cannot_be_sent, stamp_of, take_over, to_send
from chariots.pipelines.parallel import ParallelRunner
from chariots.pipelines.parallel_run import Interrupted, Run
from chariots.pipelines.plan import split_outputs
from chariots.pipelines.reporting import is_wanted
from chariots.pipelines.resources import Resources
from chariots.runners.errands import Errand

if TYPE_CHECKING:
    from chariots.pipelines.base_node import BaseNode
    from chariots.pipelines.nodes import Node
    from chariots.pipelines.ops import BaseOp
    from chariots.pipelines.pipeline import Pipeline

__all__ = ["ClusterRunner", "Shipment", "missing_extra"]

Reference = TypeVar("Reference")
"""What stands, with the cluster's own library, for something that is there."""

MOST_AT_ONCE = 32  # nodes of one run; each of them costs a thread here, and that only waits


class ClusterRunner(ParallelRunner, Generic[Reference]):
    """Runs the ops of a pipeline on a cluster; a base for runners that say how something gets there.

    What a node returns stays on the cluster for those that read it, and is brought here only where somebody here wants
    to see it: callbacks, nodes that hold no op, and whoever called `run`. An op is sent when it is first needed, and
    again when it has learned or was loaded.

    Args:
        max_workers: how many nodes of a run may be on their way at the same time.
    """

    def __init__(self, max_workers: int | None = None) -> None:
        super().__init__(max_workers or MOST_AT_ONCE)
        self.resources = _LeftToTheCluster(type(self).__name__, self.max_workers)
        self._shipping = threading.Lock()
        self._shipments: weakref.WeakKeyDictionary[BaseOp, Shipment[Reference]] = weakref.WeakKeyDictionary()
        self._name = uuid4().hex
        self._numbers = itertools.count()
        self._noting = threading.Lock()
        self._at_work: dict[Run, set[Any]] = {}

    # -- what a cluster has to do -------------------------------------------------------------------------------------

    @abstractmethod
    def send(self, data: bytes) -> Reference:
        """Puts bytes on the cluster, where they stay as long as somebody here holds what is returned.

        Args:
            data: the bytes.
        """

    @abstractmethod
    def convert(self, value: Any) -> Handle:
        """Puts a value on the cluster, unless it is there.

        Args:
            value: the value, or a handle that stands for it.
        """

    @abstractmethod
    def perform(
        self,
        errand: Errand,
        op: Shipment[Reference],
        args: Sequence[Handle],
        needs: Mapping[str, float],
        run: Run | None,
    ) -> tuple[list[Handle], dict[str, Any] | None]:
        """Has a worker run an op, and waits for it.

        Args:
            errand: what is to be done.
            op: the op.
            args: the arguments.
            needs: what it needs while it runs.
            run: the run it belongs to.

        Returns:
            what stands for its output: one value for each part, or a single one that could not be split; and what the
            op has become where it is not what it was.

        Raises:
            BaseException: what the op raised, or why it could not be run.
        """

    # -- what is the same for all -------------------------------------------------------------------------------------

    def outputs_of(self, run: Run, position: int, args: list[Any]) -> Sequence[Any]:
        """Executes a node; see `ParallelRunner.outputs_of`."""
        node = run.pipeline.graph_nodes[position]
        if not is_sent(node):
            return super().outputs_of(run, position, args)
        return try_again(lambda: self._outputs(run, position, node, args), node)

    def _outputs(self, run: Run, position: int, node: Node, args: list[Any]) -> Sequence[Any]:
        writes = run.graph.outputs[position]
        found: list[Handle] = []

        def call() -> Any:
            sent = (
                [run.converted(slot, self.convert) for slot in run.graph.inputs[position]]
                if run.cached is None  # else the values stay as they are, for they know their content
                else [self.convert(arg) for arg in args]
            )
            found.extend(self._performed(node.op, sent, len(writes), node, run))
            if not node.op.callbacks:
                return None  # nobody here looks at it
            return found[0].value() if len(found) == 1 else tuple(values_of(found))

        with_op_callbacks(node.op, args, call)
        if len(writes) > 1 and len(found) == 1:
            split_outputs(run.pipeline, position, found[0].value(), len(writes))  # says what is wrong
        return found

    def call_op(self, op: BaseOp, args: Sequence[Any]) -> Any:
        """Executes an op on the cluster, with its callbacks here; see `BaseRunner.call_op`."""

        def call() -> Any:
            return self._performed(op, [self.convert(arg) for arg in args], 1, None, None)[0].value()

        return with_op_callbacks(op, list(args), call)

    def run_element(self, pipeline: Pipeline, value: Any) -> Any:
        """Runs a pipeline for one of the inputs of `map`; see `ParallelRunner.run_element`."""
        return self.run(pipeline, value)

    def _performed(
        self, op: BaseOp, args: Sequence[Handle], parts: int, node: BaseNode | None, run: Run | None
    ) -> list[Handle]:
        options = None if node is None else node.options
        shipment = self._shipped(op)
        errand = Errand(
            id=f"{self._name}-{next(self._numbers)}",
            node=op.name if node is None else node.name,
            op=shipment.op,
            state=shipment.state,
            parts=parts,
            timeout=None if options is None else options.timeout,
            tells=is_wanted(),
        )
        found, state = self.perform(errand, shipment, args, {} if options is None else options.resources, run)
        if state is not None:
            take_over(op, state)
        return found

    def _shipped(self, op: BaseOp) -> Shipment[Reference]:
        """An op on the cluster, in its present state."""
        stamp = stamp_of(op)
        with self._shipping:
            known = self._shipments.get(op)
            if known is not None and known.stamp.fits(stamp):
                return known
            try:
                data = cloudpickle.dumps(to_send(op))
            except Exception as error:
                raise cannot_be_sent(op, error) from error
            name = known.op if known is not None else f"{self._name}-{next(self._numbers)}"
            made = Shipment(name, f"{next(self._numbers)}", stamp, self.send(data))
            self._shipments[op] = made
            return made

    @contextmanager
    def noted(self, run: Run | None, task: Any) -> Iterator[None]:
        """Notes that something is on its way for a run, so that it is ended with it.

        Args:
            run: the run; None where it belongs to none.
            task: what stands for what is on its way.

        Raises:
            Interrupted: if the run is over, when it begins or when it fails.
        """
        if run is None:
            yield
            return
        with self._noting:
            self._at_work.setdefault(run, set()).add(task)
        try:
            if run.is_over:
                self.cancel([task])
                raise Interrupted
            yield
        except BaseException as error:
            if run.is_over and self.was_cancelled(error):
                raise Interrupted from None
            if not isinstance(error, Exception):  # Ctrl+C came to the very thread that waits for it
                self.cancel([task])
            raise
        finally:
            with self._noting:
                tasks = self._at_work[run]
                tasks.discard(task)
                if not tasks:
                    del self._at_work[run]

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
        with self._noting:
            tasks = list(self._at_work.get(run, ()))
        if tasks:
            self.cancel(tasks)

    def close(self) -> None:
        """Leaves the cluster, or ends it where the runner has started it; a later run begins anew."""
        with self._shipping:
            self._shipments.clear()
        super().close()


class Shipment(Generic[Reference]):
    """One state of one op, on the cluster.

    Attributes:
        op: what the op is known by, whatever its state.
        state: which of its states it is.
        stamp: what tells it from others.
        data: its bytes.
    """

    def __init__(self, op: str, state: str, stamp: Stamp, data: Reference) -> None:
        self.op = op
        self.state = state
        self.stamp = stamp
        self.data = data


class _LeftToTheCluster(Resources):
    """What the nodes of a runner share is known to the scheduler of the cluster, which sees to it."""

    def check(self, node: str, needs: Mapping[str, float]) -> None:
        """Refuses nothing."""

    def take(self, needs: Mapping[str, float], run: Run) -> bool:
        """Lets every node go."""
        return True

    def give_back(self, needs: Mapping[str, float]) -> None:
        """Has nothing to take back."""


def missing_extra(runner: str, library: str) -> MissingExtraError:
    """Words that a library is not installed.

    Args:
        runner: the class that needs it.
        library: the library, which is called as the extra is.
    """
    return MissingExtraError(
        f"{runner} needs {library}, which is not installed here; install it with `pip install chariots[{library}]`, "
        "on the machines of the cluster as well"
    )
