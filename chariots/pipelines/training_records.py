"""What is known of the training that an op has behind it?"""

from __future__ import annotations

import json
import math
import numbers
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from chariots.versioning import content_hash

if TYPE_CHECKING:
    from chariots.pipelines.ops import BaseOp

__all__ = ["TrainingRecord", "fingerprint_of", "forget", "open_record", "recording"]

LONGEST_NAME = 255  # characters
MOST_ENTRIES = 1000  # metrics or parameters of one training
_LONGEST_TEXT = 1000  # characters of one value
_LONGEST_VALUE = 2000  # characters of one parameter in JSON
_MOST_ITEMS = 100  # of a list or dictionary in it
_DEEPEST = 3


class TrainingRecord:
    """What was recorded of one training, by the op itself and by callbacks.

    Attributes:
        metrics: name -> number; text where it is not finite.
        parameters: name -> value, as JSON can hold it.
        data_fingerprint: the fingerprint of the training data; None if there is none.
        duration: how long it took, in seconds; None if nobody measured.
        trained_at: when it was, in seconds since the epoch; None if nobody looked.
    """

    __slots__ = ("data_fingerprint", "duration", "metrics", "parameters", "trained_at")

    def __init__(self) -> None:
        self.metrics: dict[str, float | str] = {}
        self.parameters: dict[str, Any] = {}
        self.data_fingerprint: str | None = None
        self.duration: float | None = None
        self.trained_at: float | None = None

    def record_metric(self, name: str, value: Any) -> None:
        """Keeps a number; the last one under a name stands.

        Args:
            name: what was measured.
            value: the number; arrays of one element and tensors count as one.

        Raises:
            TypeError: if the value is no number.
            ValueError: if the name is none, or there are too many.
        """
        _check_name(name, self.metrics, "metric")
        self.metrics[name] = _number(name, value)

    def record_parameter(self, name: str, value: Any) -> None:
        """Keeps a value, or a text that shows it where JSON has no form for it; the last one under a name stands.

        Args:
            name: which parameter it is of.
            value: the value.

        Raises:
            ValueError: if the name is none, or there are too many.
        """
        _check_name(name, self.parameters, "parameter")
        self.parameters[name] = _parameter(value)

    def add_parameters(self, found: Mapping[Any, Any]) -> None:
        """Keeps what a framework says of its model, as far as there is room, beside what was recorded by name."""
        for key, value in found.items():
            name = _text(str(key))[:LONGEST_NAME]
            if name and name not in self.parameters and len(self.parameters) < MOST_ENTRIES:
                self.parameters[name] = _parameter(value)

    def add_to(self, op: BaseOp) -> None:
        """Records all of it for the last training of an op, but for what that has recorded itself under the same names.

        Args:
            op: the op.
        """
        known = getattr(op, "training_record", {})
        for name, value in self.metrics.items():
            if name not in known.get("metrics", {}):
                op.record_metric(name, value)
        for name, value in self.parameters.items():
            if name not in known.get("parameters", {}):
                op.record_parameter(name, value)
        if self.data_fingerprint is not None and "data_fingerprint" not in known:
            op.record_training_data(self.data_fingerprint)

    def as_json(self) -> dict[str, Any]:
        """What is known, in the form of `chariots.pipelines.store.VersionRecord.training`."""
        known = {
            "metrics": dict(self.metrics),
            "parameters": dict(self.parameters),
            "data_fingerprint": self.data_fingerprint,
            "duration": self.duration,
            "trained_at": self.trained_at,
        }
        return {name: value for name, value in known.items() if value not in (None, {})}


# The executions that the running code is inside of, innermost first: an op may execute another one. Not attributes
# of the ops: what is recorded by one of two trainings at once must not end up with the other.
_Open = tuple[object, TrainingRecord, Any]
_open: ContextVar[_Open | None] = ContextVar("chariots_training_records", default=None)


@contextmanager
def recording(op: object) -> Iterator[TrainingRecord]:
    """Makes everything that the code inside records for an op belong to one training, and to no earlier one."""
    record = TrainingRecord()
    token = _open.set((op, record, _open.get()))
    try:
        yield record
    finally:
        _open.reset(token)


def open_record(op: object) -> TrainingRecord | None:
    """Returns the record that the running code fills for an op; None outside of `recording`."""
    found = _open.get()
    while found is not None and found[0] is not op:
        found = found[2]
    return None if found is None else found[1]


def forget(op: object) -> None:
    """Drops what was recorded for an op that has now been loaded: that was another training."""
    vars(op).pop("_training_record", None)


def fingerprint_of(data: tuple[Any, ...]) -> str:
    """The fingerprint of training data: a single text as it is, anything else by its content.

    Raises:
        TypeError: if the data has no content that is stable between processes.
        ValueError: if the text is empty or too long.
    """
    if len(data) != 1 or not isinstance(data[0], str):
        try:
            return content_hash(data[0] if len(data) == 1 else data, where="the training data")
        except TypeError as error:
            error.add_note(
                "Give record_training_data a fingerprint of your own instead: a text, the hash of a file say."
            )
            raise
    text = data[0]
    if not 0 < len(text) <= _LONGEST_TEXT:
        raise ValueError(
            f"a fingerprint of training data was given as a text of {len(text)} characters; give one of 1 to "
            f"{_LONGEST_TEXT}, or the data itself (not as text)"
        )
    return _text(text)


def _parameter(value: Any) -> Any:
    kept = _plain(value)
    return kept if len(json.dumps(kept)) <= _LONGEST_VALUE else _text(repr(value))


def _plain(value: Any, depth: int = 0) -> Any:
    """A value as JSON can hold it, or a text that shows it."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, numbers.Integral) and _fits(int(value)):
        return int(value)
    if isinstance(value, numbers.Real) and not isinstance(value, numbers.Rational):
        return _finite(float(value))
    if depth < _DEEPEST and isinstance(value, (list, tuple)) and len(value) <= _MOST_ITEMS:
        return [_plain(item, depth + 1) for item in value]
    if depth < _DEEPEST and isinstance(value, Mapping) and len(value) <= _MOST_ITEMS:
        return {_text(str(key)): _plain(item, depth + 1) for key, item in value.items()}
    if callable(value) and hasattr(value, "__qualname__"):
        return _text(f"{value.__module__}.{value.__qualname__}")
    return _text(repr(value))


def _number(name: str, value: Any) -> float | str:
    # Arrays of one element and tensors tell their number by `item`.
    item = getattr(value, "item", None)
    number = item() if callable(item) and getattr(value, "size", 1) == 1 else value
    if isinstance(number, numbers.Integral):
        return int(number) if _fits(int(number)) else float(number)
    if isinstance(number, numbers.Real):
        return _finite(float(number))
    raise TypeError(
        f"the metric {name!r} was given {type(value).__name__} {_text(repr(value))[:80]}, which is no number; record a "
        "number, or use record_parameter for anything else"
    )


def _fits(number: int) -> bool:
    """Whether JSON readers take a number for what it is."""
    return -(2**63) <= number < 2**63


def _finite(number: float) -> float | str:
    # JSON has no such numbers. That a loss went to infinity is worth keeping; float() reads the text.
    return number if math.isfinite(number) else str(number)


def _text(text: str) -> str:
    text = text.encode("utf-8", "backslashreplace").decode()  # half a surrogate pair is no text
    return text if len(text) <= _LONGEST_TEXT else f"{text[: _LONGEST_TEXT - 3]}..."


def _check_name(name: str, known: Mapping[str, Any], what: str) -> None:
    if not isinstance(name, str) or not 0 < len(name) <= LONGEST_NAME or not name.isprintable():
        raise ValueError(
            f"a {what} was to be recorded under the name {name!r:.80}, which nobody could read back; give a name of 1 "
            f"to {LONGEST_NAME} printable characters"
        )
    if name not in known and len(known) >= MOST_ENTRIES:
        raise ValueError(
            f"the {what} {name!r} was to be recorded, but this training has {MOST_ENTRIES} of them already; record "
            "fewer (the last value of a series under one name, say)"
        )
