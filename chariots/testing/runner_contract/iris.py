"""Which models do the tests of runners train? Those of the tutorial, small."""

from __future__ import annotations

from typing import Any

from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier

from chariots.ml.sklearn import SKSupervisedOp, SKUnsupervisedOp
from chariots.pipelines.ops import BaseOp
from chariots.versioning import VersionedField, VersionedFieldDict, VersionType

__all__ = ["Flowers", "IrisForest", "IrisPCA"]


class Flowers(BaseOp):
    """The measurements of the iris flowers, and their species."""

    def execute(self) -> Any:
        """Returns both."""
        return load_iris(return_X_y=True)


class IrisPCA(SKUnsupervisedOp):
    """Reduces the measurements to two numbers."""

    model_class = VersionedField(PCA, VersionType.MAJOR)
    model_parameters = VersionedFieldDict(VersionType.MAJOR, {"n_components": 2})


class IrisForest(SKSupervisedOp):
    """Tells the species."""

    model_class = VersionedField(RandomForestClassifier, VersionType.MAJOR)
    model_parameters = VersionedFieldDict(VersionType.MINOR, {"n_estimators": 5, "random_state": 0})
