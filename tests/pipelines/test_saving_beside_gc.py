"""Is a save whole that names bytes just as `gc` deletes them?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from chariots.errors import ConflictError
from chariots.op_store import LocalOpStoreClient
from chariots.op_store.blobs import blob_path
from chariots.pipelines import Pipeline
from chariots.pipelines.nodes import Node
from chariots.pipelines.ops import LoadableOp
from chariots.pipelines.store import VersionRecord
from chariots.testing import TestOpStoreClient


class Kept(LoadableOp):
    """An op whose state is two bytes."""

    def execute(self) -> str:
        return "kept"

    def serialize(self) -> bytes:
        return b"42"

    def load(self, serialized_object: bytes) -> None:
        pass


class Deleting(LocalOpStoreClient):
    """A client whose first commits find the bytes deleted."""

    times = 1

    def commit_save(
        self, pipeline: str, last_op: str, versions: Sequence[VersionRecord], *rest: Any, **named: Any
    ) -> Mapping[str, int]:
        if self.times:
            self.times -= 1
            self.server.saver.delete(blob_path(str(versions[0].sha256)))
        return super().commit_save(pipeline, last_op, versions, *rest, **named)


@pytest.fixture
def store(tmp_path: Path) -> Deleting:
    return Deleting(TestOpStoreClient(str(tmp_path)).server)


def saved() -> Pipeline:
    return Pipeline([Node(Kept(), output_nodes="__pipeline_output__")], "keep")


def test_bytes_that_were_deleted_meanwhile_are_sent_again(store: Deleting) -> None:
    saved().save(store)
    (version,) = store.versions("kept")
    assert store.read_version(version) == b"42"


def test_a_save_does_not_try_for_ever(store: Deleting) -> None:
    store.times = 2
    with pytest.raises(ConflictError, match="send the bytes first"):
        saved().save(store)
    assert store.ops() == []
