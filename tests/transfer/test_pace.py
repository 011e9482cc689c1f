"""Are there as many connections as help, and no more?"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chariots.transfer.pace import Pace


def after(seconds: float, rate_of: Callable[[int], float], most: int = 192, files: int = 1) -> Pace:
    """A pace that has looked at rates, which depend on the number of connections, for a while."""
    pace, now, there = Pace(most, 0.0, min(2, files)), 0.0, 0.0
    while now < seconds:
        now += 0.05
        there += rate_of(pace.allowed) * 0.05
        pace.look(int(there), now, is_full=True)
    return pace


@pytest.mark.parametrize(
    ("rate_of", "most", "files", "found"),
    [
        (lambda count: 20e6 * count, 192, 1, 192),  # every connection is as slow as the first
        (lambda count: 20e6 * count, 84, 1, 84),
        (lambda count: 1.5e9, 192, 1, 1),  # one is as fast as the machine
        (lambda count: 1.5e9, 192, 9, 2),  # two are, each with a file of its own
        (lambda count: min(20e6 * count, 200e6), 192, 1, 16),  # ten of them are as fast as the line
        (lambda count: min(20e6 * count, 200e6), 192, 9, 32),
        (lambda count: min(200e6 * count, 0.8e9), 192, 1, 4),
        (lambda count: 50e6, 192, 1, 1),  # the line is slow
        (lambda count: 1e9 / count, 192, 9, 2),  # more get into each other's way
        (lambda count: 0.0, 192, 1, 1),
        (lambda count: 20e6 * count, 1, 9, 1),
    ],
)
def test_there_are_more_where_that_is_faster(
    rate_of: Callable[[int], float], most: int, files: int, found: int
) -> None:
    assert after(2.5, rate_of, most, files).allowed == found


def test_more_are_tried_again_later() -> None:
    faster_later = iter(range(1000))
    assert after(13.0, lambda count: 50e6 if next(faster_later) < 100 else 20e6 * count).allowed == 192


def test_connections_without_work_say_nothing() -> None:
    pace = Pace(192, 0.0)
    for step in range(1, 100):
        pace.look(step * 10_000, step * 0.05, is_full=False)
    assert pace.allowed == 2
