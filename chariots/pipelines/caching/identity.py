"""What is it that a node computes, as far as it is not a matter of its inputs?"""

from __future__ import annotations

import functools
import hashlib
import json
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from chariots.errors import ConflictError
from chariots.pipelines.base_node import BaseNode
from chariots.pipelines.caching.code import Code
from chariots.pipelines.caching.content import state_of
from chariots.pipelines.moments import STARTED
from chariots.pipelines.nodes import Node
from chariots.versioning.content_objects import qualified_name

if TYPE_CHECKING:
    from chariots.pipelines.ops import BaseOp
    from chariots.pipelines.pipeline import Pipeline

__all__ = ["Identity", "identity_of", "learns", "refuse_learning"]

_HASH = "__chariots_hash__"
# What says nothing about what an op computes.
_NEITHER = frozenset({"callbacks", "has_learned", "_changed_at", "_training_record"})
_OF_THE_SLOT = frozenset({"input_nodes", "output_nodes", "_op", "_name", "options"})
_CURE = (
    "give the class a method __chariots_hash__() that returns what identifies it, or leave cache=True out of the node"
)


class Identity(NamedTuple):
    """Everything but the inputs that decides what a node returns.

    Attributes:
        version: the digests of the version.
        code: the fingerprint of the code.
        state: the digest of what the op object holds; empty if that is nothing.
    """

    version: str
    code: str
    state: str


def learns(node: BaseNode) -> bool:
    """Whether running a node changes the state of an op."""
    if not isinstance(node, Node):
        return any(learns(one) for one in node.alternatives)
    nested = node.nested
    return node.op.allow_version_change if nested is None else nested.trains


def refuse_learning(node: BaseNode, pipeline_name: str) -> None:
    """Refuses to keep the output of a node that learns: whoever finds the output would go without what was learned.

    Raises:
        ConflictError: if it learns.
    """
    if learns(node):
        raise ConflictError(
            f"node {node.name!r} of pipeline {pipeline_name!r} has cache=True, but its op learns: where the output was "
            "found, nothing would be learned, and nothing could be saved. Leave cache=True out of this node; give it "
            "to the nodes that prepare its data, and to those that predict with the loaded op"
        )


def identity_of(node: BaseNode, code: Code) -> Identity:
    """Tells what a node computes.

    Args:
        node: the node.
        code: what fingerprints code.

    Returns:
        what decides about its output beside the inputs.

    Raises:
        TypeError: if that cannot be told; the message names the node.
        MovedError: if its code was edited after it was imported.
    """
    if type(node) is Node:
        return _of_op(node.op, f"node {node.name!r}", code)
    if hasattr(type(node), _HASH):
        held = _asked(node, f"node {node.name!r}")
    elif isinstance(node, Node):
        held = {name: value for name, value in vars(node).items() if name not in _OF_THE_SLOT}
    else:
        raise TypeError(
            f"node {node.name!r} has cache=True or stands in a pipeline that has, but it is a {type(node).__name__}, "
            f"of which nobody can tell what it computes; {_CURE}"
        )
    state = _state(held, f"what node {node.name!r} holds", code, STARTED)
    own = Identity(_digests(node), _code(type(node), f"node {node.name!r}", code, STARTED), state)
    return _joined([own, _of_op(node.op, f"node {node.name!r}", code)]) if isinstance(node, Node) else own


def _of_op(op: BaseOp, who: str, code: Code) -> Identity:
    if op.holds_nodes:
        return _of_pipeline(cast("Pipeline", op), code)
    kind = type(op)
    known = code.plain.get(kind)
    if known is not None and vars(op).keys() <= _NEITHER:
        return known
    made = kind.__version__.creation_time
    held = _asked(op, who) if hasattr(kind, _HASH) else _attributes(op)
    state = _state(held, f"what op {op.name!r} of {who} holds", code, made)
    version = op.op_version
    found = Identity(f"{version.major}.{version.minor}.{version.patch}", _code(kind, who, code, made), state)
    if not state and version is kind.__version__ and not _slots(kind):
        code.plain[kind] = found  # as it is for every op of this class that holds nothing
    return found


def _of_pipeline(pipeline: Pipeline, code: Code) -> Identity:
    """All that a pipeline holds, and how it is linked: its version counts the nodes alone."""
    graph = pipeline.graph
    links = [graph.inputs, graph.outputs, graph.output_value]
    return _joined([identity_of(node, code) for node in pipeline.graph_nodes], json.dumps(links))


def _asked(thing: Any, who: str) -> Any:
    """What an op or a node says of itself."""
    try:
        return thing.__chariots_hash__()
    except Exception as error:
        raise TypeError(
            f"{who} has cache=True, but nobody can tell what it computes: {error}. Leave cache=True out of the node"
        ) from error


def _joined(parts: list[Identity], links: str = "") -> Identity:
    versions, codes, states = (json.dumps(column) for column in zip(*parts, strict=True)) if parts else ("", "", "")
    return Identity(_digest(versions), _digest(codes), _digest(states + links))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _digests(node: BaseNode) -> str:
    version = node.node_version
    return f"{version.major}.{version.minor}.{version.patch}"


def _code(kind: type, who: str, code: Code, made: float) -> str:
    named = code.named.get(kind)
    if named is not None:
        return named
    found = code.of(kind, made)
    if found is None and not hasattr(kind, _HASH):
        raise TypeError(
            f"{who} has cache=True, but Python has no source for the class {kind.__qualname__!r}, so that nobody could "
            f"tell when its code changes; define it in a file or a notebook cell, {_CURE}"
        )
    named = code.named[kind] = f"{qualified_name(kind)} {found or ''}"
    return named


def _state(held: Any, where: str, code: Code, made: float) -> str:
    if type(held) is dict and not held:
        return ""
    return state_of(held, where, lambda function: code.of(function, made))


def _attributes(op: BaseOp) -> dict[str, Any]:
    found = {name: value for name, value in vars(op).items() if name not in _NEITHER}
    for name in _slots(type(op)):
        if hasattr(op, name):
            found[name] = getattr(op, name)
    return found


@functools.lru_cache(maxsize=1024)
def _slots(kind: type) -> tuple[str, ...]:
    declared = [vars(base).get("__slots__", ()) for base in kind.__mro__]
    names = [name for slots in declared for name in ((slots,) if isinstance(slots, str) else slots)]
    return tuple(name for name in names if name not in ("__dict__", "__weakref__"))
