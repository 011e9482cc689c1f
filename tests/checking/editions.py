"""What do the tests of the check share? An app in this process, in as many editions as there are changes to check."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chariots.checking import Report, check_pipelines
from chariots.ml import BaseMLOp, MLMode
from chariots.ml.serializers import BaseSerializer, DillSerializer
from chariots.op_store import BaseOpStoreClient
from chariots.pipelines import Pipeline
from chariots.pipelines.nodes import Node
from chariots.pipelines.ops import BaseOp
from chariots.pipelines.runners import SequentialRunner
from chariots.versioning import VersionedField, VersionedFieldDict, VersionType

__all__ = ["deploy", "edition", "judged", "train"]


def edition(
    *,
    limit: int = 100,
    parameters: Mapping[str, int] | None = None,
    speed: str = "slow",
    threshold: int = 2,
    mismatch_on: str = "major",
    embedding_learns: VersionType = VersionType.MAJOR,
    serializer: type[BaseSerializer] = DillSerializer,
) -> dict[str, Pipeline]:
    """The pipelines of one edition: an embedding and an intent model that reads it, trained apart.

    Args:
        limit: a major field of plain code upstream of both.
        parameters: major fields of the embedding.
        speed: a minor field of the embedding.
        threshold: a major field of the intent model.
        mismatch_on: what counts as a mismatch, for the embedding.
        embedding_learns: what a training of the embedding changes.
        serializer: how the intent model becomes bytes.
    """

    class Texts(BaseOp):
        def execute(self) -> list[float]:
            return [1.0, 2.0, 3.0, 10.0]

    class Clean(BaseOp):
        most = VersionedField(limit, VersionType.MAJOR)

        def execute(self, texts: Sequence[float]) -> list[float]:
            return [min(text, self.most) for text in texts]

    class Embedding(BaseMLOp):
        training_update_version = embedding_learns
        kept = VersionedFieldDict(VersionType.MAJOR, parameters or {"dimensions": 128})
        pace = VersionedField(speed, VersionType.MINOR)

        def _init_model(self, *_: Any) -> Any:
            return []

        def fit(self, texts: Sequence[float]) -> None:
            self._model = [sum(texts) / len(texts)]

        def predict(self, texts: Sequence[float]) -> list[float]:
            return [text - self._model[0] for text in texts]

    class Intent(BaseMLOp):
        serializer_cls = serializer
        share = VersionedField(threshold, VersionType.MAJOR)

        def _init_model(self, *_: Any) -> Any:
            return []

        def fit(self, embedded: Sequence[float]) -> None:
            self._model = [max(embedded) / self.share]

        def predict(self, embedded: Sequence[float]) -> list[bool]:
            return [value > self._model[0] for value in embedded]

    Embedding.mismatch_on = mismatch_on
    given, result = "__pipeline_input__", "__pipeline_output__"
    texts = Node(Texts(), output_nodes="texts")
    pipelines = [
        Pipeline(
            [texts, Node(Clean(), ["texts"], "cleaned"), Node(Embedding(MLMode.FIT), ["cleaned"])], "train_embedding"
        ),
        Pipeline(
            [
                texts,
                Node(Clean(), ["texts"], "cleaned"),
                Node(Embedding(MLMode.PREDICT), ["cleaned"], "embedded"),
                Node(Intent(MLMode.FIT), ["embedded"]),
            ],
            "train_intent",
        ),
        Pipeline(
            [
                Node(Clean(), [given], "cleaned"),
                Node(Embedding(MLMode.PREDICT), ["cleaned"], "embedded"),
                Node(Intent(MLMode.PREDICT), ["embedded"], result),
            ],
            "predict",
        ),
    ]
    return {pipeline.name: pipeline for pipeline in pipelines}


def train(store: BaseOpStoreClient, pipelines: Mapping[str, Pipeline], *names: str) -> None:
    """Loads, runs and saves pipelines, in order; both that train, if none are named."""
    for name in names or ("train_embedding", "train_intent"):
        if name != "train_embedding":
            pipelines[name].load(store)
        SequentialRunner().run(pipelines[name])
        pipelines[name].save(store)


def deploy(store: BaseOpStoreClient, pipelines: Mapping[str, Pipeline], name: str = "predict") -> dict[str, int]:
    """Loads a pipeline and remembers what it serves, as a server does."""
    versions = pipelines[name].load(store).loaded_versions
    store.record_deployment(name, versions)
    return versions


def judged(store: BaseOpStoreClient, pipelines: Mapping[str, Pipeline], **options: Any) -> Report:
    """The report on an edition."""
    return check_pipelines(list(pipelines.values()), store, **options)
