"""What does a worker of a cluster do for a runner? It runs one op on what it is given.

This is the only module of the runners that workers import. What they are given was pickled by the program that runs the
pipeline, and what they return was pickled by them: whoever can reach the cluster can run code on it, so that a cluster
is to be reached by its own users alone.
"""

from __future__ import annotations

import pickle
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import Any

from chariots.pipelines import op_state
from chariots.pipelines.calling import in_time
from chariots.pipelines.error_travel import PackedError, pack_error
from chariots.pipelines.ops import BaseOp
from chariots.pipelines.reporting import reporting_to

__all__ = ["Errand", "Failed", "Result", "Shown", "do"]

_MOST_OPS = 64  # that one process keeps
_CANNOT_LEAVE = (GeneratorType, AsyncGeneratorType, CoroutineType)

Teller = Callable[[float, "float | None", str], None]


@dataclass(frozen=True, slots=True)
class Errand:
    """What is to be done.

    Attributes:
        id: what the errand is known by to whoever waits for it.
        node: the name of the node.
        op: what the op is known by, whatever its state.
        state: which of its states it is.
        parts: over how many values the output is split.
        timeout: how many seconds it may take; None for any time.
        tells: whether somebody wants to hear of progress.
    """

    id: str
    node: str
    op: str
    state: str
    parts: int
    timeout: float | None
    tells: bool


class Result:
    """What came of an errand, as it stays on the cluster.

    Attributes:
        parts: the values, each of which another node may read.
        state: what the op has become, where it is not what it was; else None.
    """

    __slots__ = ("parts", "state")

    def __init__(self, parts: tuple[Any, ...], state: dict[str, Any] | None = None) -> None:
        self.parts = parts
        self.state = state


class Shown(Result):
    """A result of which the one who asked must see more than that it is there: what the op has become, or what it
    returned, because that cannot be split as it should be."""

    __slots__ = ()


class Failed(Result):
    """What came of an errand whose op has failed.

    Attributes:
        error: what it raised.
    """

    __slots__ = ("error",)

    def __init__(self, error: PackedError) -> None:
        super().__init__(())
        self.error = error


def do(errand: Errand, op: Callable[[], bytes], args: Sequence[Any], tell: Teller | None = None) -> Result:
    """Runs an op.

    Args:
        errand: what is to be done.
        op: gives the op, pickled; called where this process does not have it in its present state.
        args: the arguments.
        tell: told of progress.

    Returns:
        what came of it; never raises, for a cluster would make a failure of its own of it.
    """
    try:
        with reporting_to(tell) if tell is not None and errand.tells else nullcontext():
            return _done(errand, _ops.get(errand, op), args)
    except BaseException as error:  # noqa: BLE001  # SystemExit too: it is raised where the pipeline was run
        _ops.forget(errand)  # what it has become by half nobody knows
        return Failed(pack_error(error))


def _done(errand: Errand, op: BaseOp, args: Sequence[Any]) -> Result:
    outcome = in_time(errand.node, errand.timeout, lambda: op_state.execute(op, args))
    if outcome.state is not None:
        _ops.forget(errand)
    output = outcome.output
    if isinstance(output, _CANNOT_LEAVE):
        raise TypeError(
            f"op {op.name!r} returned a {type(output).__name__}, which cannot leave the process it was made in; return "
            "a list, or run the pipeline with a ThreadRunner"
        )
    fits = errand.parts <= 1 or (isinstance(output, (tuple, list)) and len(output) == errand.parts)
    parts = tuple(output) if fits and errand.parts > 1 else (output,)
    return Result(parts) if fits and outcome.state is None else Shown(parts, outcome.state)


class _Ops:
    """The ops that this process has, each in the state it was asked for last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[str, tuple[str, BaseOp]] = OrderedDict()

    def get(self, errand: Errand, data: Callable[[], bytes]) -> BaseOp:
        with self._lock:
            state, op = self._known.get(errand.op, ("", None))
            if op is not None and state == errand.state:
                self._known.move_to_end(errand.op)
                return op
        made: BaseOp = pickle.loads(data())  # noqa: S301  # from the user of this cluster; see above
        with self._lock:
            self._known[errand.op] = (errand.state, made)
            self._known.move_to_end(errand.op)
            while len(self._known) > _MOST_OPS:
                self._known.popitem(last=False)
        return made

    def forget(self, errand: Errand) -> None:
        with self._lock:
            if self._known.get(errand.op, ("", None))[0] == errand.state:
                del self._known[errand.op]


_ops = _Ops()
