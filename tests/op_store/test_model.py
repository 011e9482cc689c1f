"""Does a load agree with the rule as one would write it on paper, whatever was saved before?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chariots.op_store import OpStoreServer
from chariots.op_store.savers import FileSaver
from chariots.pipelines.store import NodeQuery, Role
from tests.op_store.support import record, version

OPS = ("a", "b", "c")
EDGES = (("a", "b"), ("b", "c"), ("a", "c"))

letters = st.sampled_from("xy")
ops = st.sets(st.sampled_from(OPS), min_size=1)
roles: st.SearchStrategy[Role] = st.sampled_from(["load", "optional", "retrain", "code"])


@dataclass
class Paper:
    """The store as lists: versions in the order of their numbers, and who was validated with whom."""

    versions: list[tuple[int, str, str, str | None]] = field(default_factory=list)  # number, op, major, code
    links: list[tuple[str, str, str, int | None]] = field(default_factory=list)  # up, its major, down, its number

    def chosen(self, op: str, code: str) -> tuple[int, str] | None:
        """Number and major version of what a load should take."""
        fitting = [(n, major) for n, name, major, made in self.versions if name == op and made in (code, None)]
        return max(fitting, default=None)

    def fits(self, nodes: dict[str, NodeQuery], code: str) -> bool:
        """Whether the load should be accepted."""
        chosen = {op: None if node.role == "code" else self.chosen(op, code) for op, node in nodes.items()}
        for op, node in nodes.items():
            saved = any(name == op for _, name, _, _ in self.versions)
            if chosen[op] is None and (node.role == "load" or (node.role == "optional" and saved)):
                return False
        return all(self._edge_fits(nodes[up], nodes[down], chosen[up], chosen[down]) for up, down in EDGES)

    def _edge_fits(
        self, up: NodeQuery, down: NodeQuery, source: tuple[int, str] | None, reader: tuple[int, str] | None
    ) -> bool:
        roles = {up.role, down.role}
        if "retrain" in roles or roles == {"code"}:
            return True
        pair = [link for link in self.links if (link[0], link[2]) == (up.name, down.name)]
        if not pair:
            return source is None or reader is None
        major = up.version.partition(".")[0] if source is None else source[1]
        return any(link[1] == major and (reader is None or link[3] in (reader[0], None)) for link in pair)


saves = st.one_of(
    st.tuples(st.just("save"), ops, letters, letters),
    st.tuples(st.just("old client"), ops, letters, st.just("")),
)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(history=st.lists(saves, max_size=6), wanted=st.tuples(roles, roles, roles), running=st.tuples(letters, letters))
def test_a_load_follows_the_rule(
    history: Sequence[tuple[str, set[str], str, str]], wanted: Sequence[Role], running: tuple[str, str]
) -> None:
    paper = Paper()
    with TemporaryDirectory() as folder:
        client = OpStoreServer(FileSaver(str(Path(folder)))).client()
        for position, (kind, names, major, code) in enumerate(history):
            made = version(major)
            links = [(up, down) for up, down in EDGES if up in names and down in names]
            if kind == "save":
                data = {name: f"{name} {position}".encode() for name in sorted(names)}
                records = [record(client, name, data[name], made, version(code)) for name in sorted(names)]
                numbers = client.commit_save("p", "c", records, links)
                paper.versions += [(number, name, made.major, code) for name, number in numbers.items()]
                paper.links += [(up, made.major, down, numbers[down]) for up, down in links]
            else:
                for name in sorted(names):
                    client.save_op_bytes(name, made, f"{name} {position}".encode())
                    number = max((number for number, *_ in paper.versions), default=0) + 1
                    paper.versions.append((number, name, made.major, None))
                for up, down in links:
                    client.register_valid_link(down, up, made)
                    paper.links.append((up, made.major, down, None))
        code = running[0]
        nodes = {
            name: NodeQuery(name, role, str(version(running[1])), str(version(code)))
            for name, role in zip(OPS, wanted, strict=True)
        }
        found = client.resolve("p", list(nodes.values()), EDGES)
        assert (found.problems == []) == paper.fits(nodes, code)
        expected = {op: paper.chosen(op, code) for op, node in nodes.items() if node.role != "code"}
        assert {op: stored.id for op, stored in found.versions.items()} == {
            op: chosen[0] for op, chosen in expected.items() if chosen is not None
        }
