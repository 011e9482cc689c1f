"""Is there a faster way to the same predictions, and is it really the same?

A fitted scikit-learn model checks its input, and itself, at every prediction, which for one row takes much longer than
the mathematics. A compiled form does the mathematics alone. It is used only where it reproduces the predictions of the
model on rows that the model was trained on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from chariots.ml import _numpy_forms, _onnx_forms
from chariots.ml._numpy_forms import NoFormError, Rows

__all__ = ["MOST_ROWS", "WAYS", "CompiledPredictor", "NoFormError", "compiled", "sample"]

MOST_ROWS = 100  # that are kept of a training
WAYS = ("numpy", "onnx")

_NUMBERS = "iufb"


class CompiledPredictor:
    """A compiled form of one method of one fitted model.

    Args:
        way: how it was compiled: one of `WAYS`.
        form: computes the predictions.
        expected: what the model itself predicted for some rows; predictions get its type and its number of axes.

    Attributes:
        way: how it was compiled.
    """

    __slots__ = ("_axes", "_dtype", "_form", "way")

    def __init__(self, way: str, form: Callable[[Rows], Any], expected: np.ndarray[Any, Any]) -> None:
        self.way = way
        self._form = form
        self._dtype, self._axes = expected.dtype, expected.ndim

    def __call__(self, rows: Rows) -> np.ndarray[Any, Any]:
        """Predicts.

        Args:
            rows: a table of finite float64 numbers, shape (rows, features).
        """
        found = np.asarray(self._form(rows))
        if found.ndim == self._axes + 1 and found.shape[-1] == 1:
            found = found[..., 0]
        return found if found.dtype == self._dtype else found.astype(self._dtype)


def compiled(model: Any, method: str, rows: Rows, tolerance: float, ways: Sequence[str] = WAYS) -> CompiledPredictor:
    """Compiles a method of a model.

    Args:
        model: the fitted model.
        method: the name of the method, such as ``"predict"``.
        rows: rows that the model was trained on, shape (rows, features).
        tolerance: by how much numbers may differ from those of the model, relative to their size and absolutely; what
            is no number may not differ at all.
        ways: which ways to try, in this order.

    Returns:
        the first form that reproduces what the model predicts for these rows.

    Raises:
        NoFormError: if there is none; the message says of each way what was wrong.
    """
    try:
        expected = np.asarray(getattr(model, method)(rows))
    except Exception as error:
        raise NoFormError(f"the model itself does not {method} for rows it was trained on: {error}") from error
    obstacles: list[str] = []
    for way in ways:
        try:
            for form in _forms(way, model, method, rows.shape[1]):
                predictor = CompiledPredictor(way, form, expected)
                difference = _difference(predictor, rows, expected, tolerance)
                if difference is None:
                    return predictor
                obstacles.append(f"{way}: {difference}")
        except NoFormError as error:
            obstacles.append(f"{way}: {error}")
    raise NoFormError("; ".join(obstacles) or "no way was to be tried")


def sample(table: Any) -> Rows | None:
    """Some rows of a table, from all over it.

    Args:
        table: what a model is trained on.

    Returns:
        up to `MOST_ROWS` rows of finite float64 numbers; None if it is no table of numbers.
    """
    rows = numbers(table)
    if rows is None or not len(rows):
        return None
    chosen = np.linspace(0, len(rows) - 1, min(len(rows), MOST_ROWS)).round().astype(int)
    return np.ascontiguousarray(rows[chosen])


def numbers(table: Any) -> Rows | None:
    """A table as an array of finite float64 numbers, shape (rows, features); None if it is none."""
    if hasattr(table, "tocsr"):
        table = table.toarray()
    try:
        array = np.asarray(table)
    except ValueError:  # rows of several lengths
        return None
    if array.dtype == object and hasattr(table, "dtypes"):  # a frame of several types of numbers
        if any(each.kind not in _NUMBERS for each in table.dtypes):
            return None
        try:
            array = array.astype(np.float64)
        except TypeError:  # a missing value of a type that has them
            return None
    if array.ndim != 2 or array.dtype.kind not in _NUMBERS:
        return None
    rows = array.astype(np.float64, copy=False)
    return rows if np.isfinite(rows).all() else None


def _forms(way: str, model: Any, method: str, width: int) -> Iterator[Callable[[Rows], Any]]:
    if way == "numpy":
        yield _numpy_forms.form_of(model, method)
    elif way == "onnx":
        yield from _onnx_forms.forms_of(model, method, width)
    else:
        raise ValueError(f"a model was to be compiled by {way!r}, but the ways are {', '.join(WAYS)}")


def _difference(
    predictor: CompiledPredictor, rows: Rows, expected: np.ndarray[Any, Any], tolerance: float
) -> str | None:
    """What is different about the predictions of a form, for people; None if nothing is."""
    try:
        found = predictor(rows)
        alone = predictor(rows[:1])
    except Exception as error:  # noqa: BLE001  # a form that fails in whatever way is none
        return f"it failed ({type(error).__name__}: {error})"
    if alone.shape[1:] != expected.shape[1:] or len(alone) != 1:
        return f"it gave an array of shape {alone.shape} for one row"
    if found.shape != expected.shape:
        return f"it gave an array of shape {found.shape} instead of {expected.shape}"
    if expected.dtype.kind == "f":
        wrong = ~np.isclose(found, expected, rtol=tolerance, atol=tolerance, equal_nan=True)
    else:
        wrong = found != expected
    if not wrong.any():
        return None
    row = int(np.argwhere(wrong)[0][0])
    return f"it gave {found[row]} instead of {expected[row]} for a training row, beyond the tolerance of {tolerance:g}"
