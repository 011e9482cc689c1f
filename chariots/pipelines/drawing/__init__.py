"""What does a pipeline look like? Layout, boxes and lines, as SVG and as Mermaid.

`Pipeline.draw` makes a `Drawing`; the reports of `chariots check` stand on the same layout and boxes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chariots._lazy import lazy_names

if TYPE_CHECKING:
    from chariots.pipelines.drawing.picture import Drawing, Picture, draw

__all__ = ["Drawing", "Picture", "draw"]

_HOME = "chariots.pipelines.drawing.picture"

__getattr__, __dir__, _ = lazy_names(__name__, {"Drawing": _HOME, "Picture": _HOME, "draw": _HOME})
