"""What does an Arrow table, batch or column contain?

How its rows are cut into chunks, and where in a buffer they lie, is no content.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from typing import Any

from chariots.versioning.content import Encoder

__all__ = ["encode_arrow"]

_ROWS = 2**16  # that are looked at together


def encode_arrow(encoder: Encoder, value: Any) -> bytes | None:
    """Encodes a value of pyarrow.

    Args:
        encoder: what encodes the parts.
        value: any object.

    Returns:
        its form in the numbered format, or None where it is not of pyarrow.
    """
    pa: Any = sys.modules["pyarrow"]
    if not hasattr(pa, "Table"):
        return None  # still being imported
    if isinstance(value, pa.Table | pa.RecordBatch):
        columns = [_content(column) for column in value.columns]
        return encoder.parts("arrow-table", type(value).__name__, _schema(value.schema), value.num_rows, columns)
    if isinstance(value, pa.Array | pa.ChunkedArray):
        return encoder.parts("arrow-array", type(value).__name__, str(value.type), len(value), _content(value))
    if isinstance(value, pa.Scalar):
        return encoder.parts("arrow-scalar", str(value.type), value.as_py())
    if isinstance(value, pa.Schema):
        return encoder.parts("arrow-schema", _schema(value))
    if isinstance(value, pa.DataType):
        return encoder.parts("arrow-type", str(value))
    return None


def _schema(schema: Any) -> list[Any]:
    fields = [(field.name, str(field.type), field.nullable, dict(field.metadata or {})) for field in schema]
    return [fields, dict(schema.metadata or {})]


def _content(column: Any) -> Any:
    """The values of a column, as a digest where their bytes are at hand."""
    types = sys.modules["pyarrow"].types
    kind = column.type
    if types.is_dictionary(kind):
        column, kind = column.cast(kind.value_type), kind.value_type
    if types.is_boolean(kind):
        read = _booleans
    elif types.is_primitive(kind):
        read = _numbers
    elif any(check(kind) for check in (types.is_string, types.is_large_string, types.is_binary, types.is_large_binary)):
        read = _texts
    else:
        return column.to_pylist()
    sha = hashlib.sha256()
    for window in _windows(column):
        sha.update(b"%d:" % window.null_count)
        if window.null_count:
            sha.update(window.is_valid().to_numpy(zero_copy_only=False))
        for piece in read(window):
            sha.update(piece)
    return sha.digest()


def _windows(column: Any) -> Iterator[Any]:
    """So many rows at a time, each in one piece; a copy only where the chunks end elsewhere."""
    pa: Any = sys.modules["pyarrow"]
    for start in range(0, len(column), _ROWS):
        window = column.slice(start, _ROWS)
        if isinstance(window, pa.ChunkedArray):
            chunks = [chunk for chunk in window.chunks if len(chunk)]
            window = chunks[0] if len(chunks) == 1 else pa.concat_arrays(chunks)
        yield window


def _booleans(window: Any) -> Iterator[Any]:
    yield window.fill_null(False).to_numpy(zero_copy_only=False)


def _numbers(window: Any) -> Iterator[Any]:
    pa: Any = sys.modules["pyarrow"]
    width = window.type.bit_width // 8
    if window.null_count:  # what lies under a missing value is no content
        whole = {1: pa.int8(), 2: pa.int16(), 4: pa.int32(), 8: pa.int64()}[width]
        window = window.view(whole).fill_null(0)
    start = window.offset * width
    yield memoryview(window.buffers()[1])[start : start + len(window) * width]


def _texts(window: Any) -> Iterator[Any]:
    import numpy as np

    if window.null_count:
        window = window.fill_null("" if str(window.type).endswith("string") else b"")
    _, offsets, data = window.buffers()
    wide = "<i8" if str(window.type).startswith("large_") else "<i4"
    ends = np.frombuffer(offsets, wide)[window.offset : window.offset + len(window) + 1]
    yield np.diff(ends).astype("<i8")
    if data is not None:
        yield memoryview(data)[int(ends[0]) : int(ends[-1])]
