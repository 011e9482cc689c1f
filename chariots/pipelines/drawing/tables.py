"""How does a table look as text, and in a notebook?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from chariots.pipelines.drawing.texts import shortened, visible

if TYPE_CHECKING:
    from chariots.pipelines.timing import NodeTiming, RunTiming

__all__ = ["Table", "seconds", "timing_table"]

LONGEST_NAME = 60


@dataclass(frozen=True)
class Table:
    """A table; text where it is printed.

    Attributes:
        title: what stands above it.
        columns: the headings.
        rows: the cells of each row.
        numbers: the headings of the columns whose cells end below one another.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    numbers: Sequence[str] = ()

    def __str__(self) -> str:
        cells = [list(self.columns), *(list(row) for row in self.rows)]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = [self.title]
        for row in cells:
            placed = [
                cell.rjust(width) if name in self.numbers else cell.ljust(width)
                for name, cell, width in zip(self.columns, row, widths, strict=True)
            ]
            lines.append("  ".join(placed).rstrip())
        return "\n".join(lines)

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        aligned = ["right" if name in self.numbers else "left" for name in self.columns]

        def row(tag: str, texts: Sequence[str]) -> str:
            cells = (
                f'<{tag} style="text-align:{side}">{escape(text)}</{tag}>'
                for side, text in zip(aligned, texts, strict=True)
            )
            return f"<tr>{''.join(cells)}</tr>"

        body = "".join(row("td", texts) for texts in self.rows)
        return (
            f'<div style="overflow-x:auto"><table><caption>{escape(self.title)}</caption>'
            f"<thead>{row('th', self.columns)}</thead><tbody>{body}</tbody></table></div>"
        )


def seconds(duration: float) -> str:
    """A duration for people.

    Args:
        duration: the seconds.
    """
    if duration >= 60:
        minutes, rest = divmod(round(duration), 60)
        hours, minutes = divmod(minutes, 60)
        return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"
    for unit, factor in (("s", 1.0), ("ms", 1e3)):
        if duration * factor >= 1:
            return f"{duration * factor:.3g} {unit}"
    return f"{duration * 1e6:.3g} us"


def timing_table(run: RunTiming) -> Table:
    """How long the nodes of a run took, in the order in which they began.

    Args:
        run: the run.
    """
    known: dict[str, list[NodeTiming]] = {}
    for node in run.nodes:
        known.setdefault(node.name, []).append(node)
    rows = []
    for name, calls in known.items():
        total = sum(call.duration for call in calls)
        threads = dict.fromkeys(call.thread for call in calls)
        states = dict.fromkeys(call.state for call in calls)
        rows.append(
            (
                shortened(name, LONGEST_NAME),
                str(len(calls)),
                seconds(calls[0].start),
                seconds(total),
                f"{100 * total / run.duration:.1f} %" if run.duration else "",
                visible(next(iter(threads))) if len(threads) == 1 else f"{len(threads)} threads",
                ", ".join(states),
            )
        )
    became = "ran" if run.error is None else f"failed ({shortened(run.error)})"
    title = f"{visible(run.pipeline)} {became} in {seconds(run.duration)}, begun {run.started:%Y-%m-%d %H:%M:%S} UTC"
    columns = ("node", "calls", "start", "time", "share", "thread", "state")
    return Table(title, columns, rows, ("calls", "start", "time", "share"))
