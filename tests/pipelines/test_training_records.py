"""Is what ops and callbacks record kept as it should be, and refused where it could not be read back?"""

from __future__ import annotations

import json
import math
import threading
from typing import Any

import numpy
import pytest

from chariots.pipelines.ops import BaseOp, LoadableOp
from chariots.pipelines.training_records import MOST_ENTRIES, TrainingRecord, open_record, recording
from chariots.versioning import content_hash


class Counter(LoadableOp):
    """An op with a state that is no model."""

    count = 0

    def execute(self) -> int:
        self.count += 1
        self.record_metric("count", self.count)
        return self.count

    def serialize(self) -> bytes:
        return str(self.count).encode()

    def load(self, serialized_object: bytes) -> None:
        self.count = int(serialized_object)


def test_an_op_without_a_record_has_an_empty_one() -> None:
    assert Counter().training_record == {}


def test_an_op_records_metrics_while_it_runs() -> None:
    op = Counter()
    op.execute()
    assert op.training_record == {"metrics": {"count": 1}}


def test_the_last_value_under_a_name_stands() -> None:
    op = Counter()
    op.record_metric("loss", 3)
    op.record_metric("loss", 1.5)
    assert op.training_record["metrics"] == {"loss": 1.5}


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (numpy.float32(0.5), 0.5),
        (numpy.int64(3), 3),
        (numpy.array(2.5), 2.5),
        (numpy.array([7]), 7),
        (True, 1),
        (2**70, float(2**70)),
    ],
)
def test_numbers_of_every_kind_are_metrics(given: Any, kept: float) -> None:
    record = TrainingRecord()
    record.record_metric("m", given)
    assert record.metrics["m"] == kept
    assert type(record.metrics["m"]) is type(kept)


def test_numbers_that_are_not_finite_are_kept_as_text_that_float_reads() -> None:
    record = TrainingRecord()
    for name, value in (("a", math.inf), ("b", -math.inf), ("c", math.nan)):
        record.record_metric(name, value)
    assert record.metrics == {"a": "inf", "b": "-inf", "c": "nan"}
    assert float(record.metrics["b"]) == -math.inf


@pytest.mark.parametrize("value", ["0.5", None, [1], numpy.array([1, 2]), 1j])
def test_what_is_no_number_is_no_metric(value: Any) -> None:
    with pytest.raises(TypeError, match=r"metric 'accuracy' was given .* no number; record a number"):
        Counter().record_metric("accuracy", value)


@pytest.mark.parametrize("name", ["", "a\nb", "a" * 256, 3, "\0"])
def test_a_name_that_nobody_could_read_is_refused(name: Any) -> None:
    with pytest.raises(ValueError, match="1 to 255 printable characters"):
        Counter().record_metric(name, 1)


def test_a_training_has_a_limited_number_of_metrics() -> None:
    record = TrainingRecord()
    for number in range(MOST_ENTRIES):
        record.record_metric(f"m{number}", number)
    record.record_metric("m0", 5)
    with pytest.raises(ValueError, match="has 1000 of them already"):
        record.record_metric("one more", 1)


def test_parameters_keep_the_form_that_json_has_for_them() -> None:
    record = TrainingRecord()
    given = {"C": 1.0, "classes": ["a", "b"], "nested": {"depth": 3, "none": None}, "on": True, "np": numpy.int32(4)}
    for name, value in given.items():
        record.record_parameter(name, value)
    assert record.parameters == given
    assert json.loads(json.dumps(record.as_json()))["parameters"] == given


def test_parameters_without_a_form_in_json_are_kept_as_text() -> None:
    record = TrainingRecord()
    record.record_parameter("function", math.sqrt)
    record.record_parameter("class", Counter)
    record.record_parameter("set", {1})
    record.record_parameter("half a character", "a\ud800")
    record.record_parameter("gap", math.nan)
    assert record.parameters == {
        "function": "math.sqrt",
        "class": f"{__name__}.Counter",
        "set": "{1}",
        "half a character": "a\\ud800",
        "gap": "nan",
    }


def test_a_large_parameter_is_cut() -> None:
    record = TrainingRecord()
    record.record_parameter("weights", [[0.123456789] * 90] * 90)
    assert isinstance(record.parameters["weights"], str)
    assert len(record.parameters["weights"]) == 1000


def test_a_text_is_taken_as_the_fingerprint_of_the_training_data() -> None:
    op = Counter()
    op.record_training_data("sha256:abc")
    assert op.training_record == {"data_fingerprint": "sha256:abc"}


def test_training_data_is_fingerprinted_by_its_content() -> None:
    op, other = Counter(), Counter()
    op.record_training_data(numpy.arange(6).reshape(2, 3))
    other.record_training_data(numpy.arange(6).reshape(2, 3))
    assert op.training_record == other.training_record
    assert op.training_record["data_fingerprint"] == content_hash(numpy.arange(6).reshape(2, 3))


def test_several_arguments_are_one_set_of_training_data() -> None:
    op = Counter()
    op.record_training_data([1, 2], [0, 1])
    assert op.training_record["data_fingerprint"] == content_hash(([1, 2], [0, 1]))


def test_data_that_cannot_be_hashed_is_refused_with_a_way_out() -> None:
    with pytest.raises(TypeError) as caught:
        Counter().record_training_data(iter([1]))
    assert "Give record_training_data a fingerprint of your own" in "".join(caught.value.__notes__)


def test_an_op_without_a_state_refuses_and_says_where_to_record() -> None:
    class Scale(BaseOp):
        pass

    with pytest.raises(TypeError, match=r"'scale' was to record the metric 'accuracy', but it has no state.*node_for"):
        Scale().record_metric("accuracy", 1)


def test_a_copy_for_a_snapshot_goes_on_with_a_record_of_its_own() -> None:
    op = Counter()
    op.execute()
    copy = op.copy_for_snapshot()
    copy.execute()
    assert op.training_record == {"metrics": {"count": 1}}
    assert copy.training_record == {"metrics": {"count": 2}}


def test_an_execution_inside_another_has_a_record_of_its_own() -> None:
    outer, inner = object(), object()
    with recording(outer) as first, recording(inner) as second:
        assert open_record(outer) is first
        assert open_record(inner) is second
    assert open_record(outer) is None


def test_another_thread_does_not_see_the_record_of_an_execution() -> None:
    op, seen = object(), []
    with recording(op):
        thread = threading.Thread(target=lambda: seen.append(open_record(op)))
        thread.start()
        thread.join()
    assert seen == [None]
