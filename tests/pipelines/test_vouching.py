"""Does a save vouch for just those versions that learned with each other?"""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest

from chariots.errors import VersionError
from chariots.ml import BaseMLOp, MLMode
from chariots.op_store import BaseOpStoreClient
from chariots.pipelines import Pipeline
from chariots.pipelines.moments import next_moment
from chariots.pipelines.nodes import Node
from chariots.pipelines.ops import LoadableOp
from chariots.pipelines.runners import SequentialRunner
from chariots.testing import TestOpStoreClient
from chariots.versioning import Version, VersionType
from tests.pipelines.sample_ops import Double

INPUT, OUTPUT = "__pipeline_input__", "__pipeline_output__"
TRAIN, PREDICT = MLMode.FIT_PREDICT, MLMode.PREDICT


class Words(BaseMLOp):
    """Learns the number it is given; every training matters to those who read it."""

    training_update_version = VersionType.MAJOR

    def _init_model(self) -> list[int]:
        return [0]

    def fit(self, number: int) -> None:
        """Learns a number, unless it is negative."""
        if number < 0:
            raise ValueError("nothing to learn")
        self._model[0] = number

    def predict(self, number: int) -> int:
        """Adds what was learned."""
        return number + self._model[0]


class Intent(Words):
    """Reads the words."""

    def fit(self, number: int) -> None:
        """Learns a number, unless it is large."""
        if number > 100:
            raise ValueError("too much to learn")
        super().fit(number)


@pytest.fixture
def store(tmp_path: Path) -> BaseOpStoreClient:
    """A store in a folder."""
    return TestOpStoreClient(tmp_path)


def chain(*ops: object, name: str = "predict", mismatch_on: str | None = None) -> Pipeline:
    """A pipeline in which each op reads the one before."""
    last = len(ops) - 1
    nodes = [
        Node(op, [f"v{place - 1}" if place else INPUT], OUTPUT if place == last else f"v{place}")
        for place, op in enumerate(ops)
    ]
    return Pipeline(nodes, name, mismatch_on=mismatch_on)


def learned(store: BaseOpStoreClient, *between: object) -> list[int]:
    """What words and intents know that are loaded by a new process."""
    pipeline = chain(Words(PREDICT), *between, Intent(PREDICT)).load(store)
    return [node.op._model[0] for node in pipeline.pipeline_nodes if node.is_loadable]


@pytest.mark.parametrize("between", [[], [Double()]], ids=["directly", "with plain code between"])
def test_a_run_that_fails_half_way_makes_no_pair_of_the_new_and_the_old(store, between):
    training = chain(Words(TRAIN), *between, Intent(TRAIN), name="train")
    SequentialRunner().run(training, 1)
    training.save(store)
    first = learned(store, *between)
    with pytest.raises(ValueError, match="too much"):
        SequentialRunner().run(training, 99)
    training.save(store)
    assert learned(store, *between) == first
    assert len(store.get_all_versions_of_op("words")) == 2


def test_a_run_that_fails_before_anything_learned_takes_nothing_from_what_was_learned_together(store):
    training = chain(Words(TRAIN), Intent(TRAIN), name="train")
    SequentialRunner().run(training, 1)
    with pytest.raises(ValueError, match="nothing to learn"):
        SequentialRunner().run(training, -1)
    training.save(store)
    assert learned(store) == [1, 2]


def test_an_op_that_learned_alone_is_not_taken_for_the_one_its_reader_learned_with(store):
    words, intent = Words(TRAIN), Intent(TRAIN)
    training = chain(words, intent, name="train")
    SequentialRunner().run(training, 1)
    training.save(store)
    words.execute(50)
    training.save(store)
    assert learned(store) == [1, 2]
    intent.execute(100)
    training.save(store)
    assert learned(store) == [50, 100]


def test_an_op_that_another_pipeline_loaded_is_not_taken_for_the_one_its_reader_learned_with(store):
    words = Words(PREDICT)
    for number in (1, 50):
        training = chain(Words(TRAIN), name="train_words")
        SequentialRunner().run(training, number)
        training.save(store)
        if number == 1:
            reading = chain(words, Intent(TRAIN), name="train_intent").load(store)
            SequentialRunner().run(reading, 1)
    chain(words, name="words_alone").load(store)
    reading.save(store)
    with pytest.raises(VersionError, match="intent"):
        learned(store)


def test_copies_know_with_what_they_learned(store):
    training = chain(Words(TRAIN), Intent(TRAIN), name="train")
    SequentialRunner().run(training, 1)
    copied = training.clone()
    copied.save(store)
    assert learned(store) == [1, 2]
    words, intent = (copy.deepcopy(node.op) for node in training.pipeline_nodes)
    words.execute(7)
    assert words.has_changed_since(intent)
    assert not intent.has_changed_since(words)


class Table(LoadableOp):
    """An op of one's own that never tells whether it has learned; what it holds is a patch of its version."""

    def __init__(self, held: int) -> None:
        super().__init__()
        self.held = held

    def execute(self, number: int) -> int:
        """Adds what it holds."""
        return number + self.held

    @property
    def op_version(self) -> Version:
        """Changed by what it holds."""
        return self.__version__ + Version().update_patch(str(self.held).encode())

    def serialize(self) -> bytes:
        """Returns what it holds."""
        return json.dumps(self.held).encode()

    def load(self, serialized_object: bytes) -> None:
        """Takes over what another held."""
        self.held = json.loads(serialized_object)


class Index(Table):
    """Reads the table."""


def held(pipeline: Pipeline) -> list[int]:
    """What the ops of a pipeline hold."""
    return [node.op.held for node in pipeline.pipeline_nodes]


def test_ops_of_ones_own_that_were_only_loaded_vouch_for_nothing(store):
    chain(Table(1), Index(1), name="fill").save(store)
    chain(Table(2), name="fill_table").save(store)
    loaded = chain(Table(0), Index(0)).load(store)
    assert held(loaded) == [2, 1]  # a patch apart
    loaded.save(store)
    assert held(chain(Table(0), Index(0), mismatch_on="patch").load(store)) == [1, 1]
    loaded.pipeline_nodes[1].op.held = 3
    loaded.save(store)
    assert held(chain(Table(0), Index(0), mismatch_on="patch").load(store)) == [2, 3]


def test_moments_only_grow_when_the_clock_is_put_back(monkeypatch):
    before = next_moment()
    monkeypatch.setattr("time.time_ns", lambda: before - 3_600_000_000_000)
    assert before < next_moment() < next_moment()
