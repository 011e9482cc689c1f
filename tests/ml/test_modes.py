"""Does an op do what its mode says?"""

from __future__ import annotations

import numpy
import pandas
import pytest

from chariots.ml import BaseMLOp, MLMode
from chariots.ml.sklearn import SKSupervisedOp, SKUnsupervisedOp
from tests.ml.sample_ops import ARRAY, FRAME, ROWS, SUPERVISED, TARGET, UNSUPERVISED, Centre, PCAOp

FORMS = {"frame": FRAME, "array": ARRAY, "list": ROWS}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("op_class", UNSUPERVISED)
def test_an_unsupervised_op_that_fits_returns_nothing_and_transforms_afterwards(
    op_class: type[SKUnsupervisedOp], form: str
) -> None:
    op = op_class(MLMode.FIT)
    assert op.execute(FORMS[form]) is None
    assert numpy.shape(op.predict(FORMS[form]))[0] == 150


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("op_class", UNSUPERVISED)
def test_an_unsupervised_op_that_fits_and_predicts_returns_the_transformed_input(
    op_class: type[SKUnsupervisedOp], form: str
) -> None:
    op = op_class(MLMode.FIT_PREDICT)
    output = op.execute(FORMS[form])
    assert numpy.array_equal(output, op._model.transform(FORMS[form]))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("op_class", SUPERVISED)
def test_a_supervised_op_that_fits_returns_nothing_and_predicts_afterwards(
    op_class: type[SKSupervisedOp], form: str
) -> None:
    op = op_class(MLMode.FIT)
    assert op.execute(FORMS[form], TARGET) is None
    assert (op.predict(FORMS[form]) == TARGET).mean() > 0.9


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("op_class", SUPERVISED)
def test_a_supervised_op_that_fits_and_predicts_is_given_both_and_predicts_on_the_features(
    op_class: type[SKSupervisedOp], form: str
) -> None:
    op = op_class(MLMode.FIT_PREDICT)
    assert (op.execute(FORMS[form], TARGET.to_numpy()) == TARGET).mean() > 0.9


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("op_class", [*UNSUPERVISED, *SUPERVISED])
def test_an_op_that_was_loaded_predicts_as_the_one_that_was_saved(op_class: type[BaseMLOp], form: str) -> None:
    trained, loaded = op_class(MLMode.FIT), op_class(MLMode.PREDICT)
    trained.execute(*((FRAME, TARGET) if op_class in SUPERVISED else (FRAME,)))
    loaded.load(trained.serialize())
    assert numpy.array_equal(loaded.execute(FORMS[form]), trained.predict(FORMS[form]))


def test_an_op_of_a_users_own_works_in_all_modes() -> None:
    fits, both, predicts = Centre(MLMode.FIT), Centre(MLMode.FIT_PREDICT), Centre(MLMode.PREDICT)
    assert fits.execute([1.0, 3.0]) is None
    assert both.execute([1.0, 3.0]) == [-1.0, 1.0]
    predicts.load(fits.serialize())
    assert predicts.execute([5.0]) == [3.0]


def test_predicting_after_fitting_is_given_as_many_arguments_as_it_declares() -> None:
    class Pair(Centre):
        def fit(self, values: list[float], weights: list[float]) -> None:
            self._model["mean"] = sum(map(float.__mul__, values, weights)) / sum(weights)

    assert Pair(MLMode.FIT_PREDICT).execute([1.0, 3.0], [1.0, 0.0]) == [0.0, 2.0]


def test_predicting_after_fitting_is_given_everything_if_it_takes_everything() -> None:
    class Everything(Centre):
        def fit(self, *data: list[float]) -> None:
            super().fit(data[0])

        def predict(self, *data: list[float]) -> int:
            return len(data)

    assert Everything(MLMode.FIT_PREDICT).execute([1.0], [2.0], [3.0]) == 3


def test_named_arguments_reach_the_methods_that_declare_them() -> None:
    class Shifted(Centre):
        def fit(self, values: list[float], shift: float = 0.0) -> None:
            super().fit([value + shift for value in values])

    assert Shifted(MLMode.FIT_PREDICT).execute([1.0, 3.0], shift=1.0) == [-2.0, 0.0]


@pytest.mark.parametrize("mode", list(MLMode))
def test_a_mode_may_be_given_by_its_value(mode: MLMode) -> None:
    assert PCAOp(mode.value).mode is mode


def test_an_unknown_mode_is_refused_with_the_nearest_known_one() -> None:
    with pytest.raises(ValueError, match=r"'preddict', which does not exist. Did you mean 'predict'"):
        PCAOp("preddict")


def test_something_that_is_no_mode_at_all_is_refused() -> None:
    with pytest.raises(ValueError, match="mode 3"):
        PCAOp(3)


@pytest.mark.parametrize(
    ("mode", "may_change"), [(MLMode.FIT, True), (MLMode.FIT_PREDICT, True), (MLMode.PREDICT, False)]
)
def test_only_an_op_that_learns_may_be_loaded_in_any_version(mode: MLMode, may_change: bool) -> None:
    op = PCAOp(mode)
    assert op.allow_version_change is may_change
    assert op.needs_loading is not may_change


def test_an_op_without_fit_predict_and_model_says_what_to_define() -> None:
    class Empty(BaseMLOp):
        pass

    op = Empty(MLMode.PREDICT)
    for method, name in ((op.fit, "fit"), (op.predict, "predict"), (op._init_model, "_init_model")):
        with pytest.raises(NotImplementedError, match=f"define Empty.{name}"):
            method()


def test_op_callbacks_are_kept() -> None:
    assert Centre(MLMode.FIT, op_callbacks=[]).callbacks == []


def test_a_series_predicted_from_a_frame_of_one_column_has_its_rows() -> None:
    class OneColumn(PCAOp):
        model_parameters = {"n_components": 1}

    output = OneColumn(MLMode.FIT_PREDICT).execute(pandas.DataFrame({"a": [1.0, 2.0, 4.0]}))
    assert output.shape == (3, 1)
