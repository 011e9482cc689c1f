"""How is a scikit-learn model an op?"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from chariots.errors import NotLoadedError
from chariots.ml._base_ml_op import BaseMLOp
from chariots.ml._ml_mode import MLMode
from chariots.ml._row_wise import METHODS, is_row_wise
from chariots.ml._table_form import TableForm
from chariots.pipelines import reporting
from chariots.versioning import VersionedField, VersionedFieldDict, VersionType

if TYPE_CHECKING:
    from chariots.ml._learned import Learned

__all__ = ["BaseSKOp", "SKSupervisedOp", "SKUnsupervisedOp"]


class BaseSKOp(BaseMLOp):
    """What supervised and unsupervised scikit-learn ops have in common.

    A model that was fitted on a data frame also predicts on arrays and lists with the same columns in the
    same order, and on records (a list of dictionaries, as a data frame travels in JSON) in any order.
    """

    #: The class of the model, or whatever returns a new one.
    model_class: Any = VersionedField(None, VersionType.MAJOR)

    #: What the class is called with.
    model_parameters: Any = VersionedFieldDict(VersionType.MAJOR)

    #: Further named arguments for the model's ``fit``.
    fit_extra_parameters: Any = VersionedFieldDict(VersionType.MAJOR)

    #: The method of the model that `predict` calls.
    predict_function: Any = VersionedField("predict", VersionType.MAJOR)

    @property
    def batchable(self) -> bool:
        """Whether the op predicts row by row: a model of scikit-learn does, where `predict` is not overridden."""
        kind, learned = type(self), self._learned
        if self._mode is not MLMode.PREDICT or learned is None or self.predict_function not in METHODS:
            return False
        if kind.predict is not BaseSKOp.predict or kind.execute is not BaseMLOp.execute:
            return False
        return is_row_wise(learned.model)

    def fit(self, *args: Any, **kwargs: Any) -> None:
        """Trains a new model, which takes over when that has succeeded.

        Args:
            *args: what the model's ``fit`` takes.
            **kwargs: further named arguments for it.
        """
        with self._training(args) as training:
            model = training.learned.model
            model.fit(*args, **{**_telling(model), **_values(self.fit_extra_parameters), **kwargs})

    def predict(self, X: Any) -> Any:
        """Predicts with the model.

        Args:
            X: the features: an array, a list of rows, a data frame or a list of records.

        Returns:
            what the method `predict_function` of the model returns.

        Raises:
            NotLoadedError: if the op was neither trained nor loaded.
            TypeError: if the model has no such method.
            ValueError: if the features are not those the model was trained on.
        """
        learned = self._current()
        form = learned.view
        if form is None:
            form = learned.view = TableForm(learned.model)
        model, X = form.fitting(X)
        try:
            method = getattr(model, self.predict_function)
        except AttributeError as error:
            raise self._cannot(model, error) from error
        return method(X)

    def _init_model(self) -> Any:
        model_class = _value(self.model_class)
        if model_class is None:
            raise TypeError(
                f"op {self.name!r} was to be trained and has no model: set the class attribute model_class "
                f"of {type(self).__name__}, such as model_class = LogisticRegression"
            )
        return model_class(**_values(self.model_parameters))

    def _parameters_of(self, model: Any) -> Mapping[Any, Any]:
        tell = getattr(model, "get_params", None)
        return tell() if callable(tell) else _values(self.model_parameters)

    def _before_training(self) -> Learned:
        raise NotLoadedError(
            f"op {self.name!r} was asked to predict and is not fitted: it was neither trained nor loaded. "
            "Run and save the pipeline that trains it, then load this one."
        )

    def _cannot(self, model: Any, error: AttributeError) -> TypeError:
        return TypeError(
            f"op {self.name!r} was asked to {self.predict_function!r}, which its {type(model).__name__} "
            f"cannot do ({error}). Set the class attribute predict_function to a method it has, or use "
            "MLMode.FIT."
        )


class SKSupervisedOp(BaseSKOp):
    """A scikit-learn model that learns from features and targets.

    >>> from sklearn.linear_model import LogisticRegression
    >>> from chariots.ml import MLMode
    >>> class LogisticOp(SKSupervisedOp):
    ...     model_class = VersionedField(LogisticRegression, VersionType.MAJOR)
    ...     model_parameters = VersionedFieldDict(VersionType.MINOR, {"C": 10.0})
    >>> op = LogisticOp(MLMode.FIT_PREDICT)
    >>> op.execute([[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1]).tolist()
    [0, 0, 1, 1]

    The node of the op has two inputs, X and y, where it learns, and one, X, where it only predicts. Set
    ``predict_function`` to call another method of the model than ``predict`` (``predict_proba``, say), and
    ``fit_extra_parameters`` to give its ``fit`` further arguments.
    """

    def fit(self, X: Any, y: Any, **kwargs: Any) -> None:
        """Trains a new model, which takes over when that has succeeded.

        Args:
            X: the features, in any form the model takes: an array, a list of rows, a data frame.
            y: the targets.
            **kwargs: further named arguments for the model's ``fit``.
        """
        super().fit(X, y, **kwargs)


class SKUnsupervisedOp(BaseSKOp):
    """A scikit-learn model that learns from features alone, and transforms them.

    >>> from sklearn.preprocessing import MinMaxScaler
    >>> from chariots.ml import MLMode
    >>> class ScaleOp(SKUnsupervisedOp):
    ...     model_class = MinMaxScaler
    >>> ScaleOp(MLMode.FIT_PREDICT).execute([[1.0], [2.0], [3.0]]).tolist()
    [[0.0], [0.5], [1.0]]

    The node of the op has one input, whatever the mode. Set ``predict_function`` to call another method of
    the model than ``transform`` (``predict`` for the labels of a clustering, say).
    """

    predict_function: Any = VersionedField("transform", VersionType.MAJOR)

    def fit(self, X: Any, **kwargs: Any) -> None:
        """Trains a new model, which takes over when that has succeeded.

        Args:
            X: the features, in any form the model takes: an array, a list of rows, a data frame.
            **kwargs: further named arguments for the model's ``fit``.
        """
        super().fit(X, **kwargs)


def _telling(model: Any) -> dict[str, Any]:
    """What lets a model tell how far its training is: boosting models take a ``monitor``, others cannot tell."""
    if not reporting.is_wanted() or "monitor" not in inspect.signature(model.fit).parameters:
        return {}

    def monitor(stage: int, model: Any, known: Any) -> bool:
        reporting.progress(stage + 1, model.n_estimators, "boosting stages")
        return False  # go on

    return {"monitor": monitor}


def _values(parameters: Any) -> dict[str, Any]:
    """The plain values of a `VersionedFieldDict`, a dictionary, or a `VersionedField` around either."""
    parameters = _value(parameters)
    if parameters is None:
        return {}
    if not isinstance(parameters, Mapping):
        raise TypeError(
            f"{parameters!r} was given where named parameters are needed; use a dictionary, or "
            "VersionedFieldDict(VersionType.MAJOR, {'name': value})"
        )
    return {name: _value(value) for name, value in parameters.items()}


def _value(declared: Any) -> Any:
    """What was declared, out of its `VersionedField` where it is in one."""
    return declared.value if isinstance(declared, VersionedField) else declared
