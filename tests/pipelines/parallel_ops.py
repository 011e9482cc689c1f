"""Ops for the tests of runners that do several things at once; a module of its own, so that a process can import it."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

from chariots.pipelines import Pipeline, progress
from chariots.pipelines.nodes import Node
from chariots.pipelines.ops import BaseOp, LoadableOp

INPUT, OUTPUT = "__pipeline_input__", "__pipeline_output__"


class AddOne(BaseOp):
    def execute(self, number: Any) -> Any:
        return number + 1


class Sum(BaseOp):
    def execute(self, *numbers: Any) -> Any:
        return sum(numbers)


class Meet(BaseOp):
    """Returns when as many of its kind are at work as it was told; fails where they never are."""

    def __init__(self, place: Path, count: int) -> None:
        super().__init__()
        self.place, self.count = place, count

    def execute(self, number: Any) -> Any:
        (self.place / f"{os.getpid()}-{threading.get_ident()}").touch()
        deadline = time.monotonic() + 30
        while len(list(self.place.iterdir())) < self.count:
            if time.monotonic() > deadline:
                raise TimeoutError("nobody else came")
            time.sleep(0.005)
        return number


class Alone(BaseOp):
    """Fails if another of its kind is at work in the same place."""

    def __init__(self, place: Path) -> None:
        super().__init__()
        self.place = place

    def execute(self, number: Any) -> Any:
        file = self.place / "at-work"
        file.touch(exist_ok=False)
        time.sleep(0.02)
        file.unlink()
        return number


class Fail(BaseOp):
    def execute(self, number: Any) -> Any:
        raise ValueError(f"there is nothing to do with {number}")


class FailAfter(BaseOp):
    """Fails once a file is there."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.file = file

    def execute(self, number: Any) -> Any:
        wait_for(self.file)
        raise KeyError("later")


class FailFirst(BaseOp):
    """Fails as often as it was told, counting in a file."""

    def __init__(self, file: Path, times: int) -> None:
        super().__init__()
        self.file, self.times = file, times

    def execute(self, number: Any) -> Any:
        with self.file.open("a") as file:
            file.write(f"{os.getpid()}\n")
        if len(self.file.read_text().splitlines()) <= self.times:
            raise ConnectionError("not yet")
        return number


class Touch(BaseOp):
    """Writes the number of its process into a file, so that others know that it ran."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.file = file

    def execute(self, number: Any) -> Any:
        self.file.write_text(str(os.getpid()))
        return number


class Hang(Touch):
    def execute(self, number: Any) -> Any:
        super().execute(number)
        time.sleep(600)


class Die(BaseOp):
    def execute(self, number: Any) -> Any:
        os.kill(os.getpid(), signal.SIGKILL)


class Tell(BaseOp):
    def execute(self, number: Any) -> Any:
        progress(1, 2, "half of it")
        return number


class Where(BaseOp):
    def execute(self, number: Any) -> Any:
        return os.getpid()


class Seen(BaseOp):
    """Keeps what it was given on itself, in a list."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Any] = []

    def execute(self, number: Any) -> Any:
        self.seen.append(number)
        return len(self.seen)


class Counter(LoadableOp):
    """Counts its runs; what it counted is its state."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def execute(self, number: Any) -> Any:
        self.count += 1
        return self.count

    def serialize(self) -> bytes:
        return str(self.count).encode()

    def load(self, serialized_object: bytes) -> None:
        self.count = int(serialized_object)


class CannotTravel(Exception):  # noqa: N818
    def __init__(self, first: str, second: str) -> None:
        super().__init__(f"{first} and {second}")


class FailOddly(BaseOp):
    def execute(self, number: Any) -> Any:
        raise CannotTravel("this", "that")


class Write(BaseOp):
    """Changes what it is given in place."""

    def execute(self, array: Any) -> Any:
        array += 1
        return array


def wait_for(file: Path, seconds: float = 60) -> str:
    """Waits until a file has content."""
    deadline = time.monotonic() + seconds
    while not (file.exists() and file.read_text()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{file} never came")
        time.sleep(0.01)
    return file.read_text()


def chain(*ops: BaseOp, name: str = "chain") -> Pipeline:
    """One op after the other."""
    last = len(ops) - 1
    return Pipeline(
        [
            Node(
                op,
                [f"value_{index - 1}" if index else INPUT],
                OUTPUT if index == last else f"value_{index}",
                f"n{index}",
            )
            for index, op in enumerate(ops)
        ],
        name,
    )


def beside(*ops: BaseOp, name: str = "beside", **options: Any) -> Pipeline:
    """All ops at the same time, and the sum of what they return."""
    nodes = [Node(op, [INPUT], f"value_{index}", f"n{index}", **options) for index, op in enumerate(ops)]
    return Pipeline([*nodes, Node(Sum(), [f"value_{index}" for index in range(len(ops))], OUTPUT, "sum")], name)
