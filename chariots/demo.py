"""What does a small but whole app look like? Iris flowers: one pipeline that trains, one that predicts.

``chariots demo`` runs it step by step; ``chariots serve chariots.demo:create_app`` serves it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier

from chariots.ml import MLMode
from chariots.ml.sklearn import SKSupervisedOp, SKUnsupervisedOp
from chariots.pipelines import Pipeline
from chariots.pipelines.nodes import Node
from chariots.pipelines.ops import BaseOp
from chariots.versioning import VersionedField, VersionedFieldDict, VersionType

if TYPE_CHECKING:
    import numpy as np

    from chariots.serving import Chariots

__all__ = ["create_app", "pred_iris", "train_iris"]


class IrisData(BaseOp):
    """Brings in 150 flowers: four measures each, in centimetres, and the species as 0, 1 or 2."""

    def execute(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns the measures and the species."""
        measures, species = load_iris(return_X_y=True)
        return measures, species


class IrisPCA(SKUnsupervisedOp):
    """Puts four measures down to the two axes along which the flowers differ most."""

    model_class = VersionedField(PCA, VersionType.MAJOR)
    model_parameters = VersionedFieldDict(VersionType.MAJOR, {"n_components": 2})


class IrisForest(SKSupervisedOp):
    """Tells the species of a flower with a small forest, the same in every run."""

    model_class = VersionedField(RandomForestClassifier, VersionType.MAJOR)
    model_parameters = VersionedFieldDict(VersionType.MINOR, {"n_estimators": 10, "max_depth": 3, "random_state": 7})


class NameSpecies(BaseOp):
    """Gives the species their names."""

    names = VersionedFieldDict(VersionType.MINOR, {"0": "setosa", "1": "versicolor", "2": "virginica"})

    def execute(self, species: np.ndarray) -> list[str]:
        """Returns one name a flower."""
        return [self.names[str(number)] for number in species]


train_iris = Pipeline(
    [
        Node(IrisData(), output_nodes=["measures", "species"]),
        Node(IrisPCA(MLMode.FIT_PREDICT), input_nodes=["measures"], output_nodes="axes"),
        Node(IrisForest(MLMode.FIT), input_nodes=["axes", "species"]),
    ],
    "train_iris",
)

pred_iris = Pipeline(
    [
        Node(IrisPCA(MLMode.PREDICT), input_nodes=["__pipeline_input__"], output_nodes="axes"),
        Node(IrisForest(MLMode.PREDICT), input_nodes=["axes"], output_nodes="species"),
        Node(NameSpecies(), input_nodes=["species"], output_nodes="__pipeline_output__"),
    ],
    "pred_iris",
)


def create_app(path: str | os.PathLike[str] = ".demo") -> Chariots:
    """Makes the server of the demo.

    Args:
        path: the folder that holds its SQLite file and the bytes of its trained ops.

    Returns:
        a Flask app with the pipelines ``train_iris`` and ``pred_iris``.
    """
    from chariots.serving import Chariots

    return Chariots([train_iris, pred_iris], os.fspath(path), import_name="chariots.demo")
