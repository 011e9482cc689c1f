"""How does a tensor of the Open Inference Protocol become a numpy array, and an array a tensor?"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np

from chariots.errors import InputError, nearest
from chariots.schema.builders import FormError, to_array
from chariots.schema.places import describe, place, printable, shorten, type_name

__all__ = ["BYTES", "DATATYPES", "Tensor", "datatype_of", "from_bytes", "from_json", "refusal", "to_bytes", "to_json"]

BYTES = "BYTES"
DATATYPES: dict[str, Any] = {
    "BOOL": np.dtype("?"),
    **{f"UINT{8 * size}": np.dtype(f"<u{size}") for size in (1, 2, 4, 8)},
    **{f"INT{8 * size}": np.dtype(f"<i{size}") for size in (1, 2, 4, 8)},
    **{f"FP{8 * size}": np.dtype(f"<f{size}") for size in (2, 4, 8)},
    BYTES: np.dtype(object),
}
_NAMES = {dtype: name for name, dtype in DATATYPES.items()}
_LENGTH = struct.Struct("<I")


@dataclass(frozen=True, slots=True)
class Tensor:
    """An array with a name.

    Attributes:
        name: as the protocol has it.
        array: in the shape that was declared; text is an array of Python strings.
        content_type: how MLServer's clients say it should be understood; None where they do not.
    """

    name: str
    array: Any
    content_type: str | None = None


def refusal(message: str, where: tuple[str | int, ...], expected: str, got: str) -> InputError:
    """Words what is wrong with a request.

    Args:
        message: what to do about it.
        where: the place in the request.
        expected: what should be there.
        got: what is there.
    """
    told = f"{place(where)} should be {expected}, not {got}. {message}"
    return InputError(told, errors=[{"loc": list(where), "expected": expected, "got": got}])


def dtype_named(name: Any, where: tuple[str | int, ...]) -> Any:
    """The element type of numpy for a datatype of the protocol.

    Args:
        name: the datatype.
        where: its place in the request.

    Raises:
        InputError: if there is none of that name.
    """
    if isinstance(name, str) and name in DATATYPES:
        return DATATYPES[name]
    hint = nearest(name, DATATYPES).strip() if isinstance(name, str) else ""
    raise refusal(hint or "Choose one of them.", where, f"one of {', '.join(DATATYPES)}", describe(name))


def from_json(data: Any, dtype: Any, shape: tuple[int, ...], where: tuple[str | int, ...]) -> Any:
    """Reads the data of a tensor, flat or nested, in row-major order.

    Args:
        data: what JSON gave.
        dtype: the element type that was declared.
        shape: the shape that was declared.
        where: the place of the data in the request.

    Returns:
        an array of that shape.

    Raises:
        InputError: if the data has another type, or another number of elements.
    """
    try:
        array = _texts(data) if dtype.hasobject else to_array(data, dtype)
    except FormError as error:
        inside = (*where, *error.where)
        raise refusal("Correct the data.", inside, error.expected, error.got or describe(data)) from error
    return _shaped(array, shape, where)


def from_bytes(data: memoryview, dtype: Any, shape: tuple[int, ...], where: tuple[str | int, ...]) -> Any:
    """Reads the data of a tensor from bytes: little-endian, in row-major order; text with its length before it.

    Args:
        data: the bytes.
        dtype: the element type that was declared.
        shape: the shape that was declared.
        where: the place of the tensor in the request.

    Returns:
        an array of that shape, which looks at the bytes; text is read.

    Raises:
        InputError: if there are more or fewer elements, or text is not UTF-8.
    """
    if dtype.hasobject:
        return _shaped(_strings(data, where), shape, where)
    if len(data) % dtype.itemsize:
        expected = f"a multiple of {dtype.itemsize} bytes"
        raise refusal("Correct binary_data_size.", where, expected, f"{len(data)} bytes")
    array = np.frombuffer(data, dtype)
    if dtype.kind == "b" and len(data) and int(array.view(np.uint8).max()) > 1:
        raise refusal("Correct the data.", where, "bytes of 0 and 1", "another byte")
    return _shaped(array, shape, where)


def datatype_of(array: Any) -> str:
    """The datatype of an array.

    Args:
        array: of numbers, booleans or text.

    Raises:
        TypeError: if the protocol has none for it.
    """
    if array.dtype.kind in "OUST":
        return BYTES
    found = _NAMES.get(array.dtype.newbyteorder("<"))
    if found is None:
        raise TypeError(f"there is no datatype for {array.dtype}; convert it to one of {', '.join(DATATYPES)}")
    return found


def to_json(array: Any) -> Any:
    """The data of an array, flat, as JSON has it.

    Args:
        array: of numbers, booleans or text.

    Raises:
        TypeError: if text is not UTF-8.
    """
    if datatype_of(array) != BYTES:
        return array.reshape(-1)
    try:
        return [text if isinstance(text, str) else text.decode() for text in array.reshape(-1).tolist()]
    except UnicodeDecodeError as error:
        raise TypeError("its bytes are not UTF-8, which JSON needs; ask for it as binary data") from error


def to_bytes(array: Any) -> bytes:
    """The data of an array as bytes.

    Args:
        array: of numbers, booleans or text.
    """
    if datatype_of(array) != BYTES:
        written: bytes = np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()
        return written
    encoded = [text.encode() if isinstance(text, str) else text for text in array.reshape(-1).tolist()]
    return b"".join(part for text in encoded for part in (_LENGTH.pack(len(text)), text))


def as_array(value: Any) -> Any:
    """The array that a value is; a single value becomes an array of one.

    Args:
        value: an array, a series, lists, or a single number, boolean or text.

    Raises:
        TypeError: if it is none, or holds something else than numbers, booleans and text.
    """
    if not hasattr(value, "__array__") and not isinstance(value, list | tuple | int | float | str | bytes):
        raise TypeError(f"there is no tensor for {type_name(value)}; return an array, a data frame or a dict of arrays")
    try:
        array = np.array([value], object)[0:1] if isinstance(value, str | bytes) else np.atleast_1d(np.asarray(value))
    except ValueError as error:
        raise TypeError(f"it is no array: {shorten(printable(error), 120)}") from error
    if array.dtype.kind in "Mm":
        array = np.datetime_as_string(array).astype(object) if array.dtype.kind == "M" else array.astype(str)
    if array.dtype.kind in "OUST":
        array = array.astype(object)
        odd = next((one for one in array.reshape(-1).tolist() if not isinstance(one, str | bytes)), "")
        if not isinstance(odd, str | bytes):
            raise TypeError(f"it holds {describe(odd)} among its texts or objects; make all of it text, or numbers")
    datatype_of(array)
    return array


def _texts(data: Any) -> Any:
    """An array of text from lists, flat: one long text must not make all the others as long."""
    flat: list[str] = []
    waiting = [data]
    while waiting:
        part = waiting.pop()
        if isinstance(part, str):
            flat.append(part)
        elif isinstance(part, list):
            waiting.extend(reversed(part))
        else:
            raise FormError("text, in lists", got=describe(part))
    return _objects(flat)


def _strings(data: memoryview, where: tuple[str | int, ...]) -> Any:
    found: list[str] = []
    at = 0
    while at < len(data):
        end = at + 4 + (_LENGTH.unpack_from(data, at)[0] if at + 4 <= len(data) else len(data))
        if end > len(data):
            raise refusal("Correct the lengths.", where, "texts with their lengths before them", "fewer bytes")
        try:
            found.append(str(data[at + 4 : end], "utf-8"))
        except UnicodeDecodeError as error:
            cure = "Send other bytes as base64 text."
            raise refusal(cure, (*where, len(found)), "text in UTF-8", "other bytes") from error
        at = end
    return _objects(found)


def _objects(values: list[str]) -> Any:
    array = np.empty(len(values), object)
    array[:] = values
    return array


def _shaped(array: Any, shape: tuple[int, ...], where: tuple[str | int, ...]) -> Any:
    wanted = math.prod(shape)
    if array.size != wanted:
        expected = f"{wanted:,} elements (shape {list(shape)})"
        raise refusal("Correct the shape, or the data.", where, expected, f"{array.size:,}")
    try:
        return array.reshape(shape)
    except (ValueError, OverflowError) as error:
        raise refusal("Correct the shape.", where, "a shape that can be", shorten(repr(list(shape)))) from error
