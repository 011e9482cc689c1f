"""Which versions of a pipeline's ops belong together, and how do they get into the store and back?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chariots.errors import ConflictError
from chariots.pipelines import lineage
from chariots.pipelines.graph import INPUT_VALUE
from chariots.pipelines.mismatch import running_fingerprint, strictest
from chariots.pipelines.nodes import BaseNode, Node
from chariots.pipelines.ops import BaseOp, LoadableOp
from chariots.pipelines.refusal_text import refused_load
from chariots.pipelines.store import Level, NodeQuery, OpStoreProtocol, Resolution, Role, StoredVersion, VersionRecord
from chariots.versioning import Version, content_hash

if TYPE_CHECKING:
    from chariots.pipelines.pipeline import Pipeline

__all__ = ["load_node", "load_pipeline", "persist_node", "questions", "save_pipeline"]

_LONGEST_FIELD_TEXT = 200  # characters of a field's value that are kept for people to read


@dataclass(frozen=True, slots=True)
class _Slot:
    """One node of the pipeline after nested pipelines were laid open."""

    node: BaseNode
    upstream: tuple[int, ...]  # positions of the slots it reads
    mismatch_on: Level = "major"  # what the pipelines that hold it ask for

    @property
    def op(self) -> BaseOp | None:
        return self.node.op if isinstance(self.node, Node) else None


def _flatten(
    pipeline: Pipeline, given: tuple[int, ...], slots: list[_Slot], mismatch_on: Level = "major"
) -> tuple[int, ...]:
    """Lays nested pipelines open: their nodes read what the nested pipeline was given.

    Args:
        pipeline: the pipeline.
        given: positions of the slots that fill the pipeline's input.
        slots: what is laid open already; the slots of the pipeline are added to it.
        mismatch_on: what the pipelines around this one ask for.

    Returns:
        the positions of the slots that fill the pipeline's output.
    """
    mismatch_on = strictest(mismatch_on, pipeline.mismatch_on)
    graph = pipeline._graph
    filled_by: dict[int | None, tuple[int, ...]] = {INPUT_VALUE: given}  # value -> slots that fill it
    for position, node in enumerate(pipeline.graph_nodes):
        upstream = tuple(dict.fromkeys(slot for value in graph.inputs[position] for slot in filled_by[value]))
        nested = node.nested if isinstance(node, Node) else None
        if nested is None:
            slots.append(_Slot(node, upstream, mismatch_on))
            ends: tuple[int, ...] = (len(slots) - 1,)
        else:
            ends = _flatten(nested, upstream, slots, mismatch_on)
        filled_by.update(dict.fromkeys(graph.outputs[position], ends))
    return filled_by.get(graph.output_value, ())


def _checked_slots(pipeline: Pipeline) -> list[_Slot]:
    """The slots of a pipeline, refused if one name stands for two different trained ops."""
    slots: list[_Slot] = []
    _flatten(pipeline, (), slots)
    ops: dict[str, BaseOp | None] = {}
    for slot in slots:
        other = ops.setdefault(slot.node.name, slot.op)
        if other is not slot.op and isinstance(slot.op, LoadableOp):
            raise ValueError(
                f"pipeline {pipeline.name!r} and the pipelines nested in it hold two different ops named "
                f"{slot.node.name!r}, and the store knows ops by name; name one of them with Node(op, ..., name=...)"
            )
    return slots


def effective_edges(slots: Sequence[_Slot]) -> list[tuple[int, int]]:
    """The links that decide whether versions fit, as positions (upstream, downstream).

    Beside the direct links these are, for every op with a state, the nearest upstream ops with a state that it
    reads through stateless ones: a classifier learned from what the embedding gave, whatever reshaped it between.
    """
    edges: dict[tuple[int, int], None] = {}
    learned_behind: list[frozenset[int]] = []
    for position, slot in enumerate(slots):
        behind = frozenset[int]().union(*(learned_behind[upstream] for upstream in slot.upstream))
        edges.update(dict.fromkeys((upstream, position) for upstream in slot.upstream))
        if isinstance(slot.op, LoadableOp):
            edges.update(dict.fromkeys((upstream, position) for upstream in sorted(behind)))
            behind = frozenset((position,))
        learned_behind.append(behind)
    return list(edges)


def _role(op: BaseOp | None) -> Role:
    if not isinstance(op, LoadableOp):
        return "code"
    if op.allow_version_change:
        return "retrain"
    return "load" if op.needs_loading else "optional"


def _query(node: BaseNode, mismatch_on: Level = "major") -> NodeQuery:
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
        fields=_fields(op),
        fingerprint=running_fingerprint(op),
    )


def questions(pipeline: Pipeline) -> tuple[list[NodeQuery], list[tuple[str, str]]]:
    """What a pipeline asks an op store before it is loaded: its nodes, nested ones laid open, and what they read.

    Args:
        pipeline: the pipeline.

    Returns:
        a description of each node, and the edges whose versions have to fit, as names (upstream, downstream).

    Raises:
        ValueError: if one name stands for two different ops with a state.
    """
    return _questions(_checked_slots(pipeline))


def _questions(slots: Sequence[_Slot]) -> tuple[list[NodeQuery], list[tuple[str, str]]]:
    queries: dict[str, NodeQuery] = {}
    for slot in slots:
        queries[slot.node.name] = _query(slot.node, slot.mismatch_on)
    names = [slot.node.name for slot in slots]
    return list(queries.values()), list(dict.fromkeys((names[up], names[down]) for up, down in effective_edges(slots)))


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
    slots = _checked_slots(pipeline)
    nodes, edges = _questions(slots)
    resolution = store.resolve(pipeline.name, nodes, edges, pinned)
    if resolution.problems:
        raise refused_load(pipeline.name, resolution)
    if resolution.passed_over and _is_present(resolution, pipeline.loaded if present is None else present):
        raise refused_load(pipeline.name, resolution, is_newer=True)
    done: set[int] = set()
    loaded: dict[str, StoredVersion] = {}
    for slot in slots:
        op, chosen = slot.op, resolution.versions.get(slot.node.name)
        if op is None and slot.node.is_loadable:
            slot.node.load_latest_version(store)
        elif isinstance(op, LoadableOp) and id(op) not in done:
            done.add(id(op))
            if chosen is not None and chosen.sha256:
                _load_op(op, store, chosen)
                loaded[slot.node.name] = chosen
            elif op.allow_version_change:
                # It learned with upstream ops that may just have been replaced.
                op.has_learned = False
    pipeline.loaded, pipeline.loaded_from = loaded, store


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
    lineage.forget(op)


def _is_present(resolution: Resolution, present: Mapping[str, StoredVersion]) -> bool:
    """Whether everything that would be loaded is in use already."""
    pairs = [(chosen, present.get(name)) for name, chosen in resolution.versions.items()]
    return all(
        known is not None and (known.id, known.version, known.sha256) == (chosen.id, chosen.version, chosen.sha256)
        for chosen, known in pairs
    )


def load_node(node: Node, store: OpStoreProtocol) -> bool:
    """Loads the newest version of one node, whatever its neighbours are.

    Returns:
        whether the store had one.
    """
    if node.nested is not None:
        node.nested.load(store)
        return True
    if not isinstance(node.op, LoadableOp):
        return False
    found = store.resolve("", [_query(node)], []).versions.get(node.name)
    if found is None or not found.sha256:
        return False
    _load_op(node.op, store, found)
    return True


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
        fields=_fields(op),
        fingerprint=op.code_fingerprint,
        sha256=sha256,
        size=size,
        format=form,
        training=op.training_record if isinstance(op, LoadableOp) and op.has_learned else {},
    )


def _fields(op: BaseOp) -> dict[str, Any]:
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


def save_pipeline(pipeline: Pipeline, store: OpStoreProtocol) -> None:
    """Saves the versions of a pipeline's ops, their bytes and their links; bytes first, then all the rest at once.

    A link is recorded where the downstream op accepts the upstream one: it learned with it in this process, or it
    has no state and the upstream op learned in front of it. What was only loaded vouches for nothing.

    Args:
        pipeline: the pipeline.
        store: the op store.

    Raises:
        ConflictError: if bytes that were only loaded are not in the store any more.
    """
    try:
        _save(pipeline, store)
    except ConflictError as error:
        if "sha256" not in error.extra:
            raise
        # `gc` deleted identical bytes of an older version between the look for them and the commit: send them.
        _save(pipeline, store)


def _save(pipeline: Pipeline, store: OpStoreProtocol) -> None:
    slots = _checked_slots(pipeline)
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
    for up, down in effective_edges(slots):
        upstream, downstream = slots[up].node.name, slots[down].node.name
        if _vouches(slots[up].op, slots[down].op) and upstream in records and downstream in records:
            links[upstream, downstream] = None
    if records:
        store.commit_save(pipeline.name, slots[-1].node.name, list(records.values()), list(links))
    nodes, edges = _questions(slots)
    if any(node.role in ("load", "optional") for node in nodes):
        # Versions of it can be promoted; a pipeline that only trains has none to choose.
        store.describe_pipeline(pipeline.name, nodes, edges)


def _vouches(upstream: BaseOp | None, downstream: BaseOp | None) -> bool:
    """Whether the two were validated with each other here."""
    if isinstance(downstream, LoadableOp):
        return downstream.has_learned
    return not isinstance(upstream, LoadableOp) or upstream.has_learned


def persist_node(node: Node, store: OpStoreProtocol, downstream_nodes: Sequence[BaseNode]) -> Version | None:
    """Saves one node, and that each downstream node accepts its version.

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
