"""Ops that keep what they are given beyond their run; a module of its own, so that a process can import it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from chariots.pipelines import Pipeline
from chariots.pipelines.nodes import Node
from chariots.pipelines.ops import BaseOp
from tests.pipelines.parallel_ops import INPUT, OUTPUT, wait_for

kept: list[Any] = []


class Keep(BaseOp):
    """Keeps an array in its process, and tells the sums of all that were kept there."""

    def execute(self, array: Any) -> list[float]:
        kept.append(array)
        return [float(one.sum()) for one in kept]


class KeepInCircle(BaseOp):
    """Keeps an array in a circle, which only the garbage collector ends."""

    def execute(self, array: Any) -> Any:
        circle: list[Any] = [array]
        circle.append(circle)
        return array


class Forks(BaseOp):
    """Leaves a process behind that has the array, and writes its sum when a file is there."""

    def __init__(self, go: Path, found: Path) -> None:
        super().__init__()
        self.go, self.found = go, found

    def execute(self, array: Any) -> int:
        pid = os.fork()
        if not pid:
            try:
                wait_for(self.go)
                part = self.found.with_suffix(".part")
                part.write_text(str(float(array.sum())))
                part.rename(self.found)
            finally:
                os._exit(0)
        return pid


class HandOn(BaseOp):
    """Returns what it is given."""

    def execute(self, value: Any) -> Any:
        return value


class Write(BaseOp):
    """Changes one number in place."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self.at = at

    def execute(self, array: Any) -> Any:
        array[self.at] = -self.at
        return array


class Nested(BaseOp):
    """Has a process of its own keep the array, and tells the sums of all that were kept there."""

    def execute(self, array: Any) -> Any:
        return nested_runner().run(Pipeline([Node(Keep(), [INPUT], OUTPUT)], "nested"), array)


def nested_runner() -> Any:
    """The runner that a process has for its ops."""
    from chariots.pipelines.runners import ProcessRunner

    if not runners:
        runners.append(ProcessRunner(1))
    return runners[0]


runners: list[Any] = []
