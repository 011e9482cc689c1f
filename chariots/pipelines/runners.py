"""Who runs the nodes of a pipeline, and in which order?"""

from __future__ import annotations

import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

from chariots._lazy import lazy_names
from chariots.errors import nearest
from chariots.pipelines.explaining import CURRENT
from chariots.pipelines.pipeline import Pipeline

if TYPE_CHECKING:
    from chariots.pipelines.caching import NodeCache
    from chariots.pipelines.ops import BaseOp
    from chariots.pipelines.parallel import ThreadRunner
    from chariots.pipelines.process_runner import ProcessRunner
    from chariots.runners.dask import DaskRunner
    from chariots.runners.ray import RayRunner

__all__ = [
    "RUNNERS",
    "BaseRunner",
    "DaskRunner",
    "ProcessRunner",
    "RayRunner",
    "SequentialRunner",
    "ThreadRunner",
    "make_runner",
]

__getattr__, __dir__, _ = lazy_names(
    __name__,
    {
        "ThreadRunner": "chariots.pipelines.parallel",
        "ProcessRunner": "chariots.pipelines.process_runner",
        "DaskRunner": "chariots.runners.dask",
        "RayRunner": "chariots.runners.ray",
    },
)

#: The runners by the names they have in configuration files and on the command line, and their classes.
RUNNERS: Mapping[str, str] = {
    "sequential-runner": "SequentialRunner",
    "thread-runner": "ThreadRunner",
    "process-runner": "ProcessRunner",
    "dask-runner": "DaskRunner",
    "ray-runner": "RayRunner",
}


class BaseRunner(ABC):
    """Runs pipelines; override `run` to decide how.

    The smallest runner of your own executes the nodes in the pipeline's order::

        class MyRunner(BaseRunner):
            def run(self, pipeline, pipeline_input=None):
                results = pipeline.start_results(pipeline_input)
                for node in pipeline.pipeline_nodes:
                    results = pipeline.execute_node(node, results, self)
                return pipeline.extract_results(results)
    """

    #: Where the outputs of nodes with ``cache=True`` are kept: a `NodeCache`, or a directory. None for the default one,
    #: which is made when it is first needed.
    cache: NodeCache | str | os.PathLike[str] | None = None

    @abstractmethod
    def run(self, pipeline: Pipeline, pipeline_input: Any | None = None) -> Any:
        """Runs a pipeline.

        Args:
            pipeline: the pipeline.
            pipeline_input: what its nodes read as ``__pipeline_input__``.

        Returns:
            what was written to ``__pipeline_output__``; None if the pipeline has no output.

        Raises:
            ValueError: if an input is given to a pipeline that takes none.
        """

    def map(self, pipeline: Pipeline, inputs: Iterable[Any]) -> list[Any]:
        """Runs a pipeline for each of several inputs; one after the other, unless the runner knows better.

        Args:
            pipeline: the pipeline.
            inputs: what it is given, one after the other.

        Returns:
            the outputs, in the order of the inputs.

        Raises:
            Exception: what an op raised; a note on it says for which element.
        """
        outputs: list[Any] = []
        for index, value in enumerate(inputs):
            try:
                outputs.append(self.run(pipeline, value))
            except Exception as error:
                error.add_note(f"raised for element {index}")
                raise
        return outputs

    def call_op(self, op: BaseOp, args: Sequence[Any]) -> Any:
        """Executes an op of a node with its callbacks; here, unless the runner does so elsewhere.

        Args:
            op: the op.
            args: its arguments.

        Returns:
            what it returned.
        """
        return op.execute_with_all_callbacks(args)

    def close(self) -> None:  # noqa: B027  # most runners keep nothing
        """Ends what the runner keeps between runs, such as threads and processes; nothing, unless overridden."""

    def __enter__(self) -> Self:
        """Returns the runner, which is closed where the block ends."""
        return self

    def __exit__(self, *raised: object) -> None:
        """Closes the runner."""
        self.close()


class SequentialRunner(BaseRunner):
    """Runs one node after the other in the calling thread.

    Args:
        cache: where the outputs of nodes with ``cache=True`` are kept: a `NodeCache`, or a directory. By default the
            directory that ``CHARIOTS_CACHE_DIR`` names, else one in the cache directory of the user.
    """

    def __init__(self, cache: NodeCache | str | os.PathLike[str] | None = None) -> None:
        self.cache = cache

    def run(self, pipeline: Pipeline, pipeline_input: Any | None = None) -> Any:
        """Runs a pipeline; see `BaseRunner.run`."""
        pipeline.check_input(pipeline_input)
        if pipeline.plan.is_cached or CURRENT.get() is not None:
            from chariots.pipelines.caching.loop import run_cached

            return run_cached(pipeline, pipeline_input, self)
        if pipeline.callbacks:
            return pipeline.plan.run_with_callbacks(pipeline, pipeline_input, self)
        return pipeline.plan.run(pipeline, pipeline_input, self)


def make_runner(name: str, options: Mapping[str, Any] | None = None) -> BaseRunner:
    """Makes a runner that is known by its name.

    Args:
        name: one of the names in `RUNNERS`.
        options: the arguments of its class.

    Raises:
        ValueError: if there is no such runner, or it takes no such arguments.
        MissingExtraError: if what it needs is not installed.
    """
    if name not in RUNNERS:
        raise ValueError(f"there is no runner {name!r}.{nearest(name, RUNNERS)} Known names: {', '.join(RUNNERS)}.")
    made: Callable[..., BaseRunner] = getattr(sys.modules[__name__], RUNNERS[name])
    try:
        return made(**(options or {}))
    except TypeError as error:
        raise ValueError(f"a {name} cannot be made with {dict(options or {})}: {error}") from error
