"""What does a training change: the model, the version, and when?"""

from __future__ import annotations

import copy
import pickle
import threading
import time
from typing import Any

import numpy
import pytest

from chariots.ml import BaseMLOp, MLMode
from chariots.ml._learned import next_train_time
from chariots.versioning import Version, VersionType
from tests.ml.sample_ops import ARRAY, FRAME, TARGET, Centre, LogisticOp, PCAOp

SUBVERSIONS = ("major", "minor", "patch")


def op_that_updates(subversion: VersionType) -> Centre:
    class Op(Centre):
        training_update_version = subversion

    return Op(MLMode.FIT)


@pytest.mark.parametrize("subversion", list(VersionType))
def test_training_changes_the_subversion_it_is_declared_to_change_and_no_other(
    subversion: VersionType,
) -> None:
    op = op_that_updates(subversion)
    before = op.op_version
    op.execute([1.0])
    after = op.op_version
    changed = [name for name in SUBVERSIONS if getattr(before, name) != getattr(after, name)]
    assert changed == [subversion.value]


def test_training_changes_the_patch_by_default() -> None:
    assert BaseMLOp.training_update_version is VersionType.PATCH


def test_the_version_of_an_untrained_op_is_that_of_its_class_and_an_empty_one() -> None:
    assert Centre(MLMode.FIT).op_version == Centre.__version__ + Version()


def test_the_version_of_a_trained_op_is_that_of_its_class_and_its_training_time() -> None:
    op = op_that_updates(VersionType.MINOR)
    op.execute([1.0])
    trained = op.op_version.creation_time
    assert op.op_version == op.__version__ + Version().update(VersionType.MINOR, str(trained).encode())


def test_the_version_of_a_trained_op_was_created_when_it_was_trained() -> None:
    op = Centre(MLMode.FIT)
    before = time.time()
    op.execute([1.0])
    assert before <= op.op_version.creation_time <= time.time() + 1


def test_training_twice_within_one_tick_of_the_clock_gives_two_versions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(time, "time", lambda: 1_700_000_000.0)
    op = Centre(MLMode.FIT)
    op.execute([1.0])
    first = op.op_version
    op.execute([1.0])
    second = op.op_version
    assert first != second
    assert second > first


def test_two_ops_trained_within_one_tick_of_the_clock_have_two_versions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(time, "time", lambda: 1_700_000_000.0)
    one, other = Centre(MLMode.FIT), Centre(MLMode.FIT)
    one.execute([1.0])
    other.execute([1.0])
    assert one.op_version != other.op_version


def test_training_after_loading_a_model_from_the_future_is_still_later() -> None:
    future = time.time() + 10_000
    assert next_train_time(future) > future
    assert next_train_time(None) > future


def test_training_starts_from_a_new_model() -> None:
    class Counting(Centre):
        def _init_model(self) -> dict[str, float]:
            return {"mean": 0.0, "fits": 0}

        def fit(self, values: list[float]) -> None:
            super().fit(values)
            self._model["fits"] += 1

    op = Counting(MLMode.FIT)
    op.execute([1.0])
    op.execute([1.0])
    assert op._model["fits"] == 1


def test_a_training_may_start_from_the_old_model_where_the_op_says_so() -> None:
    class Continuing(Centre):
        def _init_model(self) -> dict[str, float]:
            return dict(self._model) if self.is_ready else {"mean": 0.0, "seen": 0}

        def fit(self, values: list[float]) -> None:
            self._model["seen"] += len(values)

    op = Continuing(MLMode.FIT)
    op.execute([1.0])
    op.execute([1.0, 2.0])
    assert op._model["seen"] == 3


def test_a_training_that_fails_leaves_model_and_version_as_they_were() -> None:
    class Failing(Centre):
        def fit(self, values: list[float]) -> None:
            self._model["mean"] = 99.0
            super().fit(values)

    op = Failing(MLMode.FIT)
    op.execute([1.0, 3.0])
    version = op.op_version
    with pytest.raises(ZeroDivisionError):
        op.execute([])
    assert op.op_version == version
    assert op.predict([2.0]) == [0.0]


def test_a_first_training_that_fails_leaves_the_op_untrained() -> None:
    op = Centre(MLMode.FIT)
    with pytest.raises(ZeroDivisionError):
        op.execute([])
    assert not op.is_ready
    assert not op.has_learned


def test_a_prediction_that_fails_right_after_the_fit_publishes_nothing() -> None:
    class Refusing(Centre):
        def predict(self, values: list[float]) -> list[float]:
            raise LookupError("no prediction")

    op = Refusing(MLMode.FIT_PREDICT)
    with pytest.raises(LookupError):
        op.execute([1.0])
    assert not op.is_ready


def test_another_thread_sees_the_old_model_until_the_training_has_succeeded() -> None:
    halfway, go_on = threading.Event(), threading.Event()

    class Slow(Centre):
        def fit(self, values: list[float]) -> None:
            super().fit(values)
            if values == [10.0]:
                halfway.set()
                assert go_on.wait(30)

    op = Slow(MLMode.FIT)
    op.execute([1.0])
    version = op.op_version
    thread = threading.Thread(target=op.execute, args=([10.0],))
    thread.start()
    assert halfway.wait(30)
    meanwhile, version_meanwhile = op.predict([0.0]), op.op_version
    go_on.set()
    thread.join(30)
    assert (meanwhile, version_meanwhile) == ([-1.0], version)
    assert op.predict([0.0]) == [-10.0]


def test_a_model_may_be_assigned_in_fit() -> None:
    class Assigning(Centre):
        def fit(self, values: list[float]) -> None:
            self._model = {"mean": 7.0}

    op = Assigning(MLMode.FIT_PREDICT)
    assert op.execute([8.0]) == [1.0]
    assert op._model == {"mean": 7.0}


def test_a_training_inside_a_training_of_another_op_trains_each() -> None:
    inner = Centre(MLMode.FIT)

    class Outer(Centre):
        def fit(self, values: list[float]) -> None:
            inner.execute([100.0])
            super().fit(values)

    outer = Outer(MLMode.FIT)
    outer.execute([1.0])
    assert (inner._model["mean"], outer._model["mean"]) == (100.0, 1.0)


def test_the_training_data_is_offered_to_a_model_that_is_built_for_it() -> None:
    class Sized(Centre):
        def _init_model(self, *input_data_sets: Any) -> dict[str, float]:
            return {"mean": 0.0, "inputs": len(input_data_sets)}

    op = Sized(MLMode.FIT)
    op.execute([1.0])
    assert op._model["inputs"] == 1


def test_fit_called_by_hand_on_an_sklearn_op_is_a_training_like_any_other() -> None:
    op = LogisticOp(MLMode.PREDICT)
    op.fit(FRAME, TARGET)
    assert op.is_ready
    assert op.has_learned
    assert op.op_version != LogisticOp(MLMode.PREDICT).op_version


def test_only_what_was_trained_in_this_object_has_learned() -> None:
    trained, loaded = PCAOp(MLMode.FIT), PCAOp(MLMode.FIT)
    assert not trained.has_learned
    trained.execute(ARRAY)
    loaded.load(trained.serialize())
    assert trained.has_learned
    assert not loaded.has_learned


def test_loading_after_training_is_not_having_learned() -> None:
    op = PCAOp(MLMode.FIT)
    op.execute(ARRAY)
    op.load(op.serialize())
    assert not op.has_learned


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, copy.copy, PCAOp.copy_for_snapshot, lambda op: pickle.loads(pickle.dumps(op))]
)
def test_training_the_original_leaves_a_copy_as_it_was(copied: Any) -> None:
    op = PCAOp(MLMode.FIT)
    op.execute(ARRAY)
    twin = copied(op)
    version, output = op.op_version, op.predict(ARRAY)
    op.execute(ARRAY[:50])
    assert twin.op_version == version
    assert numpy.array_equal(twin.predict(ARRAY), output)
    assert not numpy.array_equal(op.predict(ARRAY), output)


def test_a_copy_for_a_snapshot_does_not_copy_the_model() -> None:
    op = PCAOp(MLMode.FIT)
    op.execute(ARRAY)
    assert op.copy_for_snapshot()._model is op._model


def test_an_op_that_was_never_trained_predicts_with_its_initial_model() -> None:
    assert Centre(MLMode.PREDICT).execute([3.0]) == [3.0]


def test_threads_that_need_an_initial_model_at_once_get_the_same_one() -> None:
    op = Centre(MLMode.PREDICT)
    barrier, models = threading.Barrier(8), []

    def look() -> None:
        barrier.wait(30)
        models.append(op._model)

    threads = [threading.Thread(target=look) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len({id(model) for model in models}) == 1


def test_boosting_tells_its_stages_to_whoever_wants_to_know():
    from sklearn.ensemble import GradientBoostingClassifier

    from chariots.ml.sklearn import SKSupervisedOp
    from chariots.pipelines.reporting import reporting_to

    class Boosted(SKSupervisedOp):
        model_class = GradientBoostingClassifier
        model_parameters = {"n_estimators": 3}

    told = []
    X, y = [[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1]
    with reporting_to(lambda *given: told.append(given)):
        Boosted(MLMode.FIT).execute(X, y)
    assert told == [(1, 3, "boosting stages"), (2, 3, "boosting stages"), (3, 3, "boosting stages")]
    Boosted(MLMode.FIT).execute(X, y)
    assert len(told) == 3
