"""Does a load agree with the rule as one would write it on paper, whatever was saved before?"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from unittest import mock

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chariots.op_store import OpStoreServer
from chariots.op_store.resolution import lookup
from chariots.op_store.savers import FileSaver
from chariots.pipelines.store import Level, NodeQuery, Role
from chariots.versioning import Version
from tests.op_store.support import record, version

OPS = ("a", "b", "c")
EDGES = (("a", "b"), ("b", "c"), ("a", "c"))
EXAMPLES = itertools.count()
LETTERS: dict[Level, int] = {"major": 1, "minor": 2, "patch": 3}

# The first letter counts in major, the second in minor.
texts = st.sampled_from(["xx", "xy", "yx"])
ops = st.sets(st.sampled_from(OPS), min_size=1)
roles: st.SearchStrategy[Role] = st.sampled_from(["load", "load", "optional", "retrain", "code"])
levels: st.SearchStrategy[Level] = st.sampled_from(["major", "minor", "patch"])


def made_of(text: str) -> Version:
    """The version that two letters stand for."""
    return version(text[0], text[1])


def agree(left: str, right: str, level: Level) -> bool:
    """Whether two texts are the same down to a subversion."""
    return left[: LETTERS[level]] == right[: LETTERS[level]]


@dataclass(frozen=True)
class Saved:
    """A version as a line on paper."""

    number: int
    op: str
    text: str
    code: str | None  # None: by a client that did not say


@dataclass
class Paper:
    """The store as lists: versions in the order of their numbers, and who was validated with whom."""

    versions: list[Saved] = field(default_factory=list)
    links: list[tuple[str, str, str, int | None]] = field(default_factory=list)  # up, its text, down, its number

    def candidates(self, node: NodeQuery, code: str) -> list[Saved | None]:
        """What a node may load, the newest first; None stands for nothing."""
        if node.role == "code":
            return [None]
        found = [
            saved
            for saved in self.versions
            if saved.op == node.name and (saved.code is None or agree(saved.code, code, node.mismatch_on))
        ]
        newest_first: list[Saved | None] = [*sorted(found, key=lambda saved: -saved.number)]
        return newest_first or [None]

    def newest(self, nodes: Sequence[NodeQuery], code: str) -> dict[str, int]:
        """The newest version that each node may load."""
        first = {node.name: self.candidates(node, code)[0] for node in nodes}
        return {op: saved.number for op, saved in first.items() if saved is not None}

    def expected(
        self, nodes: Sequence[NodeQuery], edges: Sequence[tuple[str, str]], code: str, running: str
    ) -> dict[str, int] | None:
        """What a load should take; None if it should be refused."""
        for node in nodes:
            saved = any(version.op == node.name for version in self.versions)
            needed = node.role == "load" or (node.role == "optional" and saved)
            if needed and self.candidates(node, code) == [None]:
                return None
        fitting = [chosen for chosen in self.sets(nodes, code) if self.fits(nodes, edges, chosen, running)]
        numbers = [{op: saved.number for op, saved in chosen.items() if saved is not None} for chosen in fitting]
        return max(numbers, key=lambda chosen: sorted(chosen.values(), reverse=True), default=None)

    def sets(self, nodes: Sequence[NodeQuery], code: str) -> Iterator[dict[str, Saved | None]]:
        """Every set of versions, whether it fits or not."""
        for chosen in itertools.product(*(self.candidates(node, code) for node in nodes)):
            yield {node.name: saved for node, saved in zip(nodes, chosen, strict=True)}

    def fits(
        self,
        nodes: Sequence[NodeQuery],
        edges: Sequence[tuple[str, str]],
        chosen: Mapping[str, Saved | None],
        running: str,
    ) -> bool:
        """Whether every edge of a set holds."""
        by_name = {node.name: node for node in nodes}
        learning = part_of_training(by_name, edges)
        return all(
            down in learning or self._edge_fits(by_name[up], by_name[down], chosen[up], chosen[down], running)
            for up, down in edges
        )

    def _edge_fits(
        self, up: NodeQuery, down: NodeQuery, source: Saved | None, reader: Saved | None, running: str
    ) -> bool:
        both = {up.role, down.role}
        if "retrain" in both or both == {"code"}:
            return True
        pair = [link for link in self.links if (link[0], link[2]) == (up.name, down.name)]
        if not pair:
            return source is None or reader is None
        text = running if source is None else source.text
        return any(
            agree(link[1], text, up.mismatch_on) and (reader is None or link[3] in (reader.number, None))
            for link in pair
        )


def part_of_training(nodes: Mapping[str, NodeQuery], edges: Sequence[tuple[str, str]]) -> set[str]:
    """What learns again, and the plain code that is read by nothing else."""
    found = {name for name, node in nodes.items() if node.role == "retrain"}
    for _ in nodes:
        for name, node in nodes.items():
            readers = {down for up, down in edges if up == name}
            if node.role == "code" and readers and readers <= found:
                found.add(name)
    return found


saves = st.one_of(
    st.tuples(st.just("save"), ops, texts, texts),
    st.tuples(st.just("old client"), ops, texts, st.just("")),
)


windows = st.sampled_from([lookup.WINDOWS, (1, 2, None)])


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> OpStoreServer:
    """A store for all examples: each takes three ops of its own, as making a store takes longer."""
    return OpStoreServer(FileSaver(str(tmp_path_factory.mktemp("ops"))))


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    history=st.lists(saves, max_size=8),
    wanted=st.tuples(roles, roles, roles),
    mismatch_on=st.tuples(levels, levels, levels),
    code=texts,
    running=texts,
    windows=windows,
)
def test_a_load_follows_the_rule(
    shared: OpStoreServer,
    history: Sequence[tuple[str, set[str], str, str]],
    wanted: Sequence[Role],
    mismatch_on: Sequence[Level],
    code: str,
    running: str,
    windows: Sequence[int | None],
) -> None:
    client, paper, example = shared.client(), Paper(), next(EXAMPLES)
    edges = [(f"{up} {example}", f"{down} {example}") for up, down in EDGES]
    for position, (kind, letters, text, by) in enumerate(history):
        names = sorted(f"{letter} {example}" for letter in letters)
        made = made_of(text)
        links = [(up, down) for up, down in edges if up in names and down in names]
        if kind == "save":
            records = [record(client, name, f"{name} {position}".encode(), made, made_of(by)) for name in names]
            numbers = client.commit_save("p", "c", records, links)
            paper.versions += [Saved(number, name, text, by) for name, number in numbers.items()]
            paper.links += [(up, text, down, numbers[down]) for up, down in links]
        else:
            for name in names:
                client.save_op_bytes(name, made, f"{name} {position}".encode())
                number = shared.registry.find_version(name, str(made)).id
                paper.versions.append(Saved(number, name, text, None))
            for up, down in links:
                client.register_valid_link(down, up, made)
                paper.links.append((up, text, down, None))
    nodes = [
        NodeQuery(f"{name} {example}", role, str(made_of(running)), str(made_of(code)), level)
        for name, role, level in zip(OPS, wanted, mismatch_on, strict=True)
    ]
    with mock.patch.object(lookup, "WINDOWS", windows):
        found = client.resolve("p", nodes, edges)
    expected = paper.expected(nodes, edges, code, running)
    newest = paper.newest(nodes, code)
    assert (found.problems == []) == (expected is not None)
    assert {op: stored.id for op, stored in found.versions.items()} == (newest if expected is None else expected)
    assert (found.passed_over == []) == (expected is None or expected == newest)
