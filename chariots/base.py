"""Where are the base classes of everything a user can extend, gathered in one place?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chariots._lazy import lazy_names

if TYPE_CHECKING:
    from chariots.ml import BaseMLOp
    from chariots.ml.serializers import BaseSerializer
    from chariots.op_store.savers import BaseSaver
    from chariots.pipelines.nodes import BaseNode
    from chariots.pipelines.ops import BaseOp
    from chariots.pipelines.runners import BaseRunner

__getattr__, __dir__, _ = lazy_names(
    __name__,
    {
        "BaseOp": "chariots.pipelines.ops",
        "BaseNode": "chariots.pipelines.nodes",
        "BaseRunner": "chariots.pipelines.runners",
        "BaseMLOp": "chariots.ml",
        "BaseSaver": "chariots.op_store.savers",
        "BaseSerializer": "chariots.ml.serializers",
    },
)
__all__ = ["BaseOp", "BaseNode", "BaseRunner", "BaseMLOp", "BaseSaver", "BaseSerializer"]
