"""What do the tests of the check share? A project on disk, in as many editions as there are changes to check."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.cli.programs import run

__all__ = ["train", "write_project"]

OPS = """
from chariots.ml import BaseMLOp
from chariots.pipelines.ops import BaseOp, LoadableOp
from chariots.versioning import VersionedField, VersionedFieldDict, VersionType

from shop.helpers import scaled


class Texts(BaseOp):
    def execute(self):
        return [1.0, 2.0, 3.0, 10.0]


class Clean(BaseOp):
    limit = VersionedField(100, VersionType.MAJOR)
    label = VersionedField("clean", VersionType.PATCH)

    def execute(self, texts):
        return [min(scaled(text), self.limit) for text in texts]


class Embedding(BaseMLOp):
    training_update_version = VersionType.MAJOR
    parameters = VersionedFieldDict(VersionType.MAJOR, {"dimensions": 128})
    speed = VersionedField("slow", VersionType.MINOR)

    def _init_model(self):
        return []

    def fit(self, texts):
        self._model = [sum(texts) / len(texts)]

    def predict(self, texts):
        return [text - self._model[0] for text in texts]


class Intent(BaseMLOp):
    threshold = VersionedField(2, VersionType.MAJOR)

    def _init_model(self):
        return []

    def fit(self, embedded):
        self._model = [max(embedded) / self.threshold]

    def predict(self, embedded):
        return ["ask" if value > self._model[0] else "tell" for value in embedded]
"""

HELPERS = """
def scaled(text):
    return text * 1.0
"""

APP = """
import os

from chariots.ml import MLMode
from chariots.op_store import OpStoreClient
from chariots.pipelines import Pipeline
from chariots.pipelines.nodes import Node
from chariots.serving import PipelinesServer

from shop.ops import Clean, Embedding, Intent, Texts

print("the shop opens")  # what an app prints must not get into a report

train_embedding = Pipeline(
    [
        Node(Texts(), output_nodes="texts"),
        Node(Clean(), input_nodes=["texts"], output_nodes="cleaned"),
        Node(Embedding(MLMode.FIT), input_nodes=["cleaned"]),
    ],
    "train_embedding",
)
train_intent = Pipeline(
    [
        Node(Texts(), output_nodes="texts"),
        Node(Clean(), input_nodes=["texts"], output_nodes="cleaned"),
        Node(Embedding(MLMode.PREDICT), input_nodes=["cleaned"], output_nodes="embedded"),
        Node(Intent(MLMode.FIT), input_nodes=["embedded"]),
    ],
    "train_intent",
)
predict = Pipeline(
    [
        Node(Clean(), input_nodes=["__pipeline_input__"], output_nodes="cleaned"),
        Node(Embedding(MLMode.PREDICT), input_nodes=["cleaned"], output_nodes="embedded"),
        Node(Intent(MLMode.PREDICT), input_nodes=["embedded"], output_nodes="__pipeline_output__"),
    ],
    "predict",
)
pipelines = [train_intent, train_embedding, predict]
store = OpStoreClient(os.environ.get("SHOP_STORE", "http://127.0.0.1:9"))
app = PipelinesServer(pipelines, op_store_client=store, import_name="shop")
"""

# Trains everything and puts it into service, as the project's operators would.
TRAIN = """
from chariots.testing import TestPipelinesClient
from shop.app import app

client = TestPipelinesClient(app)
for name in ("train_embedding", "train_intent"):
    if name == "train_intent":
        client.load_pipeline(name)
    client.call_pipeline(name)
    client.save_pipeline(name)
client.load_pipeline("predict")
assert client.call_pipeline("predict", [0.0, 9.0]).value == ["tell", "ask"]
"""


def write_project(folder: Path, **edits: tuple[str, str]) -> Path:
    """Writes an edition of the project.

    Args:
        folder: where to; it is made.
        **edits: for ``ops``, ``helpers`` or ``app``, what to replace by what, as the change of a branch would.

    Returns:
        the folder, in which ``shop.app:app`` can be imported.
    """
    package = folder / "shop"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    for name, text in (("ops", OPS), ("helpers", HELPERS), ("app", APP)):
        before, after = edits.get(name, ("", ""))
        assert before in text
        (package / f"{name}.py").write_text(text.replace(before, after) if before else text)
    (folder / "train.py").write_text(TRAIN)
    return folder


def train(folder: Path, store: str) -> None:
    """Trains an edition of the project in a process of its own, and puts it into service."""
    done = run([sys.executable, "train.py"], folder, SHOP_STORE=store)
    assert done.returncode == 0, done.stdout + done.stderr
