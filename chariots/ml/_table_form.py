"""In which form does a fitted scikit-learn model want its table, so that it accepts it without a warning?

scikit-learn remembers the column names of the data frame a model was fitted on, and warns at every prediction
on an array (or the other way round). Here the table, or the model, is put into the form that fits: nothing is
switched off in the process-wide warning filters, which other threads share.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from chariots.errors import InputError

__all__ = ["UNKNOWN", "TableForm", "frame_of_records", "is_records", "parts_of"]

# Models with parts that look at column names, and how far to search others: a forest has some hundred trees.
LOOKS_AT_NAMES = frozenset({"ColumnTransformer", "FunctionTransformer"})
LONGEST_SEARCH = 100_000
UNKNOWN = object()


class TableForm:
    """Brings tables into the form that one fitted model was trained on.

    Args:
        model: the fitted model.
    """

    __slots__ = ("_model", "_nameless", "_names", "_tabular")

    def __init__(self, model: Any) -> None:
        names = getattr(model, "feature_names_in_", None)
        self._model = model
        self._names: list[str] | None = None if names is None else [str(name) for name in names]
        # Only what checks its input knows how many columns there were: not a vectorizer of texts, for one.
        self._tabular = names is not None or hasattr(model, "n_features_in_")
        self._nameless: Any = UNKNOWN

    def fitting(self, X: Any) -> tuple[Any, Any]:
        """Chooses the model and the table to call it with.

        Args:
            X: the features.

        Returns:
            the model, or a twin of it that knows no names, and the features as they are or as a data frame.

        Raises:
            InputError: if ``X`` is a list of records that do not all have the same fields.
        """
        columns = getattr(X, "columns", None)
        if columns is None:
            if self._tabular and is_records(X):
                X = self._ordered(frame_of_records(X))
                columns = X.columns
            else:
                return self._without_names(X)
        if self._names is None and self._tabular and hasattr(X, "set_axis") and _all_texts(columns):
            return self._model, X.set_axis(range(len(columns)), axis=1)
        return self._model, X

    @property
    def nameless(self) -> Any:
        """The model, or its twin that knows no names; None where the names may matter to the result."""
        if self._names is None:
            return self._model
        if self._nameless is UNKNOWN:
            self._nameless = _nameless_twin(self._model)
        return self._nameless

    def numbers(self, X: Any) -> Any:
        """A table that `fitting` gave as finite numbers, its columns as in the training; None if that is not possible.

        Args:
            X: the features.

        Returns:
            an array of float64, shape (rows, features).
        """
        from chariots.ml._compiled import numbers

        columns = getattr(X, "columns", None)
        if columns is not None and self._names is not None and list(columns) != self._names:
            return None
        found = numbers(X)
        return found if found is not None and found.shape[1] == getattr(self._model, "n_features_in_", None) else None

    def _without_names(self, X: Any) -> tuple[Any, Any]:
        """The choice for features that have no column names."""
        if self._names is None:
            return self._model, X
        nameless = self.nameless
        return (self._model, self._named(X)) if nameless is None else (nameless, X)

    def _named(self, X: Any) -> Any:
        """The features as a data frame; as they are where they do not have the right width, or are sparse."""
        import numpy
        import pandas

        if hasattr(X, "tocsr"):
            return X
        # As objects, so that a list of mixed rows keeps its types and one of ragged rows is not padded.
        array = X if isinstance(X, numpy.ndarray) else numpy.asarray(X, dtype=object)
        if array.ndim != 2 or array.shape[1] != len(self._names or ()):
            return X
        frame = pandas.DataFrame(array, columns=self._names)
        return frame.infer_objects() if array.dtype == object else frame

    def _ordered(self, frame: Any) -> Any:
        """Records with their fields in the order of training; the model itself complains about others."""
        names = self._names
        if names is None or set(names) != set(frame.columns):
            return frame
        return frame[names]


def is_records(X: Any) -> bool:
    """Whether this is a list of dictionaries: a data frame as JSON has it."""
    return isinstance(X, list) and bool(X) and isinstance(X[0], dict)


def frame_of_records(records: list[dict[str, Any]]) -> Any:
    """Builds a data frame of records, and fills nothing in.

    Args:
        records: one dictionary for each row, all with the same fields.

    Returns:
        the data frame, columns in the order of the first record.

    Raises:
        InputError: if a record is none, or has other fields than the first one.
    """
    import pandas

    fields = records[0].keys()
    for row, record in enumerate(records):
        if not isinstance(record, dict) or record.keys() != fields:
            found = ", ".join(map(repr, record)) if isinstance(record, dict) else type(record).__name__
            wanted = ", ".join(map(repr, fields))
            raise InputError(
                f"record {row} of the input has {found or 'no fields'}, and record 0 has {wanted}: give "
                "every record the same fields, null where there is no value",
                errors=[{"loc": [row], "expected": wanted, "got": found}],
            )
    return pandas.DataFrame(records)


def _all_texts(columns: Any) -> bool:
    return all(isinstance(name, str) for name in columns)


def _nameless_twin(model: Any) -> Any:
    """A twin of a model that shares everything with it but the column names.

    Returns:
        the twin; None where the names may matter to the result (to parts of the model, or to the columns of
        its output), or where the model is not scikit-learn's own and may do with them what it likes.
    """
    own = type(model).__module__.partition(".")[0] == "sklearn" and "feature_names_in_" in vars(model)
    if not own or type(model).__name__ in LOOKS_AT_NAMES or _outputs_frames(model):
        return None
    if any(part is UNKNOWN or "feature_names_in_" in vars(part) for part in parts_of(model)):
        return None
    twin = copy.copy(model)
    del twin.feature_names_in_
    return twin


def _outputs_frames(model: Any) -> bool:
    import sklearn

    return "_sklearn_output_config" in vars(model) or sklearn.get_config()["transform_output"] != "default"


def parts_of(model: Any) -> Iterator[Any]:
    """Every object with attributes inside a model; `UNKNOWN` at the end if there are too many to look at."""
    waiting: list[Any] = list(vars(model).values())
    seen: set[int] = set()
    while waiting:
        if len(seen) > LONGEST_SEARCH:
            yield UNKNOWN
            return
        part = waiting.pop()
        if part is None or isinstance(part, (str, int, float, type)) or id(part) in seen:
            continue
        seen.add(id(part))
        if isinstance(part, dict):
            waiting.extend(part.values())
        elif isinstance(part, (list, tuple, set, frozenset)):
            waiting.extend(part)
        elif getattr(getattr(part, "dtype", None), "hasobject", False):
            waiting.extend(part.ravel().tolist())
        elif hasattr(part, "__dict__") and not callable(part):
            yield part
            waiting.extend(vars(part).values())
