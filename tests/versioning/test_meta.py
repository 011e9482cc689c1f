"""Which version a class has, for every way of declaring and inheriting fields."""

from __future__ import annotations

import abc
import dataclasses
import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chariots.versioning import Version, VersionableMeta, VersionedField, VersionedFieldDict, VersionType, content_hash

MAJOR, MINOR, PATCH = VersionType.MAJOR, VersionType.MINOR, VersionType.PATCH


def made(*bases: type, **attributes: Any) -> Any:
    """A versioned class with the given attributes."""
    return VersionableMeta("Made", bases, attributes)


def test_a_class_without_fields_has_the_documented_version() -> None:
    assert repr(made().__version__) == "<Version, major:da39a, minor: da39a, patch: da39a>"


@pytest.mark.parametrize(("value", "minor"), [(3, "36d3c"), (5, "72101")])
def test_a_field_gives_the_documented_version(value: int, minor: str) -> None:
    version = made(foo=VersionedField(value, MINOR)).__version__
    assert repr(version) == f"<Version, major:94e72, minor: {minor}, patch: 94e72>"


@pytest.mark.parametrize(
    ("foo", "blu", "digests"),
    [(1, 3, "ddf7a 1b365 68722"), (10, 3, "ddf7a 1b365 18615"), (1, 10, "d5abf 1b365 68722")],
)
def test_a_dictionary_gives_the_documented_version(foo: int, blu: int, digests: str) -> None:
    fields = VersionedFieldDict(PATCH, {"foo": foo, "bar": 2, "blu": VersionedField(blu, MAJOR)})
    version = made(versioned_dict=fields).__version__
    assert [version.major[:5], version.minor[:5], version.patch[:5]] == digests.split()


@pytest.mark.parametrize(("number", "major"), [(3, "36d3c"), (4, "8ad66")])
def test_an_op_of_the_documentation_has_its_version(number: int, major: str) -> None:
    version = made(number_to_add=VersionedField(number, MAJOR)).__version__
    assert repr(version) == f"<Version, major:{major}, minor: 94e72, patch: 94e72>"


def test_assigning_on_the_class_leaves_its_version() -> None:
    op = made(foo=VersionedField(3, MINOR))
    before = op.__version__
    op.foo = 7
    assert op.foo == 7
    assert op.__version__ is before


def test_the_order_of_declaration_does_not_matter() -> None:
    first, second = VersionedField(1, MAJOR), VersionedField(2, MAJOR)
    assert made(a=first, b=second).__version__ == made(b=second, a=first).__version__


def test_the_same_key_in_two_dictionaries_counts_twice() -> None:
    once = made(p=VersionedFieldDict(MAJOR, k=1)).__version__
    twice = made(p=VersionedFieldDict(MAJOR, k=1), q=VersionedFieldDict(MAJOR, k=1)).__version__
    changed = made(p=VersionedFieldDict(MAJOR, k=1), q=VersionedFieldDict(MAJOR, k=2)).__version__
    assert len({once, twice, changed}) == 3


def test_fields_are_listed_by_qualified_name() -> None:
    op = made(a=VersionedField(1, MAJOR), p=VersionedFieldDict(MINOR, {"k": 2}))
    assert {name: (field.value, field.affected_version) for name, field in op.__version_fields__.items()} == {
        "a": (1, MAJOR),
        "p.k": (2, MINOR),
    }


def test_the_version_is_the_sum_over_the_listed_fields() -> None:
    op = made(a=VersionedField(1, MAJOR), p=VersionedFieldDict(MINOR, {"k": "x"}), b=VersionedField([2], PATCH))
    total = Version()
    for name in sorted(op.__version_fields__):
        total += op.__version_fields__[name].version
    assert op.__version__ == total


def test_listed_fields_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        made(a=VersionedField(1, MAJOR)).__version_fields__["a"] = 3


# Inheritance

parent = made(a=VersionedField(1, MINOR))


def test_fields_of_every_ancestor_count() -> None:
    grandchild = made(made(parent, b=VersionedField(2, MAJOR)), c=VersionedField(3, PATCH))
    assert set(grandchild.__version_fields__) == {"a", "b", "c"}


def test_a_subclass_without_fields_has_the_version_of_its_parent() -> None:
    assert made(parent).__version__ == parent.__version__


def test_fields_of_a_mixin_that_is_not_versioned_count() -> None:
    class Mixin:
        b = VersionedField(2, MAJOR)

    assert set(made(parent, Mixin).__version_fields__) == {"a", "b"}


def test_a_field_declared_again_replaces_the_inherited_one() -> None:
    child = made(parent, a=VersionedField(9, MAJOR))
    assert child.__version__ == made(a=VersionedField(9, MAJOR)).__version__


def test_a_plain_value_keeps_the_subversion_of_the_inherited_field() -> None:
    child = made(parent, a=9)
    assert child.__version__ == made(a=VersionedField(9, MINOR)).__version__
    assert child.a == 9


def test_a_plain_dictionary_keeps_the_subversions_of_the_inherited_entries() -> None:
    up = made(p=VersionedFieldDict(MINOR, {"a": 1, "b": VersionedField(2, PATCH)}))
    fields = made(up, p={"b": 3, "c": 4, "d": VersionedField(5, MAJOR)}).__version_fields__
    assert {name: (field.value, field.affected_version) for name, field in fields.items()} == {
        "p.b": (3, PATCH),
        "p.c": (4, MINOR),
        "p.d": (5, MAJOR),
    }


def test_nothing_in_the_place_of_a_dictionary_counts_as_a_value() -> None:
    fields = made(made(p=VersionedFieldDict(MINOR, a=1)), p=None).__version_fields__
    assert [(name, field.value, field.affected_version) for name, field in fields.items()] == [("p", None, MINOR)]


def test_a_value_in_a_mixin_in_front_counts() -> None:
    class Mixin:
        a = 9

    assert made(Mixin, parent).__version__ == made(a=VersionedField(9, MINOR)).__version__
    assert made(parent, Mixin).__version__ == parent.__version__


@pytest.mark.parametrize("descriptor", [property(lambda self: 3), lambda self: 3, staticmethod(len)])
def test_a_descriptor_of_the_same_name_un_declares_a_field(descriptor: object) -> None:
    assert made(parent, a=descriptor).__version__ == Version()


def test_a_class_in_the_place_of_a_class_counts() -> None:
    up = made(model=VersionedField(int, MAJOR))
    assert made(up, model=float).__version__ == made(model=VersionedField(float, MAJOR)).__version__


def test_a_value_assigned_to_the_parent_counts_for_later_subclasses() -> None:
    up = made(a=VersionedField(1, MINOR), p=VersionedFieldDict(PATCH, k=1))
    up.a = 5
    up.p = {"k": 2}
    child = made(up)
    assert child.__version__ == made(a=VersionedField(5, MINOR), p=VersionedFieldDict(PATCH, k=2)).__version__


def test_a_diamond_counts_every_field_once_with_the_value_that_is_seen() -> None:
    top = made(a=VersionedField(1, MAJOR))
    left, right = made(top, a=2), made(top, a=3)
    both = made(left, right)
    assert both.a == 2
    assert both.__version__ == made(a=VersionedField(2, MAJOR)).__version__


# Other ways of making classes


def test_class_keywords_reach_init_subclass() -> None:
    class Up(metaclass=VersionableMeta):
        given: str = ""

        def __init_subclass__(cls, given: str = "", **kwargs: Any) -> None:
            super().__init_subclass__(**kwargs)
            cls.given = given

    class Child(Up, given="yes"):
        pass

    assert Child.given == "yes"


def test_the_metaclass_goes_with_that_of_abstract_classes() -> None:
    class Meta(VersionableMeta, abc.ABCMeta):
        pass

    class Op(metaclass=Meta):
        a = VersionedField(1, MINOR)

        @abc.abstractmethod
        def execute(self) -> None: ...

    assert Op.__version__ == parent.__version__
    with pytest.raises(TypeError, match="abstract"):
        Op()


def test_a_slotted_dataclass_is_versioned() -> None:
    @dataclasses.dataclass(slots=True)
    class Op(metaclass=VersionableMeta):
        x: int
        a = VersionedField(1, MINOR)

    assert Op.__version__ == parent.__version__
    assert Op(3).a == 1


# What cannot be hashed


@pytest.mark.parametrize("field", ["model", "parameters.model"])
def test_a_value_without_stable_content_is_refused_with_its_place(field: str) -> None:
    value = {"deep": [object()]}
    attributes = {"model": VersionedField(value, MAJOR), "parameters": VersionedFieldDict(MAJOR, model=value)}
    name = field.partition(".")[0]
    with pytest.raises(TypeError) as caught:
        VersionableMeta("MyOp", (), {name: attributes[name]})
    message = str(caught.value)
    assert message.startswith(f"field '{field}' of class 'MyOp' was to be hashed by its content")
    assert "builtins.object (at value['deep'][0])" in message
    assert "__chariots_hash__()" in message


# Whatever fields there are

names = st.text(string.ascii_lowercase, min_size=1, max_size=3)
values = st.integers() | st.text() | st.floats() | st.booleans() | st.none() | st.lists(st.integers())
declared = st.dictionaries(names, st.tuples(values, st.sampled_from(VersionType)), max_size=5)


def fields_of(given_fields: dict[str, Any]) -> dict[str, VersionedField]:
    return {name: VersionedField(value, kind) for name, (value, kind) in given_fields.items()}


@given(declared)
def test_the_same_fields_give_the_same_version(fields: dict[str, Any]) -> None:
    assert made(**fields_of(fields)).__version__ == made(**fields_of(fields)).__version__


@given(declared, declared)
def test_a_subclass_is_what_its_fields_together_say(upper: dict[str, Any], lower: dict[str, Any]) -> None:
    child = made(made(**fields_of(upper)), **fields_of(lower))
    assert child.__version__ == made(**fields_of({**upper, **lower})).__version__


@given(declared, declared)
def test_other_values_give_another_version(first: dict[str, Any], second: dict[str, Any]) -> None:
    def told(fields: dict[str, Any]) -> Any:
        return [(name, content_hash(value), kind) for name, (value, kind) in sorted(fields.items())]

    second = {name: second.get(name, field) for name, field in first.items()}
    same = made(**fields_of(first)).__version__ == made(**fields_of(second)).__version__
    assert same is (told(first) == told(second))


@given(declared, names, values, values)
def test_a_change_moves_only_the_subversion_it_affects(
    fields: dict[str, Any], name: str, before: Any, after: Any
) -> None:
    first = made(**fields_of({**fields, name: (before, MINOR)})).__version__
    second = made(**fields_of({**fields, name: (after, MINOR)})).__version__
    assert (first.major, first.patch) == (second.major, second.patch)
    assert (first.minor == second.minor) is (content_hash(before) == content_hash(after))
