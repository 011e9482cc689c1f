"""How do the ops of a pipeline get out of an op store, all of them or none?"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from chariots.errors import ConflictError
from chariots.pipelines.nodes import Node
from chariots.pipelines.ops import LoadableOp
from chariots.pipelines.questions import question, questions_of
from chariots.pipelines.refusal_text import refused_load
from chariots.pipelines.slots import lay_open
from chariots.pipelines.store import OpStoreProtocol, Resolution, StoredVersion
from chariots.pipelines.training_records import forget
from chariots.web import tracing

if TYPE_CHECKING:
    from chariots.pipelines.pipeline import Pipeline

__all__ = ["load_node", "load_pipeline"]


def load_pipeline(
    pipeline: Pipeline,
    store: OpStoreProtocol,
    pinned: Mapping[str, int] | None = None,
    present: Mapping[str, StoredVersion] | None = None,
) -> None:
    """Loads every op of a pipeline, or none of them.

    The newest versions that all fit together are loaded. If they are what the pipeline has already, because newer ones
    do not fit, that is an error: who asks for a load then wants to know why nothing new comes of it.

    Args:
        pipeline: the pipeline; its ops change.
        store: the op store.
        pinned: the store's number of the version to load, by node name; the newest where none is given.
        present: the versions that are in use, by node name; by default those that the pipeline loaded last.

    Raises:
        VersionError: if no versions fit together, or none but those in use although newer ones were saved.
    """
    with tracing.step(tracing.LOAD, pipeline.name):
        _load(pipeline, store, pinned, present)


def _load(
    pipeline: Pipeline,
    store: OpStoreProtocol,
    pinned: Mapping[str, int] | None,
    present: Mapping[str, StoredVersion] | None,
) -> None:
    slots = lay_open(pipeline)
    nodes, edges = questions_of(slots)
    resolution = store.resolve(pipeline.name, nodes, edges, pinned)
    if resolution.problems:
        raise refused_load(pipeline.name, resolution)
    if resolution.passed_over and _is_present(resolution, pipeline.loaded if present is None else present):
        raise refused_load(pipeline.name, resolution, is_newer=True)
    done: set[int] = set()
    loaded: dict[str, StoredVersion] = {}
    with ExitStack() as undo:
        for slot in slots:
            op, chosen = slot.op, resolution.versions.get(slot.node.name)
            if op is None and slot.node.is_loadable:
                slot.node.load_latest_version(store)
            elif isinstance(op, LoadableOp) and id(op) not in done:
                done.add(id(op))
                undo.callback(_put_back, op, dict(vars(op)))
                if chosen is not None and chosen.sha256:
                    _load_op(op, store, chosen)
                    loaded[slot.node.name] = chosen
                elif op.allow_version_change:
                    # It learned with upstream ops that may just have been replaced.
                    op.has_learned = False
        undo.pop_all()
    pipeline.loaded, pipeline.loaded_from = loaded, store


def _put_back(op: LoadableOp, attributes: Mapping[str, Any]) -> None:
    """Undoes a load, where one further on failed: half of the ops of a set fit nothing."""
    vars(op).clear()
    vars(op).update(attributes)


def load_node(node: Node, store: OpStoreProtocol) -> bool:
    """Loads the newest version of one node, whatever its neighbours are.

    Args:
        node: the node; its op changes.
        store: the op store.

    Returns:
        whether the store had one.
    """
    if node.nested is not None:
        node.nested.load(store)
        return True
    if not isinstance(node.op, LoadableOp):
        return False
    found = store.resolve("", [question(node)], []).versions.get(node.name)
    if found is None or not found.sha256:
        return False
    _load_op(node.op, store, found)
    return True


def _is_present(resolution: Resolution, present: Mapping[str, StoredVersion]) -> bool:
    """Whether everything that would be loaded is in use already."""
    pairs = [(chosen, present.get(name)) for name, chosen in resolution.versions.items()]
    return all(
        known is not None and (known.id, known.version, known.sha256) == (chosen.id, chosen.version, chosen.sha256)
        for chosen, known in pairs
    )


def _load_op(op: LoadableOp, store: OpStoreProtocol, chosen: StoredVersion) -> None:
    """Gives an op its bytes, if they are in the format that the op reads.

    Whoever says which formats may be loaded goes by what the store has recorded, so nothing else may be what decides
    how the bytes are read.
    """
    data = store.read_version(chosen)
    if chosen.format is not None and chosen.format != op.bytes_format:
        reads = "names no format" if op.bytes_format is None else f"reads {op.bytes_format!r} only"
        raise ConflictError(
            f"op {chosen.op!r} was to be loaded in version {chosen.version}, which the op store has in the format "
            f"{chosen.format!r}, and {type(op).__name__} {reads}; set the serializer_cls it was saved with (if you "
            "trust the bytes), or train and save it again"
        )
    op.load(data)
    forget(op)
