"""The ops and the pipelines of the iris tutorial."""

import pandas as pd
from sklearn import datasets
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier

from chariots.ml import MLMode
from chariots.ml.sklearn import SKSupervisedOp, SKUnsupervisedOp
from chariots.pipelines import Pipeline
from chariots.pipelines.nodes import Node
from chariots.pipelines.ops import BaseOp
from chariots.versioning import VersionedFieldDict, VersionType


class DownloadIris(BaseOp):
    """Fetches the flowers: four measurements and a species each."""

    def execute(self) -> pd.DataFrame:
        iris = datasets.load_iris()
        flowers = pd.DataFrame(iris["data"], columns=iris["feature_names"])
        flowers["target"] = iris["target"]
        return flowers


class XYSplit(BaseOp):
    """Parts what is measured from what is to be predicted."""

    def execute(self, flowers: pd.DataFrame):
        return flowers.drop(columns="target").to_numpy(), flowers["target"].to_numpy()


class IrisPCA(SKUnsupervisedOp):
    """Two numbers in place of four. After a new training they mean something else: a major change."""

    training_update_version = VersionType.MAJOR
    model_class = PCA
    model_parameters = VersionedFieldDict(VersionType.MAJOR, {"n_components": 2})


class IrisRF(SKSupervisedOp):
    """A small forest that tells the species."""

    model_class = RandomForestClassifier
    model_parameters = VersionedFieldDict(VersionType.MINOR, {"n_estimators": 5, "max_depth": 2, "random_state": 0})


train_iris = Pipeline(
    [
        Node(DownloadIris(), output_nodes="flowers"),
        Node(XYSplit(), input_nodes=["flowers"], output_nodes=["raw_x", "y"]),
        Node(IrisPCA(MLMode.FIT_PREDICT), input_nodes=["raw_x"], output_nodes="pca_x"),
        Node(IrisRF(MLMode.FIT), input_nodes=["pca_x", "y"]),
    ],
    "train_iris",
)

pred_iris = Pipeline(
    [
        Node(IrisPCA(MLMode.PREDICT), input_nodes=["__pipeline_input__"], output_nodes="pca_x"),
        Node(IrisRF(MLMode.PREDICT), input_nodes=["pca_x"], output_nodes="__pipeline_output__"),
    ],
    "pred_iris",
)
