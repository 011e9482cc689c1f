"""In which form does a caller get an array?"""

from __future__ import annotations

import numpy as np
from chariots.pipelines.ops import BaseOp


class FromArray(BaseOp):
    """Turns an array into lists."""

    def execute(self, array: np.ndarray) -> list:
        """Returns the same numbers as lists."""
        return array.tolist()
