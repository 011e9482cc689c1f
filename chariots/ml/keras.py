"""How is a Keras model an op?

Importing this module imports no Keras, but it makes sure that Keras, when it is imported, finds a backend:
where ``KERAS_BACKEND`` is not set and TensorFlow is not installed, it is set to ``jax`` or ``torch``,
whichever is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Real
from typing import TYPE_CHECKING, Any, ClassVar

from chariots.ml._base_ml_op import BaseMLOp
from chariots.ml._keras_backend import choose_backend
from chariots.ml._ml_mode import MLMode
from chariots.ml._table_form import frame_of_records, is_records
from chariots.ml.serializers import BaseSerializer, KerasSerializer
from chariots.pipelines import reporting
from chariots.versioning import VersionedFieldDict, VersionType

if TYPE_CHECKING:
    from chariots.ml._learned import Learned
    from chariots.pipelines.callbacks import OpCallBack

__all__ = ["KerasOp"]

choose_backend()


class KerasOp(BaseMLOp):
    """An op around a Keras model; define `_init_model` to return one, compiled.

    Until it is trained or loaded, the op predicts with the model that `_init_model` returns, which may be
    pretrained. Training starts from a new one each time.

    Args:
        mode: what `execute` does; a member of `MLMode` or its value.
        verbose: what Keras prints while it trains: 0 nothing, 1 a progress bar, 2 a line an epoch; None
            leaves it to Keras. Predictions print nothing.
        op_callbacks: what to do before and after each execution.
    """

    serializer_cls: ClassVar[type[BaseSerializer]] = KerasSerializer

    #: Named arguments for the model's ``fit``: ``epochs``, ``batch_size`` and so on.
    fit_params: Any = VersionedFieldDict(VersionType.MAJOR)

    #: The older name of `fit_params`, which wins where both name an argument.
    input_params: Any = VersionedFieldDict(VersionType.MAJOR)

    def __init__(
        self, mode: MLMode | str, verbose: int | None = 1, op_callbacks: Sequence[OpCallBack] | None = None
    ) -> None:
        super().__init__(mode, op_callbacks)
        self.verbose = verbose

    @property
    def batchable(self) -> bool:
        """Whether the op predicts row by row: it does where `predict` is not overridden."""
        kind = type(self)
        if self._mode is not MLMode.PREDICT or kind.predict is not KerasOp.predict:
            return False
        model = self._current().model
        is_simple = _count(model, "inputs") == 1 and _count(model, "outputs") == 1
        return is_simple and kind.execute is BaseMLOp.execute

    def fit(self, input_data_sets: Any, output_datasets: Any) -> None:
        """Trains a new model, which takes over when that has succeeded.

        Args:
            input_data_sets: the features: an array (or data frame, or nested list), or a list or dictionary
                of arrays for a model with several inputs.
            output_datasets: the targets, in the same forms.
        """
        with self._training((input_data_sets, output_datasets)) as training:
            model = training.learned.model
            parameters = {
                "verbose": "auto" if self.verbose is None else self.verbose,
                **self.input_params,
                **self.fit_params,
            }
            if reporting.is_wanted():
                parameters["callbacks"] = [*_as_list(parameters.get("callbacks")), _epochs_told()]
            inputs = _arrays(input_data_sets, _count(model, "inputs"))
            history = model.fit(inputs, _arrays(output_datasets, _count(model, "outputs")), **parameters)
            for name, values in getattr(history, "history", {}).items():
                if values and isinstance(values[-1], Real):
                    self.record_metric(name, values[-1])

    def _parameters_of(self, model: Any) -> Mapping[Any, Any]:
        return {**self.input_params, **self.fit_params}

    def predict(self, input_datasets: Any) -> Any:
        """Predicts with the model.

        Args:
            input_datasets: the features, as for `fit`.

        Returns:
            an array, or a list of arrays for a model with several outputs.
        """
        learned = self._current()
        inputs = _arrays(input_datasets, _count(learned.model, "inputs"))
        # While a Keras model predicts on jax, its weights are elsewhere: a second thread would find none.
        with learned.lock:
            return learned.model.predict(inputs, verbose=0)

    def _new_model(self, data: Sequence[Any]) -> Any:
        model = super()._new_model(data)
        if not hasattr(model, "fit"):
            raise TypeError(
                f"op {self.name!r} was to be trained, and {type(self).__name__}._init_model returned "
                f"{type(model).__name__!r}, which is no Keras model: return a compiled keras.Model from it"
            )
        return model

    def _packed(self, learned: Learned) -> bytes:
        with learned.lock:
            return super()._packed(learned)


def _as_list(callbacks: Any) -> list[Any]:
    return list(callbacks) if isinstance(callbacks, (list, tuple)) else [] if callbacks is None else [callbacks]


def _epochs_told() -> Any:
    """A callback of Keras that tells which epoch has ended."""
    import keras

    class TellEpochs(keras.callbacks.Callback):  # type: ignore[misc]  # keras is untyped
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            reporting.progress(epoch + 1, self.params.get("epochs"), "epochs")

    return TellEpochs()


def _count(model: Any, side: str) -> int | None:
    """How many inputs or outputs a model has; None where it is not known before the first data."""
    tensors = getattr(model, side, None)
    return len(tensors) if isinstance(tensors, (list, tuple)) else None


def _arrays(data: Any, count: int | None) -> Any:
    """Turns data frames and nested lists into arrays, and leaves arrays, tensors and data sets as they are.

    Args:
        data: one array-like, or several in a list or dictionary.
        count: how many the model takes; None if not known.
    """
    if isinstance(data, dict):
        return {name: _array(value) for name, value in data.items()}
    if isinstance(data, (list, tuple)) and not is_records(data):
        several = count is not None and count > 1 and len(data) == count
        if several or any(len(getattr(item, "shape", ())) > 1 for item in data):
            # Keras warns about a list of one where the model has one input.
            return _array(data[0]) if len(data) == 1 else [_array(item) for item in data]
    return _array(data)


def _array(data: Any) -> Any:
    import numpy

    if is_records(data):
        data = frame_of_records(data)
    if hasattr(data, "to_numpy"):
        return data.to_numpy()
    return numpy.asarray(data) if isinstance(data, (list, tuple)) else data
