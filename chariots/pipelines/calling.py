"""How is one node called, as often and for as long as it asks for?"""

from __future__ import annotations

import contextvars
import functools
import inspect
import logging
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from chariots._room import with_room
from chariots.errors import NodeTimeoutError
from chariots.pipelines.base_node import BaseNode
from chariots.pipelines.nodes import Node

if TYPE_CHECKING:
    from chariots.pipelines.runners import BaseRunner

__all__ = ["call_node", "in_time", "timed_out", "try_again"]

Result = TypeVar("Result")

_logger = logging.getLogger(__name__)


def call_node(node: BaseNode, args: list[Any], runner: BaseRunner | None) -> Any:
    """Executes any node, with the retries and within the time that it asks for.

    Args:
        node: the node.
        args: its arguments.
        runner: the runner for a node that holds a pipeline.

    Returns:
        what the node returned.

    Raises:
        NodeTimeoutError: if it took longer than its timeout.
    """
    options = node.options
    if options is None:
        return _call(node, args, runner)
    return try_again(lambda: in_time(node.name, options.timeout, lambda: _call(node, args, runner)), node)


def try_again(call: Callable[[], Result], node: BaseNode) -> Result:
    """Makes a call again while it fails and the node's retries last.

    Args:
        call: the call.
        node: the node.

    Returns:
        what the first call returned that did not fail.
    """
    policy = node.options.retry if node.options is not None else None
    if policy is None:
        return call()
    for attempt, pause in enumerate(policy.delays(), start=1):
        try:
            return call()
        except Exception as error:  # noqa: BLE001  # what fails is told, and tried again because the user asked for it
            _logger.warning(
                "node %r failed in attempt %d of %d and is tried again in %.2g s: %s: %s",
                node.name, attempt, policy.attempts, pause, type(error).__name__, error,
            )  # fmt: skip
            time.sleep(pause)
    return call()


def timed_out(node: str, seconds: float, then: str) -> NodeTimeoutError:
    """Words that a node took too long.

    Args:
        node: its name.
        seconds: its timeout.
        then: what became of it.
    """
    return NodeTimeoutError(
        f"node {node!r} was given {seconds:g} s and took longer; {then}. Give it more time with "
        "Node(..., timeout=...), or less to do."
    )


def in_time(node: str, seconds: float | None, call: Callable[[], Result]) -> Result:
    """Makes a call that may take only so long: in a thread of its own, which is left behind where it takes longer.

    Args:
        node: the name of the node, for the message.
        seconds: how long it may take; None for any time.
        call: the call.

    Raises:
        NodeTimeoutError: if it took longer.
    """
    if seconds is None:
        return call()
    outcome: list[tuple[Result | None, BaseException | None]] = []

    def run() -> None:
        try:
            outcome.append((context.run(call), None))
        except BaseException as error:  # noqa: BLE001  # raised again by whoever waits
            outcome.append((None, error))

    context = contextvars.copy_context()
    thread = threading.Thread(target=with_room, args=(run,), name=f"chariots-node-{node}", daemon=True)
    thread.start()
    thread.join(seconds)
    if not outcome:
        raise timed_out(node, seconds, "its thread cannot be ended and goes on by itself (a ProcessRunner could)")
    value, error = outcome[0]
    if error is not None:
        raise error
    return value  # type: ignore[return-value]  # what the call returned, for it raised nothing


def _call(node: BaseNode, args: list[Any], runner: BaseRunner | None) -> Any:
    # A node may define ``execute(self, *params)``, as documented, or ``execute(self, params, runner=None)``.
    if isinstance(node, Node) or _takes_a_list(type(node)):
        return node.execute(args, runner)
    return node.execute(*args)


@functools.lru_cache(maxsize=256)
def _takes_a_list(node_class: type[BaseNode]) -> bool:
    parameters = list(inspect.signature(node_class.execute).parameters.values())[1:]
    return any(parameter.name == "runner" for parameter in parameters)
