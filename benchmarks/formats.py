"""What do the formats that run no code cost beside dill: in size, and in time to write and to read?

Every model is trained once; then each serializer that can keep it writes it and reads it, in turn with dill.

Run it with ``python -m benchmarks.formats``.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Mapping
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "jax")

import numpy as np
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from benchmarks.table import Row, interleaved, median, show
from chariots.ml.serializers import (
    BaseSerializer,
    DillSerializer,
    KerasSerializer,
    NumpySerializer,
    SafetensorsSerializer,
    SkopsSerializer,
)

GENERATOR = np.random.default_rng(0)


class ForestSerializer(SkopsSerializer):
    """Skops, told that the trees of scikit-learn are known."""

    trusted = ("sklearn.tree._tree.Tree",)


def linear() -> Any:
    """A classifier of a few kilobytes."""
    features = GENERATOR.normal(size=(2000, 20))
    return LogisticRegression().fit(features, features[:, 0] > 0)


def pca() -> Any:
    """A projection of about a megabyte."""
    return PCA(n_components=100).fit(GENERATOR.normal(size=(1000, 1000)))


def forest() -> Any:
    """A forest of about ten megabytes, in a hundred trees."""
    features = GENERATOR.normal(size=(10_000, 20))
    noisy = features[:, 0] + GENERATOR.normal(size=10_000) > 0
    return RandomForestClassifier(n_estimators=100, random_state=0, n_jobs=1).fit(features, noisy)


def network() -> Any:
    """A network of a million weights, with the state of its optimizer."""
    import keras

    layers = [keras.layers.Input((512,)), keras.layers.Dense(1024, "relu"), keras.layers.Dense(512)]
    model = keras.Sequential(layers)
    model.compile(optimizer="adam", loss="mse")
    model.fit(GENERATOR.normal(size=(64, 512)), GENERATOR.normal(size=(64, 512)), verbose=0)
    return model


def arrays() -> dict[str, np.ndarray[Any, Any]]:
    """Weights of 40 megabytes, as a dictionary of arrays."""
    return {f"layer{number}": GENERATOR.normal(size=(1000, 500)) for number in range(10)}


MODELS: dict[str, tuple[Callable[[], Any], tuple[type[BaseSerializer], ...]]] = {
    "logistic regression": (linear, (SkopsSerializer,)),
    "PCA, 1 MB": (pca, (SkopsSerializer,)),
    "forest of 100 trees": (forest, (ForestSerializer,)),
    "Keras network, 1M weights": (network, (KerasSerializer,)),
    "arrays, 40 MB": (arrays, (NumpySerializer, SafetensorsSerializer)),
}


def measured(model: Any, kinds: tuple[type[BaseSerializer], ...], rounds: int) -> dict[str, dict[str, float]]:
    """Size in bytes, and median seconds to write and to read, by format."""
    serializers = {(kind.format_name or kind.__name__): kind() for kind in kinds}
    written = {name: serializer.serialize_object(model) for name, serializer in serializers.items()}
    tasks: dict[str, Callable[[], float]] = {}
    for name, serializer in serializers.items():
        tasks[f"write {name}"] = _timed(serializer.serialize_object, model)
        tasks[f"read {name}"] = _timed(serializer.deserialize_object, written[name])
    interleaved(tasks, 1)  # what is paid once: imports, compiled code
    took = interleaved(tasks, rounds)
    return {
        name: {
            "size": float(len(written[name])),
            "write": median(took[f"write {name}"]),
            "read": median(took[f"read {name}"]),
        }
        for name in serializers
    }


def _timed(work: Callable[[Any], Any], given: Any) -> Callable[[], float]:
    def once() -> float:
        began = time.perf_counter()
        work(given)
        return time.perf_counter() - began

    return once


def main(short: bool = False) -> list[Row]:
    """Measures everything.

    Args:
        short: fewer rounds.

    Returns:
        three rows for each model and format.
    """
    rows = []
    for what, (make, kinds) in MODELS.items():
        found = measured(make(), (DillSerializer, *kinds), 3 if short else 11)
        dill = found.pop("dill")
        for name, numbers in found.items():
            rows += [_row(what, name, aspect, numbers, dill) for aspect in ("size", "write", "read")]
    return rows


def _row(what: str, name: str, aspect: str, safe: Mapping[str, float], dill: Mapping[str, float]) -> Row:
    scale, unit = (1e-3, "kB") if aspect == "size" else (1e3, "ms")
    note = f"{name} {safe[aspect] * scale:,.4g} {unit}, dill {dill[aspect] * scale:,.4g} {unit}"
    return Row("formats", f"{what}: {aspect} of {name} beside dill", safe[aspect] / dill[aspect], "x", note=note)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="fewer rounds")
    print(show(main(parser.parse_args().short)))
