"""Which models do all servers serve? Needs nothing but scikit-learn, for the peers have little else in common."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

FLOWERS = [[5.1, 3.5, 1.4, 0.2]]
MODEL = "CHARIOTS_BENCHMARK_MODEL"  # the variable that says which of `MODELS` is served
THREADS = 64  # of a server, and the most that run together: as many as there are clients at most


def iris() -> tuple[Any, Any]:
    """The data: 150 flowers, and their species."""
    from sklearn.datasets import load_iris

    return load_iris(return_X_y=True)


def logistic() -> Any:
    """A principal component analysis and a logistic regression."""
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    return make_pipeline(PCA(), LogisticRegression()).fit(*iris())


def forest() -> Any:
    """A hundred trees."""
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(n_estimators=100, random_state=0).fit(*iris())


class Same:
    """No model: an array is answered with itself, to see what the way there and back costs."""

    def predict(self, rows: Any) -> Any:
        """Gives the rows."""
        return rows


MODELS: dict[str, Callable[[], Any]] = {"logistic": logistic, "forest": forest, "same": Same}


class Predictor:
    """The model that the environment names, trained at once."""

    def __init__(self) -> None:
        self.name = os.environ.get(MODEL, "logistic")
        self.model = MODELS[self.name]()

    def __call__(self, rows: Any) -> Any:
        """Predicts; gives an array."""
        import numpy as np

        return self.model.predict(np.asarray(rows, dtype=np.float32 if self.name == "same" else np.float64))
