"""Where is the Keras op, for code that uses its old place? In `chariots.ml.keras`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chariots._lazy import lazy_names

if TYPE_CHECKING:
    from chariots.ml.keras import KerasOp

__getattr__, __dir__, _ = lazy_names(__name__, {"KerasOp": "chariots.ml.keras"})
__all__ = ["KerasOp"]
