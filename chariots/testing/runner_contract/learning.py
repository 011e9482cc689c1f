"""What is left of a training when it is over, wherever it ran? (tests)"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from chariots.ml import MLMode
from chariots.pipelines import Pipeline
from chariots.pipelines.callbacks import OpCallBack
from chariots.pipelines.nodes import Node
from chariots.pipelines.ops import BaseOp
from chariots.pipelines.runners import BaseRunner
from chariots.testing.clients import TestOpStoreClient
from chariots.testing.runner_contract.ops import Centre, Constant, Fails, Same, Vocabulary
from chariots.testing.runner_contract.results import INPUT, OUTPUT, chain

__all__ = ["LearningContract", "iris_pipelines"]


class MetricOfCallback(OpCallBack):
    """Records something of each training, from outside."""

    def before_execution(self, callback_op: BaseOp, args: list[Any]) -> None:
        """Records before."""
        callback_op.record_parameter("seen_before", True)

    def after_execution(self, callback_op: BaseOp, args: list[Any], output: Any) -> None:
        """Records after."""
        callback_op.record_metric("seen_after", 1)


def iris_pipelines() -> tuple[Pipeline, Pipeline]:
    """The two pipelines of the tutorial: one that trains on the iris flowers, and one that predicts."""
    from chariots.testing.runner_contract.iris import Flowers, IrisForest, IrisPCA

    train = Pipeline(
        [
            Node(Flowers(), output_nodes=["x", "y"]),
            Node(IrisPCA(MLMode.FIT_PREDICT), ["x"], "x_pca"),
            Node(IrisForest(MLMode.FIT), ["x_pca", "y"]),
        ],
        "train_iris",
    )
    predict = Pipeline(
        [
            Node(IrisPCA(MLMode.PREDICT), [INPUT], "x_pca"),
            Node(IrisForest(MLMode.PREDICT), ["x_pca"], OUTPUT),
        ],
        "predict_iris",
    )
    return train, predict


class LearningContract:
    """An op that learned has learned: its state and its version are here when the run is over."""

    def test_an_op_that_learned_has_a_new_version_and_predicts(self, runner: BaseRunner) -> None:
        """The very op of the pipeline."""
        op = Centre(MLMode.FIT_PREDICT)
        pipeline = chain(op)
        before = op.op_version
        assert runner.run(pipeline, [1, 2, 6]) == [-2, -1, 3]
        assert op.is_ready
        assert op.has_learned
        assert op.op_version != before
        assert pipeline.versions()["centre"] == op.op_version
        assert op.predict([3]) == [0]

    def test_each_training_counts(self, runner: BaseRunner) -> None:
        """And the last one stands."""
        op = Centre(MLMode.FIT)
        seen = []
        for number in range(3):
            assert runner.run(chain(op), [number]) is None
            seen.append(op.op_version)
            assert op.predict([10]) == [10 - number]
        assert len(set(map(str, seen))) == 3

    def test_an_op_that_failed_to_learn_keeps_what_it_had(self, runner: BaseRunner) -> None:
        """Its model and its version."""
        op = Centre(MLMode.FIT)
        runner.run(chain(op), [4])
        before = op.op_version
        with pytest.raises(ZeroDivisionError):
            runner.run(chain(op), [])
        assert op.op_version == before
        assert op.predict([4]) == [0]

    def test_what_was_learned_before_a_failure_stays_learned(self, runner: BaseRunner) -> None:
        """As where nodes run one after the other."""
        op = Centre(MLMode.FIT_PREDICT)
        with pytest.raises(LookupError):
            runner.run(chain(op, Fails()), [1, 3])
        assert op.predict([2]) == [0]

    def test_the_record_of_a_training_comes_with_it(self, runner: BaseRunner) -> None:
        """What the op recorded, and what callbacks of the op did."""
        op = Centre(MLMode.FIT, op_callbacks=[MetricOfCallback()])
        runner.run(chain(op), [1, 2, 6])
        record = op.training_record
        assert record["metrics"] == {"mean": 3.0, "seen_after": 1}
        assert record["parameters"] == {"values": 3, "seen_before": True}
        assert record["duration"] >= 0

    def test_an_op_that_learns_unasked_keeps_what_it_learned(self, runner: BaseRunner) -> None:
        """A LoadableOp that changes whenever it runs, as in "Keep the state of an op"."""
        op = Vocabulary()
        pipeline = chain(op)
        assert runner.run(pipeline, "to be or not to be") == [0, 1, 2, 3, 0, 1]
        assert runner.run(pipeline, "not so to be") == [3, 4, 0, 1]
        assert op.words == {"to": 0, "be": 1, "or": 2, "not": 3, "so": 4}
        other = Vocabulary()
        other.load(op.serialize())
        other.has_learned = False  # as loading a pipeline notes
        assert runner.run(chain(other), "now so") == [5, 4]
        assert other.words["now"] == 5

    def test_an_op_that_was_loaded_predicts_with_what_was_loaded(self, runner: BaseRunner) -> None:
        """Each time anew, whatever it was before."""
        trained, served = Centre(MLMode.FIT), Centre(MLMode.PREDICT)
        for mean in (1, 5):
            trained.execute([mean])
            served.load(trained.serialize())
            assert runner.run(chain(served), [mean]) == [0]

    def test_an_op_that_only_predicts_is_not_changed_by_it(self, runner: BaseRunner) -> None:
        """Nor is its version."""
        trained, served = Centre(MLMode.FIT), Centre(MLMode.PREDICT)
        trained.execute([2])
        served.load(trained.serialize())
        before = str(served.op_version)
        runner.run(chain(served), [2])
        assert str(served.op_version) == before
        assert not served.has_learned

    def test_ops_nested_and_chosen_learn(self, runner: BaseRunner) -> None:
        """As those at the top do."""
        op = Centre(MLMode.FIT_PREDICT)
        outer = Pipeline([Node(chain(Same(), op, name="inner"), [INPUT], OUTPUT)], "outer")
        assert runner.run(outer, [1, 3]) == [-1, 1]
        assert op.predict([2]) == [0]

    def test_iris_is_trained_saved_loaded_and_predicted(self, runner: BaseRunner, tmp_path: Path) -> None:
        """In the two pipelines of the tutorial, and bit by bit as the models predict that are here."""
        train, predict = iris_pipelines()
        runner.run(train)
        store = TestOpStoreClient(str(tmp_path))
        train.save(store)
        predict.load(store)
        assert predict.versions() == {name: train.versions()[name] for name in predict.versions()}
        features = train.node_for_name["flowers"].execute(())[0]
        pca, forest = train.node_for_name["irispca"].op, train.node_for_name["irisforest"].op  # type: ignore[attr-defined]
        expected = forest.predict(pca.predict(features))
        assert runner.run(predict, features).tobytes() == expected.tobytes()

    def test_training_again_makes_the_next_versions(self, runner: BaseRunner, tmp_path: Path) -> None:
        """Which are loaded then, as a set that fits."""
        train, predict = iris_pipelines()
        store = TestOpStoreClient(str(tmp_path))
        versions = []
        for _ in range(2):
            runner.run(train)
            train.save(store)
            versions.append({name: str(version) for name, version in predict.load(store).versions().items()})
        assert versions[0].keys() == versions[1].keys()
        assert all(versions[0][name] != versions[1][name] for name in versions[0])

    def test_a_pipeline_of_constants_and_learners_has_the_versions_of_its_ops(self, runner: BaseRunner) -> None:
        """Those of ops that learn nothing stay as they are."""
        op, constant = Centre(MLMode.FIT), Constant([1.0, 2.0])
        pipeline = Pipeline([Node(constant, output_nodes="data"), Node(op, ["data"])], "mixed")
        before = pipeline.versions()
        runner.run(pipeline)
        after = pipeline.versions()
        assert after["constant"] == before["constant"]
        assert after["centre"] != before["centre"]
