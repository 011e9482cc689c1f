"""Does `mismatch_on` decide which saved versions a pipeline takes, and is a refused load told as a tree?"""

from __future__ import annotations

import json
import shlex
from typing import ClassVar

import pytest

from chariots.errors import VERSION_HINT, UnknownNameError, VersionError
from chariots.op_store import BaseOpStoreClient, OpStoreServer
from chariots.op_store.savers import FileSaver
from chariots.pipelines import Pipeline
from chariots.pipelines.loading import load_pipeline
from chariots.pipelines.mismatch import level, strictest
from chariots.pipelines.nodes import Node
from chariots.pipelines.ops import LoadableOp
from chariots.pipelines.questions import questions
from chariots.pipelines.runners import SequentialRunner
from chariots.pipelines.store import Level
from chariots.versioning import Version, VersionedField, VersionType
from tests.pipelines.sample_ops import AddOne, Double

INPUT, OUTPUT = "__pipeline_input__", "__pipeline_output__"


class Learner(LoadableOp):
    """Learns what it is given; what it learned counts in `counts_in`."""

    counts_in: ClassVar[VersionType] = VersionType.MAJOR
    has_learned = False

    def __init__(self, *, training: bool = False) -> None:
        super().__init__()
        self.training, self.learned = training, 0

    def execute(self, number: int) -> int:
        """Adds what it learned."""
        if self.training:
            self.learned, self.has_learned = number, True
        return number + self.learned

    @property
    def allow_version_change(self) -> bool:
        """A training may start from any version."""
        return self.training

    @property
    def needs_loading(self) -> bool:
        """A prediction needs a training."""
        return not self.training

    @property
    def op_version(self) -> Version:
        """Changed by every training."""
        return self.__version__ + Version().update(self.counts_in, str(self.learned).encode())

    def serialize(self) -> bytes:
        """Returns what it learned."""
        return json.dumps(self.learned).encode()

    def load(self, serialized_object: bytes) -> None:
        """Takes over what another learned."""
        self.learned, self.has_learned = json.loads(serialized_object), False


class Words(Learner):
    """Learns, in the minor version."""

    counts_in = VersionType.MINOR


class StrictWords(Words):
    """The same, for readers that mind."""

    mismatch_on = VersionType.MINOR
    name = "words"


class Intent(Learner):
    """Reads the words."""


@pytest.fixture
def store(tmp_path) -> BaseOpStoreClient:
    """A store in a folder."""
    return OpStoreServer(FileSaver(tmp_path / "ops"), f"sqlite:///{tmp_path}/db.sqlite").client()


def chain(*ops, name="predict", mismatch_on=None) -> Pipeline:
    """A pipeline in which each op reads the one before."""
    last = len(ops) - 1
    nodes = [
        Node(op, [f"v{place - 1}" if place else INPUT], OUTPUT if place == last else f"v{place}")
        for place, op in enumerate(ops)
    ]
    return Pipeline(nodes, name, mismatch_on=mismatch_on)


def train(store, *ops, value) -> None:
    """Trains ops together, and saves them."""
    pipeline = chain(*ops, name="train")
    SequentialRunner().run(pipeline, value)
    pipeline.save(store)


def learned(pipeline) -> list[int]:
    """What each op of a pipeline knows."""
    return [node.op.learned for node in pipeline.pipeline_nodes]


def retrained_words(store) -> None:
    """Words and intents trained together, then the words alone."""
    train(store, Words(training=True), Intent(training=True), value=1)
    train(store, Words(training=True), value=5)


def test_a_minor_change_upstream_does_not_matter_by_default(store):
    retrained_words(store)
    assert learned(chain(Words(), Intent()).load(store)) == [5, 2]


def test_a_minor_change_upstream_matters_where_the_op_says_so(store):
    retrained_words(store)
    assert learned(chain(StrictWords(), Intent()).load(store)) == [1, 2]


@pytest.mark.parametrize("setting", ["minor", VersionType.MINOR, "patch"])
def test_a_minor_change_upstream_matters_where_the_pipeline_says_so(store, setting):
    retrained_words(store)
    assert learned(chain(Words(), Intent(), mismatch_on=setting).load(store)) == [1, 2]


def test_a_nested_pipeline_is_as_strict_as_the_one_around_it(store):
    retrained_words(store)
    inner = chain(Words(), name="inner")
    nodes = [Node(inner, [INPUT], "x"), Node(Intent(), ["x"], OUTPUT)]
    outer = Pipeline(nodes, "predict", mismatch_on="minor").load(store)
    assert outer.ops[0].learned == 1


@pytest.mark.parametrize(("upstream", "fits"), [(Words, True), (StrictWords, False)])
def test_a_node_asked_by_itself_minds_what_the_op_before_it_says(store, upstream: type[Words], fits: bool):
    retrained_words(store)
    train(store, Words(training=True), Intent(training=True), value=1)
    words, reader = upstream(), Node(Intent(), ["x"])
    words.learned = 5
    if fits:
        reader.check_version_compatibility(Node(words), store)
    else:
        with pytest.raises(VersionError, match="'intent' does not accept"):
            reader.check_version_compatibility(Node(words), store)
    words.learned = 1
    reader.check_version_compatibility(Node(words), store)


def declared(value: int, affects: VersionType) -> Learner:
    """An op of a class with one declared field."""

    class Tuned(Learner):
        depth = VersionedField(value, affects)

    return Tuned()


@pytest.mark.parametrize(("asked", "is_loaded"), [("major", True), ("minor", False), ("patch", False)])
def test_a_minor_change_of_the_code_is_a_mismatch_where_minor_is_asked_for(store, asked: Level, is_loaded: bool):
    saved = declared(3, VersionType.MINOR)
    saved.training = True
    train(store, saved, value=1)
    pipeline = chain(declared(5, VersionType.MINOR), mismatch_on=asked)
    if is_loaded:
        assert learned(pipeline.load(store)) == [1]
        return
    with pytest.raises(VersionError, match=r"changed: depth: 3 -> 5 \(minor\)"):
        pipeline.load(store)


def test_the_stricter_of_op_and_pipeline_holds():
    ops = [StrictWords(), Words()]
    for setting, expected in ((None, ["minor", "major"]), ("major", ["minor", "major"]), ("patch", ["patch", "patch"])):
        pipelines = [chain(op, mismatch_on=setting) for op in ops]
        assert [questions(pipeline)[0][0].mismatch_on for pipeline in pipelines] == expected
    assert strictest() == "major"
    assert strictest(None, "minor", VersionType.MAJOR) == "minor"


def test_a_setting_that_is_no_subversion_is_refused():
    with pytest.raises(ValueError, match="mismatch_on='mayor'"):
        chain(AddOne(), mismatch_on="mayor")
    with pytest.raises(ValueError, match="mismatch_on=7"):
        level(7)


def test_what_a_pipeline_asks_carries_fields_and_fingerprint_of_its_ops():
    nodes, edges = questions(chain(Double(), declared(3, VersionType.MINOR)))
    assert edges == [("double", "tuned")]
    assert [node.role for node in nodes] == ["code", "load"]
    assert nodes[1].fields["depth"]["value"] == "3"
    assert nodes[1].fields["depth"]["affects"] == "minor"
    assert all(node.fingerprint is not None and len(node.fingerprint) == 64 for node in nodes)


def test_the_fingerprint_of_a_class_is_computed_once_and_never_for_a_prediction():
    class Counted(AddOne):
        asked: ClassVar[list[str]] = []

        @property
        def code_fingerprint(self):
            self.asked.append("once")
            return "f" * 64

    pipeline = chain(Counted(), AddOne())
    SequentialRunner().run(pipeline, 1)
    assert Counted.asked == []
    for _ in range(3):
        questions(pipeline)
        questions(chain(Counted()))
    assert Counted.asked == ["once"]


def test_a_refusal_is_a_tree_of_all_broken_links_with_the_ways_out(store):
    train(store, Double(), Intent(training=True), value=10)

    class Changed(Double):
        factor = VersionedField(3, VersionType.MAJOR)
        name = "double"

    with pytest.raises(VersionError) as caught:
        chain(Changed(), Intent(), Words()).load(store)
    lines = str(caught.value).splitlines()
    assert lines[0] == VERSION_HINT
    assert lines[1] == "pipeline 'predict' was not loaded, because not all of its ops fit together:"
    text = "\n".join(lines)
    assert "words\n└─ has no saved version\n   └─ cause: missing" in text
    assert "intent\n└─ does not fit 'double'\n   ├─ trained with: version" in text
    assert "   ├─ runs now: code" in text
    assert "cause: code ('double': what its code declares changed)" in text
    assert "- retrain: load, run and save the pipeline that trains 'words', 'train'; then load 'predict' again" in text
    assert "- roll back or pin: `chariots rollback predict`" in text
    assert "`chariots accept predict double intent --reason ...`" in text


def test_plain_code_that_changed_together_with_the_op_behind_it_is_told_too(store):
    class Tuned(Intent):
        depth = VersionedField(7, VersionType.MAJOR)
        name = "intent"

    class Changed(Double):
        factor = VersionedField(3, VersionType.MAJOR)
        name = "double"

    train(store, Double(), Intent(training=True), value=10)
    with pytest.raises(VersionError) as caught:
        chain(AddOne(), Changed(), Tuned()).load(store)
    text = str(caught.value)
    assert "intent\n├─ has no version saved by this code" in text
    assert "changed: depth: (not declared) -> 7 (major)" in text
    assert "└─ does not fit 'double'" in text
    assert "changed: factor: 2 -> 3 (major)" in text
    assert len(caught.value.extra["refusals"]) == 2
    assert "chariots accept" not in text  # there is no version of it that could accept anything
    with pytest.raises(VersionError) as caught:
        chain(Double(), Tuned()).load(store)
    assert len(caught.value.extra["refusals"]) == 1


def test_the_commands_of_a_refusal_can_be_run_whatever_the_names_are(store):
    def named(last: Intent, name: str) -> Pipeline:
        nodes = [Node(Double(), [INPUT], "x", name="to double"), Node(last, ["x"], OUTPUT, name="$(halt)")]
        return Pipeline(nodes, name)

    class Changed(Double):
        factor = VersionedField(3, VersionType.MAJOR)

    training = named(Intent(training=True), "train")
    SequentialRunner().run(training, 10)
    training.save(store)
    nodes = [Node(Changed(), [INPUT], "x", name="to double"), Node(Intent(), ["x"], OUTPUT, name="$(halt)")]
    with pytest.raises(VersionError) as caught:
        Pipeline(nodes, "my pipeline").load(store)
    commands = [shlex.split(command) for command in str(caught.value).split("`")[1::2]]
    assert commands == [
        ["chariots", "rollback", "my pipeline"],
        ["chariots", "promote", "my pipeline"],
        ["chariots", "accept", "my pipeline", "to double", "$(halt)", "--reason", "..."],
    ]


def test_a_refusal_tells_how_a_store_gets_to_know_the_pipeline_that_its_commands_name(store):
    train(store, Intent(training=True), value=1)

    class Changed(Intent):
        depth = VersionedField(2, VersionType.MAJOR)
        name = "intent"

    pipeline = chain(Changed())
    with pytest.raises(VersionError, match="save it there first"):
        pipeline.load(store)
    with pytest.raises(UnknownNameError, match="knows no pipeline"):
        store.history("predict")
    pipeline.save(store)
    assert store.history("predict") == []


def test_a_refusal_can_be_read_by_programs(store):
    with pytest.raises(VersionError) as caught:
        chain(Words()).load(store)
    (problem,) = caught.value.extra["problems"]
    assert "'words' was never trained" in problem
    (refusal,) = json.loads(json.dumps(caught.value.extra["refusals"]))
    assert (refusal["node"], refusal["cause"], refusal["sentence"]) == ("words", "missing", problem)


def test_a_load_that_could_take_nothing_new_says_why_and_changes_nothing(store):
    train(store, Intent(training=True), Learner(training=True), value=1)
    pipeline = chain(Intent(), Learner()).load(store)
    assert learned(pipeline.load(store)) == [1, 2]
    train(store, Intent(training=True), value=5)
    with pytest.raises(VersionError, match="keeps the versions it has"):
        pipeline.load(store)
    assert learned(pipeline) == [1, 2]
    fresh = chain(Intent(), Learner()).load(store)
    assert fresh.loaded_versions == pipeline.loaded_versions
    with pytest.raises(VersionError, match="cause: data"):
        load_pipeline(chain(Intent(), Learner()), store, present=pipeline.loaded)


def test_a_load_goes_on_to_the_newest_set_that_fits_even_if_newer_versions_do_not(store):
    train(store, Intent(training=True), Learner(training=True), value=1)
    pipeline = chain(Intent(), Learner()).load(store)
    train(store, Intent(training=True), Learner(training=True), value=5)
    train(store, Intent(training=True), value=9)
    assert learned(pipeline.load(store)) == [5, 10]
