"""The model behind MLServer: ``python -m benchmarks.peers.mlserver_iris PORT``."""

from __future__ import annotations

import asyncio
import sys

from mlserver import MLModel, MLServer, ModelSettings, Settings
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse

from benchmarks.models import THREADS, Predictor
from benchmarks.servers import free_port


class Iris(MLModel):
    """The model, as its own runtime for scikit-learn has it, without what that needs beside."""

    async def load(self) -> bool:
        """Makes the model, once."""
        self.predictor = Predictor()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Predicts for one request, or for several that were put together."""
        found = self.predictor(NumpyCodec.decode_input(payload.inputs[0]))
        output = NumpyCodec.encode_output("species", found)
        return InferenceResponse(model_name=self.name, id=payload.id, outputs=[output])


async def main(port: int) -> None:
    """Serves until it is ended."""
    # No processes beside the one that answers.
    settings = Settings(
        host="127.0.0.1",
        http_port=port,
        grpc_port=free_port(),
        metrics_endpoint=None,
        metrics_port=free_port(),
        parallel_workers=0,
        debug=False,
        load_models_at_startup=False,
    )
    batched = ModelSettings(name="batched", implementation=Iris, max_batch_size=THREADS, max_batch_time=0.002)
    await MLServer(settings).start(models_settings=[batched, ModelSettings(name="alone", implementation=Iris)])


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
