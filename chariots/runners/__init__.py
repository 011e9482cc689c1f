"""Where are the runners? Those of one machine in `chariots.pipelines.runners`, those of clusters here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chariots._lazy import lazy_names

if TYPE_CHECKING:
    from chariots.pipelines.runners import BaseRunner, ProcessRunner, SequentialRunner, ThreadRunner
    from chariots.runners.dask import DaskRunner
    from chariots.runners.ray import RayRunner

_HOME = "chariots.pipelines.runners"

__getattr__, __dir__, _ = lazy_names(
    __name__,
    {
        "BaseRunner": _HOME,
        "SequentialRunner": _HOME,
        "ThreadRunner": _HOME,
        "ProcessRunner": _HOME,
        "DaskRunner": "chariots.runners.dask",
        "RayRunner": "chariots.runners.ray",
    },
)
__all__ = ["BaseRunner", "SequentialRunner", "ThreadRunner", "ProcessRunner", "DaskRunner", "RayRunner"]
