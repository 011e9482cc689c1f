"""Which app do the contracts of worker pools run their jobs on?"""

from __future__ import annotations

import logging
import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chariots.ml import BaseMLOp, MLMode
from chariots.pipelines import Pipeline, progress
from chariots.pipelines.nodes import Node
from chariots.pipelines.ops import BaseOp

if TYPE_CHECKING:
    from chariots.serving import Chariots
    from chariots.workers import BaseWorkerPool

__all__ = ["pool_app"]


class Echo(BaseOp):
    """Returns what it is given."""

    def execute(self, value: Any) -> Any:
        """Returns the value."""
        return value


class Fail(BaseOp):
    """Always fails."""

    def execute(self, message: str) -> None:
        """Raises a LookupError with the message."""
        raise LookupError(message)


class FailTwice(BaseOp):
    """Fails the first two times; counts in a file."""

    def execute(self, file: str) -> int:
        """Returns how often it was called, from the third time on."""
        with Path(file).open("a") as counted:
            counted.write("x")
        times = len(Path(file).read_text())
        if times < 3:
            raise LookupError(f"failed for the {times}. time")
        return times


class Die(BaseOp):
    """Ends its process as a crash in native code would, the first time."""

    def execute(self, file: str) -> str:
        """Returns a word, the second time."""
        if not Path(file).exists():
            Path(file).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return "the second time"


class Wait(BaseOp):
    """Says that it began, and waits for a file."""

    def execute(self, folder: str) -> str:
        """Adds a line to ``begun`` in the folder, then waits until ``go`` is there."""
        with (Path(folder) / "begun").open("a") as begun:
            begun.write(f"{os.getpid()}\n")
        deadline = time.monotonic() + 120
        while not (Path(folder) / "go").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        return "went"


class NoJSON(BaseOp):
    """Returns what JSON has no form for."""

    def execute(self, ignored: Any) -> object:
        """Returns a bare object."""
        return object()


class Steps(BaseOp):
    """Says how far it is, and logs."""

    def execute(self, folder: str) -> str:
        """Takes two of three steps, waits until ``go`` is in the folder, and takes the third."""
        for step in (1, 2):
            progress(step, 3, f"step {step}")
            logging.getLogger("steps").info("step %d taken", step)
        Wait().execute(folder)
        progress(3, 3, "step 3")
        return "stepped"


class Mean(BaseMLOp):
    """Learns the mean of some numbers, and then answers with it."""

    def _init_model(self, *input_data_sets: Any) -> dict[str, float]:
        return {}

    def fit(self, numbers: list[float]) -> None:
        """Learns the mean."""
        self._model = {"mean": sum(numbers) / len(numbers)}

    def predict(self, ignored: Any) -> float:
        """Returns the mean."""
        return float(self._model["mean"])


def pool_app(pool: BaseWorkerPool, folder: str | Path, import_name: str) -> Chariots:
    """Makes the app that the contracts of worker pools run their jobs on.

    Put it at the top of a module that your workers can import::

        app = pool_app(MyPool(), os.environ["POOL_TEST_FOLDER"], __name__)

    Args:
        pool: the pool.
        folder: where the app keeps its ops.
        import_name: the name of that module.

    Returns:
        the app.
    """
    from chariots.serving import Chariots

    learn_in_vain = Pipeline(
        [
            Node(Mean(MLMode.FIT_PREDICT), ["__pipeline_input__"], "mean"),
            Node(NoJSON(), ["mean"], "__pipeline_output__"),
        ],
        "learn_in_vain",
    )
    pipelines = [
        *(_alone(op, name) for op, name in _PLAIN),
        _alone(Echo(), "one_at_a_time", job_options={"concurrency": 1}),
        Pipeline([Node(Mean(MLMode.FIT), ["__pipeline_input__"])], "learn"),
        learn_in_vain,
        _alone(Mean(MLMode.PREDICT), "mean"),
    ]
    return Chariots(pipelines, folder, import_name=import_name, worker_pool=pool)


_PLAIN = [
    (Echo(), "echo"),
    (Fail(), "fail"),
    (FailTwice(), "fail_twice"),
    (Die(), "die"),
    (Wait(), "wait"),
    (NoJSON(), "no_json"),
    (Steps(), "steps"),
]


def _alone(op: BaseOp, name: str, **arguments: Any) -> Pipeline:
    return Pipeline([Node(op, ["__pipeline_input__"], "__pipeline_output__")], name, **arguments)
