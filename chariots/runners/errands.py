"""What does a worker of a cluster do for a runner? It runs one op after the other, on what they are given.

This is the only module of the runners that workers import. What they are given was pickled by the program that runs the
pipeline, and what they return was pickled by them: whoever can reach the cluster can run code on it, so that a cluster
is to be reached by its own users alone.
"""

from __future__ import annotations

import pickle
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import Any, NamedTuple

from chariots.pipelines import op_state
from chariots.pipelines.calling import in_time
from chariots.pipelines.error_travel import PackedError, pack_error
from chariots.pipelines.ops import BaseOp
from chariots.pipelines.reporting import reporting_to
from chariots.runners.parcels import Parcel

__all__ = ["Errand", "Failed", "Result", "Shown", "Step", "do"]

_MOST_OPS = 10_000  # that one process keeps,
_MOST_BYTES = 2**30  # and of how many bytes in all
_CANNOT_LEAVE = (GeneratorType, AsyncGeneratorType, CoroutineType)

Teller = Callable[[float, "float | None", str], None]
States = Mapping[int, Parcel]


class Step(NamedTuple):
    """One op of an errand.

    Attributes:
        node: the name of its node.
        op: what the op is known by, whatever its state.
        state: which of its states it is.
        args: which of the values that come with the errand its arguments are; None for what the step before it returns.
    """

    node: str
    op: str
    state: int
    args: tuple[int | None, ...]


class Errand(NamedTuple):
    """What is to be done.

    Attributes:
        id: what the errand is known by to whoever waits for it.
        steps: the ops, one after the other.
        parts: over how many values the last output is split; 0 where nobody wants it.
        timeout: how many seconds a step may take; None for any time.
        tells: whether somebody wants to hear of progress.
    """

    id: str
    steps: tuple[Step, ...]
    parts: int
    timeout: float | None
    tells: bool

    @property
    def name(self) -> str:
        """What the errand is called where a cluster shows what it does."""
        first, last = self.steps[0].node, self.steps[-1].node
        return first if len(self.steps) == 1 else f"{first}..{last}"

    def described(self) -> str:
        """Names the nodes, for messages."""
        names = [repr(step.node) for step in self.steps[:4]] + ["..."] * (len(self.steps) > 4)
        return f"node {names[0]}" if len(names) == 1 else f"one of the nodes {', '.join(names)}"


class Result:
    """What came of an errand, as it stays on the cluster.

    It is pickled when somebody elsewhere wants it, who then has a `Failed` where its values cannot be.

    Attributes:
        parts: the values, each of which another node may read.
        states: what ops have become that are not what they were, by the number of the step; packed.
        step: the number of the last step that ran.
        node: the name of its node.
    """

    __slots__ = ("node", "parts", "states", "step")

    def __init__(self, parts: tuple[Any, ...], states: States | None = None, step: int = 0, node: str = "") -> None:
        self.parts = parts
        self.states: States = states or {}
        self.step = step
        self.node = node

    def packed(self) -> tuple[list[Parcel], Result]:
        """The values, each packed apart, and all else; no values, and a `Failed`, where one of them cannot be."""
        try:
            parcels = [Parcel.of(part) for part in self.parts]
        except Exception as error:  # noqa: BLE001  # what somebody's class raises when it is pickled has no end
            packed = pack_error(_cannot_be_sent(self.node, "returned", error))
            return [], Failed(packed, self.states, self.step, self.node)
        return parcels, self if isinstance(self, Failed) else Shown(
            (None,) * len(parcels), self.states, self.step, self.node
        )

    def __reduce__(self) -> tuple[Any, ...]:
        parcels, rest = self.packed()
        if isinstance(rest, Failed):
            return Failed, (rest.error, rest.states, rest.step, rest.node)
        return _again, (type(self), parcels, self.states, self.step, self.node)


class Shown(Result):
    """A result of which the one who asked must see more than that it is there: what ops have become, or what the last
    one returned, because that cannot be split as it should be."""

    __slots__ = ()


class Failed(Result):
    """What came of an errand of which an op has failed.

    Attributes:
        error: what it raised.
    """

    __slots__ = ("error",)

    def __init__(self, error: PackedError, states: States, step: int, node: str) -> None:
        super().__init__((), states, step, node)
        self.error = error


def _again(kind: type[Result], parcels: Sequence[Parcel], states: States, step: int, node: str) -> Result:
    return kind(tuple(parcel.opened() for parcel in parcels), states, step, node)


def do(
    errand: Errand,
    fetch: Callable[[Sequence[int]], Sequence[bytes]],
    value: Callable[[int], Any],
    tell: Teller | None = None,
) -> Result:
    """Runs the ops of an errand.

    Args:
        errand: what is to be done.
        fetch: gives the ops of some steps, pickled; called for those that this process does not have in their present
            state.
        value: gives one of the values that came with the errand.
        tell: told of progress.

    Returns:
        what came of it; never raises, for a cluster would make a failure of its own of it.
    """
    number = 0
    states: dict[int, Parcel] = {}
    try:
        with reporting_to(tell) if tell is not None and errand.tells else nullcontext():
            ops = _ops.get(errand.steps, fetch)
            output = None
            for number, step in enumerate(errand.steps):  # a failure tells how far it came
                args = [output if at is None else value(at) for at in step.args]
                output = None
                outcome = in_time(step.node, errand.timeout, partial(op_state.execute, ops[number], args))
                del args
                output = outcome.output
                if outcome.state is not None:
                    _ops.forget(step)
                    states[number] = _packed_state(step.node, outcome.state)
        return _result(errand, ops[-1], output, states)
    except BaseException as error:  # noqa: BLE001  # SystemExit too: it is raised where the pipeline was run
        _ops.forget(errand.steps[number])  # what it has become by half nobody knows
        return Failed(pack_error(error), states, number, errand.steps[number].node)


def _packed_state(node: str, state: dict[str, Any]) -> Parcel:
    try:
        return Parcel.of(state)
    except Exception as error:
        raise _cannot_be_sent(node, "learned", error) from error


def _cannot_be_sent(node: str, what: str, error: Exception) -> TypeError:
    refusal = TypeError(
        f"node {node!r} ran, but what it {what} cannot be sent from its process: {type(error).__name__}: {error}. Use "
        "something that can be pickled, or a ThreadRunner"
    )
    refusal.__cause__ = error
    return refusal


def _result(errand: Errand, last: BaseOp, output: Any, states: States) -> Result:
    if isinstance(output, _CANNOT_LEAVE):
        raise TypeError(
            f"op {last.name!r} returned a {type(output).__name__}, which cannot leave the process it was made in; "
            "return a list, or run the pipeline with a ThreadRunner"
        )
    fits = errand.parts <= 1 or (isinstance(output, (tuple, list)) and len(output) == errand.parts)
    parts = tuple(output) if fits and errand.parts > 1 else (output,)[: errand.parts]
    kind = Result if fits and not states else Shown
    return kind(parts, states, len(errand.steps) - 1, errand.steps[-1].node)


class _Ops:
    """The ops that this process has, each in the state it was asked for last; those used last stay."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[str, tuple[int, BaseOp, int]] = OrderedDict()
        self._bytes = 0

    def get(self, steps: Sequence[Step], fetch: Callable[[Sequence[int]], Sequence[bytes]]) -> list[BaseOp]:
        """The ops of some steps; one that several of them have is one."""
        found: dict[tuple[str, int], BaseOp] = {}
        missing: dict[tuple[str, int], int] = {}
        with self._lock:
            for number, step in enumerate(steps):
                state, op, _ = self._known.get(step.op, (-1, None, 0))
                if op is not None and state == step.state:
                    self._known.move_to_end(step.op)
                    found[step.op, step.state] = op
                else:
                    missing.setdefault((step.op, step.state), number)
        if missing:
            for (name, state), data in zip(missing, fetch(list(missing.values())), strict=True):
                op = found[name, state] = pickle.loads(data)  # noqa: S301  # from the user of this cluster; see above
                self._keep(name, state, op, len(data))
        return [found[step.op, step.state] for step in steps]

    def _keep(self, name: str, state: int, op: BaseOp, size: int) -> None:
        with self._lock:
            self._drop(name)
            self._known[name] = (state, op, size)
            self._bytes += size
            while len(self._known) > _MOST_OPS or (self._bytes > _MOST_BYTES and len(self._known) > 1):
                self._drop(next(iter(self._known)))

    def forget(self, step: Step) -> None:
        """Drops the op of a step, unless there is another state of it already."""
        with self._lock:
            if self._known.get(step.op, (-1, None, 0))[0] == step.state:
                self._drop(step.op)

    def _drop(self, name: str) -> None:
        self._bytes -= self._known.pop(name, (0, None, 0))[2]


_ops = _Ops()
