"""Small ops that the tests of this room share."""

from __future__ import annotations

import json
from typing import Any

from chariots.pipelines.ops import BaseOp, LoadableOp
from chariots.versioning import VersionedField, VersionType


class AddOne(BaseOp):
    def execute(self, number):
        return number + 1


class Double(BaseOp):
    factor = VersionedField(2, VersionType.MAJOR)

    def execute(self, number):
        return number * self.factor


class IsOdd(BaseOp):
    def execute(self, number):
        return bool(number % 2)


class Pair(BaseOp):
    """Splits a number into two outputs."""

    def execute(self, number):
        return number, -number


class Add(BaseOp):
    def execute(self, left, right):
        return left + right


class Constant(BaseOp):
    def __init__(self, value: Any = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.value = value

    def execute(self):
        return self.value


class Fail(BaseOp):
    def execute(self, *args):
        raise ZeroDivisionError("nothing to divide")


class Counter(LoadableOp):
    """Adds what it learned; a stand-in for a model."""

    def __init__(self, learned: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.learned = learned

    def execute(self, number):
        return number + self.learned

    def serialize(self) -> bytes:
        return json.dumps(self.learned).encode()

    def load(self, serialized_object: bytes) -> None:
        self.learned = json.loads(serialized_object)
