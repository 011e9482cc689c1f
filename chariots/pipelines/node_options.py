"""What may a node ask of whoever runs it?"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from chariots.errors import nearest
from chariots.web.retry import RetryPolicy

__all__ = ["RESOURCES", "NodeOptions", "checked_resources", "node_options"]

#: What a node can need while it runs: processors, bytes of memory, graphics processors.
RESOURCES = ("cpu", "memory", "gpu")


@dataclass(frozen=True, slots=True)
class NodeOptions:
    """How one node is to be run.

    Attributes:
        cache: whether its output is kept and found again.
        retry: how often it is tried, and after which pauses; None for once.
        timeout: how many seconds one attempt may take; None for any time.
        resources: how much of what it needs while it runs, by the names in `RESOURCES`.
    """

    cache: bool = False
    retry: RetryPolicy | None = None
    timeout: float | None = None
    resources: Mapping[str, float] = field(default_factory=dict)


def node_options(
    who: str,
    *,
    cache: bool = False,
    retries: int | RetryPolicy = 0,
    timeout: float | None = None,
    resources: Mapping[str, float] | None = None,
) -> NodeOptions:
    """Checks what a node asks for.

    Args:
        who: the node, for the messages.
        cache: whether its output is kept and found again.
        retries: how often it is tried again when it fails, or a whole policy.
        timeout: how many seconds one attempt may take.
        resources: what it needs, by the names in `RESOURCES`.

    Raises:
        ValueError: if something asked for cannot be.
        TypeError: if a value is of the wrong kind.
    """
    if not isinstance(cache, bool):
        raise TypeError(f"{who} was given cache={cache!r}; give True to keep its output, or False")
    return NodeOptions(cache, _policy(who, retries), _seconds(who, timeout), checked_resources(who, resources or {}))


def _policy(who: str, retries: int | RetryPolicy) -> RetryPolicy | None:
    if isinstance(retries, RetryPolicy):
        return retries if retries.attempts > 1 else None
    if not isinstance(retries, int) or isinstance(retries, bool):
        raise TypeError(f"{who} was given retries={retries!r}; give a number of retries, or a RetryPolicy")
    if retries < 0:
        raise ValueError(f"{who} was given retries={retries}; give 0 for none, or how often to try again")
    return RetryPolicy(attempts=retries + 1) if retries else None


def _seconds(who: str, timeout: float | None) -> float | None:
    if timeout is None:
        return None
    if isinstance(timeout, bool) or not isinstance(timeout, int | float):
        raise TypeError(f"{who} was given timeout={timeout!r}; give a number of seconds")
    if not 0 < timeout < math.inf:
        raise ValueError(f"{who} was given timeout={timeout}; give a number of seconds above 0, or None for any time")
    return float(timeout)


def checked_resources(who: str, resources: Mapping[str, float]) -> Mapping[str, float]:
    """Checks how much of what somebody asks for, or has.

    Args:
        who: who that is, for the messages.
        resources: the amounts, by the names in `RESOURCES`.

    Raises:
        ValueError: if a name is none of those, or an amount cannot be.
        TypeError: if an amount is no number.
    """
    for name, amount in resources.items():
        if name not in RESOURCES:
            raise ValueError(
                f"{who} was given the resource {name!r}, which no runner knows; "
                f"the resources are {', '.join(RESOURCES)}.{nearest(name, RESOURCES)}"
            )
        if isinstance(amount, bool) or not isinstance(amount, int | float):
            raise TypeError(f"{who} was given {name}={amount!r}; give a number")
        if not 0 <= amount < math.inf:
            raise ValueError(f"{who} was given {name}={amount}; give a number of 0 or more")
    return dict(resources)
