"""How is a node copied, so that its ops can be loaded and trained without the one it was made from noticing?"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from chariots.pipelines.choosing_nodes import ChoosingNode
from chariots.pipelines.nodes import BaseNode, Node

if TYPE_CHECKING:
    from chariots.pipelines.ops import BaseOp
    from chariots.pipelines.pipeline import Pipeline

__all__ = ["copied", "with_own_data"]


def copied(node: BaseNode, copies: dict[int, BaseOp]) -> BaseNode:
    """Copies a node with everything in it that can be loaded, or that keeps in mind what data it read.

    Args:
        node: the node.
        copies: for each op copied so far, by its id, the copy; one op object in two nodes stays one object.

    Returns:
        the copy; the node itself, if there is no such thing in it.
    """
    if not (node.is_loadable or node.require_saver):
        return node
    if isinstance(node, ChoosingNode):
        return node.with_alternatives([_copied(one, copies) for one in node.alternatives])
    return _copied(node, copies) if isinstance(node, Node) else copy.copy(node)


def with_own_data(pipeline: Pipeline) -> Pipeline:
    """Copies the nodes that load or save data, and no others, so that they tell what one run has read and written.

    Args:
        pipeline: the pipeline, which stays as it is.

    Returns:
        a copy, whose ops are those of the pipeline; the pipeline itself, if it has no such nodes.
    """
    return pipeline.with_nodes([_with_own_data(node) for node in pipeline.graph_nodes])


def _copied(node: Node, copies: dict[int, BaseOp]) -> Node:
    if not (node.is_loadable or node.require_saver):
        return node
    op = copies.get(id(node.op))
    if op is None:
        op = node.nested.clone() if node.nested else node.op.copy_for_snapshot()  # type: ignore[attr-defined]  # loadable
        copies[id(node.op)] = op
    return node.with_op(op)


def _with_own_data(node: BaseNode) -> BaseNode:
    if not node.require_saver:
        return node
    if isinstance(node, ChoosingNode):
        return node.with_alternatives([_inside(one) for one in node.alternatives])
    return _inside(node) if isinstance(node, Node) else copy.copy(node)


def _inside(node: Node) -> Node:
    return node.with_op(with_own_data(node.nested)) if node.nested is not None else node
