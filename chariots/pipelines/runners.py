"""Who runs the nodes of a pipeline, and in which order?"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from chariots.pipelines.pipeline import Pipeline

__all__ = ["BaseRunner", "SequentialRunner"]


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


class SequentialRunner(BaseRunner):
    """Runs one node after the other in the calling thread."""

    def run(self, pipeline: Pipeline, pipeline_input: Any | None = None) -> Any:
        """Runs a pipeline; see `BaseRunner.run`."""
        pipeline.check_input(pipeline_input)
        if pipeline.callbacks:
            return pipeline.plan.run_with_callbacks(pipeline, pipeline_input, self)
        return pipeline.plan.run(pipeline, pipeline_input, self)
