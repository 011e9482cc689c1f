"""In which form does data travel between a pipeline and a file? (CSV, Parquet, JSON, npy, or pickle by request)"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, Protocol, TypeAlias

from chariots.errors import nearest

__all__ = ["FORMATS", "DataFormat", "Serializer", "data_format"]


class Serializer(Protocol):
    """What turns an object into bytes and back, as those of `chariots.ml.serializers` do."""

    def serialize_object(self, target: Any) -> bytes:
        """Turns an object into bytes."""

    def deserialize_object(self, serialized_object: bytes) -> Any:
        """Turns bytes back into an object."""


_Read: TypeAlias = Callable[..., Any]
_Write: TypeAlias = Callable[..., bytes]


@dataclass(frozen=True)
class DataFormat:
    """A form in which data is kept.

    Attributes:
        name: what it is called.
        read: makes an object of bytes.
        write: makes bytes of an object.
        options: further arguments for whichever of the two is used.
    """

    name: str
    read: _Read
    write: _Write
    options: Mapping[str, Any] = field(default_factory=dict)

    def load(self, data: bytes) -> Any:
        """Makes an object of bytes."""
        return self.read(data, **self.options)

    def dump(self, value: Any) -> bytes:
        """Makes bytes of an object."""
        return self.write(value, **self.options)


def data_format(who: str, path: str, wanted: str | Serializer | None, options: Mapping[str, Any]) -> DataFormat:
    """Finds the form of some data.

    Args:
        who: for whom, for the message.
        path: where the data is; its suffix decides where nothing else does.
        wanted: the name of a format, or a serializer.
        options: further arguments for the function that reads or writes.

    Raises:
        ValueError: if the format is not known, or only read where somebody asks for it by name.
        TypeError: if it is neither a name nor a serializer.
    """
    if wanted is None:
        suffix = PurePosixPath(path).suffix.lower()
        wanted = _SUFFIXES.get(suffix)
        if wanted is None or wanted == "pickle":
            known = ", ".join(sorted(known for known, name in _SUFFIXES.items() if name != "pickle"))
            raise ValueError(
                f"{who} keeps its data in {path!r}, "
                + (
                    "and reading a pickle runs whatever code its writer put into it; if nobody else can write there, "
                    'say format="pickle"'
                    if wanted
                    else f"whose suffix {suffix!r} tells no format; use one of {known}, or say format=..., one of "
                    f"{', '.join(FORMATS)}"
                )
            )
    if isinstance(wanted, str):
        if wanted not in FORMATS:
            raise ValueError(
                f"{who} asks for the format {wanted!r}, which is none; the formats are {', '.join(FORMATS)}."
                f"{nearest(wanted, FORMATS)}"
            )
        return DataFormat(wanted, *FORMATS[wanted], options=options)
    if not (hasattr(wanted, "serialize_object") and hasattr(wanted, "deserialize_object")):
        raise TypeError(
            f"{who} was given format={wanted!r}; give one of {', '.join(FORMATS)}, or an object with the methods "
            "serialize_object and deserialize_object"
        )
    return DataFormat(type(wanted).__name__, wanted.deserialize_object, wanted.serialize_object, options)


def _read_csv(data: bytes, **options: Any) -> Any:
    import pandas

    return pandas.read_csv(io.BytesIO(data), **options)


def _write_csv(value: Any, **options: Any) -> bytes:
    frame = _as_frame(value, "CSV")
    if "index" not in options:
        if frame.index.names == [None] and frame.index.dtype.kind not in "iu":
            raise TypeError(
                "a frame was to be written as CSV, but its index has no name to be found again by; name it, call "
                "reset_index(), or keep the data as Parquet"
            )
        options["index"] = frame.index.names != [None]  # without a name it only counts the rows
    text: str = frame.to_csv(**options)
    return text.encode()


def _read_parquet(data: bytes, **options: Any) -> Any:
    return _parquet("read", lambda pandas: pandas.read_parquet(io.BytesIO(data), **options))


def _write_parquet(value: Any, **options: Any) -> bytes:
    frame = _as_frame(value, "Parquet")
    written: bytes = _parquet("written", lambda _: frame.to_parquet(None, **options))
    return written


def _parquet(done: str, action: Callable[[Any], Any]) -> Any:
    import pandas

    try:
        return action(pandas)
    except ImportError as error:
        raise ImportError(
            f"Parquet was to be {done}, which needs pyarrow, and that cannot be imported; run "
            "`pip install 'chariots[arrow]'`",
            name="pyarrow",
        ) from error


def _read_json(data: bytes, **options: Any) -> Any:
    import json

    return json.loads(data, **options)


def _write_json(value: Any, **options: Any) -> bytes:
    from chariots import schema

    return schema.dumps(value, **{"where": "the data", **options})


def _read_npy(data: bytes, **options: Any) -> Any:
    import numpy

    return numpy.load(io.BytesIO(data), **{"allow_pickle": False, **options})


def _write_npy(value: Any, **options: Any) -> bytes:
    import numpy

    target = io.BytesIO()
    numpy.save(target, value, **{"allow_pickle": False, **options})
    return target.getvalue()


def _read_pickle(data: bytes, **options: Any) -> Any:
    return pickle.loads(data, **options)  # noqa: S301  # the user asked for it by name, and was told what it does


def _write_pickle(value: Any, **options: Any) -> bytes:
    return pickle.dumps(value, **options)


def _as_frame(value: Any, form: str) -> Any:
    import pandas

    if isinstance(value, pandas.Series):
        return value.to_frame()
    if not isinstance(value, pandas.DataFrame):
        raise TypeError(
            f"a {type(value).__name__} was to be written as {form}, which is for frames of pandas; build a DataFrame, "
            "or use the format json or npy"
        )
    return value


FORMATS: Mapping[str, tuple[_Read, _Write]] = {
    "csv": (_read_csv, _write_csv),
    "parquet": (_read_parquet, _write_parquet),
    "json": (_read_json, _write_json),
    "npy": (_read_npy, _write_npy),
    "pickle": (_read_pickle, _write_pickle),
}
"""What reads and what writes each format."""

_SUFFIXES = {
    ".csv": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".json": "json",
    ".npy": "npy",
    ".pkl": "pickle",
    ".pickle": "pickle",
}
