"""What did a benchmark find, and is it what was promised?"""

from __future__ import annotations

import json
import platform
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

__all__ = ["Row", "interleaved", "median", "show", "to_json"]


@dataclass(frozen=True)
class Row:
    """One measured number.

    Args:
        benchmark: which benchmark it comes from, one word.
        what: what was measured, one line.
        value: the number.
        unit: its unit; ``"x"`` for a ratio.
        target: what was promised; None where the number is only for reading.
        better: whether a smaller (``"<="``) or a larger (``">="``) number keeps the promise.
        note: what it was measured beside, or why it is missing.
    """

    benchmark: str
    what: str
    value: float | None
    unit: str = ""
    target: float | None = None
    better: Literal["<=", ">="] = "<="
    note: str = ""

    @property
    def passed(self) -> bool | None:
        """Whether the promise is kept; None where nothing was promised or nothing measured."""
        if self.target is None or self.value is None:
            return None
        return self.value <= self.target if self.better == "<=" else self.value >= self.target

    @property
    def verdict(self) -> str:
        """One word for the last column."""
        if self.value is None:
            return "not measured"
        return {None: "", True: "pass", False: "FAIL"}[self.passed]


def median(values: Sequence[float]) -> float:
    """The middle of the values."""
    return statistics.median(values)


def interleaved(tasks: dict[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Measures several things in turn, so that a slow minute of the machine hits all of them.

    Args:
        tasks: by name, a function that does the work once and returns what it took.
        rounds: how often each is measured; the order is reversed every second round.

    Returns:
        what every round took, by name.
    """
    took: dict[str, list[float]] = {name: [] for name in tasks}
    for index in range(rounds):
        names = list(tasks) if index % 2 == 0 else list(reversed(tasks))
        for name in names:
            took[name].append(tasks[name]())
    return took


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    if value and (abs(value) >= 100_000 or abs(value) < 0.001):
        return f"{value:.2e}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def show(rows: Sequence[Row]) -> str:
    """Lays the rows out as one table."""
    head = ("benchmark", "what", "measured", "target", "", "note")
    cells = [
        (
            row.benchmark,
            row.what,
            f"{_number(row.value)} {row.unit}".strip(),
            "" if row.target is None else f"{row.better} {_number(row.target)} {row.unit}".strip(),
            row.verdict,
            row.note,
        )
        for row in rows
    ]
    widths = [max(len(line[column]) for line in [head, *cells]) for column in range(len(head))]
    lines = [
        "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()
        for line in [head, tuple("-" * width for width in widths), *cells]
    ]
    return "\n".join(lines)


def to_json(rows: Sequence[Row]) -> str:
    """The same rows for a machine, with what they were measured on."""
    return json.dumps(
        {
            "python": platform.python_version(),
            "rows": [{**asdict(row), "passed": row.passed} for row in rows],
        },
        indent=2,
    )
