"""Where are the ops, for code that uses their old place? In `chariots.pipelines.ops`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chariots._lazy import lazy_names

if TYPE_CHECKING:
    from chariots.pipelines.ops import BaseOp, LoadableOp

_HOME = "chariots.pipelines.ops"

__getattr__, __dir__, _ = lazy_names(__name__, {"BaseOp": _HOME, "LoadableOp": _HOME})
__all__ = ["BaseOp", "LoadableOp"]
