"""The model behind MLflow: ``python -m benchmarks.peers.mlflow_iris PORT``."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import mlflow

from benchmarks.models import Predictor


class Iris(mlflow.pyfunc.PythonModel):
    """The model, as MLflow serves any code."""

    def load_context(self, context: Any) -> None:
        """Makes the model, once."""
        self.predictor = Predictor()

    def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
        """Predicts; without hints, which MLflow would check the input by."""
        return self.predictor(model_input)


if __name__ == "__main__":
    from benchmarks.peers.mlflow_iris import Iris as Importable

    folder = str(Path(tempfile.mkdtemp(prefix="chariots-benchmark-")) / "iris")
    mlflow.pyfunc.save_model(folder, python_model=Importable(), pip_requirements=["mlflow", "scikit-learn"])
    command = [sys.executable, "-m", "mlflow", "models", "serve", "--model-uri", folder, "--env-manager=local"]
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # it looks for uvicorn there
    os.execv(sys.executable, [*command, "--host=127.0.0.1", f"--port={sys.argv[1]}", "--workers=1"])
