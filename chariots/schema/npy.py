"""How does one numpy array travel as an ``.npy`` file, without becoming Python objects, and without pickle?"""

from __future__ import annotations

import io
import math
from typing import Any

from chariots.errors import MalformedRequestError
from chariots.schema.places import UnsupportedError, printable, shorten, type_name

__all__ = ["MEDIA_TYPE", "dumps", "loads"]

MEDIA_TYPE = "application/x-npy"
_LONGEST_HEADER = 10_000  # characters; numpy reads the header as a Python literal, which takes its time
_LONGEST_START = 12 + _LONGEST_HEADER  # the magic bytes, the version and the length come first


def loads(body: bytes) -> Any:
    """Reads an ``.npy`` file (versions 1.0 and 2.0 of the format).

    Args:
        body: the bytes of the file.

    Returns:
        a ``numpy.ndarray`` that looks at these bytes, and cannot be written to; a copy where their byte order is
        another one than that of this machine.

    Raises:
        MalformedRequestError: for anything else, for arrays of Python objects (which are a pickle), and for headers
            that promise more or less than there is.
    """
    import numpy as np

    file = io.BytesIO(body[:_LONGEST_START])
    try:
        version = np.lib.format.read_magic(file)
        readers = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }
        if version not in readers:
            raise _refusal(f"it has version {version[0]}.{version[1]} of the format, and 1.0 and 2.0 are read here")
        shape, is_fortran, dtype = readers[version](file, max_header_size=_LONGEST_HEADER)
    except MalformedRequestError:
        raise
    except Exception as error:  # the header is a literal of strangers, and numpy fails at it in any way
        raise _refusal(f"its header is none ({shorten(printable(error).partition(chr(10))[0], 200)})") from error
    start = file.tell()
    _check(dtype, shape, len(body) - start)
    try:
        array = np.frombuffer(body, dtype=dtype, count=math.prod(shape), offset=start if math.prod(shape) else 0)
        array = array.reshape(shape[::-1]).transpose() if is_fortran else array.reshape(shape)
    except (ValueError, OverflowError) as error:
        raise _refusal(printable(error)) from error
    return array if dtype.isnative else array.astype(dtype.newbyteorder("="))


def dumps(value: Any) -> bytes:
    """Writes one array as an ``.npy`` file.

    Args:
        value: an array, a series, a scalar of numpy, or numbers, booleans or text in lists.

    Returns:
        the bytes of the file.

    Raises:
        UnsupportedError: (a TypeError) if it is not one array, or one of Python objects.
    """
    import numpy as np

    if hasattr(value, "columns"):
        raise UnsupportedError("a data frame is several arrays; use Arrow, or to_numpy()")
    if not hasattr(value, "__array__") and not isinstance(value, list | tuple | int | float | str):
        raise UnsupportedError(f"{type_name(value)} is no array")
    try:
        array = np.asarray(value)
    except ValueError as error:  # lists of different lengths
        raise UnsupportedError(f"it is no array: {shorten(printable(error), 120)}") from error
    if array.dtype.hasobject or array.dtype.kind == "T":
        raise UnsupportedError(
            "it is an array of Python objects, which only a pickle could hold; give it an element type, or use JSON"
        )
    file = io.BytesIO()
    try:
        np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(array))
    except ValueError as error:
        raise UnsupportedError(f"its element type has no form as .npy: {shorten(printable(error), 120)}") from error
    is_fortran = array.flags.f_contiguous and not array.flags.c_contiguous
    flat = array.transpose() if is_fortran else np.ascontiguousarray(array)
    return b"".join((file.getvalue(), flat.reshape(-1).view(np.uint8).data if flat.size else b""))


def _check(dtype: Any, shape: tuple[int, ...], there: int) -> None:
    """Refuses what would not be a view of the bytes that are there."""
    if dtype.hasobject:
        raise _refusal("it holds Python objects, which are a pickle, and no pickle is read here; give it a plain dtype")
    if not dtype.itemsize:
        raise _refusal(f"its elements ({dtype}) have no size")
    if any(length < 0 for length in shape):
        raise _refusal(f"its shape {shape} has a negative length")
    promised = math.prod(shape) * dtype.itemsize
    if promised != there:
        raise _refusal(
            f"its header promises {promised:,} bytes (shape {shorten(repr(shape))} of {dtype}), and {there:,} follow"
        )


def _refusal(reason: str) -> MalformedRequestError:
    return MalformedRequestError(
        f"The body should be one array as .npy and cannot be read: {reason}. Write it with "
        "numpy.save(file, array, allow_pickle=False)."
    )
