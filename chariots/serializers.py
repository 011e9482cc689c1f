"""Where are the serializers, for code that uses their old place? In `chariots.ml.serializers`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chariots._lazy import lazy_names

if TYPE_CHECKING:
    from chariots.ml.serializers import BaseSerializer, CSVSerializer, DillSerializer, JSONSerializer

_HOME = "chariots.ml.serializers"

__getattr__, __dir__, _ = lazy_names(
    __name__,
    {"BaseSerializer": _HOME, "DillSerializer": _HOME, "JSONSerializer": _HOME, "CSVSerializer": _HOME},
)
__all__ = ["BaseSerializer", "DillSerializer", "JSONSerializer", "CSVSerializer"]
