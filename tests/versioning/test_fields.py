"""What versioned fields are to whoever reads, assigns and copies them."""

from __future__ import annotations

import copy
import pickle
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chariots.versioning import Version, VersionableMeta, VersionedField, VersionedFieldDict, VersionType

MAJOR, MINOR, PATCH = VersionType.MAJOR, VersionType.MINOR, VersionType.PATCH


class Op(metaclass=VersionableMeta):
    number = VersionedField(3, MAJOR)
    parameters = VersionedFieldDict(MINOR, {"a": 1, "b": VersionedField(2, PATCH)})


def test_a_field_is_its_value_on_the_class_and_on_an_instance() -> None:
    assert Op.number == 3
    assert Op().number == 3


def test_a_field_assigned_on_an_instance_stays_there() -> None:
    first, second = Op(), Op()
    first.number = 7
    assert (first.number, second.number, Op.number) == (7, 3, 3)


def test_a_field_that_was_deleted_from_an_instance_is_the_class_one_again() -> None:
    op = Op()
    op.number = 7
    del op.number
    assert op.number == 3


def test_a_dictionary_entry_assigned_on_an_instance_stays_there() -> None:
    first, second = Op(), Op()
    first.parameters["a"] = 7
    assert (first.parameters["a"], second.parameters["a"], Op.parameters["a"]) == (7, 1, 1)


def test_an_instance_keeps_its_dictionary() -> None:
    op = Op()
    assert op.parameters is op.parameters


def test_a_whole_dictionary_may_be_assigned_on_an_instance() -> None:
    op = Op()
    op.parameters = {"a": 9}  # type: ignore[assignment]
    assert (op.parameters, Op().parameters["a"]) == ({"a": 9}, 1)


def test_one_dictionary_under_several_names_never_makes_instances_share() -> None:
    shared = VersionedFieldDict(MAJOR, {"a": 1})

    class Twice(metaclass=VersionableMeta):
        first = shared
        second = shared

    class Other(metaclass=VersionableMeta):
        third = shared

    op, other = Twice(), Other()
    op.first["a"] = 2
    other.third["a"] = 3
    assert (other.third["a"], Twice().first["a"], shared["a"]) == (3, 1, 1)


def test_instances_without_a_dict_do_not_share_assigned_values() -> None:
    class Slotted(metaclass=VersionableMeta):
        __slots__ = ()
        parameters = VersionedFieldDict(MAJOR, {"a": 1})

    Slotted().parameters["a"] = 2
    assert Slotted().parameters["a"] == 1


def test_threads_that_come_first_together_share_one_copy() -> None:
    for _ in range(20):
        op, barrier, found = Op(), threading.Barrier(4), []

        def look(op: Op = op, barrier: threading.Barrier = barrier, found: list = found) -> None:
            barrier.wait()
            found.append(op.parameters)

        threads = [threading.Thread(target=look) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len({id(parameters) for parameters in found}) == 1


def test_an_instance_with_a_dictionary_can_be_pickled_and_copied() -> None:
    op = Op()
    op.parameters["a"] = 5
    for twin in (pickle.loads(pickle.dumps(op)), copy.deepcopy(op)):
        twin.parameters["b"] = 6
        assert (twin.parameters["a"], op.parameters["b"]) == (5, 2)


def test_a_dictionary_reads_like_any_other() -> None:
    parameters = VersionedFieldDict(MINOR, {"a": 1}, b=VersionedField(2, PATCH))
    assert dict(parameters) == {"a": 1, "b": 2}
    assert {**parameters} == {"a": 1, "b": 2}
    assert parameters == {"a": 1, "b": 2}
    assert len(parameters) == 2
    assert "a" in parameters
    del parameters["a"]
    assert list(parameters) == ["b"]


def test_pairs_make_a_dictionary_too() -> None:
    assert dict(VersionedFieldDict(MINOR, [("a", 1)])) == {"a": 1}


def test_the_default_subversion_of_a_dictionary_is_major() -> None:
    assert VersionedFieldDict().default_version is MAJOR


def test_version_dict_names_the_version_of_every_entry() -> None:
    versions = Op.parameters.version_dict
    assert set(versions) == {"a", "b"}
    assert versions["a"].minor != Version().minor
    assert versions["b"].patch != Version().patch
    assert (versions["a"].major, versions["a"].patch) == (Version().major, Version().patch)


def test_a_key_assigned_again_keeps_its_subversion() -> None:
    parameters = VersionedFieldDict(MINOR, {"b": VersionedField(2, PATCH)})
    parameters["b"] = 3
    parameters["c"] = 4
    assert {key: field.affected_version for key, field in parameters.fields.items()} == {"b": PATCH, "c": MINOR}


@pytest.mark.parametrize("key", [1, None, ("a",), b"a"])
def test_a_key_that_is_no_string_is_refused(key: object) -> None:
    with pytest.raises(TypeError, match=r"as a key of a VersionedFieldDict.*must be strings.*use str keys"):
        VersionedFieldDict(MAJOR, {key: 1})


@pytest.mark.parametrize("subversion", ["major", 1, None, {"a": 1}])
def test_a_subversion_that_is_none_is_refused(subversion: object) -> None:
    with pytest.raises(TypeError, match=r"VersionedField\(.*is not a VersionType; pass VersionType\.MAJOR"):
        VersionedField(3, subversion)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"VersionedFieldDict\(.*is not a VersionType; pass VersionType\.MAJOR"):
        VersionedFieldDict(subversion)  # type: ignore[arg-type]


def test_fields_show_what_they_hold() -> None:
    assert repr(VersionedField(3, MINOR)) == "VersionedField(3, VersionType.MINOR)"
    assert repr(VersionedFieldDict(MINOR, {"a": 1})) == "VersionedFieldDict(VersionType.MINOR, {'a': 1})"


@given(st.dictionaries(st.text(), st.integers()), st.dictionaries(st.text(), st.integers()))
def test_a_copy_has_a_life_of_its_own(values: dict[str, int], more: dict[str, int]) -> None:
    original = VersionedFieldDict(MINOR, values)
    twin = original.copy()
    assert twin == original
    twin.update(more)
    assert original == values
    assert twin == {**values, **more}
