"""Does a model that was fitted on one form of table accept the others, without a warning and without a slip?"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from typing import Any

import numpy
import pandas
import pytest
import scipy.sparse
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier, VotingClassifier
from sklearn.feature_extraction import DictVectorizer
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from chariots.errors import InputError
from chariots.ml._table_form import TableForm, _nameless_twin, frame_of_records
from tests.ml.sample_ops import ARRAY, FRAME, RECORDS, ROWS, TARGET

NAMES = list(FRAME.columns)
CLASSIFIERS = {
    "a classifier": LogisticRegression(max_iter=500),
    "a forest": RandomForestClassifier(n_estimators=5, random_state=0),
    "a boosted forest": HistGradientBoostingClassifier(max_iter=5),
    "a pipeline": make_pipeline(StandardScaler(), LogisticRegression(max_iter=500)),
    "a pipeline that picks columns": make_pipeline(
        ColumnTransformer([("scaled", StandardScaler(), NAMES[:2])], remainder="passthrough"),
        LogisticRegression(max_iter=500),
    ),
    "a search": GridSearchCV(LogisticRegression(max_iter=500), {"C": [1.0]}, cv=2),
    "a vote": VotingClassifier([("one", LogisticRegression(max_iter=500))]),
    "a calibrated classifier": CalibratedClassifierCV(LogisticRegression(max_iter=500), cv=2),
}


@pytest.fixture(autouse=True)
def no_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def predict(form: TableForm, X: Any) -> Any:
    model, table = form.fitting(X)
    return model.predict(table)


@pytest.mark.parametrize("kind", CLASSIFIERS)
def test_a_model_fitted_on_a_frame_predicts_the_same_on_every_form(kind: str) -> None:
    model = clone(CLASSIFIERS[kind]).fit(FRAME, TARGET)
    form, expected = TableForm(model), model.predict(FRAME)
    for table in (FRAME, ARRAY, ROWS, RECORDS):
        assert (predict(form, table) == expected).all()


@pytest.mark.parametrize("kind", [kind for kind in CLASSIFIERS if "picks" not in kind])
def test_a_model_fitted_on_an_array_predicts_the_same_on_every_form(kind: str) -> None:
    model = clone(CLASSIFIERS[kind]).fit(ARRAY, TARGET)
    form, expected = TableForm(model), model.predict(ARRAY)
    for table in (FRAME, ARRAY, ROWS, RECORDS):
        assert (predict(form, table) == expected).all()


def test_records_may_have_their_fields_in_another_order() -> None:
    model = LogisticRegression(max_iter=500).fit(FRAME, TARGET)
    shuffled = [dict(reversed(record.items())) for record in RECORDS]
    assert (predict(TableForm(model), shuffled) == model.predict(FRAME)).all()


def test_records_that_went_through_json_may_have_nulls() -> None:
    model = HistGradientBoostingClassifier(max_iter=5).fit(FRAME, TARGET)
    record = {**RECORDS[0], NAMES[0]: None}
    assert predict(TableForm(model), [json.loads(json.dumps(record))]).shape == (1,)


def test_a_record_that_lacks_a_field_is_refused_and_named() -> None:
    records = [dict(RECORDS[0]), dict.fromkeys(NAMES[1:], 1.0)]
    with pytest.raises(InputError, match="record 1 of the input has") as caught:
        predict(TableForm(LogisticRegression(max_iter=500).fit(FRAME, TARGET)), records)
    assert caught.value.extra["errors"][0]["loc"] == [1]


def test_a_record_that_is_none_is_refused() -> None:
    with pytest.raises(InputError, match="record 1 of the input has int"):
        frame_of_records([{"a": 1}, 3])


def test_records_that_all_lack_a_field_get_the_error_of_the_model() -> None:
    model = LogisticRegression(max_iter=500).fit(FRAME, TARGET)
    with pytest.raises(ValueError, match="missing"):
        predict(TableForm(model), [{NAMES[0]: 1.0}])


@pytest.mark.parametrize("kind", ["a classifier", "a forest"])
@pytest.mark.parametrize("width", [3, 5])
@pytest.mark.parametrize("as_list", [True, False])
def test_the_wrong_width_gets_the_error_of_the_model(kind: str, width: int, as_list: bool) -> None:
    form = TableForm(clone(CLASSIFIERS[kind]).fit(FRAME, TARGET))
    table = numpy.ones((2, width))
    with pytest.raises(ValueError, match=f"X has {width} features, but .* is expecting 4 features"):
        predict(form, table.tolist() if as_list else table)


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
def test_a_pipeline_given_the_wrong_width_gets_the_error_of_its_model() -> None:
    warnings.simplefilter("ignore")
    form = TableForm(clone(CLASSIFIERS["a pipeline"]).fit(FRAME, TARGET))
    with pytest.raises(ValueError, match="X has 3 features, but StandardScaler is expecting 4"):
        predict(form, [[1.0, 2.0, 3.0]])


def test_ragged_rows_are_an_error_and_not_filled_up() -> None:
    warnings.simplefilter("ignore")
    for kind in ("a boosted forest", "a pipeline"):
        form = TableForm(clone(CLASSIFIERS[kind]).fit(FRAME, TARGET))
        with pytest.raises(ValueError, match=r"inhomogeneous|sequence"):
            predict(form, [[1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0]])


def test_a_single_row_without_brackets_gets_the_error_of_the_model() -> None:
    form = TableForm(LogisticRegression(max_iter=500).fit(FRAME, TARGET))
    with pytest.raises(ValueError, match="Expected 2D array"):
        predict(form, [1.0, 2.0, 3.0, 4.0])


def test_rows_of_mixed_types_keep_them() -> None:
    frame = pandas.DataFrame({"colour": ["red", "blue", "red"], "size": [1.0, 2.0, 3.0]})
    model = make_pipeline(
        ColumnTransformer([("colour", OneHotEncoder(), ["colour"]), ("size", StandardScaler(), ["size"])]),
        LogisticRegression(),
    ).fit(frame, [0, 1, 0])
    form = TableForm(model)
    for table in ([["red", 1.0], ["blue", 2.0]], numpy.array([["red", 1.0], ["blue", 2.0]], dtype=object)):
        assert (predict(form, table) == model.predict(frame[:2])).all()


def test_frames_with_columns_in_the_wrong_order_get_the_error_of_the_model() -> None:
    form = TableForm(LogisticRegression(max_iter=500).fit(FRAME, TARGET))
    with pytest.raises(ValueError, match="same order"):
        predict(form, FRAME[NAMES[::-1]])


def test_a_frame_given_to_a_model_fitted_on_a_frame_is_passed_as_it_is() -> None:
    model = LogisticRegression(max_iter=500).fit(FRAME, TARGET)
    assert TableForm(model).fitting(FRAME) == (model, FRAME) or TableForm(model).fitting(FRAME)[1] is FRAME


def test_an_array_given_to_a_model_fitted_on_an_array_is_passed_as_it_is() -> None:
    model = LogisticRegression(max_iter=500).fit(ARRAY, TARGET)
    chosen, table = TableForm(model).fitting(ARRAY)
    assert chosen is model
    assert table is ARRAY


def test_the_model_itself_keeps_its_names() -> None:
    model = LogisticRegression(max_iter=500).fit(FRAME, TARGET)
    predict(TableForm(model), ARRAY)
    assert list(model.feature_names_in_) == NAMES


def test_the_twin_shares_the_weights_of_the_model() -> None:
    model = LogisticRegression(max_iter=500).fit(FRAME, TARGET)
    twin = _nameless_twin(model)
    assert twin.coef_ is model.coef_


def test_output_with_column_names_keeps_them() -> None:
    model = StandardScaler().set_output(transform="pandas").fit(FRAME)
    chosen, table = TableForm(model).fitting(ARRAY)
    assert list(chosen.transform(table).columns) == NAMES


def test_models_that_are_not_of_sklearn_are_given_a_frame() -> None:
    class Picky(TransformerMixin, BaseEstimator):
        def fit(self, X: pandas.DataFrame) -> Picky:
            self.feature_names_in_ = numpy.asarray(X.columns, dtype=object)
            return self

        def transform(self, X: pandas.DataFrame) -> Any:
            return X[NAMES[0]].to_numpy()

    model, table = TableForm(Picky().fit(FRAME)).fitting(ROWS)
    assert (model.transform(table) == ARRAY[:, 0]).all()


def test_a_function_of_a_users_own_is_given_a_frame() -> None:
    form = TableForm(FunctionTransformer(lambda X: X[[NAMES[0]]]).fit(FRAME))
    model, table = form.fitting(ARRAY)
    assert model.transform(table).shape == (150, 1)


def test_texts_and_dictionaries_reach_the_models_made_for_them() -> None:
    texts, counts = ["a b", "b c"], [{"a": 1}, {"b": 2}]
    model, table = TableForm(CountVectorizer(token_pattern=r"\w").fit(texts)).fitting(texts)
    assert model.transform(table).shape == (2, 3)
    model, table = TableForm(DictVectorizer().fit(counts)).fitting(counts)
    assert model.transform(table).shape == (2, 2)


def test_a_sparse_table_is_left_alone() -> None:
    warnings.simplefilter("ignore")
    model = make_pipeline(StandardScaler(with_mean=False), LogisticRegression()).fit(FRAME, TARGET)
    assert predict(TableForm(model), scipy.sparse.csr_matrix(ARRAY)).shape == (150,)


def test_the_warning_filters_of_the_process_are_left_alone() -> None:
    before = list(warnings.filters)
    predict(TableForm(LogisticRegression(max_iter=500).fit(FRAME, TARGET)), ARRAY)
    assert list(warnings.filters) == before
