"""What does a pipeline ask an op store about itself?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from chariots.pipelines.mismatch import running_fingerprint, strictest
from chariots.pipelines.nodes import BaseNode, Node
from chariots.pipelines.ops import BaseOp, LoadableOp
from chariots.pipelines.slots import Slot, effective_edges, lay_open
from chariots.pipelines.store import Level, NodeQuery, Role
from chariots.versioning import content_hash

if TYPE_CHECKING:
    from chariots.pipelines.pipeline import Pipeline

__all__ = ["declared_fields", "question", "questions", "questions_of"]

_LONGEST_FIELD_TEXT = 200  # characters of a field's value that are kept for people to read


def questions(pipeline: Pipeline) -> tuple[list[NodeQuery], list[tuple[str, str]]]:
    """What a pipeline asks an op store before it is loaded: its nodes, nested ones laid open, and what they read.

    Args:
        pipeline: the pipeline.

    Returns:
        a description of each node, and the edges whose versions have to fit, as names (upstream, downstream).

    Raises:
        ValueError: if one name stands for two different ops with a state.
    """
    return questions_of(lay_open(pipeline))


def questions_of(slots: Sequence[Slot]) -> tuple[list[NodeQuery], list[tuple[str, str]]]:
    """The same for a pipeline that is laid open already.

    Args:
        slots: the slots of the pipeline.

    Returns:
        a description of each node, and the edges, as names (upstream, downstream).
    """
    queries = {slot.node.name: question(slot.node, slot.mismatch_on) for slot in slots}
    names = [slot.node.name for slot in slots]
    return list(queries.values()), list(dict.fromkeys((names[up], names[down]) for up, down in effective_edges(slots)))


def question(node: BaseNode, mismatch_on: Level = "major") -> NodeQuery:
    """Describes one node to a store.

    Args:
        node: the node.
        mismatch_on: what the pipelines that hold it ask for.

    Returns:
        the description.
    """
    op = node.op if isinstance(node, Node) else None
    version = str(node.node_version)
    if op is None:
        return NodeQuery(node.name, "code", version, version, mismatch_on)
    return NodeQuery(
        name=node.name,
        role=_role(op),
        version=version,
        code_version=str(op.__version__),
        mismatch_on=strictest(mismatch_on, op.mismatch_on),
        fields=declared_fields(op),
        fingerprint=running_fingerprint(op),
    )


def declared_fields(op: BaseOp) -> dict[str, Any]:
    """The declared fields of an op in the form in which a store keeps them.

    Args:
        op: the op.

    Returns:
        value (as text), subversion and hash of each field, by name.
    """
    described = {}
    for name, declared in type(op).__version_fields__.items():
        text = repr(declared.value)
        if len(text) > _LONGEST_FIELD_TEXT:
            text = text[: _LONGEST_FIELD_TEXT - 3] + "..."
        described[name] = {
            "value": text,
            "affects": declared.affected_version.value,
            "hash": content_hash(declared.value),
        }
    return described


def _role(op: BaseOp) -> Role:
    if not isinstance(op, LoadableOp):
        return "code"
    if op.allow_version_change:
        return "retrain"
    return "load" if op.needs_loading else "optional"
