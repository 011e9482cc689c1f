"""Which fitted scikit-learn models are a few lines of numpy?

The formulas are those of the scikit-learn user guide: linear models (section 1.1), linear discriminant analysis (1.2),
forests (1.11.2), principal components and truncated SVD (2.5.1, 2.5.2), scaling (7.3.1).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeAlias

import numpy as np

__all__ = ["NoFormError", "Rows", "float32", "form_of"]

Rows: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]
Form: TypeAlias = Callable[[Rows], Any]


class NoFormError(Exception):
    """Raised where a model cannot be compiled; the message says why."""


def form_of(model: Any, method: str) -> Form:
    """The form of a method.

    Args:
        model: the fitted model.
        method: the name of the method.

    Returns:
        a function from rows to predictions.

    Raises:
        NoFormError: if there is none for such a model.
    """
    kind = type(model)
    make = None
    if kind.__module__.partition(".")[0] == "sklearn":  # a subclass of somebody else may do anything
        make = _FORMS.get((kind.__name__, method))
    if make is None:
        raise NoFormError(f"there is no form of {method} for a {kind.__name__}")
    try:
        form: Form = make(model)
    except AttributeError as error:
        raise NoFormError(f"this {kind.__name__} is not as it should be: {error}") from error
    return form


# -- linear models ----------------------------------------------------------------------------------------------------


def _affine(weights: Any, offset: Any) -> Form:
    weights, offset = np.ascontiguousarray(np.asarray(weights, np.float64)), np.asarray(offset, np.float64)
    return lambda rows: rows @ weights + offset


def _linear(model: Any) -> Form:
    return _affine(np.transpose(model.coef_), model.intercept_)


def _classification(model: Any) -> Form:
    scores, classes = _linear(model), np.asarray(model.classes_)
    if len(classes) == 2:
        return lambda rows: classes[(scores(rows)[:, 0] > 0).astype(np.intp)]
    return lambda rows: classes[scores(rows).argmax(axis=1)]


def _probabilities(model: Any) -> Form:
    scores = _linear(model)
    if len(model.classes_) == 2:
        return partial(_two_classes, scores)
    if getattr(model, "solver", "") == "liblinear":
        raise NoFormError("liblinear fits one model for each class")
    return partial(_softmax, scores)


def _two_classes(scores: Form, rows: Rows) -> Any:
    # 1 / (1 + exp(-x)) as (1 + tanh(x / 2)) / 2, which cannot overflow.
    second = 0.5 * (1.0 + np.tanh(0.5 * scores(rows)))
    return np.hstack((1.0 - second, second))


def _softmax(scores: Form, rows: Rows) -> Any:
    found = scores(rows)
    powers = np.exp(found - found.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


# -- transformations --------------------------------------------------------------------------------------------------


def _principal_components(model: Any) -> Form:
    weights = np.transpose(model.components_)
    if model.whiten:
        spread = np.sqrt(model.explained_variance_)
        weights = weights / np.maximum(spread, np.finfo(spread.dtype).eps)
    return _affine(weights, -(np.asarray(model.mean_) @ weights))


def _truncated(model: Any) -> Form:
    return _affine(np.transpose(model.components_), 0.0)


def _standard(model: Any) -> Form:
    mean = model.mean_ if model.with_mean else 0.0
    scale = model.scale_ if model.with_std else 1.0
    return lambda rows: (rows - mean) / scale


def _min_max(model: Any) -> Form:
    factor, offset = model.scale_, model.min_
    if model.clip:
        low, high = model.feature_range
        return lambda rows: np.clip(rows * factor + offset, low, high)
    return lambda rows: rows * factor + offset


def _max_abs(model: Any) -> Form:
    scale = model.scale_
    if getattr(model, "clip", False):
        return lambda rows: np.clip(rows / scale, -1.0, 1.0)
    return lambda rows: rows / scale


def _robust(model: Any) -> Form:
    center = model.center_ if model.with_centering else 0.0
    scale = model.scale_ if model.with_scaling else 1.0
    return lambda rows: (rows - center) / scale


# -- trees ------------------------------------------------------------------------------------------------------------


def float32(rows: Rows) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Rows as trees look at them.

    Raises:
        ValueError: if a number is too large for that.
    """
    with np.errstate(over="ignore"):
        found = np.ascontiguousarray(rows, np.float32)
    if not np.isfinite(found).all():
        raise ValueError("the features have a number that is too large for float32, which trees calculate with")
    return found


def _forest(model: Any) -> Form:
    """The mean of the trees; scikit-learn's own code for one tree, without the threads that it starts for all."""
    trees = [each.tree_ for each in model.estimators_]

    def run(rows: Rows) -> Any:
        given = float32(rows)
        return sum(tree.predict(given) for tree in trees) / len(trees)

    return run


# -- models of several steps ------------------------------------------------------------------------------------------


def _steps(method: str, model: Any) -> Form:
    used = [step for _, step in model.steps if step not in (None, "passthrough")]
    if not used:
        raise NoFormError("a Pipeline without steps has none")
    forms = [form_of(step, "transform") for step in used[:-1]]
    forms.append(form_of(used[-1], method))

    def run(rows: Rows) -> Any:
        for form in forms:
            rows = form(rows)
        return rows

    return run


_REGRESSIONS = (
    *("LinearRegression", "Ridge", "RidgeCV", "Lasso", "LassoCV", "ElasticNet", "ElasticNetCV", "Lars", "LassoLars"),
    *("SGDRegressor", "HuberRegressor", "BayesianRidge", "ARDRegression", "TheilSenRegressor", "LinearSVR"),
)
_CLASSIFICATIONS = (
    *("LogisticRegression", "LogisticRegressionCV", "LinearSVC", "RidgeClassifier", "RidgeClassifierCV"),
    *("SGDClassifier", "Perceptron", "PassiveAggressiveClassifier", "LinearDiscriminantAnalysis"),
)
_METHODS = ("predict", "predict_proba", "decision_function", "transform")

_FORMS: Mapping[tuple[str, str], Callable[[Any], Form]] = {
    **{(name, "predict"): _linear for name in _REGRESSIONS},
    **{(name, "predict"): _classification for name in _CLASSIFICATIONS},
    **{(name, "decision_function"): _linear for name in _CLASSIFICATIONS},
    ("LogisticRegression", "predict_proba"): _probabilities,
    ("LogisticRegressionCV", "predict_proba"): _probabilities,
    ("LinearDiscriminantAnalysis", "predict_proba"): _probabilities,
    ("RandomForestRegressor", "predict"): _forest,
    ("ExtraTreesRegressor", "predict"): _forest,
    ("PCA", "transform"): _principal_components,
    ("IncrementalPCA", "transform"): _principal_components,
    ("TruncatedSVD", "transform"): _truncated,
    ("StandardScaler", "transform"): _standard,
    ("MinMaxScaler", "transform"): _min_max,
    ("MaxAbsScaler", "transform"): _max_abs,
    ("RobustScaler", "transform"): _robust,
    **{("Pipeline", method): partial(_steps, method) for method in _METHODS},
}
