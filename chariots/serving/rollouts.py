"""Which versions of a pipeline are tried on a part of its calls, and how far does that go?"""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from chariots.errors import nearest
from chariots.pipelines.choosing import is_weight
from chariots.web.request_ids import CALLER_HEADER

__all__ = ["Canary", "Rollout", "Shadow", "read_rollouts"]


@dataclass(frozen=True)
class Canary:
    """Lets the versions of an alias answer a share of a pipeline's calls, and withdraws them when they fail.

    A call that fails on these versions is answered by those in service. It counts as a failure of the canary, unless it
    fails there too: then the input is to blame.

    Attributes:
        pipeline: the name of the pipeline.
        alias: the alias that stands for the versions to try.
        share: the part of the calls that they answer, between 0 and 1.
        key: the header by which one caller is told from another; where it is missing, the id of the request decides.
        max_error_rate: the part of the last calls that may fail before the canary is withdrawn, between 0 and 1.
        min_requests: how many calls must have been counted before it can be.
        window: how many of the last calls count.

    Raises:
        ValueError: if one of them is out of bounds.
    """

    pipeline: str
    alias: str = "canary"
    share: float = 0.05
    key: str = CALLER_HEADER
    max_error_rate: float = 0.05
    min_requests: int = 50
    window: int = 1000

    def __post_init__(self) -> None:
        _check_names(self)
        _check_part(self, "share")
        _check_part(self, "max_error_rate")
        _check_count(self, "min_requests")
        _check_count(self, "window")
        if self.min_requests > self.window:
            raise ValueError(
                f"{_described(self)} needs min_requests={self.min_requests} calls, but only window={self.window} of "
                "them count, so that it would never be withdrawn; raise the window"
            )


@dataclass(frozen=True)
class Shadow:
    """Lets the versions of an alias compute a share of a pipeline's calls beside those in service, and never answer.

    Attributes:
        pipeline: the name of the pipeline.
        alias: the alias that stands for the versions to try.
        share: the part of the calls that they compute, between 0 and 1.
        key: the header by which one caller is told from another; where it is missing, the id of the request decides.
        queue: how many calls may wait to be computed; further ones are dropped, and counted.
        tolerance: how much two numbers may differ, absolutely or in proportion, and still count as equal.

    Raises:
        ValueError: if one of them is out of bounds.
    """

    pipeline: str
    alias: str = "shadow"
    share: float = 1.0
    key: str = CALLER_HEADER
    queue: int = 100
    tolerance: float = 1e-6

    def __post_init__(self) -> None:
        _check_names(self)
        _check_part(self, "share")
        _check_count(self, "queue")
        if not is_weight(self.tolerance):
            raise ValueError(f"{_described(self)} has tolerance={self.tolerance!r}; give a finite number, 0 or more")


Rollout: TypeAlias = Canary | Shadow
_LONGEST_NAME: Final = 255  # characters, in the op store
_KINDS: Final[Mapping[str, type[Canary] | type[Shadow]]] = {"canary": Canary, "shadow": Shadow}


def read_rollouts(given: Any, where: str = "rollouts") -> list[Rollout]:
    """Reads what is to be tried, from code, from a configuration file or from the environment.

    Args:
        given: `Canary` and `Shadow` objects; or mappings of their attributes with ``kind`` beside them, ``canary`` or
            ``shadow``; or such a list as JSON.
        where: where it stands, for the message.

    Returns:
        the objects.

    Raises:
        ValueError: if it is something else.
    """
    if isinstance(given, str):
        try:
            given = json.loads(given)
        except ValueError:
            raise ValueError(f"{where} holds {given!r:.80}, which is no JSON; write a list of objects.") from None
    if isinstance(given, (Canary, Shadow, Mapping)):
        given = [given]
    if not isinstance(given, Iterable):
        raise ValueError(f"{where} holds {given!r:.80}, where a list of rollouts is expected.")
    return [one if isinstance(one, (Canary, Shadow)) else _read_one(one, where) for one in given]


def _read_one(given: Any, where: str) -> Rollout:
    if not isinstance(given, Mapping):
        raise ValueError(
            f"{where} holds {given!r:.80}, which is no rollout; give Canary(pipeline, ...) or Shadow(pipeline, ...), "
            "or a mapping with kind: canary or kind: shadow."
        )
    kind = given.get("kind")
    if not isinstance(kind, str) or kind not in _KINDS:
        raise ValueError(
            f"{where} holds a rollout of kind {kind!r}.{nearest(str(kind), _KINDS)} Write canary or shadow."
        )
    wanted = _KINDS[kind]
    taken = list(inspect.signature(wanted).parameters)
    rest = {name: value for name, value in given.items() if name != "kind"}
    unknown = next((name for name in rest if name not in taken), None)
    if unknown is not None:
        hint = nearest(str(unknown), taken)
        raise ValueError(
            f"{where} gives a {kind} {unknown!r}, which it does not take.{hint} It takes {', '.join(taken)}."
        )
    if "pipeline" not in rest:
        raise ValueError(f"{where} holds a {kind} without a pipeline; say which one it is for.")
    try:
        return wanted(**rest)
    except ValueError as error:
        raise ValueError(f"{where} cannot be used: {error}.") from error


def _described(rollout: Any) -> str:
    return f"{type(rollout).__name__}({rollout.pipeline!r})"


def _check_names(rollout: Any) -> None:
    for name in ("pipeline", "alias", "key"):
        value = getattr(rollout, name)
        if not isinstance(value, str) or not value.isprintable() or not 0 < len(value) <= _LONGEST_NAME:
            raise ValueError(
                f"{_described(rollout)} has {name}={value!r:.80}; give a name of 1 to {_LONGEST_NAME} printable "
                "characters"
            )


def _check_part(rollout: Any, name: str) -> None:
    value = getattr(rollout, name)
    if not is_weight(value) or value > 1:
        raise ValueError(f"{_described(rollout)} has {name}={value!r}; give a number from 0 to 1")


def _check_count(rollout: Any, name: str) -> None:
    value = getattr(rollout, name)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{_described(rollout)} has {name}={value!r}; give an integer, 1 or more")
