"""Does every serializer give back what it was given, and refuse the rest?"""

from __future__ import annotations

import io
import zipfile
from typing import Any

import numpy
import pandas
import pytest
import skops.io
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from chariots.ml import serializers
from chariots.ml.serializers import (
    BaseSerializer,
    DillSerializer,
    JSONSerializer,
    NumpySerializer,
    SafetensorsSerializer,
    SkopsSerializer,
)
from tests.ml.sample_ops import ARRAY, TARGET


class TrustingSerializer(SkopsSerializer):
    trusted = ["sklearn.tree._tree.Tree"]


NUMBERS = st.one_of(
    arrays.boolean_dtypes(),
    arrays.integer_dtypes(endianness="="),
    arrays.unsigned_integer_dtypes(endianness="="),
    arrays.floating_dtypes(endianness="=", sizes=(16, 32, 64)),
)
SHAPES = arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
ARRAYS = arrays.arrays(NUMBERS, SHAPES)
DICTIONARIES = st.dictionaries(st.text("abc/.", min_size=1, max_size=5), ARRAYS, max_size=4)


def there_and_back(serializer: BaseSerializer, target: Any) -> Any:
    return serializer.deserialize_object(serializer.serialize_object(target))


def assert_same_arrays(found: dict[str, Any], expected: dict[str, Any]) -> None:
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
        numpy.testing.assert_array_equal(found[name], array)


def test_every_serializer_has_a_format_name_of_its_own() -> None:
    classes = [getattr(serializers, name) for name in serializers.__all__ if name != "BaseSerializer"]
    assert len({serializer.format_name for serializer in classes}) == len(classes) == 7
    assert all(issubclass(serializer, BaseSerializer) for serializer in classes)


def test_dill_keeps_a_lambda() -> None:
    assert there_and_back(DillSerializer(), lambda number: number + 1)(2) == 3


def test_dill_keeps_a_model() -> None:
    model = LogisticRegression(max_iter=500).fit(ARRAY, TARGET)
    assert (there_and_back(DillSerializer(), model).predict(ARRAY) == model.predict(ARRAY)).all()


def test_json_keeps_numbers_texts_lists_and_dictionaries() -> None:
    target = {"weights": [0.1, -2.0, 1e300], "names": ["é", ""], "size": 2**80, "none": None}
    assert there_and_back(JSONSerializer(), target) == target


def test_json_writes_numpy_and_pandas_in_the_nearest_form() -> None:
    target = {
        "array": numpy.array([[1.5, 2.0]]),
        "number": numpy.int64(3),
        "frame": pandas.DataFrame({"a": [1]}),
    }
    found = there_and_back(JSONSerializer(), target)
    assert found == {"array": [[1.5, 2.0]], "number": 3, "frame": [{"a": 1}]}


def test_json_refuses_a_model_and_says_where_it_is() -> None:
    with pytest.raises(TypeError, match="model"):
        JSONSerializer().serialize_object({"model": LogisticRegression()})


def test_json_that_is_damaged_is_a_value_error() -> None:
    with pytest.raises(ValueError):
        JSONSerializer().deserialize_object(b'{"weights": [')


def test_skops_keeps_a_model() -> None:
    model = LogisticRegression(max_iter=500).fit(ARRAY, TARGET)
    loaded = there_and_back(SkopsSerializer(), model)
    assert (loaded.predict_proba(ARRAY) == model.predict_proba(ARRAY)).all()


def test_skops_bytes_can_be_read_by_skops() -> None:
    model = LogisticRegression(max_iter=500).fit(ARRAY, TARGET)
    loaded = skops.io.loads(SkopsSerializer().serialize_object(model))
    assert (loaded.coef_ == model.coef_).all()


def test_skops_gives_the_same_bytes_for_the_same_model() -> None:
    model = RandomForestClassifier(n_estimators=3, random_state=0).fit(ARRAY, TARGET)
    first = TrustingSerializer().serialize_object(model)
    assert TrustingSerializer().serialize_object(model) == first
    again = TrustingSerializer().deserialize_object(first)
    assert (again.predict(ARRAY) == model.predict(ARRAY)).all()


def test_skops_refuses_to_save_what_it_would_refuse_to_load_and_says_how_to_trust_it() -> None:
    model = RandomForestClassifier(n_estimators=3).fit(ARRAY, TARGET)
    with pytest.raises(TypeError, match=r"to be saved: sklearn.tree._tree.Tree. .* trusted = \['sklearn.tree"):
        SkopsSerializer().serialize_object(model)


def test_skops_refuses_to_load_what_is_not_trusted() -> None:
    data = skops.io.dumps(RandomForestClassifier(n_estimators=3).fit(ARRAY, TARGET))
    with pytest.raises(TypeError, match=r"does not trust in what was to be loaded: sklearn.tree._tree.Tree"):
        SkopsSerializer().deserialize_object(data)


@given(DICTIONARIES)
def test_numpy_keeps_a_dictionary_of_arrays(target: dict[str, Any]) -> None:
    assert_same_arrays(there_and_back(NumpySerializer(), target), target)


@given(ARRAYS)
def test_numpy_keeps_an_array(target: Any) -> None:
    assert_same_arrays({"": there_and_back(NumpySerializer(), target)}, {"": target})


def test_numpy_writes_what_numpy_reads() -> None:
    data = NumpySerializer().serialize_object({"weights": ARRAY, "file": TARGET.to_numpy()})
    with numpy.load(io.BytesIO(data)) as found:
        assert (found["weights"] == ARRAY).all()
        assert (found["file"] == TARGET).all()


def test_numpy_gives_the_same_bytes_for_the_same_arrays() -> None:
    first, second = (NumpySerializer().serialize_object({"weights": ARRAY.copy()}) for _ in range(2))
    assert first == second


@pytest.mark.parametrize("target", [object(), {"a": [object()]}, {3: ARRAY}, {"": ARRAY}, [{}]])
def test_numpy_refuses_what_is_no_array(target: Any) -> None:
    with pytest.raises(TypeError, match="keeps numpy arrays of numbers"):
        NumpySerializer().serialize_object(target)


def test_numpy_never_unpickles() -> None:
    buffer = io.BytesIO()
    numpy.save(buffer, numpy.array([object()]), allow_pickle=True)
    with pytest.raises(ValueError, match="allow_pickle=False"):
        NumpySerializer().deserialize_object(buffer.getvalue())


def test_numpy_says_what_it_expected_instead_of_garbage() -> None:
    with pytest.raises(ValueError, match=r"neither .npy nor .npz"):
        NumpySerializer().deserialize_object(b"garbage")


@given(DICTIONARIES)
def test_safetensors_keeps_a_dictionary_of_arrays(target: dict[str, Any]) -> None:
    assert_same_arrays(there_and_back(SafetensorsSerializer(), target), target)


def test_safetensors_keeps_an_array_that_does_not_lie_in_order() -> None:
    target = {"transposed": ARRAY.T, "every other": ARRAY[::2]}
    assert_same_arrays(there_and_back(SafetensorsSerializer(), target), target)


@pytest.mark.parametrize(
    "target", [ARRAY, {"a": ["text"]}, {3: ARRAY}, {"a": numpy.ones(2, complex)}, {"a": numpy.longdouble(1)}]
)
def test_safetensors_refuses_what_is_no_dictionary_of_numbers(target: Any) -> None:
    with pytest.raises(TypeError, match="SafetensorsSerializer was given"):
        SafetensorsSerializer().serialize_object(target)


def test_a_package_that_is_not_installed_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "skops", None)
    monkeypatch.setitem(__import__("sys").modules, "skops.io", None)
    with pytest.raises(ImportError, match=r"SkopsSerializer needs skops.*pip install 'chariots\[skops\]'"):
        SkopsSerializer().serialize_object(LogisticRegression())


def test_an_abstract_serializer_cannot_be_made() -> None:
    with pytest.raises(TypeError):
        BaseSerializer()


def test_the_members_of_a_skops_file_have_no_dates() -> None:
    data = SkopsSerializer().serialize_object(LogisticRegression(max_iter=500).fit(ARRAY, TARGET))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert {member.date_time[0] for member in archive.infolist()} == {1980}
