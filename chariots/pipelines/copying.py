"""How is a node copied, so that its ops can be loaded and trained without the one it was made from noticing?"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from chariots.pipelines.choosing_nodes import ChoosingNode
from chariots.pipelines.nodes import BaseNode, Node

if TYPE_CHECKING:
    from chariots.pipelines.ops import BaseOp

__all__ = ["copied"]


def copied(node: BaseNode, copies: dict[int, BaseOp]) -> BaseNode:
    """Copies a node with everything in it that can be loaded.

    Args:
        node: the node.
        copies: for each op copied so far, by its id, the copy; one op object in two nodes stays one object.

    Returns:
        the copy; the node itself, if there is nothing in it to load.
    """
    if not node.is_loadable:
        return node
    if isinstance(node, ChoosingNode):
        return node.with_alternatives([_copied(one, copies) for one in node.alternatives])
    return _copied(node, copies) if isinstance(node, Node) else copy.copy(node)


def _copied(node: Node, copies: dict[int, BaseOp]) -> Node:
    if not node.is_loadable:
        return node
    op = copies.get(id(node.op))
    if op is None:
        op = node.nested.clone() if node.nested else node.op.copy_for_snapshot()  # type: ignore[attr-defined]  # loadable
        copies[id(node.op)] = op
    return node.with_op(op)
