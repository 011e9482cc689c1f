"""Which ops and nodes do the tests of runners run? They are importable, as those of an app are."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from chariots.ml import BaseMLOp
from chariots.pipelines import progress
from chariots.pipelines.nodes import BaseNode
from chariots.pipelines.ops import BaseOp, LoadableOp
from chariots.pipelines.store import OpStoreProtocol
from chariots.versioning import Version

__all__ = [
    "Add",
    "AwkwardError",
    "Blocks",
    "Centre",
    "Collect",
    "Constant",
    "Counts",
    "Doubling",
    "Fails",
    "FailsAtFirst",
    "Hooked",
    "Increment",
    "Listed",
    "PicklesBadlyError",
    "Raises",
    "Reports",
    "Same",
    "Split",
    "Vocabulary",
    "Writes",
]

PATIENCE = 60.0  # seconds; how long anything may take on a slow machine


class Increment(BaseOp):
    """Adds one."""

    def execute(self, number: Any) -> Any:
        """Returns the number and one."""
        return number + 1


class Add(BaseOp):
    """Adds whatever it is given."""

    def execute(self, *numbers: Any) -> Any:
        """Returns the sum."""
        return sum(numbers)


class Split(BaseOp):
    """Has two outputs."""

    def execute(self, number: Any) -> tuple[Any, Any]:
        """Returns the number and its negative."""
        return number, -number


class Same(BaseOp):
    """Hands on what it is given."""

    def execute(self, value: Any) -> Any:
        """Returns the value."""
        return value


class Constant(BaseOp):
    """Needs no input.

    Args:
        value: what it returns; nothing that changes the version.
    """

    def __init__(self, value: Any = 1) -> None:
        super().__init__()
        self.value = value

    def execute(self) -> Any:
        """Returns the value."""
        return self.value


class Collect(BaseOp):
    """Makes a list of what it is given."""

    def execute(self, *values: Any) -> list[Any]:
        """Returns the values."""
        return list(values)


class Listed(BaseOp):
    """Makes a list of what it iterates over."""

    def execute(self, values: Iterable[Any]) -> list[Any]:
        """Returns the values."""
        return list(values)


class Counts(BaseOp):
    """Gives a generator."""

    def execute(self, number: int) -> Iterator[int]:
        """Returns the numbers up to one."""
        yield from range(number)


class Writes(BaseOp):
    """Leaves a file behind, and hands on its first argument."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.file = file

    def execute(self, *values: Any) -> Any:
        """Returns the first value; None if there is none."""
        self.file.touch()
        return values[0] if values else None


class Fails(BaseOp):
    """Always fails, and says so in a file before it does.

    Args:
        word: what it fails with.
        folder: where to leave a file of the name of the word; None for nowhere.
    """

    def __init__(self, word: str = "nothing to divide", folder: Path | None = None) -> None:
        super().__init__()
        self.word = word
        self.folder = folder

    def execute(self, *args: Any) -> None:
        """Raises a LookupError."""
        if self.folder is not None:
            (self.folder / self.word).touch()
        self.look_up(self.word)

    def look_up(self, word: str) -> None:
        """Raises a LookupError from one frame further down."""
        raise LookupError(word)


class AwkwardError(Exception):
    """Has something on it that cannot leave its process, and a constructor that takes other arguments than it keeps."""

    def __init__(self, code: int, *, reason: str) -> None:
        super().__init__(f"{reason} ({code})")
        self.code = code
        self.lock = threading.Lock()


class PicklesBadlyError(Exception):
    """Cannot be pickled, and says so by failing."""

    def __reduce__(self) -> Any:
        raise RuntimeError("not to be pickled")


class Raises(BaseOp):
    """Raises what it is told to.

    Args:
        kind: ``"awkward"``, ``"unpicklable"`` or ``"local"``: an error of a class that only a function knows.
    """

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    def execute(self, *args: Any) -> None:
        """Raises an error."""
        if self.kind == "awkward":
            raise AwkwardError(7, reason="out of cheese")
        if self.kind == "unpicklable":
            raise PicklesBadlyError("in a pickle")

        class HomemadeError(ValueError):
            """An error of a class that nobody can import."""

        raise HomemadeError("made at home")


class FailsAtFirst(BaseOp):
    """Fails as often as it is told to; counts in a file."""

    def __init__(self, file: Path, times: int) -> None:
        super().__init__()
        self.file = file
        self.times = times

    def execute(self, value: Any) -> Any:
        """Returns the value, once it has failed often enough."""
        with self.file.open("a") as counted:
            counted.write("x")
        attempts = len(self.file.read_text())
        if attempts <= self.times:
            raise LookupError(f"failed for the {attempts}. time")
        return value


class Blocks(BaseOp):
    """Waits for a file, for a while that is longer than any test lets it."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.file = file

    def execute(self, *values: Any) -> str:
        """Returns a word when the file is there."""
        until = time.monotonic() + PATIENCE
        while not self.file.exists() and time.monotonic() < until:
            time.sleep(0.01)
        return "released"


class Reports(BaseOp):
    """Says how far it is."""

    def execute(self, *values: Any) -> None:
        """Tells that it is half-way, and done."""
        progress(1, 2, "half")
        progress(2, 2, "done")


class Hooked(BaseOp):
    """Writes its hooks down in a file, wherever it runs."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.file = file

    def before_execution(self, args: list[Any]) -> None:
        """Called before."""
        self._write(f"before {args}")

    def execute(self, value: Any) -> Any:
        """Returns the value."""
        self._write(f"execute {value}")
        return value

    def after_execution(self, args: list[Any], output: Any) -> None:
        """Called after."""
        self._write(f"after {args} {output}")

    def _write(self, line: str) -> None:
        with self.file.open("a") as written:
            written.write(line + "\n")


class Centre(BaseMLOp):
    """Learns a mean and subtracts it."""

    def _init_model(self) -> dict[str, float]:
        return {"mean": 0.0}

    def fit(self, values: list[float]) -> None:
        """Takes the mean, and records it."""
        self._model["mean"] = sum(values) / len(values)
        self.record_metric("mean", self._model["mean"])
        self.record_parameter("values", len(values))

    def predict(self, values: list[float]) -> list[float]:
        """Returns what is left without the mean."""
        return [value - self._model["mean"] for value in values]


class Vocabulary(LoadableOp):
    """Learns words whenever it runs, and tells nobody that it does: the op of "Keep the state of an op"."""

    def __init__(self) -> None:
        super().__init__()
        self.words: dict[str, int] = {}

    def execute(self, text: str) -> list[int]:
        """Returns the number of each word."""
        return [self.words.setdefault(word, len(self.words)) for word in text.split()]

    def serialize(self) -> bytes:
        """Returns the words."""
        return json.dumps(self.words).encode()

    def load(self, serialized_object: bytes) -> None:
        """Takes the words over."""
        self.words = json.loads(serialized_object)


class Doubling(BaseNode):
    """A node of one's own, with the four documented members and nothing else."""

    @property
    def name(self) -> str:
        """Its name."""
        return "doubling"

    @property
    def node_version(self) -> Version:
        """The empty version."""
        return Version()

    def execute(self, *params: Any) -> Any:
        """Returns twice what it is given."""
        return 2 * params[0]

    def load_latest_version(self, store_to_look_in: OpStoreProtocol) -> BaseNode | None:
        """Has nothing to load."""
        return None
