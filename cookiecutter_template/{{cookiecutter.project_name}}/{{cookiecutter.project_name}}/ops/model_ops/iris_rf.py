"""Which species is a flower?"""

from __future__ import annotations

from chariots.ml.sklearn import SKSupervisedOp
from chariots.versioning import VersionedFieldDict, VersionType
from sklearn.ensemble import RandomForestClassifier


class IrisRF(SKSupervisedOp):
    """Tells the species with a small forest; other parameters make a new minor version."""

    model_class = RandomForestClassifier
    model_parameters = VersionedFieldDict(VersionType.MINOR, {"n_estimators": 5, "max_depth": 2})
