"""What else should happen around an op, a node or a whole pipeline?

Around one run, in this order: the pipeline callbacks' ``before_execution``; then for each node the pipeline
callbacks' ``before_node_execution``, the op callbacks' ``before_execution``, the op's own ``before_execution``,
``execute`` and ``after_execution``, the op callbacks' ``after_execution`` and the pipeline callbacks'
``after_node_execution``; at last the pipeline callbacks' ``after_execution``. Where a node fails, nothing of that
follows: the pipeline callbacks' ``on_failure`` is called, and the error goes on to whoever asked for the run.

What a callback is given is for information. Changing it is undefined behaviour, and what a callback returns
is ignored.

Ready-made ones are here as well: `TimingCallback`, `ProgressCallback`, `LoggingCallback` and `MetricsCallback`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chariots._lazy import lazy_names

if TYPE_CHECKING:
    from chariots.pipelines.logging_runs import LoggingCallback
    from chariots.pipelines.metering import MetricsCallback
    from chariots.pipelines.nodes import BaseNode
    from chariots.pipelines.ops import BaseOp
    from chariots.pipelines.pipeline import Pipeline
    from chariots.pipelines.progressing import ProgressCallback
    from chariots.pipelines.timing import TimingCallback

__all__ = [
    "OpCallBack",
    "PipelineCallback",
    "TimingCallback",
    "ProgressCallback",
    "LoggingCallback",
    "MetricsCallback",
]

__getattr__, __dir__, _ = lazy_names(
    __name__,
    {
        "TimingCallback": "chariots.pipelines.timing",
        "ProgressCallback": "chariots.pipelines.progressing",
        "LoggingCallback": "chariots.pipelines.logging_runs",
        "MetricsCallback": "chariots.pipelines.metering",
    },
)


class OpCallBack:
    """Something to do before or after one op runs; override one method or both.

    Give it to an op when creating it: ``MyOp(op_callbacks=[MyCallback()])``.
    """

    def before_execution(self, callback_op: BaseOp, args: list[Any]) -> None:
        """Called before the op, and before the op's own ``before_execution``.

        Args:
            callback_op: the op that is about to run.
            args: the arguments it will be given.
        """

    def after_execution(self, callback_op: BaseOp, args: list[Any], output: Any) -> None:
        """Called after the op, and after the op's own ``after_execution``.

        Args:
            callback_op: the op that ran.
            args: the arguments it was given.
            output: what it returned.
        """


class PipelineCallback:
    """Something to do around a pipeline and around each of its nodes; override any of the methods.

    Give it to a pipeline (``pipeline_callbacks=``) or to a server for all of its pipelines
    (``default_pipeline_callbacks=``).
    """

    def before_execution(self, pipeline: Pipeline, args: list[Any]) -> None:
        """Called before the first node runs.

        Args:
            pipeline: the pipeline that is about to run.
            args: the pipeline input in a list; an empty list if the pipeline takes none.
        """

    def after_execution(self, pipeline: Pipeline, args: list[Any], output: Any) -> None:
        """Called after the last node ran.

        Args:
            pipeline: the pipeline that ran.
            args: as for `before_execution`.
            output: the output of the pipeline.
        """

    def before_node_execution(self, pipeline: Pipeline, node: BaseNode, args: list[Any]) -> None:
        """Called before each node.

        Args:
            pipeline: the pipeline that is running.
            node: the node that is about to run.
            args: the arguments it will be given.
        """

    def after_node_execution(self, pipeline: Pipeline, node: BaseNode, args: list[Any], output: Any) -> None:
        """Called after each node.

        Args:
            pipeline: the pipeline that is running.
            node: the node that ran.
            args: the arguments it was given.
            output: what it returned.
        """

    def on_failure(self, pipeline: Pipeline, node: BaseNode | None, error: BaseException) -> None:
        """Called once for a run that fails, in place of `after_execution`; the error is raised when it returns.

        What this raises itself is logged and noted on the error, and does not take its place.

        Args:
            pipeline: the pipeline that was running. One that is nested in another has failed before that one has.
            node: the node that failed; `after_node_execution` is not called for it. None where the run was interrupted
                while it waited for its nodes.
            error: what it raised. An interruption such as a `KeyboardInterrupt` counts as well.
        """

    def on_cached_node(self, pipeline: Pipeline, node: BaseNode) -> None:
        """Called in place of the two node methods where the output of a node was found in the cache.

        Args:
            pipeline: the pipeline that is running.
            node: the node that need not run.
        """
