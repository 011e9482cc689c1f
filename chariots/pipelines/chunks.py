"""How are the rows of something taken a chunk at a time, and put together again?

numpy, pandas, Arrow, Polars and SciPy are told by what their objects can do, so that none of them has to be imported.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

__all__ = ["chunks_of", "joined"]


def chunks_of(who: str, value: Any, size: int) -> Iterator[Any]:
    """Goes over the rows of something, so many at a time.

    Args:
        who: for whom, for the message.
        value: an array, a frame, a table or something else that has rows; anything else that can be iterated over is
            taken apart into lists.
        size: how many rows.

    Returns:
        the chunks, each of the same kind as the whole where it has rows. An array or frame without rows is one chunk,
        for only who gets it knows what comes of it.

    Raises:
        TypeError: if it can be taken apart in no way.
    """
    rows = _rows(value)
    if rows is not None:
        starts = range(0, max(rows, 1), size)
        if hasattr(value, "column_names"):  # an Arrow table
            return (value.slice(start, size) for start in starts)
        by_position = getattr(value, "iloc", value)  # a frame is asked by position, whatever its index
        return (by_position[start : start + size] for start in starts)
    is_odd = isinstance(value, (str, bytes, bytearray, dict)) or getattr(value, "ndim", 1) == 0
    if isinstance(value, Iterable) and not is_odd:
        return _lists(value, size)
    raise TypeError(
        f"{who} goes over the rows of its input, which is a {type(value).__name__} and has none; give it an array, a "
        "frame, a table or a list"
    )


def joined(who: str, parts: Sequence[Any]) -> Any:
    """Puts together what came of the chunks.

    Args:
        who: for whom, for the message.
        parts: what came of each, in order.

    Returns:
        something of the kind of the parts; an empty list where there are none.

    Raises:
        TypeError: if they are of different kinds, or of one that cannot be put together.
    """
    if not parts:
        return []
    first = parts[0]
    kinds = {type(part) for part in parts}
    if all(isinstance(part, (list, tuple)) for part in parts):
        whole = [one for part in parts for one in part]
        return tuple(whole) if kinds == {tuple} else whole
    join = _JOINS.get(type(first).__module__.partition(".")[0])
    if join is not None and len(kinds) == 1 and _rows(first) is not None:
        return first if len(parts) == 1 else join(list(parts))
    shown = ", ".join(sorted(kind.__name__ for kind in kinds))
    raise TypeError(
        f"{who} was to put together what came of {len(parts)} chunks, which is of the type {shown}; return an array, a "
        "frame, a table or a list for each, or leave out chunk_size"
    )


def _rows(value: Any) -> int | None:
    """How many rows something has; None where it has none that could be sliced."""
    if isinstance(value, (list, tuple, range)):
        return len(value) if value else None  # nothing is known of what would be in an empty list
    shape = getattr(value, "shape", None)
    return int(shape[0]) if isinstance(shape, tuple) and shape else None


def _lists(values: Iterable[Any], size: int) -> Iterator[list[Any]]:
    left = iter(values)
    while chunk := list(islice(left, size)):
        yield chunk


# A library has been imported already where there are objects of it.
def _join_arrays(parts: list[Any]) -> Any:
    numpy = sys.modules["numpy"]
    return (numpy.ma if isinstance(parts[0], numpy.ma.MaskedArray) else numpy).concatenate(parts)


def _join_frames(parts: list[Any]) -> Any:
    pandas = sys.modules["pandas"]
    # Rows that are counted anew in each chunk are counted through; any other index is that of the whole.
    counted = all(isinstance(part.index, pandas.RangeIndex) and part.index.start == 0 for part in parts)
    return pandas.concat(parts, ignore_index=counted)


def _join_sparse(parts: list[Any]) -> Any:
    return sys.modules["scipy.sparse"].vstack(parts, format=parts[0].format)


_JOINS = {
    "numpy": _join_arrays,
    "pandas": _join_frames,
    "polars": lambda parts: sys.modules["polars"].concat(parts),
    "pyarrow": lambda parts: sys.modules["pyarrow"].concat_tables(parts),
    "scipy": _join_sparse,
}
