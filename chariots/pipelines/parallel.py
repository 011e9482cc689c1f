"""How are the nodes of a pipeline run at the same time, where they do not wait for each other?"""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from chariots.pipelines.calling import call_node
from chariots.pipelines.crew import Crew
from chariots.pipelines.handles import values_of
from chariots.pipelines.map_run import MapRun
from chariots.pipelines.parallel_run import Run
from chariots.pipelines.pipeline import Pipeline
from chariots.pipelines.plan import outputs_from
from chariots.pipelines.resources import Resources, processors
from chariots.pipelines.runners import BaseRunner, SequentialRunner

if TYPE_CHECKING:
    import os

    from chariots.pipelines.caching import NodeCache

__all__ = ["ParallelRunner", "ThreadRunner", "checked_workers"]


class ParallelRunner(BaseRunner):
    """Runs every node as soon as what it reads is there; a base for runners that say where a node is executed.

    Its threads each see one node through, one after the other. Where the nodes run elsewhere, a thread waits for one.

    Args:
        max_workers: how many nodes of a run may be executed at the same time; as many as there are processors if None.
        resources: how much of what the nodes of all runs share, ``cpu`` and ``gpu`` as counts and ``memory`` in bytes;
            if not given, as many processors as workers, one graphics processor, and the memory of the machine.
        cache: where the outputs of nodes with ``cache=True`` are kept; see `SequentialRunner`.

    Raises:
        ValueError: if a number cannot be.
    """

    #: Whether an op without hooks may be called right away, in place of `outputs_of`.
    calls_ops_itself = False

    def __init__(
        self,
        max_workers: int | None = None,
        resources: Mapping[str, float] | None = None,
        cache: NodeCache | str | os.PathLike[str] | None = None,
    ) -> None:
        self.cache = cache
        who = type(self).__name__
        self.max_workers = checked_workers(who, max_workers)
        #: What the nodes of all runs share.
        self.resources = Resources(who, self.max_workers, resources)
        #: The threads that help the one that calls `run`.
        self.crew = Crew(self.max_workers - 1, f"chariots-{who}")
        weakref.finalize(self, self.crew.stop)

    def run(self, pipeline: Pipeline, pipeline_input: Any | None = None) -> Any:
        """Runs a pipeline; see `BaseRunner.run`.

        Raises:
            ValueError: if an input is given to a pipeline that takes none.
        """
        pipeline.check_input(pipeline_input)
        arguments = [pipeline_input] if pipeline.takes_input else []
        for callback in pipeline.callbacks:
            callback.before_execution(pipeline, arguments)
        output = Run(pipeline, pipeline_input, self).execute()
        for callback in pipeline.callbacks:
            callback.after_execution(pipeline, arguments, output)
        return output

    def map(self, pipeline: Pipeline, inputs: Iterable[Any]) -> list[Any]:
        """Runs a pipeline for several inputs at the same time; see `BaseRunner.map`.

        What is done for one input is done one node after the other.
        """
        return MapRun(lambda value: self.run_element(pipeline, value), inputs, self.crew).execute()

    def run_element(self, pipeline: Pipeline, value: Any) -> Any:
        """Runs a pipeline for one of the inputs of `map`.

        Args:
            pipeline: the pipeline.
            value: the input.

        Returns:
            the output.
        """
        return SequentialRunner(cache=self.cache).run(pipeline, value)

    def outputs_of(self, run: Run, position: int, args: list[Any]) -> Sequence[Any]:
        """Executes one node, in whatever way is the runner's.

        Args:
            run: the run it belongs to.
            position: where the node stands in the pipeline.
            args: its arguments, or handles that stand for them.

        Returns:
            one value, or a handle that stands for it, for each output of the node; what it returned, where it has no
            outputs.
        """
        pipeline = run.pipeline
        value = call_node(pipeline.graph_nodes[position], values_of(args), self)
        return outputs_from(pipeline, position, value) or (value,)

    def interrupt(self, run: Run) -> None:
        """Ends the nodes of a run that is over and that are still at work; where nothing can, they are waited for.

        Args:
            run: the run.
        """

    def close(self) -> None:
        """Lets the threads go; a later run starts new ones."""
        self.crew.stop()


class ThreadRunner(ParallelRunner):
    """Runs nodes on threads: at the same time where they release the interpreter, as numpy, pandas and scikit-learn do.

    >>> from chariots.pipelines import Pipeline
    >>> from chariots.pipelines.nodes import Node
    >>> from chariots.pipelines.ops import BaseOp
    >>> from chariots.pipelines.runners import ThreadRunner
    >>> class Double(BaseOp):
    ...     def execute(self, number):
    ...         return 2 * number
    >>> pipeline = Pipeline([Node(Double(), ["__pipeline_input__"], "__pipeline_output__")], "doubling")
    >>> with ThreadRunner(max_workers=4) as runner:
    ...     runner.run(pipeline, 4)
    8

    Args:
        max_workers: how many nodes may be executed at the same time, the calling thread included; as many as there are
            processors if None.
        resources: see `ParallelRunner`.
        cache: see `SequentialRunner`.
    """

    calls_ops_itself = True


def checked_workers(who: str, max_workers: int | None) -> int:
    """Checks how many workers somebody asks for.

    Args:
        who: the class that was asked, for the message.
        max_workers: the number; None for one for each processor that this process may use.

    Raises:
        ValueError: if it is no number of 1 or more.
    """
    if max_workers is None:
        return processors()
    if not isinstance(max_workers, int) or isinstance(max_workers, bool) or max_workers < 1:
        raise ValueError(f"{who} was given max_workers={max_workers!r}; give 1 or more, or None for one per processor")
    return max_workers
