"""How does an op learn, predict, travel as bytes and get a new version by learning?"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

from chariots.errors import ConflictError
from chariots.ml._learned import ONGOING, Learned, Training, next_train_time, training_of
from chariots.ml._ml_mode import MLMode
from chariots.ml._op_bytes import Manifest, UnreadableOpError, pack, unpack
from chariots.ml.serializers import BaseSerializer, DillSerializer
from chariots.ml.serializers._base_serializer import format_of
from chariots.pipelines.ops import LoadableOp
from chariots.pipelines.training_records import TrainingRecord, open_record, recording
from chariots.versioning import Version, VersionType

if TYPE_CHECKING:
    from chariots.pipelines.callbacks import OpCallBack

__all__ = ["BaseMLOp"]

_logger = logging.getLogger(__name__)

# What says nothing about what an op computes, or is told by the version.
_NO_IDENTITY = frozenset(
    {"callbacks", "has_learned", "_changed_at", "_training_record", "_learned", "_untrained", "_model_was_set"}
)


class BaseMLOp(LoadableOp):
    """An op that holds a model; derive from it to use a framework that chariots has no op for.

    Define three methods: `_init_model` returns a new model, `fit` trains ``self._model``, and `predict`
    predicts with it.

    >>> class Mean(BaseMLOp):
    ...     def _init_model(self):
    ...         return {"mean": 0.0}
    ...
    ...     def fit(self, values):
    ...         self._model["mean"] = sum(values) / len(values)
    ...
    ...     def predict(self, values):
    ...         return [value - self._model["mean"] for value in values]
    >>> centre = Mean(MLMode.FIT_PREDICT)
    >>> centre.execute([1, 2, 3])
    [-1.0, 0.0, 1.0]
    >>> served = Mean(MLMode.PREDICT)
    >>> served.load(centre.serialize())
    >>> served.execute([5])
    [3.0]

    Every training starts from a new model. While it runs, ``self._model`` is that new model for the code of
    the training, and still the old one for everybody else; the new one takes over when the training has
    succeeded.

    Args:
        mode: what `execute` does; a member of `MLMode` or its value (``"fit"``, ``"fit_predict"``,
            ``"predict"``).
        op_callbacks: what to do before and after each execution.

    Raises:
        ValueError: if there is no such mode.
    """

    #: How the model becomes bytes. The default keeps nearly everything, and is for bytes you trust only.
    serializer_cls: ClassVar[type[BaseSerializer]] = DillSerializer

    #: The subversion that every training changes. MAJOR makes downstream ops retrain.
    training_update_version: ClassVar[VersionType] = VersionType.PATCH

    has_learned: bool = False
    _learned: Learned | None = None
    _untrained: Learned | None = None
    _model_was_set: bool = False  # by hand, so that no version tells of it

    def __init__(self, mode: MLMode | str, op_callbacks: Sequence[OpCallBack] | None = None) -> None:
        super().__init__(op_callbacks)
        self._mode = MLMode(mode)

    def fit(self, *args: Any, **kwargs: Any) -> None:
        """Trains ``self._model``; returns nothing.

        Args:
            *args: the training data, one argument for each input of the node.
            **kwargs: never given by a pipeline.

        Raises:
            NotImplementedError: if the subclass does not define it.
        """
        raise NotImplementedError(f"op {self.name!r} cannot learn yet: define {type(self).__name__}.fit")

    def predict(self, *args: Any, **kwargs: Any) -> Any:
        """Predicts with ``self._model``.

        Args:
            *args: the data, one argument for each input of the node.
            **kwargs: never given by a pipeline.

        Returns:
            the prediction.

        Raises:
            NotImplementedError: if the subclass does not define it.
        """
        raise NotImplementedError(f"op {self.name!r} cannot predict yet: define {type(self).__name__}.predict")

    def _init_model(self, *input_data_sets: Any) -> Any:
        """Returns a new model, untrained or pretrained.

        Args:
            *input_data_sets: the training data, given only where the override declares ``*input_data_sets``,
                and only for training.

        Raises:
            NotImplementedError: if the subclass does not define it.
        """
        raise NotImplementedError(
            f"op {self.name!r} has no model yet: define {type(self).__name__}._init_model to return a new one"
        )

    @property
    def mode(self) -> MLMode:
        """What `execute` does."""
        return self._mode

    @property
    def allow_version_change(self) -> bool:
        """Whether the op may be loaded in any version: it may where it is going to learn again."""
        return self._mode is not MLMode.PREDICT

    @property
    def needs_loading(self) -> bool:
        """Whether the op is of no use before it is loaded."""
        return self._mode is MLMode.PREDICT

    @property
    def bytes_format(self) -> str:
        """The name of the format that `serializer_cls` writes and reads."""
        return format_of(self.serializer_cls)

    @property
    def is_ready(self) -> bool:
        """Whether the op was trained or loaded."""
        return self._learned is not None

    @property
    def op_version(self) -> Version:
        """The version of the class; the training time counts in the subversion `training_update_version`."""
        version, train_time = self.__version__, self._train_time
        if train_time is None:
            return version + Version()
        learned = Version().update(VersionType(self.training_update_version), str(train_time).encode())
        both = version + learned
        return Version(both.major, both.minor, both.patch, creation_time=train_time)

    def execute(self, *args: Any, **kwargs: Any) -> Any:
        """Trains, predicts or both, as the mode says.

        Args:
            *args: one argument for each input of the node. When both are to be done, `predict` gets as many
                of them, from the first on, as it declares: the features, say, and not the targets.
            **kwargs: never given by a pipeline.

        Returns:
            the prediction; None if the mode is FIT.
        """
        if self._mode is MLMode.PREDICT:
            return self.predict(*args, **kwargs)
        with self._training(args) as training:
            self.fit(*args, **kwargs)
            training.stop_clock()
            if self._mode is MLMode.FIT:
                return None
            return self.predict(*_accepted(self.predict, args), **_accepted_by_name(self.predict, kwargs))

    @property
    def training_record(self) -> Mapping[str, Any]:
        """What is known of the training of the present model; empty where that was loaded."""
        record = None if self._learned is None else self._learned.record
        return {} if record is None else record.as_json()

    def serialize(self) -> bytes:
        """Returns the model and its training time as bytes.

        Raises:
            ConflictError: if there is no trained model yet.
        """
        learned = self._learned
        if learned is None:
            raise ConflictError(
                f"op {self.name!r} cannot be saved: it was neither trained nor loaded. Run the pipeline that "
                "trains it first (or call its execute; fit alone is not recorded as a training)."
            )
        try:
            return self._packed(learned)
        except Exception as error:
            error.add_note(f"while the model of op {self.name!r} was serialized by {self.serializer_cls.__name__}")
            raise

    def load(self, serialized_object: bytes) -> None:
        """Takes over a trained model.

        Args:
            serialized_object: what `serialize` of an op of this class returned.

        Raises:
            UnreadableOpError: if the bytes are damaged, or in another format than that of `serializer_cls`.
        """
        manifest, data = unpack(serialized_object, self.name)
        expected = self.bytes_format
        if manifest.format not in (None, expected):
            raise UnreadableOpError(
                f"op {self.name!r} cannot be loaded: it was saved in the format {manifest.format!r}, and its "
                f"serializer_cls, {self.serializer_cls.__name__}, reads {expected!r} only. Set "
                "serializer_cls to the serializer it was saved with (if you trust the bytes), or train and "
                "save it again."
            )
        try:
            model = self.serializer_cls().deserialize_object(data)
        except Exception as error:  # what unpickling damaged bytes may raise has no end
            origin = "" if manifest.format else " (the bytes name no format; chariots 0.2 wrote dill by default)"
            raise UnreadableOpError(
                f"op {self.name!r} cannot be loaded: {self.serializer_cls.__name__} could not read its "
                f"model{origin}: {type(error).__name__}: {error}. If a class has moved or is not installed "
                "here, bring it back; otherwise train and save the op again."
            ) from error
        self.has_learned = self._model_was_set = False
        self._learned = Learned(model, manifest.train_time)

    def __chariots_hash__(self) -> Any:
        """What identifies what this op computes, beside its code: its version tells which training its model is of.

        Raises:
            ConflictError: if it has a model of no training, which no version tells from others.
        """
        if self._model_was_set or (self._learned is not None and self._train_time is None):
            raise ConflictError(
                f"op {self.name!r} has a model that was set by hand, so that its version does not tell which one it is"
            )
        version = self.op_version if self._learned is not None else self.__version__
        held = {name: value for name, value in vars(self).items() if name not in _NO_IDENTITY}
        return version.major, version.minor, version.patch, held

    @property
    def _model(self) -> Any:
        """The model; while one is in training, the code that trains it finds that one here."""
        return self._current().model

    @_model.setter
    def _model(self, model: Any) -> None:
        training = training_of(self)
        if training is not None:
            training.learned = Learned(model)
        else:
            self._learned = Learned(model, self._train_time)
            self._model_was_set = True

    @property
    def _train_time(self) -> float | None:
        return None if self._learned is None else self._learned.train_time

    def _current(self) -> Learned:
        """What the calling code should work with."""
        training = training_of(self)
        if training is not None:
            return training.learned
        return self._learned or self._before_training()

    def _before_training(self) -> Learned:
        """What to predict with while nothing was trained or loaded: a new model, built once."""
        if self._untrained is None:
            # setdefault: of two threads that build one, both use the first.
            self.__dict__.setdefault("_untrained", Learned(self._init_model()))
        assert self._untrained is not None
        return self._untrained

    def _record_for(self, what: str) -> TrainingRecord | None:
        training = training_of(self)
        record = training.record if training is not None else open_record(self)
        if record is None and self._learned is not None:
            record = self._learned.record
        elif record is None and self._mode is not MLMode.PREDICT:
            raise ConflictError(
                f"op {self.name!r} was to record {what} and was not trained yet, so there is nothing to keep it with; "
                "record it in fit, in a callback of the op, or when the pipeline has run"
            )
        return record

    def recording(self) -> AbstractContextManager[TrainingRecord | None]:
        """What an execution runs inside of; see `BaseOp.recording`."""
        return super().recording() if self._mode is MLMode.PREDICT else recording(self)

    @contextmanager
    def _training(self, data: Sequence[Any]) -> Iterator[Training]:
        """Makes the calling code train a new model, which is published if that code does not fail.

        Args:
            data: what to offer to `_init_model`.
        """
        outer = ONGOING.get()
        already = training_of(self)
        if already is not None:
            yield already
            return
        training = Training(self, self._new_model(data), outer)
        token = ONGOING.set(training)
        try:
            yield training
        finally:
            ONGOING.reset(token)
        self._describe(training)
        self._learned = training.succeeded(next_train_time(self._train_time))
        self.has_learned, self._model_was_set = True, False

    def _describe(self, training: Training) -> None:
        """Adds the parameters that the model tells of itself; a model that cannot tell was trained all the same."""
        try:
            training.record.add_parameters(self._parameters_of(training.learned.model))
        except Exception:
            _logger.warning("the parameters of the model of op %r are not recorded", self.name, exc_info=True)

    def _parameters_of(self, model: Any) -> Mapping[Any, Any]:
        """What to record as parameters of a training beside what is recorded by name.

        Args:
            model: the model that was trained.
        """
        return {}

    def _new_model(self, data: Sequence[Any]) -> Any:
        parameters = inspect.signature(self._init_model).parameters.values()
        takes_data = any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters)
        return self._init_model(*data) if takes_data else self._init_model()

    def _packed(self, learned: Learned) -> bytes:
        kind = type(learned.model)
        manifest = Manifest(
            train_time=learned.train_time,
            format=self.bytes_format,
            op=self.name,
            model=f"{kind.__module__}.{kind.__qualname__}",
        )
        return pack(self.serializer_cls().serialize_object(learned.model), manifest, learned.rows)

    def __getstate__(self) -> dict[str, Any]:
        # A model that nobody trained is built again by whoever needs it.
        return {key: value for key, value in self.__dict__.items() if key != "_untrained"}


def _accepted(function: Callable[..., Any], args: Sequence[Any]) -> Sequence[Any]:
    """The arguments, from the first on, that a function has positions for."""
    parameters = inspect.signature(function).parameters.values()
    if any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters):
        return args
    positional = [
        parameter
        for parameter in parameters
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
    ]
    return args[: len(positional)]


def _accepted_by_name(function: Callable[..., Any], kwargs: Mapping[str, Any]) -> Mapping[str, Any]:
    """The named arguments that a function has parameters for."""
    parameters = inspect.signature(function).parameters
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return kwargs
    return {name: value for name, value in kwargs.items() if name in parameters}
