"""Where did `PipelinesClient` live before it had a room of its own?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chariots._lazy import lazy_names

if TYPE_CHECKING:
    from chariots.serving import AbstractPipelinesClient, PipelinesClient

__getattr__, __dir__, _ = lazy_names(
    __name__, {"PipelinesClient": "chariots.serving", "AbstractPipelinesClient": "chariots.serving"}
)
__all__ = ["PipelinesClient", "AbstractPipelinesClient"]
