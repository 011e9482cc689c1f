"""What may cross a boundary, and in what form? (Python values and type hints <-> JSON)"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chariots._lazy import lazy_names
from chariots.schema.decode import loads
from chariots.schema.encode import dumps

if TYPE_CHECKING:
    from chariots.schema.consuming import loads_consuming
    from chariots.schema.hints import Adapter, adapter
    from chariots.schema.signatures import Parameter, parameter_hints

_HOMES = {
    "loads_consuming": "chariots.schema.consuming",
    "adapter": "chariots.schema.hints",
    "Adapter": "chariots.schema.hints",
    "parameter_hints": "chariots.schema.signatures",
    "Parameter": "chariots.schema.signatures",
}

__getattr__, __dir__, _ = lazy_names(__name__, _HOMES)
__all__ = ["dumps", "loads", "loads_consuming", "adapter", "Adapter", "parameter_hints", "Parameter"]
