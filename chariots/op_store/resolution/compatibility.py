"""Which edges of a pipeline have to fit, and when do two versions fit? (no database, no HTTP)

A version fits a node if the code that made it is the same as the code that runs, down to the subversion that the node
names (``mismatch_on``). Two neighbours fit if the version of the upstream op is, down to the subversion that the
upstream node names, one that the chosen version of the downstream op was validated with.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from chariots.op_store.resolution.consistency import Constraint
from chariots.pipelines.mismatch import LEVELS
from chariots.pipelines.store import Level, NodeQuery, StoredVersion
from chariots.versioning import Version

__all__ = ["LEVELS", "NOT_READ", "Choice", "Edge", "Key", "constraint_of", "edges_to_check", "islands", "key_of"]

Key: TypeAlias = tuple[str, ...]  # the digests that count when a version is read by others
NOT_READ: Key = ("not read",)  # what stands for the keys of versions that were not read


@dataclass(frozen=True, slots=True, eq=False)
class Edge:
    """Two nodes, the second of which reads the first."""

    upstream: NodeQuery
    downstream: NodeQuery

    @property
    def names(self) -> tuple[str, str]:
        """The names of the two."""
        return self.upstream.name, self.downstream.name


@dataclass(frozen=True, slots=True)
class Choice:
    """What a node would load.

    Attributes:
        query: the node.
        chosen: the version it would load; None if there is none that fits, or nothing to load.
        pinned: the number it was pinned to, if it was.
    """

    query: NodeQuery
    chosen: StoredVersion | None = None
    pinned: int | None = None

    @property
    def version(self) -> str:
        """The version the node would run with."""
        return self.chosen.version if self.chosen is not None else self.query.version

    @property
    def key(self) -> Key:
        """What counts of that version when it is read by others."""
        version = Version.parse(self.version)
        return key_of((version.major, version.minor, version.patch), self.query.mismatch_on)


def key_of(digests: Sequence[str], level: Level) -> Key:
    """The digests of a version down to a subversion.

    Args:
        digests: those of major, minor and patch.
        level: the last subversion that counts.
    """
    return tuple(digests[: LEVELS.index(level) + 1])


def edges_to_check(nodes: Iterable[NodeQuery], edges: Iterable[tuple[str, str]]) -> list[Edge]:
    """Leaves out the edges that cannot be wrong: around an op that will learn again, and between plain code.

    Plain code that only such ops read is part of that training: its edges are not checked either.

    Args:
        nodes: the nodes of the pipeline.
        edges: pairs of names, (upstream, downstream).

    Returns:
        the pairs of nodes to check, each once, in order.
    """
    by_name = {node.name: node for node in nodes}
    pairs = [Edge(by_name[upstream], by_name[downstream]) for upstream, downstream in dict.fromkeys(map(tuple, edges))]
    learning = _part_of_training(by_name, pairs)
    return [
        edge
        for edge in pairs
        if edge.upstream.role != "retrain"
        and edge.downstream.name not in learning
        and (edge.upstream.role, edge.downstream.role) != ("code", "code")
    ]


def _part_of_training(nodes: Mapping[str, NodeQuery], edges: Iterable[Edge]) -> set[str]:
    """The ops that will learn again, and the plain code that nothing but these read."""
    readers = dict.fromkeys(nodes, 0)  # those that are not known to be part of a training
    sources: dict[str, list[str]] = {}
    for edge in edges:
        readers[edge.upstream.name] += 1
        sources.setdefault(edge.downstream.name, []).append(edge.upstream.name)
    waiting = [name for name, node in nodes.items() if node.role == "retrain"]
    found = set(waiting)
    while waiting:
        for name in sources.get(waiting.pop(), ()):
            readers[name] -= 1
            if not readers[name] and nodes[name].role == "code":
                found.add(name)
                waiting.append(name)
    return found


def islands(edges: Sequence[Edge]) -> list[list[Edge]]:
    """Groups edges so that no node is part of two groups: each group can be settled by itself."""
    root: dict[str, str] = {}

    def find(name: str) -> str:
        while root.setdefault(name, name) != name:
            root[name] = root[root[name]]
            name = root[name]
        return name

    for edge in edges:
        root[find(edge.upstream.name)] = find(edge.downstream.name)
    groups: dict[str, list[Edge]] = {}
    for edge in edges:
        groups.setdefault(find(edge.upstream.name), []).append(edge)
    return list(groups.values())


def constraint_of(
    edge: Edge,
    candidates: Mapping[str, Mapping[int, Key]],
    accepted: Mapping[int | None, Collection[Key]],
    open_ends: Mapping[str, int],
    older: Collection[Key] | None = None,
) -> Constraint:
    """What an edge demands of the candidates at its two ends.

    Args:
        edge: the edge.
        candidates: the candidates of every node, also of those that have only one thing to run.
        accepted: the keys that each downstream version was validated with; under None, those valid for all.
        open_ends: for some nodes, the candidate that stands for all versions that were not read.
        older: the keys, of those that were read, that some downstream version was validated with that was not read;
            None if that is not known, and may be any.

    Returns:
        the constraint.
    """
    keys = candidates[edge.upstream.name]
    common = set(accepted.get(None, ()))
    accepts = {number: frozenset(accepted.get(number, ())) for number in candidates[edge.downstream.name]}
    unread = open_ends.get(edge.upstream.name)
    if unread is not None:
        common.add(keys[unread])
    unread = open_ends.get(edge.downstream.name)
    if unread is not None:
        accepts[unread] = frozenset(keys.values() if older is None else older) | {NOT_READ}
    return Constraint(edge.upstream.name, edge.downstream.name, accepts, common)
