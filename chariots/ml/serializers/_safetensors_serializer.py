"""How do weights travel in the format that every framework reads and no reader has to trust?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chariots.ml.serializers._base_serializer import BaseSerializer, no_arrays, not_installed

__all__ = ["SafetensorsSerializer"]

# The format has numbers of up to eight bytes; numpy's long double may have sixteen.
LARGEST = 8


class SafetensorsSerializer(BaseSerializer):
    """Keeps a dictionary of number arrays in the safetensors format."""

    format_name = "safetensors"

    def serialize_object(self, target: Any) -> bytes:
        """Turns a dictionary of arrays into bytes.

        Raises:
            TypeError: if it is something else, or an array is not of numbers or truth values.
            ImportError: if safetensors is not installed.
        """
        import numpy

        if not isinstance(target, Mapping):
            raise no_arrays("SafetensorsSerializer", f"a {type(target).__name__}, not a dictionary of arrays")
        arrays = {}
        for name, value in target.items():
            if not isinstance(name, str):
                raise no_arrays("SafetensorsSerializer", f"a dictionary with the key {name!r}, which is no name")
            array = numpy.asarray(value)
            if array.dtype.kind not in "biuf" or array.dtype.itemsize > LARGEST:
                raise no_arrays("SafetensorsSerializer", f"{name!r} as an array of {array.dtype}")
            # The library writes memory as it lies; order="C" copies only what lies otherwise.
            arrays[name] = numpy.asarray(array, order="C")
        data: bytes = _safetensors().save(arrays)
        return data

    def deserialize_object(self, serialized_object: bytes) -> dict[str, Any]:
        """Turns bytes back into a dictionary of arrays.

        Raises:
            safetensors.SafetensorError: if the bytes are damaged.
            ImportError: if safetensors is not installed.
        """
        arrays: dict[str, Any] = _safetensors().load(serialized_object)
        return arrays


def _safetensors() -> Any:
    try:
        import safetensors.numpy
    except ImportError as error:
        raise not_installed("SafetensorsSerializer", "safetensors", "safetensors", error) from error
    return safetensors.numpy
