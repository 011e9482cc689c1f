"""Which faults were put in the way, how often, and how often was everything whole afterwards?

``CHARIOTS_FAULT_ROUNDS`` bounds how often a fault that strikes at random is repeated: 2 in an ordinary run of tests,
200 in ``make faults``. Faults that strike at every step of something strike at every step in both.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

__all__ = ["add", "counted", "counts", "rounds", "seconds", "table"]

LIMIT = int(os.environ.get("CHARIOTS_FAULT_ROUNDS", "2"))
_counts: dict[str, list[int]] = {}


def rounds(full: int) -> int:
    """How often a fault strikes in this run.

    Args:
        full: how often it does where time is no matter.
    """
    return min(full, LIMIT)


def seconds(full: float, short: float) -> float:
    """How long a fault lasts in this run.

    Args:
        full: its length where time is no matter.
        short: its length in an ordinary run of the tests.
    """
    return full if LIMIT >= 100 else short


@contextmanager
def counted(fault: str) -> Iterator[None]:
    """Counts one round of a fault: survived if the block ends without an exception.

    Args:
        fault: what the line of the table says.
    """
    count = _counts.setdefault(fault, [0, 0])
    count[0] += 1
    yield
    count[1] += 1


def counts() -> dict[str, list[int]]:
    """What was counted: for each fault, how often it struck and how often it was survived."""
    return _counts


def add(counted_elsewhere: Mapping[str, Sequence[int]]) -> None:
    """Adds what another test process has counted.

    Args:
        counted_elsewhere: what its `counts` were.
    """
    for fault, numbers in counted_elsewhere.items():
        count = _counts.setdefault(fault, [0, 0])
        count[:] = [one + more for one, more in zip(count, numbers, strict=True)]


def table() -> list[str]:
    """The lines of the table; none where no fault was counted."""
    if not _counts:
        return []
    width = max(len(fault) for fault in _counts)
    lines = [f"{'fault':<{width}}  rounds  survived", f"{'-' * width}  ------  --------"]
    lines += [
        f"{fault:<{width}}  {count:6d}  {survived:8d}{'' if count == survived else '  <--'}"
        for fault, (count, survived) in sorted(_counts.items())
    ]
    total, all_survived = (sum(column) for column in zip(*_counts.values(), strict=True))
    return [*lines, f"{'-' * width}  ------  --------", f"{'together':<{width}}  {total:6d}  {all_survived:8d}"]
