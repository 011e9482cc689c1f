"""What do the examples of the documentation share? A few small ops, two pipelines and a runner."""

from __future__ import annotations

from typing import Any

from sklearn import datasets
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression

from chariots.ml import BaseMLOp, MLMode
from chariots.ml.serializers import BaseSerializer, SkopsSerializer
from chariots.ml.sklearn import SKSupervisedOp, SKUnsupervisedOp
from chariots.pipelines import Pipeline
from chariots.pipelines.nodes import Node
from chariots.pipelines.ops import BaseOp
from chariots.pipelines.runners import SequentialRunner
from chariots.versioning import VersionableMeta, VersionedField, VersionedFieldDict, VersionType

__all__ = [
    "AddOneOp",
    "BaseMLOp",
    "BaseOp",
    "BaseSerializer",
    "FromArray",
    "IrisFullDataSet",
    "IrisXDataSet",
    "IsOddOp",
    "LogisticOp",
    "LogisticRegression",
    "MLMode",
    "Node",
    "PCA",
    "PCAOp",
    "Pipeline",
    "SKSupervisedOp",
    "SKUnsupervisedOp",
    "SequentialRunner",
    "SkopsSerializer",
    "VersionType",
    "VersionableMeta",
    "VersionedField",
    "VersionedFieldDict",
    "is_odd_pipeline",
    "runner",
]


class AddOneOp(BaseOp):
    """Adds one."""

    def execute(self, number: int) -> int:
        return number + 1


class IsOddOp(BaseOp):
    """Tells whether a number is odd."""

    def execute(self, number: int) -> bool:
        return bool(number % 2)


class Careful(BaseOp):
    """Every change of its code is a minor change of its version."""

    code_version = VersionType.MINOR

    def execute(self, number: int) -> int:
        return number + 1


class CleanOp(BaseOp):
    """Drops the rows that are missing."""

    def execute(self, rows: Any) -> Any:
        return [row for row in rows if row is not None]


class MeanOp(BaseOp):
    """The mean of all rows."""

    def execute(self, rows: Any) -> float:
        return float(sum(rows) / len(rows))


class IrisFullDataSet(BaseOp):
    """The measurements of the iris flowers and their species."""

    def execute(self) -> Any:
        return datasets.load_iris(return_X_y=True)


class IrisXDataSet(BaseOp):
    """The measurements alone."""

    def execute(self) -> Any:
        return datasets.load_iris().data


class PCAOp(SKUnsupervisedOp):
    """Two components; trained again, they mean something else."""

    training_update_version = VersionType.MAJOR
    model_class = VersionedField(PCA, VersionType.MAJOR)
    model_parameters = VersionedFieldDict(VersionType.MAJOR, {"n_components": 2})


class LogisticOp(SKSupervisedOp):
    """Tells the species."""

    training_update_version = VersionType.PATCH
    model_class = LogisticRegression


class FromArray(BaseOp):
    """Turns an array into a list, as servers of chariots 0.2 needed it."""

    def execute(self, array: Any) -> Any:
        return array.tolist()


is_odd_pipeline = Pipeline([Node(IsOddOp(), ["__pipeline_input__"], "__pipeline_output__")], "is_odd")
runner = SequentialRunner()
