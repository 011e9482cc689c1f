"""In which form does a model travel? One class a format, each with two methods."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chariots._lazy import lazy_names

if TYPE_CHECKING:
    from chariots.ml.serializers._base_serializer import BaseSerializer
    from chariots.ml.serializers._csv_serializer import CSVSerializer
    from chariots.ml.serializers._dill_serializer import DillSerializer
    from chariots.ml.serializers._json_serializer import JSONSerializer
    from chariots.ml.serializers._keras_serializer import KerasSerializer
    from chariots.ml.serializers._numpy_serializer import NumpySerializer
    from chariots.ml.serializers._safetensors_serializer import SafetensorsSerializer
    from chariots.ml.serializers._skops_serializer import SkopsSerializer

_HOMES = {
    "BaseSerializer": "chariots.ml.serializers._base_serializer",
    "DillSerializer": "chariots.ml.serializers._dill_serializer",
    "SkopsSerializer": "chariots.ml.serializers._skops_serializer",
    "KerasSerializer": "chariots.ml.serializers._keras_serializer",
    "NumpySerializer": "chariots.ml.serializers._numpy_serializer",
    "SafetensorsSerializer": "chariots.ml.serializers._safetensors_serializer",
    "JSONSerializer": "chariots.ml.serializers._json_serializer",
    "CSVSerializer": "chariots.ml.serializers._csv_serializer",
}

__getattr__, __dir__, _ = lazy_names(__name__, _HOMES)
__all__ = [
    "BaseSerializer",
    "DillSerializer",
    "SkopsSerializer",
    "KerasSerializer",
    "NumpySerializer",
    "SafetensorsSerializer",
    "JSONSerializer",
    "CSVSerializer",
]
