"""Which nodes ran, which were found in the cache, and why?"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from chariots.pipelines.base_node import BaseNode
    from chariots.pipelines.pipeline import Pipeline

__all__ = ["CURRENT", "Explanation", "NodeReport", "State", "explained"]

State = Literal["ran", "cached", "failed"]


@dataclass(frozen=True, slots=True)
class NodeReport:
    """What became of one node.

    Attributes:
        state: ``"ran"``, ``"cached"`` or ``"failed"``.
        why: why it ran, or failed.
        seconds: how long it took: to run, or to be found.
        bytes: how many bytes its outputs have in the cache; None where they are not kept.
        spared: the seconds that it took when it ran, where it was found; else 0.
    """

    state: State
    why: str
    seconds: float
    bytes: int | None = None
    spared: float = 0.0


class Explanation:
    """What became of every node that was reached.

    Attributes:
        nodes: by the name of the node, in the order in which they were finished. Those of a pipeline inside another one
            have its name and a slash before theirs. Where a node ran several times, the last time counts.
    """

    def __init__(self) -> None:
        self.nodes: dict[str, NodeReport] = {}
        self._outermost: str | None = None

    @property
    def states(self) -> dict[str, State]:
        """The state of every node, by name; what ``pipeline.draw`` shows in colours."""
        return {name: report.state for name, report in self.nodes.items()}

    def begin(self, pipeline: Pipeline) -> None:
        """Notes that a pipeline begins; the first one is the outermost."""
        if self._outermost is None:
            self._outermost = pipeline.name

    def add(self, pipeline: Pipeline, node: BaseNode, report: NodeReport) -> None:
        """Notes what became of a node."""
        self.begin(pipeline)
        name = node.name if pipeline.name == self._outermost else f"{pipeline.name}/{node.name}"
        self.nodes.pop(name, None)
        self.nodes[name] = report

    def table(self) -> str:
        """The nodes as a table of text, a line each."""
        lines = [("node", "", "seconds", "bytes", "why")]
        for name, report in self.nodes.items():
            size = "" if report.bytes is None else f"{report.bytes:,}"
            lines.append((name, report.state, f"{report.seconds:.3g}", size, report.why))
        widths = [max(len(line[column]) for line in lines) for column in range(5)]
        return "\n".join(
            f"{name:<{widths[0]}}  {state:<{widths[1]}}  {seconds:>{widths[2]}}  {size:>{widths[3]}}  {why}".rstrip()
            for name, state, seconds, size, why in lines
        )


CURRENT: ContextVar[Explanation | None] = ContextVar("chariots_explanation", default=None)


@contextmanager
def explained() -> Iterator[Explanation]:
    """Has every run within the block explain itself.

    Yields:
        the explanation, which fills while the nodes run.
    """
    explanation = Explanation()
    token = CURRENT.set(explanation)
    try:
        yield explanation
    finally:
        CURRENT.reset(token)
