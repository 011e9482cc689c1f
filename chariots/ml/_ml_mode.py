"""What may an op with a model do: learn, predict, or both?"""

from __future__ import annotations

from enum import Enum

from chariots.errors import nearest

__all__ = ["MLMode"]


class MLMode(Enum):
    """What an op with a model does when it is executed.

    >>> MLMode("fit")
    <MLMode.FIT: 'fit'>
    """

    FIT = "fit"
    FIT_PREDICT = "fit_predict"
    PREDICT = "predict"

    @classmethod
    def _missing_(cls, value: object) -> MLMode:
        known = [mode.value for mode in cls]
        hint = nearest(value.lower(), known) if isinstance(value, str) else ""
        raise ValueError(
            f"an op with a model was given the mode {value!r}, which does not exist.{hint} Use one of "
            f"MLMode.FIT, MLMode.FIT_PREDICT and MLMode.PREDICT (or {', '.join(map(repr, known))})."
        )
