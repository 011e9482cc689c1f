"""How is a scikit-learn model an op?"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from chariots.errors import NotLoadedError
from chariots.ml._base_ml_op import BaseMLOp
from chariots.ml._ml_mode import MLMode
from chariots.ml._op_bytes import unpack_rows
from chariots.ml._row_wise import METHODS, is_row_wise
from chariots.ml._table_form import TableForm
from chariots.pipelines import reporting
from chariots.versioning import VersionedField, VersionedFieldDict, VersionType

if TYPE_CHECKING:
    from chariots.ml._compiled import CompiledPredictor
    from chariots.ml._learned import Learned

__all__ = ["BaseSKOp", "SKSupervisedOp", "SKUnsupervisedOp"]

_logger = logging.getLogger(__name__)


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

    #: Whether the model is compiled when it is loaded to predict: True, or the ways to try, of ``"numpy"`` and
    #: ``"onnx"``. Some rows of the training data are then kept with the model, and the compiled form is used only where
    #: it reproduces what the model predicts for them.
    compiled: ClassVar[bool | Sequence[str]] = False

    #: By how much the numbers that a compiled form predicts may differ, relative to their size and absolutely.
    compiled_tolerance: ClassVar[float] = 1e-6

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
            if self.compiled and args:
                from chariots.ml._compiled import sample

                training.learned.rows = sample(args[0])

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
        view = learned.view
        if view is None:
            view = learned.view = self._view_of(learned)
        model, X = view.form.fitting(X)
        if view.predictor is not None and (rows := view.form.numbers(X)) is not None:
            return view.predictor(rows)
        try:
            method = getattr(model, self.predict_function)
        except AttributeError as error:
            raise self._cannot(model, error) from error
        return method(X)

    def load(self, serialized_object: bytes) -> None:
        """Takes over a trained model, and compiles it where the op says so.

        Args:
            serialized_object: what `serialize` of an op of this class returned.

        Raises:
            UnreadableOpError: if the bytes are damaged, or in another format than that of `serializer_cls`.
        """
        super().load(serialized_object)
        learned = self._learned
        if self.compiled and learned is not None:
            learned.rows = unpack_rows(serialized_object, self.name)
            learned.view = self._view_of(learned)

    @property
    def compiled_form(self) -> str | None:
        """How the model in use was compiled, ``"numpy"`` or ``"onnx"``; None if it was not."""
        learned = self._learned
        if learned is None or not self.compiled:
            return None
        if learned.view is None:
            learned.view = self._view_of(learned)
        predictor: CompiledPredictor | None = learned.view.predictor
        return None if predictor is None else predictor.way

    def _view_of(self, learned: Learned) -> _View:
        predictor = None
        if self.compiled and self.mode is MLMode.PREDICT:  # what trains would compile every model to use it once
            predictor = self._compile(learned)
        return _View(TableForm(learned.model), predictor)

    def _compile(self, learned: Learned) -> CompiledPredictor | None:
        from chariots.ml import _compiled

        if learned.rows is None:
            _logger.warning(
                "op %r predicts with its model as it is: no rows of numbers were kept when it was trained. Train it "
                "again, on a table of numbers, with compiled set",
                self.name,
            )
            return None
        ways = _compiled.WAYS if self.compiled is True else tuple(self.compiled or ())
        model = TableForm(learned.model).nameless
        try:
            if model is None:
                raise _compiled.NoFormError("parts of the model look at the names of columns")
            found = _compiled.compiled(model, str(self.predict_function), learned.rows, self.compiled_tolerance, ways)
        except _compiled.NoFormError as error:
            _logger.warning("op %r predicts with its model as it is, no compiled form will do: %s", self.name, error)
            return None
        _logger.info("op %r predicts with a form of its model compiled to %s", self.name, found.way)
        return found

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


@dataclass(frozen=True, slots=True)
class _View:
    """What is derived from a model at the first prediction, or when it is loaded.

    Attributes:
        form: the form in which the model wants its table.
        predictor: its compiled form, if there is one.
    """

    form: TableForm
    predictor: CompiledPredictor | None


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
