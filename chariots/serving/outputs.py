"""Which op makes the output of a pipeline, and what does its signature say about it?"""

from __future__ import annotations

import typing
from typing import TYPE_CHECKING, Any

from chariots.pipelines.nodes import Node, ReservedNodes

if TYPE_CHECKING:
    from chariots.pipelines import Pipeline
    from chariots.pipelines.ops import BaseOp

__all__ = ["output_hint", "output_op"]


def output_op(pipeline: Pipeline) -> BaseOp | None:
    """Finds the op whose result is the output, inside of nested pipelines too.

    Args:
        pipeline: the pipeline.

    Returns:
        the op; None where there is no output, or the output is a part of what an op returns, or a list of that.
    """
    ends = ReservedNodes.pipeline_output.value
    while True:
        node = next(
            (
                node
                for node in pipeline.pipeline_nodes
                if any(reference.reference == ends for reference in node.output_references)
            ),
            None,
        )
        if not isinstance(node, Node) or not node.hands_on or len(node.output_references) > 1:
            return None
        if node.nested is None:
            return node.op
        pipeline = node.nested


def output_hint(pipeline: Pipeline) -> Any:
    """What the signature of that op says it returns.

    Args:
        pipeline: the pipeline.

    Returns:
        the hint; ``Any`` where it says nothing.
    """
    op = output_op(pipeline)
    if op is None:
        return Any
    try:
        return typing.get_type_hints(op.execute, include_extras=True).get("return", Any)
    except (NameError, TypeError, AttributeError, SyntaxError):
        return Any  # an annotation that names something which only exists for the type checker
