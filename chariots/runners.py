"""Where are the runners, for code that uses their old place? In `chariots.pipelines.runners`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chariots._lazy import lazy_names

if TYPE_CHECKING:
    from chariots.pipelines.runners import BaseRunner, ProcessRunner, SequentialRunner, ThreadRunner

_HOME = "chariots.pipelines.runners"

_NAMES = ("BaseRunner", "SequentialRunner", "ThreadRunner", "ProcessRunner")

__getattr__, __dir__, _ = lazy_names(__name__, dict.fromkeys(_NAMES, _HOME))
__all__ = ["BaseRunner", "SequentialRunner", "ThreadRunner", "ProcessRunner"]
