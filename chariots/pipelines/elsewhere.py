"""What stays here of a node whose op is executed in another process, or on another machine?"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeGuard

from chariots.pipelines.handles import values_of
from chariots.pipelines.nodes import Node

if TYPE_CHECKING:
    from chariots.pipelines.base_node import BaseNode
    from chariots.pipelines.ops import BaseOp

__all__ = ["is_sent", "with_op_callbacks"]


def is_sent(node: BaseNode) -> TypeGuard[Node]:
    """Whether a node is executed elsewhere: one that holds an op, and no pipeline."""
    return isinstance(node, Node) and not node.op.holds_nodes


def with_op_callbacks(op: BaseOp, args: Iterable[Any], call: Callable[[], Any]) -> Any:
    """Executes an op elsewhere, and calls its callbacks here.

    Args:
        op: the op.
        args: its arguments, or handles that stand for them, which are brought here only if there are callbacks.
        call: executes the op, and returns what that returned.

    Returns:
        what the call returned.
    """
    if not op.callbacks:
        return call()
    arguments = values_of(args)
    with op.recording() as record:
        for callback in op.callbacks:
            callback.before_execution(op, arguments)
    output = call()
    if record is not None:
        record.add_to(op)
    for callback in op.callbacks:
        callback.after_execution(op, arguments, output)
    return output
