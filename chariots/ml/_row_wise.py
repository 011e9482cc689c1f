"""Does a fitted model look at each row by itself?

Every estimator of scikit-learn does when it predicts or transforms, but one that calls a function of the user's. Of
classes that come from elsewhere nobody can tell: there, the author of the op says ``batchable = True``.
"""

from __future__ import annotations

from typing import Any

from chariots.ml._table_form import UNKNOWN, parts_of

__all__ = ["METHODS", "is_row_wise"]

METHODS = frozenset(
    {
        "apply",
        "decision_function",
        "inverse_transform",
        "predict",
        "predict_log_proba",
        "predict_proba",
        "score_samples",
        "transform",
    }
)
_LIBRARIES = frozenset({"catboost", "lightgbm", "sklearn", "xgboost"})
_CALLS_ANYTHING = frozenset({"FunctionTransformer"})


def is_row_wise(model: Any) -> bool:
    """Whether row n of what a model returns depends on row n of its input only.

    Args:
        model: the fitted model.
    """
    return _is_known(model) and all(part is not UNKNOWN and _may_be_inside(part) for part in parts_of(model))


def _is_known(model: Any) -> bool:
    kind = type(model)
    return kind.__module__.partition(".")[0] in _LIBRARIES and kind.__name__ not in _CALLS_ANYTHING


def _may_be_inside(part: Any) -> bool:
    # What can neither predict nor transform is data.
    return _is_known(part) or not any(hasattr(part, method) for method in METHODS)
