"""Does a compiled model predict what the model predicts, and is it left alone where it does not?"""

from __future__ import annotations

import logging
import pickle
import subprocess
import sys
import threading
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.cluster import KMeans
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_diabetes, load_iris
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import (
    ExtraTreesRegressor,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import Lasso, LinearRegression, LogisticRegression, Ridge, RidgeClassifier, SGDClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler
from sklearn.svm import SVC, LinearSVC

from chariots.errors import StoreError
from chariots.ml import MLMode, _compiled
from chariots.ml._op_bytes import unpack_rows
from chariots.ml.sklearn import BaseSKOp, SKSupervisedOp, SKUnsupervisedOp
from chariots.pipelines import Pipeline
from chariots.pipelines.nodes import Node
from chariots.serving import PipelinesServer
from chariots.versioning import Version

X, KINDS = load_iris(return_X_y=True)
NAMED = pd.DataFrame(X, columns=["a", "b", "c", "d"])
WORDS = np.array(["setosa", "versicolor", "virginica"])[KINDS]
MEASURES, AMOUNTS = load_diabetes(return_X_y=True)
SCALES = X * np.array([1.0, 1e3, 1e-3, 1.0]) + np.array([0.0, 5.0, 0.0, -3.0])


def op_class(model: Any, method: str = "predict", **attributes: Any) -> type[BaseSKOp]:
    """The class of an op with some model."""
    base = SKUnsupervisedOp if method == "transform" or isinstance(model, KMeans | IsolationForest) else SKSupervisedOp
    members = {"predict_function": method, "compiled": True, "_init_model": lambda self: model, **attributes}
    return type("Op", (base,), members)


def trained(kind: type[BaseSKOp], *data: Any) -> BaseSKOp:
    """A trained op."""
    op = kind(MLMode.FIT)
    op.execute(*data)
    return op


def loaded(op: BaseSKOp) -> BaseSKOp:
    """The op as a server has it."""
    served = type(op)(MLMode.PREDICT)
    served.load(op.serialize())
    return served


def same(found: Any, expected: Any) -> bool:
    """Whether two predictions are the same, in type and shape too."""
    if (found.dtype, found.shape) != (expected.dtype, expected.shape):
        return False
    return bool(np.allclose(found, expected, 1e-6, 1e-6) if expected.dtype.kind == "f" else (found == expected).all())


MODELS: dict[str, tuple[str, Any, str, tuple[Any, ...]]] = {
    "classes": ("numpy", LogisticRegression(max_iter=500), "predict", (X, KINDS)),
    "classes that are words": ("numpy", LogisticRegression(max_iter=500), "predict", (X, WORDS)),
    "two classes": ("numpy", LogisticRegression(), "predict", (X, KINDS == 1)),
    "probabilities": ("numpy", LogisticRegression(max_iter=500), "predict_proba", (X, KINDS)),
    "probabilities of two classes": ("numpy", LogisticRegression(), "predict_proba", (X, KINDS == 1)),
    "scores": ("numpy", SGDClassifier(random_state=0), "decision_function", (X, KINDS)),
    "scores of two classes": ("numpy", RidgeClassifier(), "decision_function", (X, KINDS == 1)),
    "a support vector classifier that is linear": ("numpy", LinearSVC(), "predict", (X, KINDS)),
    "a discriminant analysis": ("numpy", LinearDiscriminantAnalysis(), "predict_proba", (X, KINDS)),
    "a regression": ("numpy", LinearRegression(), "predict", (MEASURES, AMOUNTS)),
    "a regression of two targets": ("numpy", Ridge(), "predict", (MEASURES, np.stack((AMOUNTS, -AMOUNTS), axis=1))),
    "a sparse regression": ("numpy", Lasso(), "predict", (MEASURES, AMOUNTS)),
    "components": ("numpy", PCA(2), "transform", (X,)),
    "whitened components": ("numpy", PCA(3, whiten=True), "transform", (X,)),
    "a truncated decomposition": ("numpy", TruncatedSVD(2), "transform", (X,)),
    "a standard scale": ("numpy", StandardScaler(), "transform", (SCALES,)),
    "a standard scale without its mean": ("numpy", StandardScaler(with_mean=False), "transform", (SCALES,)),
    "a scale between limits": ("numpy", MinMaxScaler((-2, 3), clip=True), "transform", (SCALES,)),
    "a scale of the largest": ("numpy", MaxAbsScaler(), "transform", (SCALES,)),
    "a robust scale": ("numpy", RobustScaler(), "transform", (SCALES,)),
    "several steps": ("numpy", make_pipeline(StandardScaler(), PCA(3), LogisticRegression()), "predict", (X, KINDS)),
    "a forest of regressions": ("numpy", RandomForestRegressor(20, random_state=0), "predict", (MEASURES, AMOUNTS)),
    "extra trees": ("numpy", ExtraTreesRegressor(20, random_state=0), "predict", (MEASURES, AMOUNTS)),
    "a forest": ("onnx", RandomForestClassifier(20, random_state=0), "predict", (X, KINDS)),
    "a forest of words": ("onnx", RandomForestClassifier(20, random_state=0), "predict", (X, WORDS)),
    "a forest's probabilities": ("onnx", RandomForestClassifier(20, random_state=0), "predict_proba", (X, KINDS)),
    "boosted trees": ("onnx", GradientBoostingRegressor(random_state=0), "predict", (MEASURES, AMOUNTS)),
    "support vectors": ("onnx", SVC(), "predict", (X, KINDS)),
    "clusters": ("onnx", KMeans(3, n_init=1, random_state=0), "predict", (X,)),
}


@pytest.mark.parametrize("name", MODELS)
def test_a_compiled_model_predicts_what_the_model_predicts(name: str) -> None:
    way, model, method, data = MODELS[name]
    op = trained(op_class(model, method), *data)
    served = loaded(op)
    assert served.compiled_form == way
    features = data[0]
    unseen = np.random.default_rng(0).normal(features.mean(axis=0), 2 * features.std(axis=0), (500, features.shape[1]))
    for rows in (features, unseen, features[:1]):
        assert same(served.predict(rows), getattr(op._model, method)(rows))


@pytest.mark.parametrize(
    "form",
    [
        X[:5],
        X[:5].tolist(),
        X[:5].astype(np.float32),
        X[:5].astype(int),
        NAMED[:5],
        NAMED[:5].to_dict("records"),
        NAMED[:5][["d", "c", "b", "a"]].to_dict("records"),
        NAMED[:5].astype({"a": "Float64"}),
    ],
    ids=["array", "list", "float32", "integers", "frame", "records", "records in another order", "extension types"],
)
def test_the_features_may_come_in_any_form(form: Any) -> None:
    op = trained(op_class(LogisticRegression(max_iter=500), "predict_proba"), NAMED, WORDS)
    served = loaded(op)
    assert served.compiled_form == "numpy"
    plain = loaded(trained(op_class(LogisticRegression(max_iter=500), "predict_proba", compiled=False), NAMED, WORDS))
    assert np.allclose(served.predict(form), plain.predict(form), rtol=1e-5)


@pytest.mark.parametrize(
    ("features", "told"),
    [
        (X[:2, :3], "X has 3 features, but LogisticRegression is expecting 4"),
        ([[1.0, 2.0, np.nan, 3.0]], "Input X contains NaN"),
        ([[1.0, 2.0, np.inf, 3.0]], "infinity"),
        (X[0], "Expected 2D array"),
        ([["a", "b", "c", "d"]], "onvert"),
    ],
)
def test_features_that_the_model_refuses_are_refused_by_it(features: Any, told: str) -> None:
    served = loaded(trained(op_class(LogisticRegression(max_iter=500)), X, KINDS))
    assert served.compiled_form == "numpy"
    with pytest.raises(ValueError, match=told):
        served.predict(features)


def test_a_number_too_large_for_trees_is_refused() -> None:
    served = loaded(trained(op_class(RandomForestClassifier(5)), X, KINDS))
    assert served.compiled_form == "onnx"
    with pytest.raises(ValueError, match="too large for float32"):
        served.predict([[1e300, 0.0, 0.0, 0.0]])


# -- where the model goes on ------------------------------------------------------------------------------------------


class Peculiar(LogisticRegression):
    """A model of somebody's own, which does not predict what its coefficients say."""

    def predict(self, X: Any) -> Any:
        """The opposite."""
        return 2 - super().predict(X)


def reason(caplog: pytest.LogCaptureFixture) -> str:
    """What was logged about a model that was not compiled."""
    (record,) = [each for each in caplog.records if each.levelno == logging.WARNING]
    return record.getMessage()


def test_a_form_that_is_not_the_same_is_not_used_and_the_reason_is_logged(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    op = trained(op_class(Ridge(), compiled=("numpy",)), MEASURES, AMOUNTS)
    wrong = lambda model, method: lambda rows: rows @ model.coef_ + model.intercept_ + 0.01
    monkeypatch.setattr(_compiled._numpy_forms, "form_of", wrong)
    served = loaded(op)
    assert served.compiled_form is None
    assert same(served.predict(MEASURES), op._model.predict(MEASURES))
    assert "beyond the tolerance of 1e-06" in reason(caplog)


def test_the_tolerance_can_be_stated(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = lambda model, method: lambda rows: rows @ model.coef_ + model.intercept_ + 0.01
    monkeypatch.setattr(_compiled._numpy_forms, "form_of", wrong)
    kind = op_class(Ridge(), compiled=("numpy",), compiled_tolerance=0.1)
    assert loaded(trained(kind, MEASURES, AMOUNTS)).compiled_form == "numpy"


def test_a_class_of_somebody_else_is_not_taken_for_what_it_derives_from(caplog: pytest.LogCaptureFixture) -> None:
    op = trained(op_class(Peculiar(max_iter=500)), X, KINDS)
    served = loaded(op)
    assert same(served.predict(X), op._model.predict(X))
    assert served.compiled_form is None
    assert "numpy: there is no form of predict for a Peculiar; onnx: skl2onnx cannot convert it" in reason(caplog)


def test_a_model_that_no_way_knows_predicts_itself(caplog: pytest.LogCaptureFixture) -> None:
    op = trained(op_class(HistGradientBoostingClassifier(max_iter=2), "decision_function"), X, KINDS)
    assert loaded(op).compiled_form is None
    assert "no form of decision_function for a HistGradientBoostingClassifier" in reason(caplog)


def test_where_names_of_columns_matter_nothing_is_compiled(caplog: pytest.LogCaptureFixture) -> None:
    model = make_pipeline(make_column_transformer((StandardScaler(), ["b"])), LogisticRegression())
    served = loaded(trained(op_class(model), NAMED, KINDS))
    assert served.compiled_form is None
    assert "names of columns" in reason(caplog)


def test_what_was_trained_before_has_to_be_trained_again(caplog: pytest.LogCaptureFixture) -> None:
    op = trained(op_class(LogisticRegression(max_iter=500), compiled=False), X, KINDS)
    served = op_class(LogisticRegression())(MLMode.PREDICT)
    served.load(op.serialize())
    assert served.compiled_form is None
    assert same(served.predict(X), op._model.predict(X))
    assert "Train it again" in reason(caplog)


def test_without_the_extra_the_message_says_how_to_get_it(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "skl2onnx", None)
    assert loaded(trained(op_class(SVC(), compiled=("onnx",)), X, KINDS)).compiled_form is None
    assert "pip install 'chariots[onnx]'" in reason(caplog)


def test_a_way_that_there_is_not_is_refused() -> None:
    with pytest.raises(ValueError, match="'cuda', but the ways are numpy, onnx"):
        loaded(trained(op_class(SVC(), compiled=("cuda",)), X, KINDS))


def test_what_is_not_asked_for_is_not_done() -> None:
    op = trained(op_class(LogisticRegression(max_iter=500), compiled=False), X, KINDS)
    assert unpack_rows(op.serialize(), "Op") is None
    assert loaded(op).compiled_form is None
    command = (
        "import sys, chariots.ml.sklearn; print(sorted({'onnxruntime', 'skl2onnx', 'sklearn'} & set(sys.modules)))"
    )
    told = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True).stdout
    assert told == "[]\n"


# -- what is kept -----------------------------------------------------------------------------------------------------


def test_a_hundred_rows_from_all_over_the_table_are_kept() -> None:
    op = trained(op_class(PCA(2), "transform"), X)
    kept = unpack_rows(op.serialize(), "Op")
    assert kept is not None
    assert kept.shape == (100, 4)
    assert (kept[0] == X[0]).all() and (kept[-1] == X[-1]).all()
    assert unpack_rows(loaded(op).serialize(), "Op").tobytes() == kept.tobytes()


@pytest.mark.parametrize(
    "table", [[["a"]], [[None]], [[1.0], [1.0, 2.0]], [1.0, 2.0], [[np.nan]], np.empty((0, 3)), {}]
)
def test_of_what_is_no_table_of_numbers_nothing_is_kept(table: Any) -> None:
    assert _compiled.sample(table) is None


def test_rows_that_are_damaged_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    op = trained(op_class(PCA(2), "transform"), X)
    op._learned.rows = np.array([[{}]], dtype=object)
    monkeypatch.setattr(np, "save", lambda member, rows, allow_pickle: np.lib.format.write_array(member, rows))
    data = op.serialize()
    monkeypatch.undo()
    with pytest.raises(
        StoreError, match="op 'op' cannot be loaded: the rows that its model was trained on are damaged"
    ):
        op_class(PCA(2), "transform")(MLMode.PREDICT).load(data)


def test_an_op_goes_to_another_process_with_its_form() -> None:
    served = loaded(trained(ForestOp, X, KINDS))
    there = pickle.loads(pickle.dumps(served))
    assert there.compiled_form == "onnx"
    assert same(there.predict(X), served.predict(X))


class ForestOp(SKSupervisedOp):
    model_class = RandomForestClassifier
    model_parameters = {"n_estimators": 5, "random_state": 0}
    compiled = True


def test_many_threads_use_one_form() -> None:
    served = loaded(trained(ForestOp, X, KINDS))
    expected, wrong = served.predict(X), []

    def work() -> None:
        for _ in range(50):
            if not same(served.predict(X), expected):
                wrong.append(threading.get_ident())

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


# -- what a server shows ----------------------------------------------------------------------------------------------


class IrisPCA(SKUnsupervisedOp):
    model_class = PCA
    model_parameters = {"n_components": 2}
    compiled = True


def test_the_version_in_the_answer_says_which_one_answered() -> None:
    components, forest = trained(IrisPCA, X), trained(ForestOp, IrisPCA.predict(trained(IrisPCA, X), X), KINDS)
    served_components, served_forest = loaded(components), loaded(forest)
    nodes = [
        Node(served_components, ["__pipeline_input__"], "components"),
        Node(served_forest, ["components"], "__pipeline_output__"),
    ]
    app = PipelinesServer([Pipeline(nodes, "predict")], import_name="compiled_app")
    client = app.test_client()
    answer = client.post("/pipelines/predict/main", json={"pipeline_input": X[:3].tolist()}).get_json()
    assert answer["pipeline_output"] == [0, 0, 0]
    assert {name: text.rpartition("+")[2] for name, text in answer["versions"].items()} == {
        "irispca": "numpy",
        "forestop": "onnx",
    }
    assert Version.parse(answer["versions"]["irispca"]) == nodes[0].node_version
    assert Version.parse(answer["versions"]["forestop"]).build == "onnx"
