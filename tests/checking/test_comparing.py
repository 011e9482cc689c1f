"""Does a comparison of an op with what was saved find every declared field that changed, and nothing else?"""

from __future__ import annotations

from typing import Any

from chariots.checking.comparing import changed_fields, compare_op
from chariots.op_store.baseline import KnownVersion
from chariots.pipelines.store import FieldChange, NodeQuery
from chariots.versioning import Version


def field(value: object, affects: str = "major") -> dict[str, Any]:
    """A declared field in the form in which it is stored."""
    return {"value": repr(value), "affects": affects, "hash": f"hash of {value!r}"}


def code(*changes: str) -> str:
    """The text of a class version in which some subversions were touched."""
    made = Version(creation_time=1.0)
    for change in changes:
        getattr(made, f"update_{change}")(b"x")
    return str(made)


def known(number: int, version: str | None = code(), fingerprint: str | None = "a") -> KnownVersion:
    """A version that the store has."""
    return KnownVersion(number, "op", code(), version, {"rate": field(1)}, fingerprint, True)


def running(version: str = code(), rate: int = 1, fingerprint: str | None = "a", role: Any = "load") -> NodeQuery:
    """The op as the code on disk declares it."""
    return NodeQuery("op", role, version, version, fields={"rate": field(rate)}, fingerprint=fingerprint)


def test_fields_that_came_went_or_moved_to_another_subversion_are_changes() -> None:
    before = {"kept": field(1), "went": field(2), "moved": field(3, "minor"), "value": field(4)}
    after = {"value": field(5), "kept": field(1), "moved": field(3, "patch"), "came": field(6, "patch")}
    assert changed_fields(before, after) == [
        FieldChange("value", "major", "4", "5"),
        FieldChange("moved", "patch", "3 (counted as minor)", "3"),
        FieldChange("came", "patch", None, "6"),
        FieldChange("went", "major", "2", None),
    ]


def test_values_that_only_look_alike_are_different() -> None:
    before, after = field("x"), {**field("x"), "hash": "another"}
    assert changed_fields({"a": before}, {"a": after}) == [
        FieldChange("a", "major", "'x'", "'x' (differs in what is not shown)")
    ]


def test_what_serves_counts_more_than_what_is_newer() -> None:
    found = compare_op(running(rate=2), [known(9), known(3)], {3})
    assert (found.number, found.is_live) == (3, True)


def test_without_anything_that_serves_the_newest_counts() -> None:
    found = compare_op(running(), [known(9), known(3)], set())
    assert (found.number, found.is_live, found.state) == (9, False, "same")


def test_a_version_change_without_a_field_change_is_a_change() -> None:
    found = compare_op(running(code("minor")), [known(1)], {1})
    assert (found.state, list(found.levels), list(found.changes)) == ("changed", ["minor"], [])


def test_a_fingerprint_that_moved_alone_is_told_apart() -> None:
    assert compare_op(running(fingerprint="b"), [known(1)], {1}).state == "moved"
    assert compare_op(running(code("patch"), fingerprint="b"), [known(1)], {1}).state == "changed"


def test_a_fingerprint_that_one_side_does_not_have_says_nothing() -> None:
    assert compare_op(running(fingerprint=None), [known(1)], {1}).state == "same"
    assert compare_op(running(), [known(1, fingerprint=None)], {1}).state == "same"


def test_what_nobody_saved_is_new_and_what_nobody_described_is_unknown() -> None:
    assert compare_op(running(), [], set()).state == "new"
    assert compare_op(running(), [known(1, version=None)], {1}).state == "unknown"


def test_plain_code_is_held_against_what_was_last_seen_in_every_pipeline() -> None:
    same, other = running(role="code"), running(role="code", rate=7)
    assert compare_op(same, [], set(), [same, same]).state == "same"
    assert compare_op(same, [], set(), [same, other]).changes == [FieldChange("rate", "major", "7", "1")]
