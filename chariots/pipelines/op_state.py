"""How does an op go to where it is executed, and how does what it learned there come back?"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cloudpickle

from chariots.pipelines.moments import next_moment
from chariots.pipelines.ops import BaseOp, LoadableOp
from chariots.pipelines.runners import SequentialRunner

if TYPE_CHECKING:
    from chariots.pipelines.pipeline import Pipeline

__all__ = ["Outcome", "Stamp", "execute", "stamp_of", "take_over", "to_send"]

_NOT_SENT = frozenset({"callbacks"})  # they are called where the run was asked for
_sequential = SequentialRunner()


@dataclass(frozen=True, slots=True)
class Stamp:
    """What tells one state of an op from another.

    What an op holds that says of itself when it has learned may be large, and is replaced rather than changed: there it
    is enough that it is the very same object. Everything else is told by its content.

    Attributes:
        same: what has to be the very same.
        equal: what has to be equal.
    """

    same: tuple[Any, ...]
    equal: Any

    def fits(self, other: Stamp) -> bool:
        """Whether it is the same state."""
        return (
            self.equal == other.equal
            and len(self.same) == len(other.same)
            and all(mine is its for mine, its in zip(self.same, other.same, strict=True))
        )


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of executing an op elsewhere.

    Attributes:
        output: what it returned.
        state: its attributes, where they are not what they were; else None.
    """

    output: Any
    state: dict[str, Any] | None


def stamp_of(op: BaseOp) -> Stamp:
    """Tells the present state of an op, or of all ops of a pipeline.

    Raises:
        TypeError: if the op holds something that cannot be sent.
    """
    if op.holds_nodes:
        stamps = [stamp_of(one) for one in op.ops]  # type: ignore[attr-defined]  # a pipeline
        return Stamp(tuple(same for stamp in stamps for same in stamp.same), tuple(stamp.equal for stamp in stamps))
    state = _sent_state(op)
    if isinstance(op, LoadableOp) and not type(op).has_learned:
        return Stamp(tuple(state.values()), tuple(state))
    return Stamp((), _pickled(op, state) if state else b"")


def to_send(op: BaseOp) -> BaseOp:
    """An op as it is sent: a shallow copy, without what stays here.

    Args:
        op: the op, or a pipeline.
    """
    if op.holds_nodes:
        return _pipeline_to_send(op)  # type: ignore[arg-type]
    sent = copy.copy(op)
    if sent.callbacks:
        sent.callbacks = []
    return sent


def execute(op: BaseOp, args: Sequence[Any]) -> Outcome:
    """Executes an op where it was sent.

    Args:
        op: the op, or a pipeline, which is given its input.
        args: the arguments.
    """
    if op.holds_nodes:
        return Outcome(_sequential.run(op, *args), None)  # type: ignore[arg-type]
    before = stamp_of(op)
    output = op.execute_with_all_callbacks(args)
    return Outcome(output, None if before.fits(stamp_of(op)) else _sent_state(op))


def take_over(op: BaseOp, state: Mapping[str, Any]) -> None:
    """Gives an op the state that it came to elsewhere.

    Args:
        op: the op.
        state: its attributes.
    """
    learned = state.get("_changed_at") != vars(op).get("_changed_at")
    for name in set(vars(op)) - set(state) - _NOT_SENT:
        vars(op).pop(name, None)
    vars(op).update(state)
    if learned:
        vars(op)["_changed_at"] = next_moment()  # by the clock of this machine, as all others


def _sent_state(op: BaseOp) -> dict[str, Any]:
    return {name: value for name, value in vars(op).items() if name not in _NOT_SENT}


def _pipeline_to_send(pipeline: Pipeline) -> Pipeline:
    sent = copy.copy(pipeline)
    sent.callbacks = []
    sent.loaded, sent.loaded_from = {}, None
    sent._plan = sent._positions = None
    return sent


def _pickled(op: BaseOp, state: dict[str, Any]) -> bytes:
    try:
        found: bytes = cloudpickle.dumps(state)
    except Exception as error:
        raise cannot_be_sent(op, error) from error
    return found


def cannot_be_sent(op: BaseOp, error: Exception) -> TypeError:
    """Words that an op cannot go to another process.

    Args:
        op: the op.
        error: what its pickling raised.
    """
    what = f"pipeline {op.name!r}" if op.holds_nodes else f"op {op.name!r}"
    return TypeError(
        f"{what} cannot be sent to another process: {type(error).__name__}: {error}. Create what cannot be pickled (a "
        "lock, a connection, an open file) when it is needed, leave it out in __getstate__, or use a ThreadRunner"
    )
