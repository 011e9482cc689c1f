"""What does a load get when the bytes of an op were cut, changed or swapped for somebody else's? (never the bytes)"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

from chariots.errors import DamagedError, UntrustedError
from chariots.ml import BaseMLOp, MLMode
from chariots.nodes import Node
from chariots.op_store import BaseOpStoreClient, OpStoreClient, Trust
from chariots.op_store.trusting.keys import new_keys
from chariots.pipelines import Pipeline
from chariots.pipelines.questions import questions
from chariots.pipelines.runners import SequentialRunner
from tests.faults.counting import counted
from tests.op_store.support import blob_files, file_store
from tests.op_store.support import serving as serving_over_http

EXECUTED: list[str] = []


def leave_mark(text: str) -> None:
    """What the bytes of these tests do where somebody unpickles them."""
    EXECUTED.append(text)


class Marker:
    """Something that leaves a mark when it is unpickled: harmless, and it shows what another might have done."""

    def __init__(self, mark: str) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return leave_mark, (self.mark,)


class Counting(BaseMLOp):
    """An op that learns how much it has seen."""

    def fit(self, value: int) -> None:
        """Learns."""
        self._model = self._model + value

    def predict(self, value: int) -> int:
        """Tells."""
        return int(self._model) + value

    def _init_model(self) -> int:
        return 0


def cut(data: bytes) -> bytes:
    """Loses the last byte."""
    return data[:-1]


def flip(data: bytes) -> bytes:
    """Changes one bit."""
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


def swap(data: bytes) -> bytes:
    """Becomes something that does as it likes when it is loaded."""
    return pickle.dumps(Marker("a swapped blob"))


def train(client: BaseOpStoreClient, value: int, model: object = None) -> None:
    """Trains an op once and saves it, with another model in its place where one is given."""
    op = Counting(mode=MLMode.FIT)
    pipeline = Pipeline([Node(op, input_nodes=["__pipeline_input__"])], "train")
    SequentialRunner().run(pipeline, value)
    if model is not None:
        op._model = model
    pipeline.save(client)


def serving() -> tuple[Counting, Pipeline]:
    """The op that loads what was trained, and the pipeline it is in."""
    op = Counting(mode=MLMode.PREDICT)
    node = Node(op, input_nodes=["__pipeline_input__"], output_nodes="__pipeline_output__")
    return op, Pipeline([node], "predict")


def answer(pipeline: Pipeline) -> object:
    """What the pipeline makes of ten."""
    return SequentialRunner().run(pipeline, 10)


@pytest.fixture(autouse=True)
def nothing_executed() -> None:
    """Starts every test without a mark."""
    EXECUTED.clear()


NAMES = {cut: "truncated", flip: "flipped", swap: "swapped"}


@pytest.mark.parametrize("damage", NAMES)
def test_a_damaged_op_is_refused_by_name_and_an_older_one_still_loads(
    folder: Path, kind: str, damage: Callable[[bytes], bytes]
) -> None:
    store = file_store(folder)
    client = store.client()
    train(client, 1)
    older = {path.name for path in blob_files(folder)}
    train(client, 2)
    (newer,) = [path for path in blob_files(folder) if path.name not in older]
    newer.write_bytes(damage(newer.read_bytes()))
    op, pipeline = serving()
    with counted(f"{NAMES[damage]} blob ({kind})"):
        with pytest.raises(DamagedError, match=r"'counting' version number 2") as caught:
            pipeline.load(client)
        assert caught.value.status == 422
        assert not op.is_ready
        found = client.resolve("predict", *questions(pipeline), {"counting": 1})
        op.load(client.read_version(found.versions["counting"]))
        assert answer(pipeline) == 11
        newer.unlink()
        train(client, 2)
        assert answer(serving()[1].load(client)) == 12
    assert EXECUTED == []
    store.registry.database.engine.dispose()


ALICE, ALICE_PUBLIC = new_keys("alice")
MALLORY, _ = new_keys("alice")  # who says that she is Alice
WRITERS = {"nobody": Trust(), "somebody else": Trust(signing_key=MALLORY)}
READERS = {
    "signatures": Trust(verify_keys=[ALICE_PUBLIC]),
    "formats": Trust(trusted_formats=["skops"]),
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("writer", WRITERS)
def test_hostile_bytes_are_never_executed_where_anything_is_checked(
    folder: Path, kind: str, writer: str, reader: str
) -> None:
    store = file_store(folder)
    with serving_over_http(store) as url, counted(f"hostile bytes signed by {writer}, {reader} checked ({kind})"):
        train(OpStoreClient(url, trust=WRITERS[writer]), 1, Marker("hostile bytes"))
        op, pipeline = serving()
        with pytest.raises(UntrustedError) as caught:
            pipeline.load(OpStoreClient(url, trust=READERS[reader]))
        assert caught.value.status == 403
        assert not op.is_ready
        assert EXECUTED == []
    store.registry.database.engine.dispose()


@pytest.mark.parametrize("kind", ["SQLite"], indirect=True)
def test_the_mark_would_be_seen_where_nothing_is_checked(folder: Path) -> None:
    client = file_store(folder).client()
    train(client, 1, Marker("hostile bytes"))
    serving()[1].load(client)
    assert EXECUTED == ["hostile bytes"]
