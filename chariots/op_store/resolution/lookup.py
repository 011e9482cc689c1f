"""Which versions would a pipeline load, and what stands in its way? (a fixed number of statements for any pipeline)

Most loads are answered by the first two: the newest version of every op, and that they all fit. Where they do not, the
versions and links of the ops concerned are read, the newest few of each at first, and the newest set that fits is
looked for among them; more are read only as long as an older version might be part of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import sqlalchemy as sa

from chariots.op_store import rows, tables
from chariots.op_store.resolution.candidates import edge_states, newest_choices
from chariots.op_store.resolution.compatibility import (
    NOT_READ,
    Choice,
    Edge,
    Key,
    constraint_of,
    edges_to_check,
    islands,
)
from chariots.op_store.resolution.consistency import SearchLimitError, newest_consistent
from chariots.op_store.resolution.evidence import (
    known_versions,
    newest_of_any_code,
    pipelines_that_saved,
    trained_with,
)
from chariots.op_store.resolution.refusals import refused_edge, refused_node
from chariots.op_store.resolution.windows import Window, read_links, read_older_readers, read_windows
from chariots.pipelines.store import NodeQuery, Refusal, Resolution, StoredVersion

__all__ = ["resolve"]

# How many versions of each op to look through. Mostly the newest few will do; more, where older ones may matter.
WINDOWS = (20, 1_000, 10_000, None)


def resolve(
    connection: sa.Connection,
    nodes: Sequence[NodeQuery],
    edges: Sequence[tuple[str, str]],
    pinned: Mapping[str, int],
) -> Resolution:
    """Chooses the newest set of versions that fit, and lists everything that stands in the way.

    Args:
        connection: the transaction.
        nodes: the nodes of the pipeline.
        edges: pairs of their names, (upstream, downstream).
        pinned: for some nodes, the number of the version to take.

    Returns:
        the chosen versions and the refusals; none where the versions may be loaded. Where they may not, the chosen
        versions are the newest of each op.
    """
    choices, ops = newest_choices(connection, nodes, pinned)
    refusals, outdated = _refused_nodes(connection, choices, ops)
    unfit = {refusal.node for refusal in refusals}
    to_check = edges_to_check(nodes, edges)
    checked = [edge for edge in to_check if edge.upstream.name not in unfit and edge.downstream.name not in unfit]
    question = _Question(connection, choices, ops, checked)
    settled = question.settle()
    versions = {name: choice.chosen for name, choice in choices.items() if choice.chosen is not None}
    refusals += _refused_code(connection, {**choices, **outdated}, ops, to_check, outdated)
    refusals += question.explain(settled.impossible, settled.given_up)
    passed_over: list[Refusal] = []
    if settled.numbers and not refusals:
        passed_over = question.explain(settled.older, [])
        versions.update(question.stored(settled.numbers))
    return Resolution(
        versions=versions,
        problems=[refusal.sentence for refusal in refusals],
        refusals=refusals,
        passed_over=passed_over,
    )


def _refused_nodes(
    connection: sa.Connection, choices: Mapping[str, Choice], ops: Mapping[str, int]
) -> tuple[list[Refusal], dict[str, Choice]]:
    """Why nodes have nothing to load, where they need something, and the newest that other code has saved of them."""
    empty = [
        choice for choice in choices.values() if choice.query.role in ("load", "optional") and choice.chosen is None
    ]
    if not empty:
        return [], {}
    saved = {choice.query.name: ops[choice.query.name] for choice in empty if choice.query.name in ops}
    newest = newest_of_any_code(connection, saved) if saved else {}
    retrain = pipelines_that_saved(connection, saved) if saved else {}
    known = rows.known_names(connection, tables.op)
    names = [(choice, choice.query.name) for choice in empty]
    refused = [refused_node(choice, newest.get(name), retrain.get(name, ()), known) for choice, name in names]
    outdated = {
        name: replace(choice, chosen=newest[name].stored)
        for choice, name in names
        if choice.pinned is None and name in newest
    }
    return [refusal for refusal in refused if refusal is not None], outdated


def _refused_code(
    connection: sa.Connection,
    choices: Mapping[str, Choice],
    ops: Mapping[str, int],
    edges: Sequence[Edge],
    outdated: Mapping[str, Choice],
) -> list[Refusal]:
    """Which plain code changed as well, before nodes that have no version by the running code: none is told later."""
    asked = [edge for edge in edges if edge.upstream.role == "code" and edge.downstream.name in outdated]
    if not asked:
        return []
    question = _Question(connection, choices, ops, asked)
    question.states = dict(zip(asked, edge_states(connection, asked, choices, ops), strict=True))
    return question.explain([edge for edge in asked if question.states[edge] == 1], [])


@dataclass(slots=True)
class _Settled:
    """What came of looking for a set that fits.

    Attributes:
        numbers: the number of the version for every node that does not get its newest.
        older: edges that do not fit in the newest versions, but do in those numbers.
        impossible: edges that do not fit in the newest versions, and there are no others.
        given_up: edges of which that could not be found out.
    """

    numbers: dict[str, int] = field(default_factory=dict)
    older: list[Edge] = field(default_factory=list)
    impossible: list[Edge] = field(default_factory=list)
    given_up: list[Edge] = field(default_factory=list)


@dataclass(slots=True)
class _Question:
    """The edges of one pipeline that is to be loaded, and what the newest versions of its nodes are."""

    connection: sa.Connection
    choices: Mapping[str, Choice]
    ops: Mapping[str, int]
    edges: Sequence[Edge]
    states: dict[Edge, int] = field(default_factory=dict)

    def settle(self) -> _Settled:
        """Finds the newest versions that fit, for every part of the pipeline in which the newest do not."""
        settled = _Settled()
        if not self.edges:
            return settled
        found = edge_states(self.connection, self.edges, self.choices, self.ops)
        self.states = dict(zip(self.edges, found, strict=True))
        # Two that never met may run together, unless both were saved: then they should have met.
        checked = [edge for edge in self.edges if self.states[edge] or self._both_stored(edge)]
        broken = {edge for edge in checked if self.states[edge] < 2}
        todo = [island for island in islands(checked) if not broken.isdisjoint(island)]
        for most in WINDOWS:
            if todo:
                todo = self._search(todo, most, broken, settled)
        return settled

    def explain(self, edges: Sequence[Edge], given_up: Sequence[Edge]) -> list[Refusal]:
        """Tells why the newest versions at the ends of edges do not fit.

        Args:
            edges: the edges.
            given_up: further edges, of which it could not be found out whether older versions fit.
        """
        told = [*edges, *given_up]
        if not told:
            return []
        validated = trained_with(self.connection, told, self.choices, self.ops)
        running = [self.choices[edge.upstream.name].chosen for edge in told]
        numbers = [number for found in validated for number in found]
        known = known_versions(self.connection, [*numbers, *(stored.id for stored in running if stored is not None)])
        readers = {
            edge.downstream.name: self.ops[edge.downstream.name] for edge in told if edge.downstream.name in self.ops
        }
        retrain = pipelines_that_saved(self.connection, readers)
        refusals = []
        for edge, versions, stored in zip(told, validated, running, strict=True):
            upstream, downstream = self.choices[edge.upstream.name], self.choices[edge.downstream.name]
            refusal = refused_edge(
                upstream,
                downstream,
                self.states[edge] > 0,
                [known[number] for number in versions],
                None if stored is None else known[stored.id],
                retrain.get(edge.downstream.name, ()),
            )
            if edge in given_up:
                advice = (
                    " Older versions may fit, but there are too many combinations to try them all; pin the version of "
                    "one of the two to be certain."
                )
                refusal = replace(refusal, sentence=refusal.sentence + advice)
            refusals.append(refusal)
        return refusals

    def stored(self, numbers: Mapping[str, int]) -> dict[str, StoredVersion]:
        """The versions of these numbers, by node."""
        changed = {
            name: number
            for name, number in numbers.items()
            if (chosen := self.choices[name].chosen) is None or chosen.id != number
        }
        found = rows.versions(self.connection, changed.values())
        return {name: found[number] for name, number in changed.items()}

    def _both_stored(self, edge: Edge) -> bool:
        return all(self.choices[name].chosen is not None for name in edge.names)

    def _search(
        self, todo: Sequence[list[Edge]], most: int | None, broken: set[Edge], settled: _Settled
    ) -> list[list[Edge]]:
        """Settles those parts of the pipeline that can be from the newest versions; returns the others."""
        edges = [edge for island in todo for edge in island]
        nodes = {node.name: node for edge in edges for node in (edge.upstream, edge.downstream)}
        moving = [
            node
            for node in nodes.values()
            if (choice := self.choices[node.name]).chosen is not None and choice.pinned is None
        ]
        windows = read_windows(self.connection, moving, self.ops, most)
        for name in nodes:
            choice = self.choices[name]
            if choice.chosen is not None and choice.pinned is not None:
                windows[name] = Window({choice.chosen.id: choice.key})
        links = dict(zip(edges, read_links(self.connection, edges, windows, self.ops), strict=True))
        unsure = [island for island in todo if not self._settle_island(island, windows, links, None, broken, settled)]
        if not unsure:
            return []
        # A version that was not read may be part of the newest set. Most are not: they never met what was read.
        asked = [edge for island in unsure for edge in island]
        met = read_older_readers(self.connection, asked, windows, self.choices, self.ops)
        older = dict(zip(asked, met, strict=True))
        return [island for island in unsure if not self._settle_island(island, windows, links, older, broken, settled)]

    def _settle_island(
        self,
        island: Sequence[Edge],
        windows: Mapping[str, Window],
        links: Mapping[Edge, Mapping[int | None, set[Key]]],
        older: Mapping[Edge, set[Key]] | None,
        broken: set[Edge],
        settled: _Settled,
    ) -> bool:
        """Settles one part of the pipeline; tells whether what was read of it was enough for that."""
        candidates, open_ends = self._candidates(island, windows)
        constraints = [
            constraint_of(edge, candidates, _doubled(links[edge]), open_ends, None if older is None else older[edge])
            for edge in island
        ]
        faulty = [edge for edge in island if edge in broken]
        try:
            found = newest_consistent(candidates, constraints)
        except SearchLimitError:
            settled.given_up += faulty
            return True
        if found is None:
            settled.impossible += faulty
            return True
        if any(found[name] == number for name, number in open_ends.items()):
            return False
        settled.older += faulty
        settled.numbers.update((name, number // 2) for name, number in found.items() if number > 0)
        return True

    def _candidates(
        self, island: Sequence[Edge], windows: Mapping[str, Window]
    ) -> tuple[dict[str, dict[int, Key]], dict[str, int]]:
        """The candidates of each node, their numbers doubled, and among them those that stand for what was not read.

        Such a one is older than all that was read, and fits whatever one of those may fit: a set without it is the
        newest whatever it stands for. The code of a node that loads nothing is its only candidate, with a number
        below zero.
        """
        candidates: dict[str, dict[int, Key]] = {}
        open_ends: dict[str, int] = {}
        for edge in island:
            for name in edge.names:
                if name in candidates:
                    continue
                if name not in windows:
                    candidates[name] = {-1 - len(candidates): self.choices[name].key}
                    continue
                window = windows[name]
                candidates[name] = {2 * number: key for number, key in window.keys.items()}
                if window.cut is not None:
                    open_ends[name] = 2 * window.cut - 1
                    candidates[name][open_ends[name]] = NOT_READ
        return candidates, open_ends


def _doubled(accepted: Mapping[int | None, set[Key]]) -> dict[int | None, set[Key]]:
    return {None if number is None else 2 * number: keys for number, keys in accepted.items()}
