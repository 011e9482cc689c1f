"""What is a pipeline made of, as the code that was seen last says?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import sqlalchemy as sa

from chariots.errors import UnknownNameError, nearest
from chariots.op_store import tables
from chariots.op_store.decisions import deployments
from chariots.pipelines.store import NodeQuery

__all__ = ["Shape", "read", "write"]

_KNOWN = {known.name for known in fields(NodeQuery)}


@dataclass(frozen=True, slots=True)
class Shape:
    """The nodes of a pipeline and what they read.

    Attributes:
        nodes: the nodes, as the pipeline asks for them when it is loaded.
        edges: the pairs of names whose versions have to fit, (upstream, downstream).
    """

    nodes: Sequence[NodeQuery]
    edges: Sequence[tuple[str, str]]

    @property
    def by_name(self) -> dict[str, NodeQuery]:
        """The nodes by name."""
        return {node.name: node for node in self.nodes}

    @property
    def pinnable(self) -> list[str]:
        """The names of the nodes that have a saved version to run with: not plain code, nor what will learn again."""
        return [node.name for node in self.nodes if node.role in ("load", "optional")]

    def node(self, name: str, pipeline: str, done: str) -> NodeQuery:
        """Finds a node.

        Args:
            name: its name.
            pipeline: the name of the pipeline, for the message.
            done: what was to be done with the node, for the message.

        Raises:
            UnknownNameError: if there is none of that name; the message suggests the nearest.
        """
        known = self.by_name
        if name not in known:
            raise UnknownNameError(
                f"node {name!r} of pipeline {pipeline!r} was to be {done}, but the pipeline has no such node."
                f"{nearest(name, known)} Its nodes: {', '.join(map(repr, list(known)[:20]))}."
            )
        return known[name]

    def is_like(self, other: Shape) -> bool:
        """Whether two shapes ask for the same; the moments in which classes and states were made do not matter."""
        return self._essence() == other._essence()

    def _essence(self) -> dict[str, Any]:
        nodes = []
        for node in self.nodes:
            code = node.code_version.partition("_")[0]
            # Only plain code runs with the version that the query names; of what is loaded, the saved one counts.
            version = node.version.partition("_")[0] if node.role == "code" else code
            nodes.append(asdict(replace(node, version=version, code_version=code)))
        return {"nodes": nodes, "edges": [list(edge) for edge in self.edges]}

    def as_json(self) -> dict[str, Any]:
        """The shape as JSON can hold it."""
        return {"nodes": [asdict(node) for node in self.nodes], "edges": [list(edge) for edge in self.edges]}

    @classmethod
    def from_json(cls, described: Mapping[str, Any]) -> Shape:
        """The shape that `as_json` described; what only another release knows of a node is left out."""
        nodes = [NodeQuery(**{key: node[key] for key in _KNOWN & node.keys()}) for node in described["nodes"]]
        return cls(nodes, [(upstream, downstream) for upstream, downstream in described["edges"]])


def read(connection: sa.Connection, pipeline: str) -> Shape | None:
    """The shape of a pipeline; None if nobody described the pipeline."""
    described = connection.scalar(sa.select(tables.pipeline.c.shape).where(tables.pipeline.c.name == pipeline))
    return None if described is None else Shape.from_json(described)


def write(connection: sa.Connection, pipeline: str, shape: Shape) -> None:
    """Notes what a pipeline is made of; registers the pipeline if it is new.

    Args:
        connection: the transaction.
        pipeline: the name of the pipeline.
        shape: what it is made of.
    """
    number = deployments.add_pipeline(connection, pipeline, None)
    values = {"shape": shape.as_json()}
    connection.execute(sa.update(tables.pipeline).where(tables.pipeline.c.id == number).values(values))
