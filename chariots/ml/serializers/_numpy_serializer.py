"""How do numpy arrays travel in the formats of numpy, without pickle?"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from typing import Any

from chariots.ml.serializers._base_serializer import BaseSerializer, no_arrays

__all__ = ["NumpySerializer"]

SUFFIX = ".npy"


class NumpySerializer(BaseSerializer):
    """Keeps one array as ``.npy``, or a dictionary of arrays as ``.npz``; numpy's own functions read both.

    Arrays of numbers, truth values, dates and fixed-length text, structured ones too; never of Python
    objects.
    """

    format_name = "numpy"

    def serialize_object(self, target: Any) -> bytes:
        """Turns an array, a number, or a dictionary of them into bytes.

        Raises:
            TypeError: if it is something else, or an array of Python objects.
        """
        buffer = io.BytesIO()
        if not isinstance(target, Mapping):
            _write(buffer, target, "the model")
            return buffer.getvalue()
        with zipfile.ZipFile(buffer, "w") as archive:
            for name, array in target.items():
                if not isinstance(name, str) or not name:
                    raise no_arrays("NumpySerializer", f"a dictionary with the key {name!r}, which is no name")
                with archive.open(zipfile.ZipInfo(name + SUFFIX), "w", force_zip64=True) as member:
                    _write(member, array, repr(name))
        return buffer.getvalue()

    def deserialize_object(self, serialized_object: bytes) -> Any:
        """Turns bytes back into an array (without axes for a number) or a dictionary of arrays.

        Raises:
            ValueError: if the bytes are neither, or hold Python objects.
        """
        if serialized_object[:6] == b"\x93NUMPY":
            return _read(io.BytesIO(serialized_object))
        try:
            with zipfile.ZipFile(io.BytesIO(serialized_object)) as archive:
                arrays = {}
                for name in archive.namelist():
                    with archive.open(name) as member:
                        arrays[name.removesuffix(SUFFIX)] = _read(member)
                return arrays
        except zipfile.BadZipFile as error:
            raise ValueError(f"these {len(serialized_object)} bytes are neither .npy nor .npz: {error}") from error


def _write(stream: Any, value: Any, where: str) -> None:
    import numpy

    array = numpy.asanyarray(value)
    if array.dtype.hasobject:
        raise no_arrays("NumpySerializer", f"{where} as {type(value).__name__} of Python objects")
    numpy.lib.format.write_array(stream, array, allow_pickle=False)


def _read(stream: Any) -> Any:
    import numpy

    return numpy.lib.format.read_array(stream, allow_pickle=False)
