"""Is a Keras model an op: trained, saved, loaded and asked from several threads?"""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("JAX_PLATFORMS", "cpu")

import keras
import numpy
import pandas
import pytest
from keras import layers, models

from chariots.ml import MLMode, UnreadableOpError
from chariots.ml._op_bytes import Manifest, pack
from chariots.ml.keras import KerasOp
from chariots.ml.serializers import KerasSerializer
from chariots.pipelines import Pipeline
from chariots.pipelines.nodes import Node
from chariots.pipelines.ops import BaseOp
from chariots.pipelines.runners import SequentialRunner
from chariots.versioning import VersionedFieldDict, VersionType
from tests.ml.sample_ops import ARRAY, FRAME, RECORDS, ROWS, TARGET

ONE_HOT = numpy.eye(3)[TARGET]


class KerasLinear(KerasOp):
    fit_params = VersionedFieldDict(VersionType.MAJOR, {"epochs": 3, "batch_size": 32})

    def _init_model(self, *input_data_sets: Any) -> Any:
        model = models.Sequential([layers.Input((4,)), layers.Dense(3, activation="softmax")])
        model.compile(loss="categorical_crossentropy", optimizer="adam")
        return model


class TwoInputs(KerasOp):
    fit_params = VersionedFieldDict(VersionType.MAJOR, {"epochs": 1, "verbose": 0})

    def _init_model(self, *input_data_sets: Any) -> Any:
        inputs = [layers.Input((2,), name="petal"), layers.Input((2,), name="sepal")]
        outputs = [layers.Dense(3, name=name)(layers.Concatenate()(inputs)) for name in ("one", "other")]
        model = models.Model(inputs, outputs)
        model.compile(loss=["mse", "mse"], optimizer="adam")
        return model


@pytest.fixture(scope="module")
def trained() -> KerasLinear:
    op = KerasLinear(MLMode.FIT, verbose=0)
    op.execute(ARRAY, ONE_HOT)
    return op


def test_fitting_returns_nothing_and_predicting_returns_an_array(trained: KerasLinear) -> None:
    assert KerasLinear(MLMode.FIT, verbose=0).execute(ARRAY[:32], ONE_HOT[:32]) is None
    assert trained.predict(ARRAY).shape == (150, 3)


def test_fitting_and_predicting_in_one_predicts_on_the_features() -> None:
    output = KerasLinear(MLMode.FIT_PREDICT, verbose=0).execute(ARRAY, ONE_HOT)
    assert output.shape == (150, 3)
    assert numpy.allclose(output.sum(axis=1), 1, atol=1e-5)


def test_the_documented_example_runs(capsys: pytest.CaptureFixture[str]) -> None:
    class IrisFullDataSet(BaseOp):
        def execute(self) -> Any:
            return FRAME, TARGET

    class Categorize(BaseOp):
        def execute(self, y: Any) -> Any:
            return keras.utils.to_categorical(y)

    train = Pipeline(
        [
            Node(IrisFullDataSet(), output_nodes=["X", "y"]),
            Node(Categorize(), input_nodes=["y"], output_nodes="y_cat"),
            Node(KerasLinear(mode=MLMode.FIT, verbose=0), input_nodes=["X", "y_cat"]),
        ],
        "train",
    )
    pred = Pipeline(
        [
            Node(
                KerasLinear(mode=MLMode.PREDICT),
                input_nodes=["__pipeline_input__"],
                output_nodes="__pipeline_output__",
            )
        ],
        "pred",
    )
    runner = SequentialRunner()
    runner.run(train)
    output = runner.run(pred, numpy.array([[1, 2, 3, 4]]))
    assert (output.shape, output.dtype) == ((1, 3), numpy.float32)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("features", [FRAME, ARRAY, ROWS, RECORDS, list(ARRAY), [ARRAY], tuple(ROWS)])
def test_features_may_come_in_any_form(trained: KerasLinear, features: Any) -> None:
    assert numpy.allclose(trained.predict(features), trained.predict(ARRAY), atol=1e-6)


@pytest.mark.parametrize(
    ("features", "targets"),
    [(FRAME, pandas.DataFrame(ONE_HOT)), (ROWS, ONE_HOT.tolist()), ([ARRAY], [ONE_HOT])],
)
def test_training_data_may_come_in_any_form(features: Any, targets: Any) -> None:
    op = KerasLinear(MLMode.FIT, verbose=0)
    op.execute(features, targets)
    assert op.is_ready


def test_several_inputs_and_outputs_are_lists_or_dictionaries() -> None:
    op = TwoInputs(MLMode.FIT)
    op.execute([ARRAY[:, :2], ARRAY[:, 2:]], [ONE_HOT, ONE_HOT])
    expected = op.predict([ARRAY[:, :2], ARRAY[:, 2:]])
    assert [output.shape for output in expected] == [(150, 3), (150, 3)]
    for features in (
        [ARRAY[:, :2].tolist(), ARRAY[:, 2:].tolist()],
        {"petal": ARRAY[:, :2].tolist(), "sepal": ARRAY[:, 2:]},
    ):
        assert numpy.allclose(op.predict(features), expected, atol=1e-6)


def test_fit_params_and_the_older_input_params_reach_the_fit() -> None:
    class Both(KerasLinear):
        input_params = VersionedFieldDict(VersionType.MAJOR, {"epochs": 7, "shuffle": False})
        fit_params = VersionedFieldDict(VersionType.MAJOR, {"epochs": 2})

    op = Both(MLMode.FIT, verbose=0)
    op.execute(ARRAY, ONE_HOT)
    # 150 rows in batches of 32 are five steps an epoch.
    assert int(op._model.optimizer.iterations) == 10


def test_fit_params_count_for_the_version() -> None:
    class Longer(KerasLinear):
        fit_params = VersionedFieldDict(VersionType.MAJOR, {"epochs": 4, "batch_size": 32})

    assert Longer.__version__.major != KerasLinear.__version__.major


@pytest.mark.parametrize(("verbose", "prints"), [(0, False), (2, True)])
def test_verbose_decides_what_training_prints(verbose: int, prints: bool, capsys: pytest.CaptureFixture[str]) -> None:
    KerasLinear(MLMode.FIT, verbose=verbose).execute(ARRAY[:32], ONE_HOT[:32])
    assert bool(capsys.readouterr().out) is prints


def test_predictions_print_nothing(trained: KerasLinear, capsys: pytest.CaptureFixture[str]) -> None:
    op = KerasLinear(MLMode.PREDICT)
    op.load(trained.serialize())
    op.execute(ARRAY)
    assert capsys.readouterr().out == ""


def test_verbose_may_be_left_to_keras(capsys: pytest.CaptureFixture[str]) -> None:
    KerasLinear(MLMode.FIT, verbose=None).execute(ARRAY[:32], ONE_HOT[:32])
    assert capsys.readouterr().out


def test_a_pretrained_model_predicts_before_anything_is_loaded() -> None:
    class Pretrained(KerasLinear):
        def _init_model(self, *input_data_sets: Any) -> Any:
            model = super()._init_model()
            model.set_weights([numpy.zeros((4, 3)), numpy.zeros(3)])
            return model

    assert numpy.allclose(Pretrained(MLMode.PREDICT).execute(ARRAY[:1]), 1 / 3)


def test_a_trained_op_comes_back_from_its_bytes(trained: KerasLinear) -> None:
    op = KerasLinear(MLMode.PREDICT)
    op.load(trained.serialize())
    assert numpy.allclose(op.execute(ARRAY), trained.predict(ARRAY), atol=1e-6)
    assert op.op_version == trained.op_version


def test_saving_twice_gives_the_same_bytes(trained: KerasLinear) -> None:
    assert trained.serialize() == trained.serialize()


def test_training_changes_the_version_and_only_by_the_training_time(trained: KerasLinear) -> None:
    untrained = KerasLinear(MLMode.FIT)
    assert untrained.op_version.major == trained.op_version.major
    assert untrained.op_version.patch != trained.op_version.patch


def test_training_again_starts_from_a_new_model(trained: KerasLinear) -> None:
    op = KerasLinear(MLMode.FIT, verbose=0)
    op.execute(ARRAY, ONE_HOT)
    first = op._model
    op.execute(ARRAY, ONE_HOT)
    assert op._model is not first
    assert int(op._model.optimizer.iterations) == int(first.optimizer.iterations)


def test_several_threads_may_predict_save_and_train_at_once(trained: KerasLinear) -> None:
    expected, failures = trained.predict(ARRAY), []

    def repeat(action: Any, turns: int) -> None:
        try:
            for _ in range(turns):
                action()
        except Exception as error:  # noqa: BLE001 - whatever went wrong in a thread fails the test
            failures.append(error)

    def predict() -> None:
        assert numpy.allclose(trained.predict(ARRAY), expected, atol=1e-6)

    def train() -> None:
        KerasLinear(MLMode.FIT, verbose=0).execute(ARRAY[:32], ONE_HOT[:32])

    actions = [(predict, 20), (predict, 20), (predict, 20), (trained.serialize, 10), (train, 2)]
    threads = [threading.Thread(target=repeat, args=action) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not failures


def test_an_op_that_returns_no_model_says_so() -> None:
    class Forgetful(KerasOp):
        def _init_model(self, *input_data_sets: Any) -> Any:
            return None

    with pytest.raises(TypeError, match=r"Forgetful._init_model returned 'NoneType', which is no Keras model"):
        Forgetful(MLMode.FIT).execute(ARRAY, ONE_HOT)


def test_the_serializer_refuses_what_is_no_keras_model() -> None:
    with pytest.raises(TypeError, match="KerasSerializer keeps Keras models, not a dict"):
        KerasSerializer().serialize_object({})


def test_a_file_with_code_in_it_is_refused() -> None:
    model = models.Sequential([layers.Input((4,)), layers.Lambda(lambda x: x)])
    data = pack(KerasSerializer().serialize_object(model), Manifest(1.0, "keras"))
    with pytest.raises(UnreadableOpError, match=r"(?s)keraslinear.*unsafe"):
        KerasLinear(MLMode.PREDICT).load(data)


def test_damaged_bytes_are_refused_with_the_name_of_the_op(trained: KerasLinear) -> None:
    data = trained.serialize()
    for broken in (data[: len(data) // 2], b"", pack(b"garbage", Manifest(1.0, "keras"))):
        with pytest.raises(UnreadableOpError, match="keraslinear"):
            KerasLinear(MLMode.PREDICT).load(broken)


def test_the_temporary_file_is_private_and_gone_afterwards(
    trained: KerasLinear, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    seen: list[int] = []
    save = keras.Model.save

    def noting(self: Any, path: Any, *args: Any, **kwargs: Any) -> Any:
        seen.append(stat.S_IMODE(Path(path).parent.stat().st_mode))
        return save(self, path, *args, **kwargs)

    monkeypatch.setattr(keras.Model, "save", noting)
    KerasLinear(MLMode.PREDICT).load(trained.serialize())
    assert seen == [0o700]
    assert not list(tmp_path.iterdir())


def choice(program: str, **environment: str) -> str:
    """What a fresh interpreter prints, with nothing set but what is given."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith("KERAS")} | environment
    done = subprocess.run([sys.executable, "-c", program], env=variables, check=True, capture_output=True, text=True)
    return done.stdout.strip()


CHOSEN = "import os, chariots.ml.keras; print(os.environ.get('KERAS_BACKEND'))"


def test_a_backend_that_is_installed_is_chosen_where_nothing_is_said(tmp_path: Path) -> None:
    assert choice(CHOSEN, KERAS_HOME=str(tmp_path)) == "jax"


def test_the_backend_of_the_environment_stands(tmp_path: Path) -> None:
    assert choice(CHOSEN, KERAS_HOME=str(tmp_path), KERAS_BACKEND="numpy") == "numpy"


def test_the_backend_of_the_configuration_file_stands_if_it_is_installed(tmp_path: Path) -> None:
    (tmp_path / "keras.json").write_text('{"backend": "numpy"}')
    assert choice(CHOSEN, KERAS_HOME=str(tmp_path)) == "None"


@pytest.mark.parametrize("text", ['{"backend": "tensorflow"}', "{", "[]", '{"backend": 3}'])
def test_a_configuration_file_that_is_of_no_use_is_passed_over(tmp_path: Path, text: str) -> None:
    (tmp_path / "keras.json").write_text(text)
    assert choice(CHOSEN, KERAS_HOME=str(tmp_path)) == "jax"


def test_without_keras_the_message_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keras", None)
    with pytest.raises(ImportError, match=r"KerasSerializer needs keras.*pip install 'chariots\[keras\]'"):
        KerasSerializer().serialize_object({})


def test_epochs_are_told_to_whoever_wants_to_know_beside_the_callbacks_of_the_op():
    from chariots.pipelines.reporting import reporting_to

    ended = []

    op = KerasLinear(MLMode.FIT, verbose=0)
    watching = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: ended.append(epoch))
    op.fit_params = {"epochs": 2, "callbacks": [watching]}
    told = []
    with reporting_to(lambda *given: told.append(given)):
        op.execute(ARRAY, ONE_HOT)
    assert told == [(1, 2, "epochs"), (2, 2, "epochs")]
    assert ended == [0, 1]


def test_predictions_may_be_batched_where_there_is_one_input_and_one_output(trained: KerasLinear) -> None:
    class Best(KerasLinear):
        def predict(self, input_datasets: Any) -> Any:
            return super().predict(input_datasets).max()

    def served(kind: type[KerasOp]) -> bool:
        return kind(MLMode.PREDICT).batchable

    assert served(KerasLinear)
    assert not served(Best)
    assert not served(TwoInputs)
    assert not trained.batchable  # it learns
