"""The model behind Ray Serve: ``python -m benchmarks.peers.ray_iris PORT``."""

from __future__ import annotations

import signal
import sys
from typing import Any

import ray
from ray import serve
from starlette.requests import Request

from benchmarks.models import THREADS, Predictor


@serve.deployment(num_replicas=1, max_ongoing_requests=2 * THREADS, ray_actor_options={"num_cpus": 1})
class Batched:
    """Requests that run together."""

    def __init__(self) -> None:
        self.predictor = Predictor()

    @serve.batch(max_batch_size=THREADS, batch_wait_timeout_s=0.002)
    async def predict(self, flowers: list[Any]) -> list[Any]:
        """Predicts for several requests, each of one row."""
        return [[one] for one in self.predictor([row for rows in flowers for row in rows]).tolist()]

    async def __call__(self, request: Request) -> Any:
        """Answers a request."""
        return await self.predict(await request.json())


@serve.deployment(num_replicas=1, max_ongoing_requests=2 * THREADS, ray_actor_options={"num_cpus": 1})
class Alone:
    """Each request for itself."""

    def __init__(self) -> None:
        self.predictor = Predictor()

    async def __call__(self, request: Request) -> Any:
        """Answers a request."""
        return self.predictor(await request.json()).tolist()


if __name__ == "__main__":
    ray.init(num_cpus=2, include_dashboard=False, logging_level="error", log_to_driver=False)
    serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[1]), "access_log": False})
    serve.run(Batched.bind(), name="batched", route_prefix="/batched")
    serve.run(Alone.bind(), name="alone", route_prefix="/alone")
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
