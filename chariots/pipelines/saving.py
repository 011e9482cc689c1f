"""How do the ops of a pipeline get into an op store, and what vouches for their fitting together?"""

from __future__ import annotations

from collections.abc import Sequence
from inspect import Parameter, signature
from typing import TYPE_CHECKING, Any

from chariots.errors import ConflictError
from chariots.pipelines.nodes import BaseNode, Node
from chariots.pipelines.ops import BaseOp, LoadableOp
from chariots.pipelines.questions import declared_fields, questions_of
from chariots.pipelines.slots import Slot, effective_edges, lay_open
from chariots.pipelines.store import OpStoreProtocol, SaveKey, StoredVersion, VersionRecord
from chariots.versioning import Version
from chariots.web import tracing

if TYPE_CHECKING:
    from chariots.pipelines.pipeline import Pipeline

__all__ = ["persist_node", "save_pipeline"]


def save_pipeline(pipeline: Pipeline, store: OpStoreProtocol, once: SaveKey | None = None) -> None:
    """Saves the versions of a pipeline's ops, their bytes and their links; bytes first, then all the rest at once.

    A link is recorded where the downstream op accepts the upstream one: it learned with it in this process, or it
    has no state and the upstream op learned in front of it, or an op behind it from what it gave. What was only loaded
    vouches for nothing, nor does what has learned before the upstream op became what it is now.

    Args:
        pipeline: the pipeline.
        store: the op store.
        once: under which key this is saved; of no effect on a store that knows no keys.

    Raises:
        AlreadySavedError: if another attempt has saved under the key; nothing was added.
        ConflictError: if bytes that were only loaded are not in the store any more.
    """
    with tracing.step(tracing.SAVE, pipeline.name):
        try:
            _save(pipeline, store, once)
        except ConflictError as error:
            if "sha256" not in error.extra:
                raise
            # `gc` deleted identical bytes of an older version between the look for them and the commit: send them.
            _save(pipeline, store, once)


def persist_node(node: Node, store: OpStoreProtocol, downstream_nodes: Sequence[BaseNode]) -> Version | None:
    """Saves one node, and that each downstream node accepts its version.

    Args:
        node: the node.
        store: the op store.
        downstream_nodes: the nodes that read it.

    Returns:
        the version that was saved; None if there was nothing to save.
    """
    if node.nested is not None:
        node.nested.save(store)
        return node.node_version
    record = _record(node, store)
    if record is None:
        return None
    store.commit_save("", node.name, [record], [])
    version = node.node_version
    for downstream in downstream_nodes:
        store.register_valid_link(downstream.name, node.name, version)
    if not downstream_nodes:
        store.register_valid_link(None, node.name, version)
    return version


def _save(pipeline: Pipeline, store: OpStoreProtocol, once: SaveKey | None) -> None:
    slots = lay_open(pipeline)
    loaded = pipeline.loaded if pipeline.loaded_from is store else {}
    records: dict[str, VersionRecord] = {}
    for position, slot in enumerate(slots):
        if slot.op is None:
            readers = [other.node for other in slots if position in other.upstream]
            slot.node.persist(store, readers)
        if slot.node.name not in records:
            record = _record(slot.node, store, loaded.get(slot.node.name))
            if record is not None:
                records[slot.node.name] = record
    links: dict[tuple[str, str], None] = {}
    passed = _passed_by_learning(slots)
    only_loaded = {name for name, record in records.items() if name in loaded and _is_as_loaded(record, loaded[name])}
    for up, down in effective_edges(slots):
        upstream, downstream = slots[up].node.name, slots[down].node.name
        vouches = down in passed or _vouches(slots[up].op, slots[down].op)
        if vouches and upstream in records and downstream in records and not only_loaded >= {upstream, downstream}:
            links[upstream, downstream] = None
    if once is not None and not _takes_key(store):
        once = None
    if records or once is not None:
        # The key counts even where there is nothing to save: whoever asks for it learns that this attempt came so far.
        under: dict[str, Any] = {} if once is None else {"once": once}
        store.commit_save(pipeline.name, slots[-1].node.name, list(records.values()), list(links), **under)
    nodes, edges = questions_of(slots)
    if any(node.role in ("load", "optional") for node in nodes):
        # Versions of it can be promoted; a pipeline that only trains has none to choose.
        store.describe_pipeline(pipeline.name, nodes, edges)


def _takes_key(store: OpStoreProtocol) -> bool:
    parameters = signature(store.commit_save).parameters
    return "once" in parameters or any(each.kind is Parameter.VAR_KEYWORD for each in parameters.values())


def _passed_by_learning(slots: Sequence[Slot]) -> set[int]:
    """The positions of the plain code between ops that learned here and what they learned from."""
    found: set[int] = set()
    for position in reversed(range(len(slots))):  # whoever reads a slot comes behind it
        op = slots[position].op
        if position in found or (isinstance(op, LoadableOp) and op.has_learned):
            found.update(up for up in slots[position].upstream if not isinstance(slots[up].op, LoadableOp))
    return found


def _vouches(upstream: BaseOp | None, downstream: BaseOp | None) -> bool:
    """Whether the two were validated with each other here."""
    source = upstream if isinstance(upstream, LoadableOp) else None
    if isinstance(downstream, LoadableOp):
        # After a run that failed half way, or a training of one op alone, the upstream op may be ahead.
        return downstream.has_learned and (source is None or not source.has_changed_since(downstream))
    return source is None or source.has_learned


def _is_as_loaded(record: VersionRecord, loaded: StoredVersion) -> bool:
    """Whether a version is the one that was loaded; an op of one's own may not tell by itself that it only was."""
    return record.sha256 == loaded.sha256 and Version.parse(record.version) == Version.parse(loaded.version)


def _record(node: BaseNode, store: OpStoreProtocol, loaded: StoredVersion | None = None) -> VersionRecord | None:
    """Writes a node's bytes and describes its version.

    Args:
        node: the node.
        store: the op store.
        loaded: what the node was loaded from, if it was. Bytes that were only loaded are not serialized again:
            the store has them, and few formats give the same bytes twice.

    Returns:
        the description; None if the op has a state that is not worth keeping yet.
    """
    op = node.op if isinstance(node, Node) else None
    if isinstance(op, LoadableOp) and not op.is_ready:
        return None
    version = node.node_version
    if op is None:
        return VersionRecord(node.name, str(version))
    sha256, size = None, 0
    form = op.bytes_format if isinstance(op, LoadableOp) else None
    if isinstance(op, LoadableOp) and loaded is not None and not op.has_learned:
        sha256, size, form = loaded.sha256, loaded.size, loaded.format or form
    elif isinstance(op, LoadableOp):
        data = op.serialize()
        sha256, size = store.write_blob(data), len(data)
    return VersionRecord(
        op=node.name,
        version=str(version),
        code_version=str(op.__version__),
        fields=declared_fields(op),
        fingerprint=op.code_fingerprint,
        sha256=sha256,
        size=size,
        format=form,
        training=op.training_record if isinstance(op, LoadableOp) and op.has_learned else {},
    )
