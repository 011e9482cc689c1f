"""How much faster is a compiled model than the model itself, for one row?

Each op is trained once, and loaded twice: with its model as it is, and compiled. Both predict in turns.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from benchmarks.table import Row, interleaved, median
from chariots.ml import MLMode
from chariots.ml.sklearn import SKSupervisedOp, SKUnsupervisedOp

FEATURES, KINDS = load_iris(return_X_y=True)
ONE_ROW = FEATURES[:1].tolist()


class Components(SKUnsupervisedOp):
    """Two principal components."""

    model_class = PCA
    model_parameters = {"n_components": 2}
    compiled = True


class Logistic(SKSupervisedOp):
    """A logistic regression."""

    model_class = LogisticRegression
    model_parameters = {"max_iter": 500}
    compiled = True


class Forest(SKSupervisedOp):
    """A forest of a hundred trees."""

    model_class = RandomForestClassifier
    model_parameters = {"n_estimators": 100, "random_state": 0}
    compiled = True


def main(short: bool = False) -> list[Row]:
    """Measures one row through each op.

    Args:
        short: fewer rounds.

    Returns:
        the rows of the table.
    """
    rounds = 3 if short else 15
    return [
        row("principal components", Components, (FEATURES,), 5.0, rounds),
        row("a logistic regression", Logistic, (FEATURES, KINDS), 5.0, rounds),
        row("a forest of 100 trees", Forest, (FEATURES, KINDS), 20.0, rounds),
    ]


def row(what: str, kind: Any, data: tuple[Any, ...], target: float, rounds: int) -> Row:
    """How many times faster the compiled form of an op is."""
    trained = kind(MLMode.FIT)
    trained.execute(*data)
    found = trained.serialize()
    plain = type(kind.__name__, (kind,), {"compiled": False})(MLMode.PREDICT)
    compiled = kind(MLMode.PREDICT)
    for op in (plain, compiled):
        op.load(found)
    if compiled.compiled_form is None or not np.allclose(plain.predict(FEATURES), compiled.predict(FEATURES)):
        raise AssertionError(f"{what} is not compiled to the same")
    took = interleaved({"as it is": lambda: seconds(plain), "compiled": lambda: seconds(compiled)}, rounds)
    slow, fast = (median(took[name]) * 1e6 for name in ("as it is", "compiled"))
    note = f"{compiled.compiled_form} {fast:.0f} us, as it is {slow:.0f} us"
    return Row("compiled", f"one row through {what}: times faster", slow / fast, "x", target, ">=", note)


def seconds(op: Any) -> float:
    """Seconds of one prediction, the median of several."""
    times = []
    for _ in range(20):
        began = time.perf_counter()
        op.predict(ONE_ROW)
        times.append(time.perf_counter() - began)
    return float(np.median(times))
