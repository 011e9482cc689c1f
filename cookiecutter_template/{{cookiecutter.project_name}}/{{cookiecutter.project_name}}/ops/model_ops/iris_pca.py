"""Along which two axes do the flowers differ most?"""

from __future__ import annotations

from chariots.ml.sklearn import SKUnsupervisedOp
from chariots.versioning import VersionedFieldDict, VersionType
from sklearn.decomposition import PCA


class IrisPCA(SKUnsupervisedOp):
    """Puts four measures down to two; other parameters make a new major version."""

    model_class = PCA
    model_parameters = VersionedFieldDict(VersionType.MAJOR, {"n_components": 2})
