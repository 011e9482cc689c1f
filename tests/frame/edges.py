"""Calls from every depth, and how much memory they ask the system for."""

from __future__ import annotations

import resource

from chariots.pipelines.ops import BaseOp

CALLS = 60  # at each depth; where frames have no room, each of them touches a page of its own
DEPTHS = 250  # frames of these fill more than two pieces of those that CPython keeps frames in


def leaf(value: int) -> int:
    return value


def worst(depths: int = DEPTHS) -> int:
    """The most pages of memory that were new to this thread in calls from one depth."""
    before = resource.getrusage(resource.RUSAGE_THREAD).ru_minflt
    for number in range(CALLS):
        leaf(number)
    taken = resource.getrusage(resource.RUSAGE_THREAD).ru_minflt - before
    return max(taken, worst(depths - 1)) if depths else taken


class Edges(BaseOp):
    """Tells it of wherever it is run."""

    def execute(self, number: int) -> int:
        return worst()
