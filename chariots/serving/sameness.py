"""Are two outputs of a pipeline the same, but for the last digits of their numbers?"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from numbers import Real
from typing import Any

__all__ = ["is_same"]


def is_same(one: Any, other: Any, tolerance: float) -> bool:
    """Compares two outputs.

    Args:
        one: the first.
        other: the second.
        tolerance: how much two numbers may differ, absolutely or in proportion.

    Returns:
        whether they hold the same in the same places; a missing number (NaN) is the same as another.
    """
    numpy, pandas = sys.modules.get("numpy"), sys.modules.get("pandas")
    if pandas is not None and isinstance(one, (pandas.DataFrame, pandas.Series)):
        return type(one) is type(other) and _same_tables(one, other, tolerance)
    if numpy is not None and (isinstance(one, numpy.ndarray) or isinstance(other, numpy.ndarray)):
        return type(one) is type(other) and _same_arrays(numpy, one, other, tolerance)
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, Real) and isinstance(other, Real):
        first, second = float(one), float(other)
        return (
            first == second
            or (math.isnan(first) and math.isnan(second))
            or math.isclose(first, second, rel_tol=tolerance, abs_tol=tolerance)
        )
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(is_same(one[key], other[key], tolerance) for key in one)
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return len(one) == len(other) and all(
            is_same(first, second, tolerance) for first, second in zip(one, other, strict=True)
        )
    return type(one) is type(other) and bool(one == other)


def _same_arrays(numpy: Any, one: Any, other: Any, tolerance: float) -> bool:
    if one.shape != other.shape:
        return False
    if one.dtype.kind in "iufc" and other.dtype.kind in "iufc":
        return bool(numpy.allclose(one, other, rtol=tolerance, atol=tolerance, equal_nan=True))
    if "O" in (one.dtype.kind, other.dtype.kind):
        return all(is_same(first, second, tolerance) for first, second in zip(one.flat, other.flat, strict=True))
    return bool(numpy.array_equal(one, other))


def _same_tables(one: Any, other: Any, tolerance: float) -> bool:
    if not one.index.equals(other.index):
        return False
    if one.ndim == 1:
        return is_same(one.to_numpy(), other.to_numpy(), tolerance)
    return bool(one.columns.equals(other.columns)) and all(
        is_same(one.iloc[:, at].to_numpy(), other.iloc[:, at].to_numpy(), tolerance) for at in range(one.shape[1])
    )
