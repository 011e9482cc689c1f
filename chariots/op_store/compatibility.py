"""Which versions may a pipeline run together, and how is a refusal put into words? (no database, no HTTP)

A version fits if it was made by code with the same major version as the code that runs. Two neighbours fit if
the major version of the upstream op is one that the chosen version of the downstream op was validated with.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from chariots.errors import nearest
from chariots.pipelines.store import NodeQuery, StoredVersion
from chariots.versioning import Version

__all__ = ["LinkFacts", "NodeFacts", "edges_to_check", "link_problem", "node_problem"]


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """What the store knows about one node of a pipeline that is about to be loaded.

    Attributes:
        query: the node.
        chosen: the version it would load; None if there is none that fits, or nothing to load.
        newest: the newest version of its op whatever made it; None if the op was never saved.
        pinned: the number it was pinned to, if it was.
    """

    query: NodeQuery
    chosen: StoredVersion | None = None
    newest: StoredVersion | None = None
    pinned: int | None = None

    @property
    def version(self) -> str:
        """The version the node would run with."""
        return self.chosen.version if self.chosen is not None else self.query.version


@dataclass(frozen=True, slots=True)
class LinkFacts:
    """What the store knows about one pair of ops.

    Attributes:
        met: whether any version of one was ever validated with any version of the other.
        majors: the major versions of the upstream op that are valid for the downstream op as it would run.
    """

    met: bool = False
    majors: frozenset[str] = frozenset()


def edges_to_check(nodes: Iterable[NodeQuery], edges: Iterable[tuple[str, str]]) -> list[tuple[NodeQuery, NodeQuery]]:
    """Leaves out the edges that cannot be wrong: around an op that will learn again, and between plain code.

    Args:
        nodes: the nodes of the pipeline.
        edges: pairs of names, (upstream, downstream).

    Returns:
        the pairs of nodes to check, each once, in order.
    """
    by_name = {node.name: node for node in nodes}
    pairs = ((by_name[upstream], by_name[downstream]) for upstream, downstream in dict.fromkeys(edges))
    return [
        (upstream, downstream)
        for upstream, downstream in pairs
        if "retrain" not in (upstream.role, downstream.role) and (upstream.role, downstream.role) != ("code", "code")
    ]


def node_problem(facts: NodeFacts, known: Iterable[str] = ()) -> str | None:
    """Tells why a node has no version to load, where it needs one.

    Args:
        facts: what the store knows about the node.
        known: the names of all ops in the store, for a suggestion.

    Returns:
        a sentence, or None if nothing is wrong.
    """
    name, newest = facts.query.name, facts.newest
    if facts.query.role not in ("load", "optional") or facts.chosen is not None:
        return None
    if facts.pinned is not None:
        return (
            f"node {name!r} is pinned to the version number {facts.pinned}, which is not a saved version of "
            f"it that the running code (major version {_short_major(facts.query.code_version)}) can use; "
            "load without the pin."
        )
    if newest is not None:
        return (
            f"node {name!r} has saved versions, but its code changed since: the newest, "
            f"{_described(newest)}, was saved by code of major version {_short_major(newest.code_version)} "
            f"and the running code has {_short_major(facts.query.code_version)}; retrain and save it with "
            "this code, or run the code that saved it."
        )
    if facts.query.role == "optional":
        return None
    return (
        f"node {name!r} was never trained and saved: the op store holds no version of it; run and save the "
        f"pipeline that trains it.{nearest(name, (other for other in known if other != name))}"
    )


def link_problem(upstream: NodeFacts, downstream: NodeFacts, links: LinkFacts) -> str | None:
    """Tells why two neighbours may not run together.

    Args:
        upstream: the node whose output is read.
        downstream: the node that reads it.
        links: what the store knows about the two.

    Returns:
        a sentence, or None if they fit.
    """
    major = Version.parse(upstream.version).major
    if major in links.majors:
        return None
    both_stored = upstream.chosen is not None and downstream.chosen is not None
    if not links.met and not both_stored:
        return None
    reader, source = downstream.query.name, upstream.query.name
    seen = _listed(links.majors)
    trained_with = f"it was with major version {seen}" if seen else "no version of the two was saved together"
    if links.met and not seen:
        trained_with = "only other versions of the two were saved together"
    return (
        f"node {reader!r} ({_described_node(downstream)}) was never validated with node {source!r} "
        f"({_described_node(upstream)}): {trained_with}; retrain {reader!r} on the present {source!r} and "
        f"save, or go back to the {source!r} it was trained with."
    )


def _described_node(facts: NodeFacts) -> str:
    return f"code {_short(facts.query.version)}" if facts.chosen is None else _described(facts.chosen)


def _described(stored: StoredVersion) -> str:
    return f"version {_short(stored.version)}, number {stored.id}"


def _short(version: str) -> str:
    """The first digits of the three digests, as many as a printed `Version` shows."""
    return ".".join(digest[:5] for digest in version.partition("_")[0].split("."))


def _short_major(version: str | None) -> str:
    return "unknown" if version is None else version[:5]


def _listed(majors: Iterable[str], most: int = 5) -> str:
    shown: Sequence[str] = sorted(major[:5] for major in majors)
    return ", ".join(shown[:most]) + (f" and {len(shown) - most} more" if len(shown) > most else "")
