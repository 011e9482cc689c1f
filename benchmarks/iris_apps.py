"""The iris model as users of chariots and of Flask serve it; a module of its own, for it is all that servers import."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from benchmarks.models import iris

if TYPE_CHECKING:
    from flask import Flask

FOLDER = "CHARIOTS_BENCHMARK_FOLDER"
PATH = "/pipelines/predict/main"


def train(folder: str) -> None:
    """Trains and saves what the server of chariots restores when it starts."""
    from chariots.testing import TestPipelinesClient

    os.environ[FOLDER] = folder
    client = TestPipelinesClient(chariots_app())
    client.call_pipeline("train")
    client.save_pipeline("train")
    client.load_pipeline("predict")


def chariots_app() -> Flask:
    """The model as a user of chariots serves it."""
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegression

    from chariots import Chariots, MLMode, Node, Pipeline
    from chariots.ml.sklearn import SKSupervisedOp, SKUnsupervisedOp
    from chariots.pipelines.ops import BaseOp

    class Flowers(BaseOp):
        def execute(self) -> Any:
            return iris()

    class IrisPCA(SKUnsupervisedOp):
        model_class = PCA

    class IrisLogistic(SKSupervisedOp):
        model_class = LogisticRegression

    training = Pipeline(
        [
            Node(Flowers(), [], ["x", "y"]),
            Node(IrisPCA(MLMode.FIT_PREDICT), ["x"], "components"),
            Node(IrisLogistic(MLMode.FIT), ["components", "y"]),
        ],
        "train",
    )
    predicting = Pipeline(
        [
            Node(IrisPCA(MLMode.PREDICT), ["__pipeline_input__"], "components"),
            Node(IrisLogistic(MLMode.PREDICT), ["components"], "__pipeline_output__"),
        ],
        "predict",
    )
    return Chariots([training, predicting], os.environ[FOLDER], import_name=__name__)


def flask_app() -> Flask:
    """The same model in a view of its own, which reads and answers the same JSON."""
    import numpy as np
    from flask import Flask, jsonify, request
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegression

    measurements, species = iris()
    pca = PCA().fit(measurements)
    logistic = LogisticRegression().fit(pca.transform(measurements), species)
    versions = {"irispca": "1.0.0", "irislogistic": "1.0.0"}
    app = Flask(__name__)

    @app.post(PATH)
    def predict() -> Any:
        flowers = np.asarray(request.get_json()["pipeline_input"])
        found = logistic.predict(pca.transform(flowers))
        return jsonify(pipeline_output=found.tolist(), versions=versions, job_id=None, job_status="done")

    return app
