"""Ops whose runs can be counted, for the tests of the cache."""

from __future__ import annotations

from typing import Any

from chariots.pipelines.ops import BaseOp
from chariots.versioning import VersionedField, VersionType

#: The names of the ops that ran, in order. (Kept here: what an op holds counts for the cache.)
ran: list[str] = []


class Logged(BaseOp):
    """An op that writes down that it ran."""

    def execute(self, *args: Any) -> Any:
        ran.append(type(self).__name__)
        return self.compute(*args)

    def compute(self, *args: Any) -> Any:
        raise NotImplementedError


class Plus(Logged):
    """Adds what it was made with."""

    def __init__(self, number: Any = 1) -> None:
        super().__init__()
        self.number = number

    def compute(self, value: Any) -> Any:
        return value + self.number


class Times(Logged):
    factor = VersionedField(2, VersionType.MINOR)

    def compute(self, value: Any) -> Any:
        return value * self.factor


class Both(Logged):
    def compute(self, value: Any) -> Any:
        return value, -value


class Total(Logged):
    def compute(self, *values: Any) -> Any:
        return sum(values)


class Minus(Logged):
    def compute(self, left: Any, right: Any) -> Any:
        return left - right


class Listed(Logged):
    def compute(self, *values: Any) -> Any:
        return [list(value) if isinstance(value, list) else value for value in values]


class Same(Logged):
    def compute(self, value: Any) -> Any:
        return value


class Breaks(Logged):
    def compute(self, value: Any) -> Any:
        raise ZeroDivisionError("nothing to divide")


class Spoils(Logged):
    """Changes its argument in place, which no op should do."""

    def compute(self, values: list[int]) -> int:
        values.append(100)
        return len(values)
