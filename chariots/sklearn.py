"""Where are the scikit-learn ops, for code that uses their old place? In `chariots.ml.sklearn`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chariots._lazy import lazy_names

if TYPE_CHECKING:
    from chariots.ml.sklearn import BaseSKOp, SKSupervisedOp, SKUnsupervisedOp

_HOME = "chariots.ml.sklearn"

__getattr__, __dir__, _ = lazy_names(__name__, {"BaseSKOp": _HOME, "SKSupervisedOp": _HOME, "SKUnsupervisedOp": _HOME})
__all__ = ["BaseSKOp", "SKSupervisedOp", "SKUnsupervisedOp"]
