"""What is one step of computation, and what of it is versioned?"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, ClassVar, Self

from chariots.pipelines.callbacks import OpCallBack
from chariots.pipelines.moments import next_moment
from chariots.pipelines.training_records import TrainingRecord, fingerprint_of
from chariots.versioning import Version, VersionableMeta, VersionType

__all__ = ["BaseOp", "LoadableOp"]

_NOTHING = nullcontext()


class BaseOp(metaclass=VersionableMeta):
    """The atomic unit of computation: override `execute` and you have an op.

    >>> class AddOp(BaseOp):
    ...     number_to_add = 1
    ...
    ...     def execute(self, op_input):
    ...         return op_input + self.number_to_add
    >>> AddOp().execute(3)
    4

    An op class is versioned: its `VersionedField` attributes are hashed into ``__version__`` when the class is
    created. One op object may serve many requests at once, so `execute` should keep what belongs to one call in
    local variables, never on ``self``.

    Args:
        op_callbacks: what to do before and after each execution.
    """

    __version__: ClassVar[Version]

    #: Set to a `VersionType` to let the code fingerprint count in that subversion.
    code_version: ClassVar[VersionType | None] = None

    #: The finest subversion in which a difference keeps a saved version of this op from being loaded: between the code
    #: that saved it and the code that runs, and between an upstream op and the one it was trained with.
    mismatch_on: ClassVar[VersionType | str | None] = VersionType.MAJOR

    #: Whether this op is a pipeline, which only a runner can execute.
    holds_nodes: ClassVar[bool] = False

    # A subclass that never calls super().__init__() still has (no) callbacks.
    callbacks: Sequence[OpCallBack] = ()

    def __init__(self, op_callbacks: Sequence[OpCallBack] | None = None) -> None:
        self.callbacks = list(op_callbacks or ())

    def execute(self, *args: Any, **kwargs: Any) -> Any:
        """Does the computation; the method to override.

        Args:
            *args: one argument for each input of the node, in the order of its ``input_nodes``.
            **kwargs: never given by a pipeline; for calling the op by hand.

        Returns:
            the result; a tuple with one element for each output where the node has several.

        Raises:
            NotImplementedError: if the subclass does not define it.
        """
        raise NotImplementedError(f"op {self.name!r} does nothing yet: define {type(self).__name__}.execute")

    def before_execution(self, args: list[Any]) -> None:
        """Called before `execute`; override it for one-off behaviour, or write an `OpCallBack` to reuse it.

        Args:
            args: the arguments `execute` will be given.
        """

    def after_execution(self, args: list[Any], output: Any) -> Any:
        """Called after `execute`; what it returns is ignored.

        Args:
            args: the arguments `execute` was given.
            output: what `execute` returned.
        """

    def execute_with_all_callbacks(self, args: Sequence[Any]) -> Any:
        """Runs the op with its callbacks and its own hooks around it.

        Args:
            args: the arguments for `execute`.

        Returns:
            what `execute` returned.
        """
        arguments = list(args)
        with self.recording():
            for callback in self.callbacks:
                callback.before_execution(self, arguments)
            self.before_execution(arguments)
            output = self.execute(*arguments)
            self.after_execution(arguments, output)
            for callback in self.callbacks:
                callback.after_execution(self, arguments, output)
            return output

    def record_metric(self, name: str, value: Any) -> None:
        """Keeps a number with the training that is going on, or else with the last one of this op object.

        To be called from `execute` or ``fit``, from a callback, or after the training; what was recorded is saved
        with the version. The last value under a name stands. Where the op did not learn but was loaded, or only
        predicts, there is no training to keep it with, and nothing is kept.

        Args:
            name: what was measured, 1 to 255 printable characters.
            value: the number.

        Raises:
            TypeError: if the value is no number, or this op has no state, and so no versions of its own.
            ValueError: if the name is none, or this training has 1,000 metrics already.
            ConflictError: if the op is to learn and has not yet.
        """
        record = self._record_for(f"the metric {name!r}")
        if record is not None:
            record.record_metric(name, value)

    def record_parameter(self, name: str, value: Any) -> None:
        """Keeps a value with the training, as `record_metric` keeps a number.

        Args:
            name: what it is called, 1 to 255 printable characters.
            value: anything; what JSON has no form for is kept as a text that shows it.

        Raises:
            TypeError: if this op has no state, and so no versions of its own.
            ValueError: if the name is none, or this training has 1,000 parameters already.
            ConflictError: if the op is to learn and has not yet.
        """
        record = self._record_for(f"the parameter {name!r}")
        if record is not None:
            record.record_parameter(name, value)

    def record_training_data(self, *data: Any) -> None:
        """Keeps a fingerprint of the data with the training, as `record_metric` keeps a number.

        Args:
            *data: a fingerprint of your own, as one text; or the data, which is hashed by its content.

        Raises:
            TypeError: if this op has no state, and so no versions of its own; or if the data cannot be hashed.
            ConflictError: if the op is to learn and has not yet.
        """
        record = self._record_for("the fingerprint of the training data")
        if record is not None:
            record.data_fingerprint = fingerprint_of(data)

    def _record_for(self, what: str) -> TrainingRecord | None:
        """Where to record something; None where there is no training that it could belong to."""
        raise TypeError(
            f"op {self.name!r} was to record {what}, but it has no state, so a run of it leaves no version to keep "
            "that with; record it on the op that learned (in a PipelineCallback: pipeline.node_for_name['...'].op)"
        )

    def recording(self) -> AbstractContextManager[TrainingRecord | None]:
        """What an execution with its callbacks runs inside of, so that what they record belongs to this training."""
        return _NOTHING

    @property
    def name(self) -> str:
        """The name under which the store knows this op: its class name in lower case."""
        return type(self).__name__.lower()

    @property
    def op_version(self) -> Version:
        """The version of this op object; more than the class version where the op has learned something."""
        return self.__version__

    @property
    def code_fingerprint(self) -> str | None:
        """A hash of the code this op runs, helpers included; None where the source is not to be had."""
        from chariots.versioning import code_fingerprint

        return code_fingerprint(type(self))

    @property
    def allow_version_change(self) -> bool:
        """Whether this op may be loaded in any version, because it is going to learn again."""
        return False

    @property
    def batchable(self) -> bool:
        """Whether `execute` maps rows to rows, so that a server may run it once for several requests.

        Row n of what it returns must depend on row n of what it is given, and on nothing else: not on the other rows,
        not on how many there are, and not on who asks. Declare it with ``batchable = True`` in the class.
        """
        return False

    def __str__(self) -> str:
        return f"<OP {self.name}>"


class LoadableOp(BaseOp):
    """An op with a state that is saved to and loaded from the op store.

    Define `execute`, `serialize` and `load`. When a pipeline is saved, the bytes of `serialize` go to the store
    together with the op's version; when it is loaded, `load` gets the bytes of the newest version that fits.
    """

    #: Whether this op object learned what it would save. Only what has learned vouches for its upstream ops.
    has_learned: bool = True

    _changed_at: int = 0  # when `has_learned` was last set; 0 where it never was
    _training_record: TrainingRecord | None = None

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "has_learned":
            super().__setattr__("_changed_at", next_moment())
        super().__setattr__(name, value)

    def has_changed_since(self, reader: LoadableOp) -> bool:
        """Whether this op learned, or was loaded, after an op that reads it had learned.

        Args:
            reader: the op that reads it.

        Returns:
            False also where an op of one's own never sets `has_learned`, so that nobody knows.
        """
        return 0 < reader._changed_at < self._changed_at

    @property
    def training_record(self) -> Mapping[str, Any]:
        """What is known of the training behind the present state, as it is saved with the version.

        Any of ``metrics``, ``parameters``, ``data_fingerprint``, ``duration`` (in seconds) and ``trained_at`` (in
        seconds since the epoch); empty where the state was loaded.
        """
        return {} if self._training_record is None else self._training_record.as_json()

    @property
    def bytes_format(self) -> str | None:
        """The name of the format of what `serialize` returns, by which a server may say that it trusts it; or None."""
        return None

    @property
    def needs_loading(self) -> bool:
        """Whether this op is of no use before `load` was called."""
        return False

    @property
    def is_ready(self) -> bool:
        """Whether this op has a state worth using and saving."""
        return True

    def load(self, serialized_object: bytes) -> None:
        """Takes over the state of a saved op of this class.

        Args:
            serialized_object: what `serialize` returned.

        Raises:
            NotImplementedError: if the subclass does not define it.
        """
        raise NotImplementedError(f"op {self.name!r} cannot be loaded yet: define {type(self).__name__}.load")

    def serialize(self) -> bytes:
        """Returns the state of this op as bytes that `load` understands.

        Raises:
            NotImplementedError: if the subclass does not define it.
        """
        raise NotImplementedError(f"op {self.name!r} cannot be saved yet: define {type(self).__name__}.serialize")

    def _record_for(self, what: str) -> TrainingRecord | None:
        if self._training_record is None:
            self._training_record = TrainingRecord()
        return self._training_record

    def copy_for_snapshot(self) -> Self:
        """Returns an op whose state can be loaded or trained without this one noticing.

        Callbacks are shared with the copy; everything else is copied deeply.

        Raises:
            TypeError: if some attribute cannot be copied.
        """
        try:
            return copy.deepcopy(self, {id(callback): callback for callback in self.callbacks})
        except TypeError as error:
            raise TypeError(
                f"op {self.name!r} holds something that cannot be copied ({error}), so it cannot be loaded while "
                f"the old one still serves. Create it when it is needed, or define "
                f"{type(self).__name__}.copy_for_snapshot to say how the op is copied."
            ) from error
