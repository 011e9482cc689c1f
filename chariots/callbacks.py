"""Where are the callbacks, for code that uses their old place? In `chariots.pipelines.callbacks`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chariots._lazy import lazy_names

if TYPE_CHECKING:
    from chariots.pipelines.callbacks import (
        LoggingCallback,
        MetricsCallback,
        OpCallBack,
        PipelineCallback,
        ProgressCallback,
        TimingCallback,
    )

__all__ = [
    "OpCallBack",
    "PipelineCallback",
    "TimingCallback",
    "ProgressCallback",
    "LoggingCallback",
    "MetricsCallback",
]

__getattr__, __dir__, _ = lazy_names(__name__, dict.fromkeys(__all__, "chariots.pipelines.callbacks"))
