"""Which columns are given, and which one is to be learned?"""

from __future__ import annotations

import pandas as pd
from chariots.pipelines.ops import BaseOp


class XYSplit(BaseOp):
    """Parts a table into the features and the target."""

    def execute(self, flowers: pd.DataFrame) -> tuple[pd.DataFrame, pd.Series]:
        """Returns the features and the target, as two outputs."""
        return flowers.drop("target", axis=1), flowers["target"]
