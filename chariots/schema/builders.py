"""How do JSON values become numpy and pandas values?"""

from __future__ import annotations

import base64
import binascii
from typing import Any

__all__ = ["FormError", "to_array", "to_bytes", "to_frame", "to_scalar", "to_series", "to_timestamp"]

_NUMBERS = "iuf"


class FormError(ValueError):
    """Raised when a JSON value cannot become the declared array, frame or scalar.

    Attributes:
        expected: the form it should have.
        where: the place of the trouble inside the value, from the outside in.
        got: what is there, or None for the value itself.
    """

    def __init__(self, expected: str, where: tuple[str | int, ...] = (), got: str | None = None) -> None:
        super().__init__(expected)
        self.expected = expected
        self.where = where
        self.got = got


def to_array(value: Any, dtype: Any = None) -> Any:
    """Builds an array from nested lists; null becomes NaN among numbers.

    Args:
        value: nested lists of numbers, booleans or text (or an array already).
        dtype: the declared element type, if any.

    Returns:
        a ``numpy.ndarray``.

    Raises:
        FormError: for ragged lists, objects, a single value, or elements of another type.
    """
    import numpy as np

    if isinstance(value, np.ndarray):
        return value if dtype is None or value.dtype == dtype else _cast(value, np.dtype(dtype))
    if not isinstance(value, list):
        raise FormError("a list (of lists, for more dimensions)")
    try:
        array = np.array(value)
    except (ValueError, OverflowError) as error:
        raise FormError("lists of the same length at every level") from error
    kind = array.dtype.kind
    if kind == "O" or (kind == "U" and not _all_text(value)):
        array = _with_gaps(value)
    if dtype is None:
        return array
    return _cast(array, np.dtype(dtype))


def _with_gaps(value: list[Any]) -> Any:
    """An array of lists that hold null, integers beyond 64 bits, or elements of several types."""
    import numpy as np

    array = np.array(value, dtype=object)
    kinds = {type(element) for element in array.ravel()}
    if kinds & {dict, list}:
        raise FormError("lists of single values, of the same length at every level")
    if kinds <= {int, float, type(None)} and kinds != {int}:
        try:
            return array.astype(np.float64)
        except OverflowError:  # an integer that no double can hold stays what it is
            return array
    return array


def _all_text(value: Any) -> bool:
    return all(_all_text(element) for element in value) if isinstance(value, list) else isinstance(value, str)


def _cast(array: Any, dtype: Any) -> Any:
    """Gives an array the declared element type where nothing is lost by it but digits of a float."""
    import numpy as np

    expected = f"lists of {dtype.name}"
    source = array.dtype.kind
    fits = (
        dtype.kind in ("O", source)
        or (source in _NUMBERS and dtype.kind in "fc")
        or (source in "iu" and dtype.kind in "iu")
        or (source == "U" and dtype.kind in "TMm")
        or array.size == 0
    )
    if not fits:
        raise FormError(expected, got=f"lists of {'mixed values' if source == 'O' else array.dtype.name}")
    if dtype.kind == "M" and source == "U" and np.char.isalpha(array).any():
        raise FormError(f"{expected} as ISO 8601 text")  # numpy would read "now" and "today"
    try:
        with np.errstate(over="ignore"):
            result = array.astype(dtype)
    except (ValueError, TypeError, OverflowError) as error:
        raise FormError(expected) from error
    overflown = dtype.kind in "fc" and not np.array_equal(np.isfinite(result), np.isfinite(array))
    if overflown or (dtype.kind in "iu" and not np.array_equal(result, array)):
        raise FormError(f"{expected}, all of them in its range", got="a number beyond it")
    return result


def to_frame(value: Any) -> Any:
    """Builds a frame from a list of records or from ``{column: [values]}``.

    Args:
        value: the decoded JSON (or a frame already).

    Returns:
        a ``pandas.DataFrame`` with columns in the order of the first record.

    Raises:
        FormError: for anything else, and for records that differ in their columns.
    """
    import pandas as pd

    if isinstance(value, pd.DataFrame):
        return value
    if isinstance(value, dict):
        lengths = {name: len(column) if isinstance(column, list) else -1 for name, column in value.items()}
        for name, length in lengths.items():
            if length < 0:
                raise FormError("a list of the values of this column", (name,))
            first = next(iter(lengths.values()))
            if length != first:
                raise FormError(f"as many values as in the first column ({first})", (name,))
        return _fill(pd.DataFrame(value))
    if not isinstance(value, list):
        raise FormError("a list of records, or an object of columns {name: [values]}")
    for position, record in enumerate(value):
        if not isinstance(record, dict):
            raise FormError("a record {column: value}", (position,))
        if record.keys() != value[0].keys():
            odd = sorted(record.keys() ^ value[0].keys())[0]
            wording = "unexpected column" if odd in record else "no column"
            raise FormError("the columns of the first record", (position,), f"{wording} {odd!r}")
    names = list(value[0]) if value else []
    columns = {name: [record[name] for record in value] for name in names}
    return _fill(pd.DataFrame(columns, index=pd.RangeIndex(len(value)), columns=names))


def _fill(frame: Any) -> Any:
    """A column of nulls only is a column of NaN, as it was before it became JSON."""
    objects = [name for name in frame.columns if frame[name].dtype == object] if len(frame) else []
    empty = [name for name in objects if frame[name].isna().all()]
    return frame.astype(dict.fromkeys(empty, "float64")) if empty else frame


def to_series(value: Any) -> Any:
    """Builds a series from a list.

    Args:
        value: the decoded JSON (or a series already).

    Returns:
        a ``pandas.Series``.

    Raises:
        FormError: for anything but a flat list.
    """
    import pandas as pd

    if isinstance(value, pd.Series):
        return value
    if not isinstance(value, list):
        raise FormError("a list of values")
    for position, element in enumerate(value):
        if isinstance(element, list | dict):
            raise FormError("a single value", (position,))
    frame = _fill(pd.DataFrame({"values": value}))
    return frame["values"].rename(None)


def to_scalar(value: Any, kind: Any) -> Any:
    """Builds a numpy scalar (``np.float64``, ``np.int8`` ...) from a JSON number, boolean or text.

    Args:
        value: the decoded JSON.
        kind: the numpy class.

    Returns:
        an instance of ``kind``.

    Raises:
        FormError: when the value is of another type or out of range.
    """
    if isinstance(value, kind):
        return value
    if isinstance(value, list | dict):
        raise FormError(f"a single value ({kind.__name__})")
    try:
        return to_array([value], kind)[0]
    except FormError as error:
        raise FormError(f"a value that fits {kind.__name__}") from error


def to_timestamp(value: Any) -> Any:
    """Builds a timestamp from ISO 8601 text.

    Args:
        value: the decoded JSON (or a timestamp already).

    Returns:
        a ``pandas.Timestamp``.

    Raises:
        FormError: for anything else.
    """
    import pandas as pd

    if isinstance(value, pd.Timestamp):
        return value
    if isinstance(value, str) and not value.isalpha():  # pandas would read "now" and "today"
        moment = pd.to_datetime(value, errors="coerce", format="ISO8601")
        if not pd.isna(moment):
            return moment
    raise FormError("a date as ISO 8601 text")


def to_bytes(value: Any) -> bytes:
    """Reads base64 text.

    Args:
        value: the decoded JSON (or bytes already).

    Returns:
        the bytes.

    Raises:
        FormError: when it is no base64.
    """
    if isinstance(value, bytes):
        return value
    try:
        return base64.b64decode(value, validate=True)
    except (TypeError, ValueError, binascii.Error) as error:
        raise FormError("bytes as base64 text") from error
