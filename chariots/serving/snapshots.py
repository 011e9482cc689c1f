"""Which state of a pipeline answers a request?"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from chariots import schema
from chariots.pipelines.nodes import Node, laid_out
from chariots.pipelines.ops import LoadableOp

if TYPE_CHECKING:
    from chariots.pipelines import Pipeline
    from chariots.pipelines.nodes import BaseNode
    from chariots.pipelines.ops import BaseOp
    from chariots.versioning import Version

__all__ = ["Pace", "Snapshot", "learned_names", "pinned_names", "untrained_names", "waiting_names"]

_LAST_RUNS = 8
_KNOWN_AFTER = 3  # runs; the first one often takes long


class Pace:
    """How long one run takes when nothing disturbs it: the shortest of the last ones."""

    __slots__ = ("_last", "_out_until")

    def __init__(self) -> None:
        self._last: tuple[float, ...] = ()
        self._out_until = 0.0

    def ran(self, seconds: float) -> None:
        """Notes a run; where several threads do so at once, what one of them says may be lost."""
        self._last = (*self._last[1 - _LAST_RUNS :], seconds)

    @property
    def shortest(self) -> float:
        """The seconds that the shortest of the last runs took; zero where there was none."""
        return min(self._last, default=0.0)

    def is_below(self, seconds: float) -> bool:
        """Whether runs are known to take less than so long."""
        last = self._last
        return len(last) >= _KNOWN_AFTER and min(last) < seconds and time.monotonic() >= self._out_until

    def is_above(self, seconds: float) -> bool:
        """Whether runs are known to take so long, or longer."""
        last = self._last
        return len(last) >= _KNOWN_AFTER and min(last) >= seconds

    def rule_out(self, seconds: float = math.inf) -> None:
        """Notes that runs may take any time, whatever they took so far.

        Args:
            seconds: for how long to believe that.
        """
        self._out_until = time.monotonic() + seconds


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One state of a pipeline, complete and never changed.

    Attributes:
        pipeline: the nodes with their ops as they were loaded or trained.
        generation: counts the states of this pipeline in this process, from 1.
        versions: the version of every node, as text.
        versions_json: the same, as JSON.
        is_ready: whether every op that needs loading is loaded.
        trains: whether running it changes an op, so that it must run on a copy.
        has_data: whether a node of it loads or saves data, so that its version is another after a run.
        pace: how long one run takes, lately.
    """

    pipeline: Pipeline
    generation: int
    versions: Mapping[str, str]
    versions_json: bytes
    is_ready: bool
    trains: bool
    has_data: bool = False
    pace: Pace = field(default_factory=Pace, compare=False)

    @classmethod
    def of(cls, pipeline: Pipeline, generation: int) -> Snapshot:
        """Describes the present state of a pipeline that nobody will change any more."""
        versions = _shown_versions(pipeline)
        return cls(
            pipeline=pipeline,
            generation=generation,
            versions=versions,
            versions_json=schema.dumps(versions),
            is_ready=pipeline.is_ready,
            trains=pipeline.trains,
            has_data=any(node.require_saver for node in pipeline.graph_nodes),
        )

    def now(self, pipeline: Pipeline | None = None) -> Snapshot:
        """Describes this state with the versions that its data has at present.

        Args:
            pipeline: a copy of its pipeline, which has just run on data of its own; its own pipeline if None.

        Returns:
            a description; this one, if nothing is different.
        """
        if not self.has_data:
            return self
        versions = _shown_versions(pipeline or self.pipeline)
        if versions == self.versions:
            return self
        return replace(self, versions=versions, versions_json=schema.dumps(versions))


def _shown_versions(pipeline: Pipeline) -> dict[str, str]:
    return {node.name: str(_shown_version(node)) for node in laid_out(pipeline.graph_nodes)}


def _shown_version(node: BaseNode) -> Version:
    """The version of a node; one whose models were compiled says how."""
    ops = [op for _, op in _ops_in([node])]
    forms = sorted({form for op in ops if (form := getattr(op, "compiled_form", None)) is not None})
    version = node.node_version
    return version.in_form(".".join(forms)) if forms else version


def waiting_names(pipeline: Pipeline) -> list[str]:
    """The names of the nodes that are of no use before they are loaded, and are not."""
    return [name for name, op in _loadable_ops(pipeline) if op.needs_loading and not op.is_ready]


def untrained_names(pipeline: Pipeline) -> list[str]:
    """The names of the nodes that are to be trained, and were not."""
    return [name for name, op in _loadable_ops(pipeline) if op.allow_version_change and not op.is_ready]


def learned_names(pipeline: Pipeline) -> list[str]:
    """The names of the nodes that have learned since they were loaded."""
    return [name for name, op in _loadable_ops(pipeline) if op.has_learned]


def pinned_names(pipeline: Pipeline) -> list[str]:
    """The names of the nodes whose versions must be the same after a restart.

    What is about to learn again is not among them: its newest version counts.
    """
    return [name for name, op in _ops(pipeline) if op is None or not op.allow_version_change]


def _ops(pipeline: Pipeline) -> Iterator[tuple[str, BaseOp | None]]:
    """Every node with its op, if it has one; those of nested pipelines included."""
    return _ops_in(pipeline.pipeline_nodes)


def _ops_in(nodes: Sequence[BaseNode]) -> Iterator[tuple[str, BaseOp | None]]:
    waiting: list[BaseNode] = list(reversed(nodes))
    while waiting:
        node = waiting.pop()
        if node.alternatives:
            waiting.extend(reversed(node.alternatives))
        elif isinstance(node, Node) and node.nested is not None:
            waiting.extend(reversed(node.nested.pipeline_nodes))
        else:
            yield node.name, node.op if isinstance(node, Node) else None


def _loadable_ops(pipeline: Pipeline) -> Iterator[tuple[str, LoadableOp]]:
    for name, op in _ops(pipeline):
        if isinstance(op, LoadableOp):
            yield name, op
