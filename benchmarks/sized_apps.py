"""What does chariots serve where sizes are measured: compiled models, nothing at all, arrays and tables?"""

from __future__ import annotations

import os
import time
from typing import Any

from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from benchmarks.iris_apps import FOLDER
from benchmarks.models import iris
from chariots import Chariots, MLMode, Node, Pipeline
from chariots.ml.sklearn import SKSupervisedOp, SKUnsupervisedOp
from chariots.pipelines.ops import BaseOp

BUSY_SECONDS = 0.005


class Flowers(BaseOp):
    """The data."""

    def execute(self) -> Any:
        """Gives it."""
        return iris()


class CompiledPCA(SKUnsupervisedOp):
    """Principal components."""

    model_class = PCA
    compiled = True


class CompiledLogistic(SKSupervisedOp):
    """A logistic regression of them."""

    model_class = LogisticRegression
    compiled = True


class CompiledForest(SKSupervisedOp):
    """A hundred trees."""

    model_class = RandomForestClassifier
    model_parameters = {"n_estimators": 100, "random_state": 0}
    compiled = True


class Constant(BaseOp):
    """What a server costs by itself."""

    def execute(self, flowers: Any) -> Any:
        """Looks at nothing."""
        return [0]


class Array(BaseOp):
    """Rows, as an array of single precision."""

    def execute(self, rows: Any) -> Any:
        """Gives the rows."""
        import numpy as np

        return np.asarray(rows, dtype=np.float32)


class Table(BaseOp):
    """Rows, in whatever they come."""

    def execute(self, rows: Any) -> Any:
        """Gives the rows."""
        return rows


class Busy(BaseOp):
    """What takes as long as many a model, and the interpreter lock meanwhile."""

    def execute(self, flowers: Any) -> Any:
        """Counts the time."""
        end = time.perf_counter() + BUSY_SECONDS
        while time.perf_counter() < end:
            pass
        return [0]


def app() -> Chariots:
    """All of them, one pipeline each."""

    def alone(op: BaseOp, name: str) -> Pipeline:
        return Pipeline([Node(op, ["__pipeline_input__"], "__pipeline_output__")], name)

    training = Pipeline(
        [
            Node(Flowers(), [], ["x", "y"]),
            Node(CompiledPCA(MLMode.FIT_PREDICT), ["x"], "components"),
            Node(CompiledLogistic(MLMode.FIT), ["components", "y"]),
            Node(CompiledForest(MLMode.FIT), ["x", "y"]),
        ],
        "train",
    )
    compiled = Pipeline(
        [
            Node(CompiledPCA(MLMode.PREDICT), ["__pipeline_input__"], "components"),
            Node(CompiledLogistic(MLMode.PREDICT), ["components"], "__pipeline_output__"),
        ],
        "compiled",
    )
    others = {"constant": Constant(), "array": Array(), "table": Table(), "busy": Busy()}
    others["forest"] = CompiledForest(MLMode.PREDICT)
    pipelines = [training, compiled, *(alone(op, name) for name, op in others.items())]
    return Chariots(pipelines, os.environ[FOLDER], import_name=__name__)


def train(folder: str) -> None:
    """Trains and saves what a server restores when it starts."""
    from chariots.testing import TestPipelinesClient

    os.environ[FOLDER] = folder
    client = TestPipelinesClient(app())
    client.call_pipeline("train")
    client.save_pipeline("train")
    for name in ("compiled", "forest"):
        client.load_pipeline(name)
