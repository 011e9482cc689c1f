"""What stays here of a node whose op is executed in another process, or on another machine?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeGuard, TypeVar

from chariots.pipelines.handles import Handle, values_of
from chariots.pipelines.nodes import Node

if TYPE_CHECKING:
    from chariots.pipelines.base_node import BaseNode
    from chariots.pipelines.ops import BaseOp
    from chariots.pipelines.parallel_run import Run
    from chariots.pipelines.pipeline import Pipeline

__all__ = ["chain_of", "goes_whole", "is_sent", "reads_of", "with_op_callbacks"]

Form = TypeVar("Form", bound=Handle)


def is_sent(node: BaseNode) -> TypeGuard[Node]:
    """Whether a node is executed elsewhere: one that holds an op, and no pipeline."""
    return isinstance(node, Node) and not node.op.holds_nodes


def chain_of(run: Run, position: int) -> list[int]:
    """The nodes that may be executed elsewhere in one go: each reads what the one before it returns, and nobody else.

    Args:
        run: the run they belong to.
        position: where the first one stands, which is executed elsewhere.

    Returns:
        where they stand; the first one alone, where somebody here has to know what it returns.
    """
    chain = [position]
    if run.is_watched or run.cached is not None or not _is_plain(run, position):
        return chain
    while (following := run.sole_reader(chain[-1])) is not None and _is_plain(run, following):
        chain.append(following)
    return chain


def _is_plain(run: Run, position: int) -> bool:
    """Whether a node may follow another one in the same process, without anybody here knowing of what is between."""
    node = run.pipeline.graph_nodes[position]
    return is_sent(node) and node.options is None and not node.op.callbacks


def reads_of(
    run: Run, chain: Sequence[int], given: Sequence[Any], convert: Callable[[Any], Form]
) -> list[list[Form | None]]:
    """What each node of a chain reads, in the form in which it is sent.

    Args:
        run: the run they belong to.
        chain: where the nodes stand.
        given: the arguments of the first one.
        convert: gives a value that form; called again with what it has returned.

    Returns:
        for each node its arguments; None stands for what the node before it returns.
    """
    if run.cached is not None:  # the values stay as they are, for they know their content
        return [[convert(value) for value in given]]
    found: list[list[Form | None]] = []
    before: int | None = None
    for position in chain:
        reads = run.graph.inputs[position]
        found.append([None if slot == before else run.converted(slot, convert) for slot in reads])
        before = next(iter(run.graph.outputs[position]), None)
    return found


def goes_whole(pipeline: Pipeline) -> bool:
    """Whether a pipeline may be run elsewhere as a whole, for nobody here has to know of what happens inside of it.

    Args:
        pipeline: the pipeline.
    """
    if pipeline.callbacks or pipeline.trains or pipeline.plan.is_cached:
        return False
    return all(is_sent(node) for node in pipeline.graph_nodes) and not any(op.callbacks for op in pipeline.ops)


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
