"""What does a pandas frame, series, index or moment contain?"""

from __future__ import annotations

import sys
from typing import Any

from chariots.versioning.content import Encoder, tagged
from chariots.versioning.content_numpy import encode_values

__all__ = ["encode_pandas"]


def encode_pandas(encoder: Encoder, value: Any) -> bytes | None:
    """Encodes a value of pandas.

    Args:
        encoder: what encodes the parts.
        value: any object.

    Returns:
        its form in the numbered format, or None where it is not of pandas.
    """
    pd: Any = sys.modules["pandas"]
    if not hasattr(pd, "Interval"):
        return None  # still being imported
    if value is pd.NaT or value is pd.NA:
        return encoder.parts("missing", repr(value))
    kind = type(value)
    for known, write in (
        (pd.DataFrame, _frame),
        (pd.Series, _series),
        (pd.Index, _index),
        (pd.Timestamp, _timestamp),
        (pd.Timedelta, lambda e, v: e.parts("pandas-timedelta", v.days, v.seconds, v.microseconds, v.nanoseconds)),
        (pd.Period, lambda e, v: e.parts("period", v.freqstr, v.ordinal)),
        (pd.Interval, lambda e, v: e.parts("interval", v.left, v.right, v.closed)),
        (pd.CategoricalDtype, lambda e, v: e.parts("categorical-dtype", v.categories, v.ordered)),
        (pd.api.extensions.ExtensionDtype, lambda e, v: e.parts("extension-dtype", str(v))),
        (pd.api.extensions.ExtensionArray, _values),
    ):
        if issubclass(kind, known):
            return write(encoder, value)
    return None


def _frame(encoder: Encoder, value: Any) -> bytes:
    columns = b"".join([_values(encoder, value.iloc[:, place].array) for place in range(value.shape[1])])
    parts = _labels(encoder, value) + encoder.encode(value.index) + encoder.encode(value.columns)
    return tagged("frame", parts + tagged("columns", columns))


def _series(encoder: Encoder, value: Any) -> bytes:
    parts = _labels(encoder, value) + encoder.encode(value.index) + encoder.encode(value.name)
    return tagged("series", parts + _values(encoder, value.array))


def _index(encoder: Encoder, value: Any) -> bytes:
    """An index by its names and values: one that is written as a range is one that lists the same numbers."""
    pd = sys.modules["pandas"]
    if isinstance(value, pd.MultiIndex):
        levels = [_values(encoder, value.get_level_values(level).array) for level in range(value.nlevels)]
    else:
        levels = [_values(encoder, value.array)]
    return tagged("index", encoder.encode(list(value.names)) + b"".join(levels))


def _labels(encoder: Encoder, value: Any) -> bytes:
    """The class of a subclass, nothing for the classes of pandas itself; where all counts, the attributes too."""
    name = type(value).__module__.partition(".")[0]
    more = encoder.encode(value.attrs) if encoder.only_data and value.attrs else b""
    return more if name == "pandas" else encoder.encode(type(value)) + more


def _timestamp(encoder: Encoder, value: Any) -> bytes:
    moment = value.tz_localize(None) if value.tz is None else value.tz_convert("UTC").tz_localize(None)
    return encoder.parts("timestamp", moment.isoformat(), value.tzinfo)


def _values(encoder: Encoder, array: Any) -> bytes:
    """The values of a column or an index, by what their dtype says they are."""
    pd: Any = sys.modules["pandas"]
    dtype = array.dtype
    name = "category" if isinstance(dtype, pd.CategoricalDtype) else str(dtype)
    if isinstance(dtype, pd.CategoricalDtype):
        content = encoder.encode([array.categories, array.ordered, array.codes.astype("<i8")])
    elif hasattr(array, "asi8"):
        content = encoder.encode(array.asi8)
    elif isinstance(dtype, pd.api.extensions.ExtensionDtype) and type(dtype).__name__ != "NumpyEADtype":
        content = encoder.encode(list(array))
    else:
        content = encode_values(encoder, "array", array.to_numpy())
    return tagged("values", encoder.encode(name) + content)
