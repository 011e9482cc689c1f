"""What did a node return when it was last given the same, so that it need not run again?

`NodeCache` keeps and finds; `chariots.pipelines.caching.stepping` is what runners use for a node.
"""

from __future__ import annotations

from chariots.pipelines.caching.cache import NodeCache, default_cache
from chariots.pipelines.caching.forms import NotKeptError
from chariots.pipelines.caching.held import Held
from chariots.pipelines.caching.stepping import Begun, Cached

__all__ = [
    "NodeCache",
    "Cached",
    "Begun",
    "Held",
    "default_cache",
    "NotKeptError",
]
