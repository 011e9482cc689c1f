"""What does a numpy array, scalar or dtype contain?"""

from __future__ import annotations

import hashlib
import sys
from typing import TYPE_CHECKING, Any

from chariots.versioning.content import Encoder, tagged

if TYPE_CHECKING:
    import numpy

__all__ = ["encode_numpy", "encode_values"]

# Beyond 8 bytes a real number is the C compiler's long double, whose padding holds anything.
_WIDEST = {"f": 8, "c": 16}


def encode_numpy(encoder: Encoder, value: Any) -> bytes | None:
    """Encodes a value of numpy.

    Args:
        encoder: what encodes the parts.
        value: any object.

    Returns:
        its form in the numbered format, or None where it is not of numpy.
    """
    np = sys.modules["numpy"]
    if isinstance(value, np.ma.MaskedArray):
        # What is under the mask is not content.
        shown = np.asarray(value.filled(np.zeros((), value.dtype)[()]))
        return encoder.parts("masked", shown, np.ma.getmaskarray(value))
    if isinstance(value, np.ndarray):
        plain = encode_values(encoder, "array", value)
        if type(value) in (np.ndarray, np.memmap):
            return plain
        return tagged("array-subclass", encoder.encode(type(value)) + plain)
    if isinstance(value, np.generic):
        return encode_values(encoder, "scalar", np.asarray(value))
    if isinstance(value, np.dtype):
        return encoder.parts("dtype", _dtype_parts(value))
    if isinstance(value, np.ufunc):
        return encoder.parts("named", f"numpy:{value.__name__}")
    library = type(value).__module__.partition(".")[0]
    if library == "scipy" and hasattr(value, "tocoo"):
        return _sparse(encoder, value)
    if library in _TENSORS and hasattr(value, "__array__"):
        detached = value.detach().cpu() if hasattr(value, "detach") else value
        return encoder.parts("tensor", f"{library}:{type(value).__name__}", np.asarray(detached))
    return None


_TENSORS = {"torch", "jax", "jaxlib", "tensorflow", "keras"}


def encode_values(encoder: Encoder, tag: str, array: numpy.ndarray[Any, Any]) -> bytes:
    """Encodes the dtype, the shape and every value of an array.

    The values go in as the SHA-256 of their bytes in C order, so that no array is copied into the encoded
    form.

    Args:
        encoder: what encodes the parts.
        tag: what the values are of.
        array: the values.

    Returns:
        the encoded form.
    """
    dtype = array.dtype
    content: Any
    if dtype.names is not None:
        # Field by field: the bytes between the fields hold anything.
        content = [array[name] for name in dtype.names]
    elif dtype.kind in "OT":
        content = array.astype(object).ravel().tolist()
    elif dtype.itemsize > _WIDEST.get(dtype.kind, dtype.itemsize):
        content = [repr(item) for item in array.ravel()]
    else:
        content = _digest(array)
    return encoder.parts(tag, _dtype_parts(dtype), array.shape, content)


def _digest(array: numpy.ndarray[Any, Any]) -> bytes:
    np = sys.modules["numpy"]
    array = np.ascontiguousarray(array)
    if array.dtype.kind in "fc" and (missing := np.isnan(array)).any():
        # A NaN has many bit patterns, and which one comes out of a computation depends on the processor.
        array = array.copy()
        if array.dtype.kind == "c":
            reals = array.view(f"{array.dtype.byteorder}f{array.dtype.itemsize // 2}")
            reals[np.isnan(reals)] = np.nan
        else:
            array[missing] = np.nan
    # Not the array itself: buffers have no way to say datetime64.
    content: Any = array.reshape(-1).view("u1") if array.nbytes else b""
    return hashlib.sha256(content).digest()


def _dtype_parts(dtype: numpy.dtype[Any]) -> Any:
    """A dtype as plain values: its name with byte order, or the names, types and places of its fields."""
    if dtype.subdtype is not None:
        return "subarray", _dtype_parts(dtype.subdtype[0]), dtype.subdtype[1]
    if dtype.names is None or dtype.fields is None:
        return dtype.str if dtype.kind != "T" else "T"
    fields = [(name, _dtype_parts(dtype.fields[name][0]), dtype.fields[name][1]) for name in dtype.names]
    return "struct", fields, dtype.itemsize


def _sparse(encoder: Encoder, value: Any) -> bytes:
    """A sparse matrix by its shape and the places and values it stores."""
    np = sys.modules["numpy"]
    coordinates = value.tocoo(copy=True)
    coordinates.sum_duplicates()
    places = getattr(coordinates, "coords", None) or (coordinates.row, coordinates.col)
    order = np.lexsort(places[::-1])
    sorted_places = [place[order].astype("<i8") for place in places]
    return encoder.parts("sparse", type(value), coordinates.shape, sorted_places, coordinates.data[order])
