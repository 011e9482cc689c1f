"""How is a machine-learning model an op?

Ops for scikit-learn live in `chariots.ml.sklearn`, for Keras in `chariots.ml.keras`; `BaseMLOp` is what to
derive from for any other framework, and `chariots.ml.serializers` turns models into bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chariots._lazy import lazy_names

if TYPE_CHECKING:
    from chariots.ml import keras, serializers, sklearn
    from chariots.ml._base_ml_op import BaseMLOp
    from chariots.ml._ml_mode import MLMode
    from chariots.ml._op_bytes import UnreadableOpError

__getattr__, __dir__, _ = lazy_names(
    __name__,
    {
        "MLMode": "chariots.ml._ml_mode",
        "BaseMLOp": "chariots.ml._base_ml_op",
        "UnreadableOpError": "chariots.ml._op_bytes",
        "sklearn": "chariots.ml.sklearn:",
        "keras": "chariots.ml.keras:",
        "serializers": "chariots.ml.serializers:",
    },
)
__all__ = ["MLMode", "BaseMLOp", "UnreadableOpError", "sklearn", "keras", "serializers"]
