"""The model behind BentoML: ``python -m benchmarks.peers.bentoml_iris PORT``."""

import os
import sys

import bentoml
import numpy as np

from benchmarks.models import THREADS, Predictor

QUIET = {"metrics": {"enabled": False}, "logging": {"access": {"enabled": False}}}


@bentoml.service(workers=1, threads=THREADS, traffic={"timeout": 60}, **QUIET)
class Iris:
    """One process. BentoML reads the hints, so this module leaves them as objects, not as text."""

    def __init__(self) -> None:
        self.predictor = Predictor()

    @bentoml.api(batchable=True, max_batch_size=THREADS, max_latency_ms=10_000)
    def batched(self, flowers: np.ndarray) -> np.ndarray:
        """Predicts for several requests at once."""
        return self.predictor(flowers)

    @bentoml.api
    def alone(self, flowers: np.ndarray) -> np.ndarray:
        """Predicts for one request."""
        return self.predictor(flowers)


if __name__ == "__main__":
    command = [sys.executable, "-m", "bentoml", "serve", "benchmarks.peers.bentoml_iris:Iris"]
    os.execv(sys.executable, [*command, "--host=127.0.0.1", f"--port={sys.argv[1]}"])
