"""What does a process do that runs nodes? It keeps the ops it was sent, and runs chains of them when it is told to."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from chariots.pipelines import op_state
from chariots.pipelines.error_travel import pack_error
from chariots.pipelines.ops import BaseOp
from chariots.pipelines.processes.channel import Channel, inherited
from chariots.pipelines.processes.messages import Done, Failed, Order, Progress, Step, Uses
from chariots.pipelines.processes.segments import held, lent, note_passed_on, spoiled
from chariots.pipelines.processes.shared import Packed, pack, unpack
from chariots.pipelines.reporting import reporting_to

__all__ = ["main"]


def main(channel: int, life: int) -> None:
    """Runs what comes until the other end is gone.

    Args:
        channel: the number of the socket through which orders come.
        life: the number of a pipe that breaks when the process is gone that has started this one.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever gave the order decides what Ctrl+C means
    os.set_inheritable(life, False)
    threading.Thread(target=_leave_with, args=(life,), name="chariots-life", daemon=True).start()
    note_passed_on()
    orders = inherited(channel)
    ops: dict[int, BaseOp] = {}
    while True:
        try:
            order, values = orders.receive()
        except EOFError:
            return
        _obey(order, values, ops, orders)
        del order, values  # memory that nobody needs is not kept until the next order


def _leave_with(life: int) -> None:
    os.read(life, 1)
    os._exit(1)


def _obey(order: Order, values: list[Packed], ops: dict[int, BaseOp], answers: Channel) -> None:
    for token in order.forget:
        ops.pop(token, None)
    number, sending = 0, False
    states: dict[int, Packed] = {}
    try:
        with reporting_to(lambda *told: answers.send(Progress(*told)) if order.tells else None):
            output = None
            for number, step in enumerate(order.steps):  # a failure tells how far it came
                sending = False
                op = _op(step, values, ops)
                args = [output if arg is None else unpack(values[arg]) for arg in step.args]
                del output
                outcome = op_state.execute(op, args)
                del args
                sending = True
                output = outcome.output
                if outcome.state is not None:
                    states[number] = pack(outcome.state)
        with lent(value.segment for value in values[len(values) - order.lent :] if value.segment is not None):
            parts = _parts(output, order.parts)
        del output, outcome  # so that their memory is not in use any more
        _answer(Done(len(parts), tuple(states), _uses()), [*parts, *states.values()], answers)
    except BaseException as error:  # noqa: BLE001  # SystemExit too: the runner raises it where it was asked to run
        _tell(error, number, sending, states, answers)


def _op(step: Step, values: Sequence[Packed], ops: dict[int, BaseOp]) -> BaseOp:
    if step.op is not None:
        ops[step.token] = unpack(values[step.op])
    return ops[step.token]


def _parts(output: Any, wanted: int) -> list[Packed]:
    if not wanted:
        return []
    if wanted > 1 and isinstance(output, (tuple, list)) and len(output) == wanted:
        return [pack(part) for part in output]
    return [pack(output)]


def _tell(error: BaseException, number: int, sending: bool, states: Mapping[int, Packed], answers: Channel) -> None:
    try:
        packed = pack(pack_error(error))
        _answer(Failed(number, sending, tuple(states), _uses()), [packed, *states.values()], answers)
    except OSError:  # nobody is there to be told
        os._exit(1)


def _answer(answer: Done | Failed, values: Sequence[Packed], answers: Channel) -> None:
    for value in values:
        for segment in value.segments():
            segment.is_reusable = False  # it is the other one's now
    answers.send(answer, values)


def _uses() -> Uses:
    return Uses(held(), spoiled())
