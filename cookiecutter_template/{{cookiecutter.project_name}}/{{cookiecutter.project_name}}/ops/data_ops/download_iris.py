"""Where does the iris data come from?"""

from __future__ import annotations

import pandas as pd
from chariots.pipelines.ops import BaseOp
from sklearn import datasets


class DownloadIris(BaseOp):
    """Brings in 150 flowers: four measures each, and the species as ``target``."""

    def execute(self) -> pd.DataFrame:
        """Returns one row a flower."""
        iris = datasets.load_iris()
        flowers = pd.DataFrame(data=iris["data"], columns=iris["feature_names"])
        flowers["target"] = iris["target"]
        return flowers
