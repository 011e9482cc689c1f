"""How does a data frame travel as CSV without losing its index and its types?

The first line is a comment that says, as JSON, what CSV cannot: the types of the columns, which of them are
the index, and how a missing value is written. The rest is ordinary CSV with a header.
"""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

from chariots.ml.serializers._base_serializer import BaseSerializer

if TYPE_CHECKING:
    import pandas

__all__ = ["CSVSerializer"]

MARK = b"# chariots-csv "
# What read_csv parses into the right type by itself. The others are read as text first: floats too, for not every
# pandas parses them to the last digit.
PARSED = [
    *("bool", "boolean"),
    *(sign + size for sign in ("int", "uint", "Int", "UInt") for size in ("8", "16", "32", "64")),
]
CAST = ["float16", "float32", "float64", "Float32", "Float64"]


class CSVSerializer(BaseSerializer):
    """Keeps pandas data frames as CSV, with their index, labels and types.

    Columns may hold text, numbers, truth values, dates, durations and categories. To read the bytes with anything
    else, skip the first line. CSV without that line can be loaded too; pandas then guesses the types.
    """

    format_name = "csv"

    def serialize_object(self, target: pandas.DataFrame) -> bytes:
        """Turns a data frame into CSV (UTF-8).

        Raises:
            TypeError: if it is no data frame, or a column holds objects that CSV would turn into mere text.
        """
        import pandas

        if not isinstance(target, pandas.DataFrame):
            raise TypeError(
                f"CSVSerializer keeps pandas DataFrames, not a {type(target).__name__}; build a DataFrame "
                "first, or set another serializer_cls"
            )
        levels = target.index.to_frame(index=False)
        body = target.reset_index(drop=True)
        table = pandas.concat([levels, body], axis=1)
        table.columns = pandas.Index([str(label) for label in table.columns])
        columns = [table.iloc[:, position] for position in range(table.shape[1])]
        missing = _missing_mark(columns)
        head = {
            "types": [_type_of(column) for column in columns],
            "index": _labels_of(target.index, with_values=False),
            "columns": _labels_of(target.columns, with_values=True),
            "missing": missing,
        }
        text: str = table.to_csv(index=False, na_rep=missing, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
        return MARK + json.dumps(head).encode() + b"\n" + text.encode()

    def deserialize_object(self, serialized_object: bytes) -> pandas.DataFrame:
        """Turns CSV back into a data frame.

        Raises:
            ValueError: if it is no CSV, or does not fit its first line.
        """
        import pandas

        if not serialized_object.startswith(MARK):
            return _guessed(serialized_object)
        first, _, text = serialized_object[len(MARK) :].partition(b"\n")
        head = json.loads(first)
        types = head["types"]
        table = pandas.read_csv(
            io.BytesIO(text),
            header=0,
            names=list(range(len(types))),
            index_col=False,
            dtype={position: kind if kind in PARSED else "str" for position, kind in enumerate(types)},
            keep_default_na=False,
            na_values=[head["missing"]],
            skip_blank_lines=False,
        )
        columns = [_restored(table[position], kind) for position, kind in enumerate(types)]
        depth = len(head["index"]["names"])
        index = _index_of(head["index"], columns[:depth])
        frame = pandas.DataFrame(dict(enumerate(columns[depth:])), index=range(len(table)))
        frame.index = index
        frame.columns = _index_of(head["columns"], None)
        return frame


def _guessed(data: bytes) -> pandas.DataFrame:
    """Reads CSV that somebody else wrote; a first column without a name is the index, as pandas writes it."""
    import pandas

    frame = pandas.read_csv(io.BytesIO(data))
    if len(frame.columns) and str(frame.columns[0]) == "Unnamed: 0":
        frame = frame.set_index("Unnamed: 0").rename_axis(None)
    return frame


def _missing_mark(columns: list[Any]) -> str:
    """A text for missing values that no column holds as a value."""
    texts = [column for column in columns if not _is_plain(column.dtype)]
    mark = ""
    while any(column.isin([mark]).any() for column in texts):
        mark = f"\\N{mark}"
    return mark


def _is_plain(dtype: Any) -> bool:
    return str(dtype) in PARSED or str(dtype) in CAST or getattr(dtype, "kind", "") in "mM"


def _type_of(column: Any) -> str | dict[str, Any]:
    """The type of a column as the first line says it."""
    import pandas

    dtype = column.dtype
    if isinstance(dtype, pandas.CategoricalDtype):
        categories = dtype.categories.to_series()
        return {
            "categories": [_label(value, "category") for value in dtype.categories],
            "of": _type_of(categories),
            "ordered": bool(dtype.ordered),
        }
    name = str(dtype)
    if _is_plain(dtype):
        return name
    if isinstance(dtype, pandas.StringDtype):
        return name
    if name == "object" and all(isinstance(value, str) for value in column[column.notna()]):
        return "object"
    kinds = sorted({type(value).__name__ for value in column[column.notna()]})
    raise TypeError(
        f"CSVSerializer cannot keep column {column.name!r}: it has the type {name} and holds "
        f"{', '.join(kinds)}, which CSV would turn into mere text. Convert the column to numbers, dates or "
        "text, or set another serializer_cls."
    )


def _restored(column: Any, kind: str | dict[str, Any]) -> Any:
    """A column of text as the type it had."""
    import pandas

    if isinstance(kind, dict):
        categories = pandas.Index(kind["categories"], dtype=kind["of"])
        dtype = pandas.CategoricalDtype(categories, ordered=kind["ordered"])
        return _restored(column, kind["of"]).astype(dtype)
    if kind.startswith("datetime64"):
        aware = "," in kind
        return pandas.to_datetime(column, format="ISO8601", utc=aware).astype(kind)
    if kind.startswith("timedelta64"):
        return pandas.to_timedelta(column).astype(kind)
    return column if str(column.dtype) == kind else column.astype(kind)


def _labels_of(index: Any, *, with_values: bool) -> dict[str, Any]:
    """The names of an index, and its labels unless they are columns of the table."""
    import pandas

    described: dict[str, Any] = {"names": [_label(name, "index name") for name in index.names]}
    if isinstance(index, pandas.RangeIndex):
        described["range"] = [index.start, index.stop, index.step]
    elif with_values:
        described["labels"] = [_label(label, "column label") for label in index]
    return described


def _index_of(described: dict[str, Any], levels: list[Any] | None) -> Any:
    """The reverse of `_labels_of`."""
    import pandas

    names = described["names"]
    if "range" in described:
        return pandas.RangeIndex(*described["range"]).rename(names[0])
    if levels is None:
        labels = described["labels"]
        if len(names) > 1:
            return pandas.MultiIndex.from_tuples([tuple(label) for label in labels], names=names)
        return pandas.Index([tuple(label) if isinstance(label, list) else label for label in labels], name=names[0])
    if len(names) > 1:
        return pandas.MultiIndex.from_arrays(levels, names=names)
    return pandas.Index(levels[0]).rename(names[0])


def _label(label: Any, what: str) -> Any:
    """A label that JSON can say, or a TypeError."""
    if isinstance(label, tuple):
        return [_label(part, what) for part in label]
    plain = label.item() if hasattr(label, "item") else label
    if plain is None or isinstance(plain, (str, int, float)):
        return plain
    raise TypeError(
        f"CSVSerializer cannot keep the {what} {label!r}: CSV has labels of text and numbers only. Rename "
        "it, or set another serializer_cls."
    )
