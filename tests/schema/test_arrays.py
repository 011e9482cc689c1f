"""How do numpy and pandas values become JSON?"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from chariots.schema import dumps

NAT = np.datetime64("NaT")


class ArrayLike:
    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return np.array([1, 2])


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (np.array([1.0, np.nan, np.inf]), "[1.0,null,null]"),
        (np.arange(6).reshape(2, 3), "[[0,1,2],[3,4,5]]"),
        (np.arange(6).reshape(2, 3).T, "[[0,3],[1,4],[2,5]]"),
        (np.arange(6)[::-2], "[5,3,1]"),
        (np.array([1, 2], dtype=">i4"), "[1,2]"),
        (np.array([0.1], dtype=np.float32), "[0.1]"),
        (np.array([0.1], dtype=np.longdouble), "[0.1]"),
        (np.array([True]), "[true]"),
        (np.array(5), "5"),
        (np.zeros((2, 0)), "[[],[]]"),
        (np.array(["a", "é"]), '["a","é"]'),
        (np.array([b"a"]), '["YQ=="]'),
        (np.array([None, 1, "x"], dtype=object), '[null,1,"x"]'),
        (np.ma.array([1, 2], mask=[0, 1]), "[1,null]"),
        (np.arange(4).reshape(2, 2).view(np.recarray), "[[0,1],[2,3]]"),
        (np.array([(1, "a")], dtype=[("n", int), ("t", "U1")]), '[[1,"a"]]'),
        (np.array(["2020-01-02", "NaT"], dtype="M8[D]"), '["2020-01-02",null]'),
        (np.array(["2020-01-02T03", "NaT"], dtype="M8[ns]"), '["2020-01-02T03:00:00",null]'),
        (np.array(["2020-01-02T00:00:00.000000001"], dtype="M8[ns]"), '["2020-01-02T00:00:00.000000001"]'),
        (np.array(["-0044-03-15", "NaT"], dtype="M8[D]"), '["-044-03-15",null]'),
        (np.array(["NaT"], dtype="M8[ns]"), "[null]"),
        (np.array([90, "NaT"], dtype="m8[s]"), '["P0DT90S",null]'),
        (np.float64(1.5), "1.5"),
        (np.float32(0.1), "0.1"),
        (np.float64("nan"), "null"),
        (np.int8(-3), "-3"),
        (np.bool_(True), "true"),
        (np.str_("a"), '"a"'),
        (np.longdouble(0.5), "0.5"),
        (np.datetime64("2020-01-02"), '"2020-01-02"'),
        (np.datetime64("2020-01-02T00:00:00.000000001"), '"2020-01-02T00:00:00.000000001"'),
        (NAT, "null"),
        (np.timedelta64(90, "s"), '"P0DT90S"'),
        (ArrayLike(), "[1,2]"),
        (pd.Series([1.0, np.nan], name="x", index=["a", "b"]), "[1.0,null]"),
        (pd.Index(["a", "b"]), '["a","b"]'),
        (pd.Categorical(["a", "b", None]), '["a","b",null]'),
        (pd.array([1, None], dtype="Int64"), "[1,null]"),
        (pd.Timestamp("2020-01-02 03:04"), '"2020-01-02T03:04:00"'),
        (pd.Timestamp("2020-01-02", tz="UTC"), '"2020-01-02T00:00:00+00:00"'),
        (pd.Timedelta(seconds=90), '"P0DT90S"'),
        (pd.Period("2020-01", "M"), '"2020-01"'),
        (pd.NaT, "null"),
        (pd.NA, "null"),
        (pd.DataFrame({"a": [1, 2], "b": ["x", None]}), '[{"a":1,"b":"x"},{"a":2,"b":null}]'),
        (pd.DataFrame({"t": pd.to_datetime(["2020-01-02", None])}), '[{"t":"2020-01-02T00:00:00"},{"t":null}]'),
        (pd.DataFrame([[1, 2.5]], index=["row"]), '[{"0":1,"1":2.5}]'),
        (pd.DataFrame(), "[]"),
        (pd.DataFrame(index=[0, 1]), "[{},{}]"),
        (pd.DataFrame({"a": []}), "[]"),
    ],
)
def test_each_value_has_one_form(value: Any, written: str) -> None:
    assert dumps(value).decode() == written
    assert dumps({"nested": [value]}).decode() == f'{{"nested":[{written}]}}'
    assert dumps({"careful": 2**70, "nested": [value]}).decode().endswith(f',"nested":[{written}]}}')


def test_numpy_keys_become_text() -> None:
    assert dumps({np.int64(3): 1, np.str_("a"): 2, np.float32(0.1): 3, np.bool_(False): 4}) == (
        b'{"3":1,"a":2,"0.1":3,"false":4}'
    )


def test_a_complex_array_is_refused_with_its_place() -> None:
    with pytest.raises(TypeError, match=r"^value\.a\[0\] cannot .*complex"):
        dumps({"a": np.array([1j])})


def test_a_frame_with_two_columns_of_one_name_is_refused() -> None:
    with pytest.raises(TypeError, match=r"^value\.x cannot .*two of its columns are named 'a'.*rename"):
        dumps({"x": pd.DataFrame([[1, 2]], columns=["a", "a"])})


def test_a_sparse_matrix_is_refused_with_the_way_out() -> None:
    import scipy.sparse

    with pytest.raises(TypeError, match=r"no form for scipy\.sparse.*call its toarray\(\) first"):
        dumps(scipy.sparse.csr_matrix([[1, 0]]))


def test_a_model_is_refused_with_the_way_out() -> None:
    from sklearn.decomposition import PCA

    with pytest.raises(TypeError, match=r"no form for sklearn\.\S+PCA; return its parts"):
        dumps(PCA())


def test_an_array_that_cannot_be_made_is_a_type_error() -> None:
    class Broken:
        def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
            raise RuntimeError("call detach() first")

    with pytest.raises(TypeError, match=r"value\[0\] cannot .*RuntimeError: call detach\(\) first"):
        dumps([Broken()])
