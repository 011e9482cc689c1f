"""Where are the nodes, for code that uses their old place? In `chariots.pipelines.nodes`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chariots._lazy import lazy_names

if TYPE_CHECKING:
    from chariots.pipelines.nodes import (
        ABTestNode,
        BaseNode,
        ConditionalNode,
        DataLoadingNode,
        DataSavingNode,
        MapNode,
        Node,
        ReservedNodes,
    )

_HOME = "chariots.pipelines.nodes"

__all__ = [
    "Node",
    "BaseNode",
    "ReservedNodes",
    "ABTestNode",
    "ConditionalNode",
    "MapNode",
    "DataLoadingNode",
    "DataSavingNode",
]
__getattr__, __dir__, _ = lazy_names(__name__, dict.fromkeys(__all__, _HOME))
