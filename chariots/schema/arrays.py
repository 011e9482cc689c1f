"""How do numpy and pandas values become JSON?"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import orjson

from chariots.schema.places import UnsupportedError

__all__ = ["conversion_for"]

_NATIVE_KINDS = "biuf"


def conversion_for(kind: type) -> Callable[[Any], Any] | None:
    """Finds what brings values of a numpy or pandas class (or one that offers ``__array__``) closer to JSON.

    Args:
        kind: any class.

    Returns:
        a function of the value; None where neither library knows the class.
    """
    pandas = sys.modules.get("pandas")
    if pandas is not None and hasattr(pandas, "DataFrame"):
        if issubclass(kind, pandas.DataFrame):
            return _records
        if issubclass(kind, pandas.Series | pandas.Index | pandas.api.extensions.ExtensionArray):
            return _listed
        if kind in (type(pandas.NaT), type(pandas.NA)):
            return _nothing
        if issubclass(kind, pandas.Period):
            return str
    numpy = sys.modules.get("numpy")
    if numpy is not None and hasattr(numpy, "ndarray"):
        if issubclass(kind, numpy.ndarray):
            return _nested
        if issubclass(kind, numpy.generic):
            return _plain
    if hasattr(kind, "__array__"):
        return _through_array
    return None


def _nothing(value: Any) -> None:
    """Missing values of pandas are null."""


def _listed(value: Any) -> list[Any]:
    listed: list[Any] = value.tolist()
    return listed


def _through_array(value: Any) -> Any:
    import numpy as np

    return np.asarray(value)


def _nested(array: Any) -> Any:
    """The rows of an array: bytes at once where orjson knows the element type, else lists of elements."""
    import numpy as np

    if isinstance(array, np.ma.MaskedArray):
        return array.tolist()
    kind = array.dtype.kind
    if kind in _NATIVE_KINDS and array.ndim and array.dtype.itemsize <= 8:
        if not (array.flags.c_contiguous and array.dtype.isnative and type(array) is np.ndarray):
            array = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("="))
        return orjson.Fragment(orjson.dumps(array, option=orjson.OPT_SERIALIZE_NUMPY))
    if kind == "M":
        return _moments(array)
    if kind == "m":
        return array.astype("m8[us]").tolist()
    if kind == "f":
        return array.astype(np.float64).tolist()
    return array.tolist()


def _moments(array: Any) -> Any:
    """Dates of an array, exactly: orjson would write NaT as the year 1677 and drop nanoseconds."""
    import numpy as np

    missing = np.isnat(array)
    years = array[~missing].astype("M8[Y]").astype(np.int64) + 1970
    if bool(((years >= 1) & (years <= 9999)).all()):
        fine = np.datetime_data(array.dtype)[0] in ("ns", "ps", "fs", "as")
        shorter = array.astype("M8[us]") if fine else array
        if bool(((shorter == array) | missing).all()):
            return shorter.tolist()
    # What datetime cannot hold is written by numpy.
    texts = np.array(np.datetime_as_string(array), dtype=object)
    texts[missing] = None
    return texts.tolist()


def _plain(scalar: Any) -> Any:
    """The Python value of a numpy scalar."""
    import numpy as np

    if isinstance(scalar, np.datetime64 | np.timedelta64):
        return _nested(np.asarray(scalar))
    if isinstance(scalar, np.floating):
        # float32 and float16 keep their short form: 0.1 stays 0.1.
        if scalar.dtype.itemsize < 8:
            return orjson.Fragment(orjson.dumps(scalar, option=orjson.OPT_SERIALIZE_NUMPY))
        return float(scalar)
    return scalar.item()


def _records(frame: Any) -> list[dict[Any, Any]]:
    """The rows of a frame as objects; the index is left out."""
    names = list(frame.columns)
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise UnsupportedError(f"two of its columns are named {twice!r}, and an object keeps one; rename one of them")
    if not names:
        return [{} for _ in range(len(frame))]
    columns = [frame.iloc[:, position].tolist() for position in range(len(names))]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
