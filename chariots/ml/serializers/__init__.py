"""In which form does a model travel? One class a format, each with two methods."""

from __future__ import annotations

from chariots.ml.serializers._base_serializer import BaseSerializer
from chariots.ml.serializers._csv_serializer import CSVSerializer
from chariots.ml.serializers._dill_serializer import DillSerializer
from chariots.ml.serializers._json_serializer import JSONSerializer
from chariots.ml.serializers._keras_serializer import KerasSerializer
from chariots.ml.serializers._numpy_serializer import NumpySerializer
from chariots.ml.serializers._safetensors_serializer import SafetensorsSerializer
from chariots.ml.serializers._skops_serializer import SkopsSerializer

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
