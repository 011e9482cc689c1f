"""Does a plan of trainings name every pipeline that has to run, once, after what it needs?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chariots.checking.asking import Asked
from chariots.checking.retraining import Training, plan_training
from chariots.pipelines.store import NodeQuery
from chariots.versioning import Version

TEXT = str(Version(creation_time=1.0))


def pipeline(name: str, roles: Mapping[str, Any], *edges: tuple[str, str], mismatch_on: Any = "major") -> Asked:
    """A pipeline of nodes with the given roles."""
    nodes = {node: NodeQuery(node, role, TEXT, TEXT, mismatch_on) for node, role in roles.items()}
    return Asked(name, nodes, edges)


def plan(pipelines: list[Asked], *needed: str, **changes: Any) -> Training:
    """The plan where every training changes the given subversions, major ones by default."""
    names = {node for one in pipelines for node in one.nodes}
    return plan_training(pipelines, needed, {name: changes.get(name, ("major",)) for name in names}, {})


def order(training: Training) -> list[str]:
    return [step.pipeline for step in training.steps]


TRAIN_A = pipeline("train a", {"a": "retrain"})
TRAIN_B = pipeline("train b", {"a": "load", "b": "retrain"}, ("a", "b"))
TRAIN_C = pipeline("train c", {"a": "load", "c": "retrain"}, ("a", "c"))
TRAIN_D = pipeline("train d", {"b": "load", "c": "load", "d": "retrain"}, ("b", "d"), ("c", "d"))
SERVE = pipeline(
    "serve",
    {"a": "load", "b": "load", "c": "load", "d": "load"},
    ("a", "b"),
    ("a", "c"),
    ("b", "d"),
    ("c", "d"),
)


def test_a_diamond_is_trained_from_its_top_to_its_bottom() -> None:
    found = plan([SERVE, TRAIN_D, TRAIN_C, TRAIN_B, TRAIN_A], "a")
    assert order(found) == ["train a", "train b", "train c", "train d"]
    assert found.stale == {("a", "b"), ("a", "c"), ("b", "d"), ("c", "d")}
    assert list(found.steps[-1].loads) == ["b", "c"]


def test_nothing_upstream_of_the_change_is_trained() -> None:
    assert order(plan([SERVE, TRAIN_D, TRAIN_C, TRAIN_B, TRAIN_A], "b")) == ["train b", "train d"]


def test_readers_that_do_not_mind_the_change_are_left_alone() -> None:
    found = plan([SERVE, TRAIN_B, TRAIN_A], "a", a=("patch",))
    assert (order(found), found.stale) == (["train a"], set())


def test_an_op_that_minds_patches_says_so_for_its_readers() -> None:
    serve = pipeline("serve", {"a": "load", "b": "load"}, ("a", "b"), mismatch_on="patch")
    assert order(plan([serve, TRAIN_B, TRAIN_A], "a", a=("patch",))) == ["train a", "train b"]


def test_one_pipeline_that_trains_both_runs_once() -> None:
    both = pipeline("train both", {"a": "retrain", "b": "retrain"}, ("a", "b"))
    found = plan([SERVE, both], "b")
    assert order(found) == ["train both"]
    assert list(found.steps[0].trains) == ["a", "b"]
    assert ("a", "c") in found.stale  # trained along, and c has to follow
    assert found.orphans == ["c", "d"]


def test_a_pipeline_that_runs_anyway_is_preferred() -> None:
    spare = pipeline("spare", {"b": "retrain"})
    both = pipeline("train both", {"a": "retrain", "b": "retrain"}, ("a", "b"))
    assert order(plan([spare, both], "a", "b")) == ["train both"]


def test_the_pipeline_that_saved_an_op_before_is_preferred() -> None:
    first, second = pipeline("first", {"a": "retrain"}), pipeline("second", {"a": "retrain"})
    found = plan_training([first, second], ["a"], {}, {"a": ["gone", "second"]})
    assert order(found) == ["second"]


def test_an_op_of_ones_own_with_a_state_is_saved_by_what_holds_it() -> None:
    holder = pipeline("holder", {"a": "optional"})
    found = plan([holder], "a")
    assert (order(found), found.orphans) == (["holder"], [])


def test_pipelines_that_wait_for_one_another_are_all_named() -> None:
    first = pipeline("first", {"a": "retrain", "b": "load"}, ("b", "a"))
    second = pipeline("second", {"b": "retrain", "a": "load"}, ("a", "b"))
    assert sorted(order(plan([first, second], "a", "b"))) == ["first", "second"]


def test_what_no_pipeline_trains_is_named_once() -> None:
    found = plan([SERVE], "a", "a")
    assert found.orphans == ["a", "b", "c", "d"]
    assert found.steps == []
