"""Which inputs can be stacked into one, and how is the output taken apart again?

Rows lie along the first axis: of an array, of a data frame, or of a list whose items are rows. Two inputs are stacked
only if an op that gets both at once would see the very values and types that it would see of each alone.
"""

from __future__ import annotations

import sys
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Rows", "part", "row_count", "rows_of", "stacked"]

_SCALARS = (int, float, bool, complex, type(None))
_EXACT = 2**53  # integers up to here are the same as floats, and fit into 64 bits
_ITEM_BYTES = 64  # of what is not an array; roughly what a small Python object takes


@dataclass(frozen=True, slots=True)
class Rows:
    """What must be known of an input before it is stacked with others.

    Attributes:
        kind: inputs of the same kind can be stacked.
        count: how many rows it has.
        size: how many bytes these take, roughly.
    """

    kind: Hashable
    count: int
    size: int


def rows_of(value: Any) -> Rows | None:
    """Looks at an input.

    Args:
        value: the input, converted.

    Returns:
        what is known of its rows; None where it has none, or none that could stand beside those of another input.
    """
    if type(value) is list:
        return _rows_of_list(value) if value else None
    numpy = sys.modules.get("numpy")  # nobody has an array without it
    if numpy is not None and type(value) is numpy.ndarray:
        return _rows_of_array(value) if len(value.shape) > 1 and len(value) else None
    pandas = sys.modules.get("pandas")
    if pandas is not None and type(value) is pandas.DataFrame:
        return _rows_of_frame(value) if len(value) else None
    return None


def stacked(values: Sequence[Any]) -> Any:
    """Puts inputs of one kind below each other.

    Args:
        values: two or more.
    """
    first = values[0]
    if type(first) is list:
        return [row for value in values for row in value]
    if hasattr(first, "columns"):
        import pandas

        return pandas.concat(values, ignore_index=True)
    import numpy

    return numpy.concatenate(values)


def row_count(output: Any) -> int | None:
    """The number of rows of an output; None where it has none that could be told apart."""
    if type(output) is list:
        # A model with several outputs returns a list of arrays, one for each output and not for each row.
        return None if any(hasattr(item, "shape") and item.shape for item in output) else len(output)
    numpy = sys.modules.get("numpy")
    if numpy is not None and type(output) is numpy.ndarray:
        return len(output) if output.shape else None
    pandas = sys.modules.get("pandas")
    if pandas is not None and type(output) in (pandas.DataFrame, pandas.Series):
        return len(output) if _is_plain(output.index) else None
    return None


def part(output: Any, start: int, end: int) -> Any:
    """Some rows of an output, as they would be had they been computed alone.

    Args:
        output: what has a `row_count`.
        start: the first row.
        end: the row after the last.
    """
    if hasattr(output, "iloc"):
        return output.iloc[start:end].reset_index(drop=True)
    return output[start:end]


def _rows_of_list(rows: list[Any]) -> Rows | None:
    first = type(rows[0])
    if first in _SCALARS:
        return None  # one row, or a column of numbers: only the op knows
    if first is str:
        is_even = all(type(row) is str for row in rows)
        return Rows("texts", len(rows), sum(map(len, rows))) if is_even else None
    if first is dict:
        shape = _types(rows[0])
        is_even = all(type(row) is dict and _types(row) == shape for row in rows)
        return Rows(("records", shape), len(rows), _ITEM_BYTES * len(rows) * len(shape)) if is_even else None
    if first is list:
        return _rows_of_lists(rows)
    if all(type(row) is first for row in rows):
        return Rows(("objects", first), len(rows), _ITEM_BYTES * len(rows))
    return None


def _rows_of_lists(rows: list[list[Any]]) -> Rows | None:
    import numpy

    try:
        array = numpy.asarray(rows)
    except ValueError:  # the rows are not all as long as each other
        return None
    kind = array.dtype.kind
    if kind == "i" and (array.size == 0 or int(array.max()) > _EXACT or int(array.min()) < -_EXACT):
        return None
    if kind in "fib":
        return Rows(("lists", kind, array.shape[1:]), len(rows), array.nbytes)
    if array.ndim != 2:
        return None
    types = tuple(map(type, rows[0]))
    if any(tuple(map(type, row)) != types for row in rows) or not all(
        kind in _SCALARS or kind is str for kind in types
    ):
        return None
    return Rows(("lists", types), len(rows), _ITEM_BYTES * array.size)


def _rows_of_array(array: Any) -> Rows | None:
    if array.dtype.kind not in "fiubc":
        return None
    return Rows(("array", array.dtype, array.shape[1:]), len(array), array.nbytes)


def _rows_of_frame(frame: Any) -> Rows | None:
    kinds = tuple(frame.dtypes)
    if not _is_plain(frame.index) or frame.columns.nlevels > 1 or any(str(kind) == "category" for kind in kinds):
        return None
    names = tuple(frame.columns)
    return Rows(("frame", names, tuple(map(str, kinds))), len(frame), _ITEM_BYTES * len(frame) * len(names))


def _is_plain(index: Any) -> bool:
    """Whether the rows of a data frame are just counted."""
    import pandas

    return type(index) is pandas.RangeIndex and index.start == 0 and index.step == 1


def _types(record: dict[str, Any]) -> tuple[tuple[str, type], ...]:
    return tuple((name, type(value)) for name, value in record.items())
