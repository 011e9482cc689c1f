"""The iris model behind every server that chariots is measured beside; each reads and answers the same JSON."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.http_prediction import PATH, chariots_app, flask_app, iris

if TYPE_CHECKING:
    from flask import Flask

__all__ = ["Predictor", "chariots_app", "commands", "dispatched_app", "fastapi_app", "flask_app", "missing"]

HERE = "benchmarks.serving_apps"
THREADS = 64  # as many as there are clients at most
BIN = Path(sys.executable).parent


class Predictor:
    """The model, trained at once."""

    def __init__(self) -> None:
        from sklearn.decomposition import PCA
        from sklearn.linear_model import LogisticRegression

        measurements, species = iris()
        self._pca = PCA().fit(measurements)
        self._logistic = LogisticRegression().fit(self._pca.transform(measurements), species)

    def __call__(self, flowers: Any) -> Any:
        """Predicts; gives an array."""
        import numpy as np

        return self._logistic.predict(self._pca.transform(np.asarray(flowers)))


def dispatched_app() -> Flask:
    """Chariots, every request through Flask's dispatch."""
    app = chariots_app()
    app.fast_path = None  # type: ignore[attr-defined]  # as `fast_path=False` has it
    return app


def fastapi_app() -> Any:
    """FastAPI as its users write it for speed: a coroutine, which one process runs one after the other."""
    from fastapi import FastAPI
    from pydantic import BaseModel

    predict = Predictor()
    app = FastAPI()

    class Flowers(BaseModel):
        pipeline_input: list[list[float]]

    async def answer(flowers: Flowers) -> Any:
        return {"pipeline_output": predict(flowers.pipeline_input).tolist()}

    answer.__annotations__["flowers"] = Flowers  # the module's annotations are text, and the class is local
    app.post(PATH)(answer)
    return app


def commands(port: int) -> dict[str, list[str]]:
    """How each server is started on a port, by name."""
    python, bound = sys.executable, f"127.0.0.1:{port}"
    granian = [str(BIN / "granian"), "--interface=wsgi", "--factory", "--host=127.0.0.1", f"--port={port}"]
    granian += ["--workers=1", f"--blocking-threads={THREADS}", "--log-level=error"]
    gunicorn = [python, "-m", "gunicorn", "--workers=1", "--keep-alive=60", f"--bind={bound}", "--log-level=error"]
    ours = [f"--threads={THREADS}", "--worker-class=chariots.cli.patient_worker.PatientWorker"]  # as `chariots serve`
    uvicorn = [python, "-m", "uvicorn", "--factory", f"--port={port}", "--log-level=error", "--no-access-log"]
    return {
        "chariots on granian": [*granian, f"{HERE}:chariots_app"],
        "chariots serve": [*gunicorn, *ours, f"{HERE}:chariots_app()"],
        "chariots on granian, dispatched": [*granian, f"{HERE}:dispatched_app"],
        "Flask on gunicorn": [*gunicorn, "--threads=8", f"{HERE}:flask_app()"],
        "Flask on granian": [*granian, f"{HERE}:flask_app"],
        "FastAPI": [*uvicorn, f"{HERE}:fastapi_app"],
        "LitServe, batching": [python, "-m", "benchmarks.serving_litserve", str(port)],
    }


NEEDS = {
    "chariots on granian": "granian",
    "chariots on granian, dispatched": "granian",
    "Flask on granian": "granian",
    "FastAPI": "fastapi",
    "LitServe, batching": "litserve",
}


def missing(name: str) -> str | None:
    """The package that a server needs and that is not installed here."""
    needed = NEEDS.get(name)
    return None if needed is None or importlib.util.find_spec(needed) is not None else needed
