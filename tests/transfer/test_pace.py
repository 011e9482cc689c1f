"""Are there as many connections as help, and no more?"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chariots.transfer.pace import Pace


def after(seconds: float, rate_of: Callable[[int], float], most: int = 192) -> Pace:
    """A pace that has looked at rates, which depend on the number of connections, for a while."""
    pace, now, there = Pace(most, 0.0), 0.0, 0.0
    while now < seconds:
        now += 0.05
        there += rate_of(pace.allowed) * 0.05
        pace.look(int(there), now, is_full=True)
    return pace


@pytest.mark.parametrize(
    ("rate_of", "most", "found"),
    [
        (lambda count: 20e6 * count, 192, 192),  # every connection is as slow as the first
        (lambda count: 20e6 * count, 84, 84),
        (lambda count: 1.5e9, 192, 2),  # two are as fast as the machine
        (lambda count: min(20e6 * count, 200e6), 192, 32),  # ten of them are as fast as the line
        (lambda count: 50e6, 192, 2),  # the line is slow
        (lambda count: 1e9 / count, 192, 2),  # more get into each other's way
        (lambda count: 0.0, 192, 2),
        (lambda count: 20e6 * count, 1, 1),
    ],
)
def test_there_are_more_where_that_is_faster(rate_of: Callable[[int], float], most: int, found: int) -> None:
    assert after(2.5, rate_of, most).allowed == found


def test_more_are_tried_again_later() -> None:
    faster_later = iter(range(1000))
    assert after(13.0, lambda count: 50e6 if next(faster_later) < 100 else 20e6 * count).allowed == 192


def test_connections_without_work_say_nothing() -> None:
    pace = Pace(192, 0.0)
    for step in range(1, 100):
        pace.look(step * 10_000, step * 0.05, is_full=False)
    assert pace.allowed == 2
