"""Where are the callbacks, for code that uses their old place? In `chariots.pipelines.callbacks`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chariots._lazy import lazy_names

if TYPE_CHECKING:
    from chariots.pipelines.callbacks import OpCallBack, PipelineCallback

_HOME = "chariots.pipelines.callbacks"

__getattr__, __dir__, _ = lazy_names(__name__, {"OpCallBack": _HOME, "PipelineCallback": _HOME})
__all__ = ["OpCallBack", "PipelineCallback"]
