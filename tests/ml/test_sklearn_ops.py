"""Is a scikit-learn model an op that follows its class attributes?"""

from __future__ import annotations

import warnings
from typing import Any

import numpy
import pytest
from sklearn.cluster import DBSCAN, KMeans
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from chariots.ml import MLMode
from chariots.ml.sklearn import BaseSKOp, SKSupervisedOp, SKUnsupervisedOp
from chariots.versioning import VersionedField, VersionedFieldDict, VersionType
from tests.ml.sample_ops import ARRAY, FRAME, TARGET, KMeansOp, LogisticOp, PCAOp

PARAMETERS = {
    "a VersionedFieldDict": VersionedFieldDict(VersionType.MAJOR, {"n_components": 3}),
    "a VersionedFieldDict of VersionedFields": VersionedFieldDict(
        VersionType.MAJOR, {"n_components": VersionedField(3, VersionType.PATCH)}
    ),
    "a VersionedField": VersionedField({"n_components": 3}, VersionType.MINOR),
    "a dictionary": {"n_components": 3},
    "a dictionary of VersionedFields": {"n_components": VersionedField(3, VersionType.PATCH)},
}


@pytest.mark.parametrize("form", PARAMETERS)
def test_the_parameters_of_the_model_may_be_declared_in_any_form(form: str) -> None:
    class Op(SKUnsupervisedOp):
        model_class = PCA
        model_parameters = PARAMETERS[form]

    assert Op(MLMode.FIT_PREDICT).execute(ARRAY).shape == (150, 3)


@pytest.mark.parametrize("model_class", [PCA, VersionedField(PCA, VersionType.MAJOR)])
def test_the_class_of_the_model_may_be_plain_or_a_field(model_class: Any) -> None:
    op_class = type("Op", (SKUnsupervisedOp,), {"model_class": model_class})
    op = op_class(MLMode.FIT)
    op.execute(ARRAY)
    assert isinstance(op._model, PCA)


def test_a_function_may_build_the_model() -> None:
    class Op(SKSupervisedOp):
        model_class = VersionedField(make_pipeline, VersionType.MAJOR)

        def _init_model(self) -> Any:
            return self.model_class(StandardScaler(), LogisticRegression())

    op = Op(MLMode.FIT_PREDICT)
    assert (op.execute(FRAME, TARGET) == TARGET).mean() > 0.9


def test_an_op_without_a_model_class_says_to_set_it() -> None:
    class Nothing(SKSupervisedOp):
        pass

    with pytest.raises(TypeError, match=r"op 'nothing' .* set the class attribute model_class of Nothing"):
        Nothing(MLMode.FIT).execute(ARRAY, TARGET)


def test_parameters_that_are_no_mapping_are_refused() -> None:
    class Op(SKUnsupervisedOp):
        model_class = PCA
        model_parameters = VersionedField(3, VersionType.MAJOR)

    with pytest.raises(TypeError, match="3 was given where named parameters are needed"):
        Op(MLMode.FIT).execute(ARRAY)


def test_the_defaults_that_the_documentation_prints() -> None:
    assert BaseSKOp.model_class is None
    assert dict(BaseSKOp.model_parameters) == {}
    assert SKSupervisedOp.predict_function == "predict"
    assert dict(SKSupervisedOp.fit_extra_parameters) == {}
    assert dict(SKUnsupervisedOp.fit_extra_parameters) == {}


def test_the_predict_function_can_be_changed() -> None:
    class Probabilities(LogisticOp):
        predict_function = VersionedField("predict_proba", VersionType.MAJOR)

    assert Probabilities(MLMode.FIT_PREDICT).execute(ARRAY, TARGET).shape == (150, 3)


def test_the_predict_function_of_an_unsupervised_op_can_be_changed() -> None:
    class Labels(KMeansOp):
        predict_function = "predict"

    assert set(Labels(MLMode.FIT_PREDICT).execute(FRAME)) == {0, 1, 2}


def test_extra_parameters_reach_the_fit_of_the_model() -> None:
    class OnlyFirstHalf(LogisticOp):
        fit_extra_parameters = VersionedFieldDict(VersionType.MAJOR, {"sample_weight": numpy.repeat([1.0, 0.0], 75)})

    op = OnlyFirstHalf(MLMode.FIT)
    op.execute(ARRAY, TARGET)
    assert (op.predict(ARRAY[100:]) == 2).mean() < 0.5


def test_a_model_that_cannot_transform_says_which_attribute_to_set() -> None:
    class Density(SKUnsupervisedOp):
        model_class = DBSCAN

    with pytest.raises(TypeError, match="op 'density' was asked to 'transform', which its DBSCAN cannot do"):
        Density(MLMode.FIT_PREDICT).execute(ARRAY)


def test_a_plain_model_class_counts_for_the_major_version() -> None:
    class One(SKUnsupervisedOp):
        model_class = PCA

    class Other(SKUnsupervisedOp):
        model_class = KMeans

    assert One.__version__.major != Other.__version__.major
    assert One.__version__.minor == Other.__version__.minor


def test_a_parameter_counts_for_the_version_it_declares() -> None:
    class One(SKUnsupervisedOp):
        model_class = PCA
        model_parameters = VersionedFieldDict(VersionType.PATCH, {"n_components": 1})

    class Two(SKUnsupervisedOp):
        model_class = PCA
        model_parameters = VersionedFieldDict(VersionType.PATCH, {"n_components": 2})

    assert One.__version__.major == Two.__version__.major
    assert One.__version__.patch != Two.__version__.patch


def test_ops_do_not_share_parameters_assigned_on_one_of_them() -> None:
    one, other = PCAOp(MLMode.FIT_PREDICT), PCAOp(MLMode.FIT_PREDICT)
    one.model_parameters["n_components"] = 3
    assert one.execute(ARRAY).shape == (150, 3)
    assert other.execute(ARRAY).shape == (150, 2)


def test_importing_the_room_imports_no_framework() -> None:
    import subprocess
    import sys

    program = (
        "import sys, chariots.ml.sklearn, chariots.ml.keras, chariots.ml.serializers\n"
        "heavy = {'sklearn', 'keras', 'pandas', 'numpy', 'dill', 'skops', 'safetensors', 'jax'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_the_documented_import_paths_exist() -> None:
    import chariots.ml

    assert chariots.ml.sklearn.SKSupervisedOp is SKSupervisedOp
    assert chariots.ml.serializers.DillSerializer.__name__ == "DillSerializer"
    with pytest.raises(AttributeError, match="no attribute 'tensorflow'"):
        chariots.ml.tensorflow


def test_a_model_fitted_on_rows_predicts_without_a_warning_on_everything() -> None:
    op = PCAOp(MLMode.FIT)
    op.execute(ARRAY)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for features in (FRAME, ARRAY, ARRAY.tolist(), FRAME.to_dict("records")):
            assert numpy.allclose(op.predict(features), op._model.transform(ARRAY))
