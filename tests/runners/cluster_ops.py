"""Ops that the tests of cluster runners share; importable, and so sent by name."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import numpy

from chariots.pipelines import Pipeline
from chariots.pipelines.nodes import BaseNode, Node
from chariots.pipelines.ops import BaseOp

PATIENCE = 60.0


class DiesAtFirst(BaseOp):
    """Ends its process as a crash in native code would, the first time."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.file = file

    def execute(self, value: Any) -> Any:
        if not self.file.exists():
            self.file.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return value


class TellsItsProcess(BaseOp):
    """Writes the id of its process into a file, waits for another one, and hands on what it is given."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def execute(self, value: Any) -> Any:
        part = self.folder / "pid.part"
        part.write_text(str(os.getpid()))
        part.rename(self.folder / "pid")
        until = time.monotonic() + PATIENCE
        while not (self.folder / "go").exists() and time.monotonic() < until:
            time.sleep(0.01)
        return value


class FailsBeside(BaseOp):
    """Fails as soon as another op has written a file."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.file = file

    def execute(self, value: Any) -> Any:
        until = time.monotonic() + PATIENCE
        while not self.file.exists() and time.monotonic() < until:
            time.sleep(0.01)
        raise LookupError("beside another")


class CountsItsUnpickling(BaseOp):
    """Writes a line whenever it is unpickled."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.file = file

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        with self.file.open("a") as lines:
            lines.write(f"{os.getpid()}\n")

    def execute(self, value: Any) -> Any:
        return value


class Source(BaseOp):
    """A table of numbers."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.seed = seed

    def execute(self, rows: int) -> Any:
        return numpy.random.default_rng(self.seed).normal(size=(rows, 4))


class Mix(BaseOp):
    """Arithmetic whose every bit depends on both of its inputs."""

    def execute(self, left: Any, right: Any) -> Any:
        return numpy.tanh(left @ numpy.diag([1.5, 0.25, 3.0, 0.7]) - right / 3) * numpy.pi


def data_pipeline(nodes: int = 100) -> Pipeline:
    """A pipeline of tables, of which each is mixed of two earlier ones."""
    made: list[BaseNode] = [
        Node(Source(seed), ["__pipeline_input__"], f"table_{seed}", name=f"node_{seed}") for seed in range(10)
    ]
    for number in range(10, nodes):
        last = number == nodes - 1
        reads = [f"table_{number - 1}" if last else f"table_{number - 10}", f"table_{number - 3}"]
        name = "__pipeline_output__" if last else f"table_{number}"
        made.append(Node(Mix(), reads, name, name=f"node_{number}"))
    read = {name for node in made for name in node.input_nodes}
    ends = [f"table_{number}" for number in range(nodes - 1) if f"table_{number}" not in read]
    made[-1] = Node(Sum(), [*made[-1].input_nodes, *ends], "__pipeline_output__", name=f"node_{nodes - 1}")
    return Pipeline(made, "data")


class Sum(BaseOp):
    """The sum of tables, in the order in which they are given."""

    def execute(self, *tables: Any) -> Any:
        total = tables[0]
        for table in tables[1:]:
            total = total + table
        return total
