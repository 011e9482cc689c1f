"""Does every training of a model come with what is known of it, and with nothing of any other training?"""

from __future__ import annotations

import logging
import pickle
import threading
from pathlib import Path
from typing import Any

import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

from chariots.errors import ConflictError
from chariots.ml import BaseMLOp, MLMode
from chariots.ml.sklearn import SKSupervisedOp
from chariots.op_store import OpStoreServer
from chariots.op_store.savers import FileSaver
from chariots.pipelines import Pipeline
from chariots.pipelines.callbacks import OpCallBack, PipelineCallback
from chariots.pipelines.nodes import Node
from chariots.pipelines.runners import SequentialRunner
from chariots.versioning import VersionedFieldDict, VersionType

X, Y = [[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1]


class Mean(BaseMLOp):
    """Learns the mean of some numbers."""

    def _init_model(self) -> dict[str, float]:
        return {}

    def fit(self, values: list[float]) -> None:
        self.record_metric("values", len(values))
        if len(values) > 1:
            self.record_metric("spread", max(values) - min(values))
        self._model["mean"] = sum(values) / len(values)

    def predict(self, values: list[float]) -> list[float]:
        return [value - self._model["mean"] for value in values]


class Logistic(SKSupervisedOp):
    """A model of scikit-learn."""

    model_class = LogisticRegression
    model_parameters = VersionedFieldDict(VersionType.MAJOR, {"C": 10.0})


class Note(OpCallBack):
    """Records before and after an execution, as the documentation shows."""

    def before_execution(self, callback_op: Any, args: list[Any]) -> None:
        callback_op.record_training_data(*args)

    def after_execution(self, callback_op: Any, args: list[Any], output: Any) -> None:
        callback_op.record_metric("rows", len(args[0]))


@pytest.fixture
def store(tmp_path: Path) -> OpStoreServer:
    """A store in a folder of its own."""
    return OpStoreServer(FileSaver(str(tmp_path / "ops")), f"sqlite:///{tmp_path / 'db.sqlite'}")


def train(op: Any, *callbacks: PipelineCallback, name: str = "train") -> Pipeline:
    """A pipeline that trains one op."""
    return Pipeline([Node(op, ["__pipeline_input__"], "__pipeline_output__")], name, pipeline_callbacks=callbacks)


def test_a_training_has_its_time_and_its_duration() -> None:
    op = Mean(MLMode.FIT)
    op.execute([1.0, 2.0])
    assert op.training_record["trained_at"] == op.op_version.creation_time
    assert op.training_record["duration"] >= 0


def test_the_duration_is_that_of_fit_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr("chariots.ml._learned.time.perf_counter", lambda: clock[0])

    class Timed(Mean):
        def fit(self, values: list[float]) -> None:
            clock[0] += 5.0
            super().fit(values)

        def predict(self, values: list[float]) -> list[float]:
            clock[0] += 60.0
            return super().predict(values)

    op = Timed(MLMode.FIT_PREDICT)
    op.execute([1.0])
    assert op.training_record["duration"] == 5.0


def test_what_fit_records_belongs_to_its_training() -> None:
    op = Mean(MLMode.FIT_PREDICT)
    op.execute([1.0, 3.0])
    assert op.training_record["metrics"] == {"values": 2, "spread": 2.0}


def test_the_next_training_starts_with_nothing() -> None:
    op = Mean(MLMode.FIT)
    op.execute([1.0, 3.0])
    op.record_parameter("note", "first")
    op.execute([1.0])
    assert op.training_record["metrics"] == {"values": 1}
    assert "parameters" not in op.training_record


def test_a_failed_training_leaves_the_record_of_the_last_good_one() -> None:
    op = Mean(MLMode.FIT)
    op.execute([1.0, 3.0])
    with pytest.raises(ZeroDivisionError):
        op.execute([])
    assert op.training_record["metrics"] == {"values": 2, "spread": 2.0}


def test_callbacks_record_before_and_after_with_the_same_training() -> None:
    op = Mean(MLMode.FIT, op_callbacks=[Note()])
    op.execute_with_all_callbacks([[1.0, 3.0]])
    first = op.training_record
    op.execute_with_all_callbacks([[5.0]])
    assert first["metrics"] == {"values": 2, "spread": 2.0, "rows": 2}
    assert op.training_record["metrics"] == {"values": 1, "rows": 1}
    assert first["data_fingerprint"] != op.training_record["data_fingerprint"]


def test_pipeline_callbacks_record_when_the_node_has_run(store: OpStoreServer) -> None:
    class Score(PipelineCallback):
        def after_node_execution(self, pipeline: Pipeline, node: Any, args: list[Any], output: Any) -> None:
            node.op.record_metric("score", sum(output))

    pipeline = train(Mean(MLMode.FIT_PREDICT), Score())
    SequentialRunner().run(pipeline, [1.0, 3.0])
    pipeline.save(store.client())
    assert store.client().versions("mean")[0].metrics == {"values": 2, "spread": 2.0, "score": 0.0}


def test_two_trainings_at_once_keep_what_their_own_callbacks_recorded() -> None:
    meet = threading.Barrier(2)

    class Meet(OpCallBack):
        def after_execution(self, callback_op: Any, args: list[Any], output: Any) -> None:
            meet.wait(30)  # both have learned by now
            callback_op.record_metric("rows", len(args[0]))
            meet.wait(30)

    op = Mean(MLMode.FIT, op_callbacks=[Meet()])
    threads = [threading.Thread(target=op.execute_with_all_callbacks, args=([[1.0] * rows],)) for rows in (2, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    kept = op.training_record["metrics"]
    assert kept["rows"] == kept["values"]


def test_an_op_that_has_not_learned_says_when_to_record() -> None:
    with pytest.raises(ConflictError, match=r"metric 'accuracy' and was not trained yet.*record it in fit, in a"):
        Mean(MLMode.FIT).record_metric("accuracy", 1)


def test_a_load_brings_no_record_and_keeps_none() -> None:
    trained, served = Mean(MLMode.FIT), Mean(MLMode.PREDICT, op_callbacks=[Note()])
    trained.execute([1.0, 3.0])
    served.load(trained.serialize())
    served.execute_with_all_callbacks([[1.0]])
    assert served.training_record == {}


def test_a_load_drops_the_record_of_the_training_before() -> None:
    op, other = Mean(MLMode.FIT), Mean(MLMode.FIT)
    op.execute([1.0])
    other.execute([2.0])
    op.load(other.serialize())
    assert op.training_record == {}


def test_a_record_travels_with_the_op_to_another_process() -> None:
    op = Mean(MLMode.FIT)
    op.execute([1.0, 3.0])
    assert pickle.loads(pickle.dumps(op)).training_record == op.training_record


def test_the_parameters_of_a_scikit_learn_model_are_recorded() -> None:
    op = Logistic(MLMode.FIT)
    op.execute(X, Y)
    assert op.training_record["parameters"] == LogisticRegression(C=10.0).get_params()


def test_the_parameters_of_nested_estimators_are_recorded() -> None:
    class Chain(SKSupervisedOp):
        @staticmethod
        def model_class() -> Any:
            return make_pipeline(MinMaxScaler(), LogisticRegression(C=3.0))

    op = Chain(MLMode.FIT)
    op.execute(X, Y)
    parameters = op.training_record["parameters"]
    assert parameters["logisticregression__C"] == 3.0
    assert parameters["logisticregression"] == "LogisticRegression(C=3.0)"


def test_a_parameter_recorded_by_name_comes_before_that_of_the_model() -> None:
    class Named(Logistic):
        def fit(self, X: Any, y: Any, **kwargs: Any) -> None:
            self.record_parameter("C", "ten")
            super().fit(X, y, **kwargs)

    op = Named(MLMode.FIT)
    op.execute(X, Y)
    assert op.training_record["parameters"]["C"] == "ten"


def test_a_model_that_cannot_tell_its_parameters_is_trained_all_the_same(caplog: pytest.LogCaptureFixture) -> None:
    class Shy(LogisticRegression):
        def get_params(self, deep: bool = True) -> dict[str, Any]:
            if deep:
                raise RuntimeError("not telling")
            return super().get_params(deep)

    class ShyOp(SKSupervisedOp):
        model_class = Shy

    op = ShyOp(MLMode.FIT)
    with caplog.at_level(logging.WARNING):
        op.execute(X, Y)
    assert "parameters" not in op.training_record
    assert "not telling" in caplog.text


def test_a_keras_training_records_its_last_losses() -> None:
    import numpy

    from chariots.ml.keras import KerasOp

    class Line(KerasOp):
        fit_params = VersionedFieldDict(VersionType.MAJOR, {"epochs": 2, "batch_size": 4})

        def _init_model(self) -> Any:
            import keras

            model = keras.Sequential([keras.layers.Input((1,)), keras.layers.Dense(1)])
            model.compile(loss="mse", optimizer="sgd")
            return model

    op = Line(MLMode.FIT, verbose=0)
    op.execute(numpy.array(X), numpy.array(Y))
    assert op.training_record["metrics"]["loss"] > 0
    assert op.training_record["parameters"] == {"epochs": 2, "batch_size": 4}


def test_a_save_registers_what_is_known_of_the_training(store: OpStoreServer) -> None:
    pipeline = train(Mean(MLMode.FIT, op_callbacks=[Note()]))
    SequentialRunner().run(pipeline, [1.0, 3.0])
    pipeline.save(store.client())
    found = store.client().versions("mean")[0]
    assert found.metrics == {"values": 2, "spread": 2.0, "rows": 2}
    assert found.trained_at == pipeline.versions()["mean"].creation_time
    assert found.data_fingerprint is not None
    assert found.duration is not None
    assert found.pipeline == "train"


def test_a_saved_copy_of_what_was_loaded_claims_no_training(store: OpStoreServer, tmp_path: Path) -> None:
    pipeline = train(Mean(MLMode.FIT))
    SequentialRunner().run(pipeline, [1.0, 3.0])
    pipeline.save(store.client())
    served = train(Mean(MLMode.PREDICT), name="serve").load(store.client())
    other = OpStoreServer(FileSaver(str(tmp_path / "other")), f"sqlite:///{tmp_path / 'other.sqlite'}").client()
    served.save(other)
    assert other.versions("mean")[0].trained_at is None
