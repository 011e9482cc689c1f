"""Which model does an op predict with, and which one is it just training?

A model that was published is never changed again: training makes a new one and replaces the old one in a
single assignment. That is why copies of an op share it, and why a prediction reads the reference once and
needs no lock.
"""

from __future__ import annotations

import math
import threading
import time
from contextvars import ContextVar
from typing import Any

from chariots.pipelines.training_records import TrainingRecord, open_record

__all__ = ["ONGOING", "Learned", "Training", "next_train_time", "training_of"]

_latest = 0.0
_latest_lock = threading.Lock()


def next_train_time(after: float | None) -> float:
    """Tells the time, later than every time told before, so that no two trainings share a version.

    Args:
        after: a time that the answer must exceed; the op's last training, which another clock may have told.

    Returns:
        seconds since the epoch.
    """
    global _latest
    with _latest_lock:
        # The next float is at most a quarter of a microsecond away until the year 2100.
        _latest = max(time.time(), math.nextafter(max(_latest, after or 0.0), math.inf))
        return _latest


class Learned:
    """A model that is ready to predict, and when it was trained.

    Attributes:
        model: the model.
        train_time: seconds since the epoch; None for a model that was given rather than trained.
        record: what is known of the training; None for a model that was given or loaded.
        lock: for frameworks whose models cannot predict in two threads at once.
        rows: some of the rows it was trained on, where the op keeps them with it.
        view: what the op derives from the model at the first prediction.
    """

    __slots__ = ("lock", "model", "record", "rows", "train_time", "view")

    def __init__(
        self,
        model: Any,
        train_time: float | None = None,
        record: TrainingRecord | None = None,
        rows: Any = None,
    ) -> None:
        self.model = model
        self.train_time = train_time
        self.record = record
        self.rows = rows
        self.lock = threading.Lock()
        self.view: Any = None

    def __deepcopy__(self, memo: dict[int, Any]) -> Learned:
        return self

    def __reduce__(self) -> tuple[type[Learned], tuple[Any, float | None, TrainingRecord | None, Any]]:
        return Learned, (self.model, self.train_time, self.record, self.rows)


class Training:
    """A training that is going on: `training_of` finds it from the code it runs, and from nowhere else."""

    __slots__ = ("duration", "learned", "op", "outer", "record", "started")

    def __init__(self, op: object, model: Any, outer: Training | None) -> None:
        self.op = op
        self.outer = outer
        self.learned = Learned(model)
        self.record = open_record(op) or TrainingRecord()
        self.duration: float | None = None
        self.started = time.perf_counter()

    def stop_clock(self) -> None:
        """Notes how long it took; what follows (a prediction, say) is not part of the training."""
        if self.duration is None:
            self.duration = time.perf_counter() - self.started

    def succeeded(self, train_time: float) -> Learned:
        """Returns what was learned, with everything that is known of the training.

        Args:
            train_time: seconds since the epoch.
        """
        self.stop_clock()
        self.record.duration, self.record.trained_at = self.duration, train_time
        return Learned(self.learned.model, train_time, self.record, self.learned.rows)


# Not an attribute of the op: another thread that predicts with the same op must not see the unfinished model.
ONGOING: ContextVar[Training | None] = ContextVar("chariots_ml_training", default=None)


def training_of(op: object) -> Training | None:
    """Returns the training of this op that the calling code is part of, if any."""
    training = ONGOING.get()
    while training is not None and training.op is not op:
        training = training.outer
    return training
