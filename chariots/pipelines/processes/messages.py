"""What do a runner and its processes tell each other?"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Done", "Failed", "Order", "Progress", "Step", "Uses"]


class Step(NamedTuple):
    """One op of a chain.

    Attributes:
        token: what the op is known by.
        op: which of the values that came with the order it is; None where it was sent before.
        args: which of those values its arguments are; None for what the step before it has returned.
    """

    token: int
    op: int | None
    args: tuple[int | None, ...]


class Order(NamedTuple):
    """What to run.

    Attributes:
        steps: the ops, each of which gets what the one before it returned.
        parts: over how many values the last output is split; 0 where nobody wants it.
        forget: the tokens of ops that are not needed any more.
        tells: whether somebody wants to hear of progress.
        lent: how many of the values that come with it, the last of them, are nothing but memory for the output.
    """

    steps: tuple[Step, ...]
    parts: int
    forget: tuple[int, ...]
    tells: bool
    lent: int = 0


class Uses(NamedTuple):
    """What a process still uses of the memory that it was handed.

    Attributes:
        held: the names of the segments that it maps.
        spoiled: the names of those that processes may map that were forked from it meanwhile.
    """

    held: tuple[str, ...]
    spoiled: tuple[str, ...]


class Done(NamedTuple):
    """What has become of an order: the values that come with it are the parts of the output, then the states.

    Attributes:
        parts: how many values there are of the output; 1 where it could not be split.
        states: for each step whose op is not what it was, its number, in the order of the values.
        uses: the memory that the process still uses.
    """

    parts: int
    states: tuple[int, ...]
    uses: Uses


class Failed(NamedTuple):
    """What a step has failed with: the values that come with it are a `PackedError`, then the states.

    Attributes:
        step: the number of the step.
        sending: whether the op ran, and its output cannot be sent.
        states: for each step whose op is not what it was, its number, in the order of the values.
        uses: the memory that the process still uses.
    """

    step: int
    sending: bool
    states: tuple[int, ...]
    uses: Uses


class Progress(NamedTuple):
    """What an op tells of its progress; see `chariots.pipelines.progress`."""

    current: float
    total: float | None
    message: str
