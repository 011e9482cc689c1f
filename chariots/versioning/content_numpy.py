"""What does a numpy array, scalar or dtype contain?"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from chariots.versioning.content import Encoder, tagged

if TYPE_CHECKING:
    import numpy

__all__ = ["encode_numpy", "encode_values"]

# Beyond 8 bytes a real number is the C compiler's long double, whose padding holds anything.
_WIDEST = {"f": 8, "c": 16}
_PIECE = 2**19  # bytes


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
        more = encoder.encode(vars(value)) if encoder.only_data and getattr(value, "__dict__", None) else b""
        return tagged("array-subclass", encoder.encode(type(value)) + plain + more)
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
        if encoder.only_data and array.flags.f_contiguous and not array.flags.c_contiguous:
            return encoder.parts("fortran", tag, _dtype_parts(dtype), array.shape, _digest(array.T, True))
        content = _digest(array, encoder.only_data)
    return encoder.parts(tag, _dtype_parts(dtype), array.shape, content)


def _digest(array: numpy.ndarray[Any, Any], as_is: bool) -> bytes:
    sha = hashlib.sha256()
    for piece in _pieces(array):
        piece = piece if as_is else _plain(piece)
        # Not the array itself: buffers have no way to say datetime64.
        sha.update(piece.view("u1").data)
    return sha.digest()


def _pieces(array: numpy.ndarray[Any, Any]) -> Iterator[numpy.ndarray[Any, Any]]:
    """The values in C order, as flat arrays that fit into the cache of a processor; none is copied that need not be."""
    np = sys.modules["numpy"]
    if not array.nbytes:
        return
    if array.ndim > 1 and not array.flags.c_contiguous:
        rows = _PIECE * len(array) // array.nbytes
        if not rows:
            for part in array:
                yield from _pieces(part)
            return
        for start in range(0, len(array), rows):
            yield from _pieces(np.ascontiguousarray(array[start : start + rows]))
        return
    flat = array.reshape(-1)
    count = max(_PIECE // array.itemsize, 1)
    for start in range(0, flat.size, count):
        yield np.ascontiguousarray(flat[start : start + count])


def _plain(piece: numpy.ndarray[Any, Any]) -> numpy.ndarray[Any, Any]:
    """Values of which every NaN is the same: there are many, and which one comes out depends on the processor."""
    np = sys.modules["numpy"]
    if piece.dtype.kind not in "fc":
        return piece
    missing = np.isnan(piece)
    if not missing.any():
        return piece
    piece = piece.copy()
    if piece.dtype.kind == "c":
        reals = piece.view(f"{piece.dtype.byteorder}f{piece.dtype.itemsize // 2}")
        reals[np.isnan(reals)] = np.nan
    else:
        piece[missing] = np.nan
    return piece


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
