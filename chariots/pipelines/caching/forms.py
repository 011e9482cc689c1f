"""In which bytes is a value kept, and how is the very same value made from them again?

Arrays are kept as ``npy``, frames and tables as Arrow, plain values as JSON, bytes as they are. Everything else is
pickled: whoever can write into the cache can run code where a pickle is read.
"""

from __future__ import annotations

import io
import pickle
import sys
from collections.abc import Sequence
from typing import Any

from chariots.pipelines.caching.content import content_of
from chariots.pipelines.caching.plain import NotPlainError, from_text, to_text

__all__ = ["PICKLE", "NotKeptError", "from_bytes", "to_bytes"]

PICKLE = "pickle"


class NotKeptError(TypeError):
    """Raised where a value has no form in which it may be kept; the message says why, as the end of a sentence."""


def to_bytes(value: Any, content: str | None, pickles: bool) -> tuple[str, Sequence[Any]]:
    """Writes a value in the safest form that gives back the very same.

    Args:
        value: the value.
        content: what `content_of` says of it; None where it could not tell.
        pickles: whether it may be pickled.

    Returns:
        the name of the form, and the pieces of the bytes; pieces of an array are its own memory.

    Raises:
        NotKeptError: if there is no form for it.
    """
    if type(value) is bytes:
        return "bytes", (value,)
    try:
        return "json", (to_text(value),)
    except NotPlainError:
        pass
    found = _array(value) or _arrow(value) or _frame(value, content)
    if found is not None:
        return found
    if not pickles:
        raise NotKeptError(
            f"a {type(value).__qualname__} can be kept as a pickle only, and this cache has pickles=False"
        )
    try:
        return PICKLE, (pickle.dumps(value, protocol=5),)
    except Exception as error:  # what pickling may raise has no end
        raise NotKeptError(f"it cannot be pickled ({type(error).__name__}: {error})") from error


def from_bytes(form: str, data: bytearray, pickles: bool) -> Any:
    """Reads what `to_bytes` wrote.

    Args:
        form: the name of the form.
        data: the bytes, which the value may go on using.
        pickles: whether pickles may be read.

    Raises:
        ValueError: if they cannot be read; other errors mean the same.
    """
    if form == "bytes":
        return bytes(data)
    if form == "json":
        return from_text(bytes(data))
    if form in ("npy", "scalar"):
        array = _read_array(data)
        return array[()] if form == "scalar" else array
    if form in ("table", "batch", "frame", "series"):
        return _read_arrow(form, data)
    if form == PICKLE and pickles:
        return pickle.loads(data)  # noqa: S301  # documented: the cache is trusted, or has pickles=False
    raise ValueError(f"this is kept in the form {form!r}, which this cache does not read")


def _array(value: Any) -> tuple[str, Sequence[Any]] | None:
    np = sys.modules.get("numpy")
    if np is None or not isinstance(value, np.ndarray | np.generic):
        return None
    array = np.asarray(value)
    is_scalar = isinstance(value, np.generic)
    if not (is_scalar or type(value) is np.ndarray) or array.dtype.hasobject or array.dtype.kind not in "biufcSUmM":
        return None
    if array.dtype.metadata:
        return None
    if not (array.flags.c_contiguous or array.flags.f_contiguous):
        array = np.ascontiguousarray(array)
    head = io.BytesIO()
    np.lib.format.write_array_header_2_0(head, np.lib.format.header_data_from_array_1_0(array))
    flat = (array if array.flags.c_contiguous else array.T).reshape(-1)
    pieces = [head.getvalue()] + ([memoryview(flat.view("u1"))] if array.nbytes else [])
    return ("scalar" if is_scalar else "npy"), pieces


def _read_array(data: bytearray) -> Any:
    import numpy as np

    stream = io.BytesIO(memoryview(data)[:65536])
    if np.lib.format.read_magic(stream) != (2, 0):
        raise ValueError("this is no array of the format that the cache writes")
    shape, fortran, dtype = np.lib.format.read_array_header_2_0(stream)
    if dtype.hasobject:
        raise ValueError("this array holds objects, which the cache does not write")
    flat = np.frombuffer(data, dtype, offset=stream.tell(), count=int(np.prod(shape, dtype=np.int64)))
    if not flat.flags.aligned:
        flat = flat.copy()
    return flat.reshape(shape[::-1]).T if fortran else flat.reshape(shape)


def _pyarrow() -> Any:
    try:
        import pyarrow
        import pyarrow.ipc
    except ImportError:
        return None
    return pyarrow


def _arrow(value: Any) -> tuple[str, Sequence[Any]] | None:
    pa: Any = sys.modules.get("pyarrow")
    if pa is None or not hasattr(pa, "Table") or type(value) not in (pa.Table, pa.RecordBatch):
        return None
    return ("table" if type(value) is pa.Table else "batch"), (_ipc(_pyarrow(), value),)


def _frame(value: Any, content: str | None) -> tuple[str, Sequence[Any]] | None:
    pd: Any = sys.modules.get("pandas")
    if pd is None or not hasattr(pd, "DataFrame") or type(value) not in (pd.DataFrame, pd.Series) or content is None:
        return None
    pa = _pyarrow()
    if pa is None:
        return None
    form = "frame" if type(value) is pd.DataFrame else "series"
    if form == "frame" and len({type(name) for name in value.columns}) > 1:
        return None  # names of several types become texts
    try:
        frame = value if form == "frame" else pd.DataFrame({"values": value.array}, index=value.index)
        table = pa.Table.from_pandas(frame)
        if form == "series":
            table = table.replace_schema_metadata({**table.schema.metadata, b"name": to_text(value.name)})
        # What Arrow changes on the way (a list into an array, an object into a text) is pickled instead.
        if content_of(_to_pandas(form, table), "") != content:
            return None
    except (pa.ArrowException, TypeError, ValueError, KeyError, AttributeError):
        return None
    return form, (_ipc(pa, table),)


def _ipc(pa: Any, table: Any) -> Any:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write(table)
    return memoryview(sink.getvalue())


def _read_arrow(form: str, data: bytearray) -> Any:
    pa = _pyarrow()
    if pa is None:
        raise ValueError("this is kept as an Arrow table, and pyarrow is not installed here")
    reader = pa.ipc.open_stream(pa.py_buffer(data))
    if form == "batch":
        return reader.read_next_batch()
    table = reader.read_all()
    return table if form == "table" else _to_pandas(form, table)


def _to_pandas(form: str, table: Any) -> Any:
    # Columns of their own, for whoever writes into them; Arrow's memory is read-only.
    frame = table.to_pandas(split_blocks=False)
    if form == "frame":
        return frame
    series = frame["values"]
    series.name = from_text(table.schema.metadata[b"name"])
    return series
