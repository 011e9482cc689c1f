"""Does a pipeline that is saved under a key count once, on stores that know keys and on those that do not?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from chariots.errors import AlreadySavedError
from chariots.op_store.clients.local import LocalOpStoreClient
from chariots.pipelines import Pipeline
from chariots.pipelines.nodes import Node
from chariots.pipelines.ops import LoadableOp
from chariots.pipelines.store import OpStoreProtocol, SaveKey, VersionRecord
from chariots.testing import TestOpStoreClient


class Learned(LoadableOp):
    """An op with something to keep, unless it is told that it has not learned yet."""

    def __init__(self, is_ready: bool = True) -> None:
        super().__init__()
        self._is_ready = is_ready

    @property
    def is_ready(self) -> bool:
        return self._is_ready

    def execute(self) -> str:
        return "learned"

    def serialize(self) -> bytes:
        return b"42"

    def load(self, serialized_object: bytes) -> None:
        pass


def pipeline(is_ready: bool = True) -> Pipeline:
    """A pipeline with one op."""
    return Pipeline([Node(Learned(is_ready), output_nodes="__pipeline_output__")], "train")


def test_a_pipeline_may_be_saved_again_by_the_same_attempt(tmp_path: Path) -> None:
    store = TestOpStoreClient(str(tmp_path))
    for _ in range(2):
        pipeline().save(store, once=SaveKey("job", 1))
    assert store.saved_attempt("job") == 1
    assert len(store.versions("learned")) == 1


def test_another_attempt_is_refused(tmp_path: Path) -> None:
    store = TestOpStoreClient(str(tmp_path))
    pipeline().save(store, once=SaveKey("job", 1))
    with pytest.raises(AlreadySavedError):
        pipeline().save(store, once=SaveKey("job", 2))


def test_a_pipeline_that_has_nothing_to_save_leaves_its_key(tmp_path: Path) -> None:
    store = TestOpStoreClient(str(tmp_path))
    pipeline(is_ready=False).save(store, once=SaveKey("job", 1))
    assert store.saved_attempt("job") == 1


class Earlier(LocalOpStoreClient):
    """A store as it was before there were keys."""

    def commit_save(  # type: ignore[override]
        self, pipeline: str, last_op: str, versions: Sequence[VersionRecord], links: Sequence[tuple[str, str]]
    ) -> Mapping[str, int]:
        return super().commit_save(pipeline, last_op, versions, links)


def test_a_store_that_knows_no_keys_keeps_working(tmp_path: Path) -> None:
    store = Earlier(TestOpStoreClient(str(tmp_path)).server)
    pipeline().save(store, once=SaveKey("job", 1))
    assert len(store.versions("learned")) == 1


def test_a_store_that_hands_on_whatever_it_is_given_is_given_the_key(tmp_path: Path) -> None:
    inner = TestOpStoreClient(str(tmp_path))

    class Wrapper(LocalOpStoreClient):
        def commit_save(self, *given: Any, **named: Any) -> Mapping[str, int]:
            return inner.commit_save(*given, **named)

    pipeline().save(Wrapper(inner.server), once=SaveKey("job", 1))
    assert inner.saved_attempt("job") == 1


def test_a_store_without_keys_has_none() -> None:
    class Plain(OpStoreProtocol):
        pass

    assert Plain().saved_attempt("job") is None
