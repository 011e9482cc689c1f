"""Ops and data that several tests of this folder use."""

from __future__ import annotations

from typing import Any

import numpy
import pandas
from sklearn.cluster import KMeans
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from chariots.ml import BaseMLOp
from chariots.ml.sklearn import SKSupervisedOp, SKUnsupervisedOp
from chariots.versioning import VersionedField, VersionedFieldDict, VersionType

IRIS = load_iris(as_frame=True)
FRAME: pandas.DataFrame = IRIS.data
TARGET: pandas.Series[int] = IRIS.target
ARRAY: numpy.ndarray[Any, Any] = FRAME.to_numpy()
ROWS: list[list[float]] = ARRAY.tolist()
RECORDS: list[dict[str, float]] = FRAME.to_dict("records")


class PCAOp(SKUnsupervisedOp):
    model_class = VersionedField(PCA, VersionType.MAJOR)
    model_parameters = VersionedFieldDict(VersionType.MAJOR, {"n_components": 2})


class ScalerOp(SKUnsupervisedOp):
    model_class = StandardScaler


class KMeansOp(SKUnsupervisedOp):
    model_class = KMeans
    model_parameters = VersionedFieldDict(VersionType.MINOR, {"n_clusters": 3, "n_init": 1, "random_state": 0})


class LogisticOp(SKSupervisedOp):
    model_class = LogisticRegression
    model_parameters = {"max_iter": 500}


class ForestOp(SKSupervisedOp):
    model_class = RandomForestClassifier
    model_parameters = VersionedFieldDict(VersionType.MINOR, {"n_estimators": 5, "random_state": 0})


UNSUPERVISED = [PCAOp, ScalerOp, KMeansOp]
SUPERVISED = [LogisticOp, ForestOp]


class Centre(BaseMLOp):
    """Subtracts the mean of what it was trained on."""

    def _init_model(self) -> dict[str, float]:
        return {"mean": 0.0}

    def fit(self, values: list[float]) -> None:
        self._model["mean"] = sum(values) / len(values)

    def predict(self, values: list[float]) -> list[float]:
        return [value - self._model["mean"] for value in values]
