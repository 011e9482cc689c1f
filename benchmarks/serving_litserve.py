"""The model behind LitServe: ``python -m benchmarks.serving_litserve PORT``.

Its batching is on, unless a second word says ``alone``.
"""

from __future__ import annotations

import sys
from typing import Any

import litserve

from benchmarks.iris_apps import PATH
from benchmarks.models import THREADS, Predictor


class Iris(litserve.LitAPI):  # type: ignore[misc]  # untyped
    """At the top of a module, since LitServe sends it to a process of its own; hints would tell it how to parse."""

    def setup(self, device: Any) -> None:
        """Makes the model, once."""
        self.predictor = Predictor()

    def decode_request(self, request):
        """The rows of one request."""
        return request["pipeline_input"]

    def predict(self, rows: Any) -> Any:
        """What the model says."""
        return self.predictor(rows).tolist()

    def encode_response(self, output):
        """The answer to one request."""
        return {"pipeline_output": output}


class Batched(Iris):
    """Requests that run together."""

    def batch(self, inputs: list[Any]) -> Any:
        """The rows of all of them; each has one."""
        return [row for rows in inputs for row in rows]

    def unbatch(self, output: Any) -> Any:
        """What it says of each."""
        return [[one] for one in output]


if __name__ == "__main__":
    is_alone = "alone" in sys.argv[2:]
    api = Iris(api_path=PATH) if is_alone else Batched(max_batch_size=THREADS, batch_timeout=0.002, api_path=PATH)
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=1)
    server.run(
        host="127.0.0.1", port=int(sys.argv[1]), num_api_servers=1, log_level="error", generate_client_file=False
    )
