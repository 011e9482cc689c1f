"""An app with a pool on the Redis, and a store in the folder, that the environment names."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

from redis import Redis

from chariots import Chariots, MLMode, Node, Pipeline
from chariots.ml import BaseMLOp
from chariots.pipelines.ops import BaseOp
from chariots.workers import RQWorkerPool

IMPORTED_BY = os.getpid()


class AddOneOp(BaseOp):
    def execute(self, number):
        return number + 1


class IsOddOp(BaseOp):
    def execute(self, number):
        return bool(number % 2)


class EchoOp(BaseOp):
    def execute(self, value):
        return value


class WhereOp(BaseOp):
    """Tells which process runs it, and which one imported this module."""

    def execute(self):
        return [os.getpid(), IMPORTED_BY]


class FailOp(BaseOp):
    def execute(self, message):
        raise LookupError(message)


class DieOp(BaseOp):
    """Ends its process as a crash in native code would."""

    def execute(self, how):
        if how == "leave":
            os._exit(0)
        os.kill(os.getpid(), signal.Signals[how])


class WaitOp(BaseOp):
    """Says in which process it began, then waits for a file to appear."""

    def execute(self, folder: str) -> str:
        (Path(folder) / "begun").write_text(f"{os.getpid()} {os.getppid()}")
        deadline = time.monotonic() + 60
        while not (Path(folder) / "go").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        return "went"


class NoJSONOp(BaseOp):
    def execute(self, ignored):
        return object()


class MeanOp(BaseMLOp):
    """Learns the mean of some numbers, and then answers with it."""

    def _init_model(self):
        return {}

    def fit(self, numbers) -> None:
        self._model = {"mean": sum(numbers) / len(numbers)}

    def predict(self, ignored):
        return self._model["mean"]


def alone(op: BaseOp, name: str, takes_input: bool = True, **arguments: Any) -> Pipeline:
    reads = ["__pipeline_input__"] if takes_input else []
    return Pipeline([Node(op, reads, "__pipeline_output__")], name, **arguments)


is_odd_pipeline = Pipeline(
    [
        Node(AddOneOp(), input_nodes=["__pipeline_input__"], output_nodes=["added_number"]),
        Node(IsOddOp(), input_nodes=["added_number"], output_nodes=["__pipeline_output__"]),
    ],
    "simple_pipeline",
)
echo = alone(EchoOp(), "echo")
where = alone(WhereOp(), "where", takes_input=False)
fail = alone(FailOp(), "fail")
die = alone(DieOp(), "die")
wait = alone(WaitOp(), "wait")
learn = Pipeline([Node(MeanOp(MLMode.FIT), ["__pipeline_input__"])], "learn")
learn_in_vain = Pipeline(
    [
        Node(MeanOp(MLMode.FIT_PREDICT), ["__pipeline_input__"], "mean"),
        Node(NoJSONOp(), ["mean"], "__pipeline_output__"),
    ],
    "learn_in_vain",
)
mean = alone(MeanOp(MLMode.PREDICT), "mean")

app = Chariots(
    [is_odd_pipeline, echo, where, fail, die, wait, learn, learn_in_vain, mean],
    os.environ["CHARIOTS_TEST_FOLDER"],
    import_name=__name__,
    worker_pool=RQWorkerPool(redis=Redis.from_url(os.environ["CHARIOTS_TEST_REDIS"])),
)
