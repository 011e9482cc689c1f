"""Which inputs does a function declare?"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Annotated, Any, Optional

import pytest

from chariots.schema import Parameter, parameter_hints

if TYPE_CHECKING:
    from somewhere import Unknown


class Op:
    def execute(self, first: int, second: list[str], third=None, *rest: int, named: int = 3, **more: Any) -> int:  # type: ignore[no-untyped-def]  # as users write them
        return 0

    def __call__(self, value: float) -> None:
        pass


@pytest.mark.parametrize("method", [Op.execute, Op().execute])
def test_positional_parameters_are_listed_after_self(method: Any) -> None:
    assert parameter_hints(method) == [
        Parameter("first", int, has_default=False, optional=False),
        Parameter("second", list[str], has_default=False, optional=False),
        Parameter("third", Any, has_default=True, optional=True),
    ]


def test_a_default_of_none_makes_a_hint_optional() -> None:
    def execute(value: int = None) -> None:  # type: ignore[assignment]  # noqa: RUF013  # as users write them
        pass

    assert parameter_hints(execute) == [Parameter("value", Optional[int], has_default=True, optional=True)]  # noqa: UP045


def test_optional_hints_are_noticed() -> None:
    def execute(a: int | None, b: Optional[int], c: None, d: int = 3) -> None:  # noqa: UP045
        pass

    assert [one.optional for one in parameter_hints(execute)] == [True, True, True, False]


def test_hints_that_exist_for_type_checkers_only_are_any() -> None:
    def execute(a: Unknown, b: list[Unknown], c: int, d: 1 / 0) -> None:  # type: ignore[valid-type]  # wrong on purpose
        pass

    assert [one.hint for one in parameter_hints(execute)] == [Any, Any, int, Any]


def test_names_of_the_enclosing_function_are_found() -> None:
    class Local:
        pass

    def execute(value: Local) -> Local:
        return Local()

    assert parameter_hints(execute)[0].hint is Local


def test_annotated_keeps_its_notes() -> None:
    def execute(value: Annotated[int, "note"]) -> None:
        pass

    assert parameter_hints(execute)[0].hint == Annotated[int, "note"]


def test_decorated_functions_partials_and_callables_are_read() -> None:
    def execute(a: int, b: str) -> None:
        pass

    @functools.wraps(execute)
    def wrapper(*args: Any) -> None:
        execute(*args)

    assert [one.hint for one in parameter_hints(wrapper)] == [int, str]
    assert [one.hint for one in parameter_hints(functools.partial(execute, 1))] == [str]
    assert [one.hint for one in parameter_hints(Op())] == [float]


def test_builtins_without_a_signature_declare_nothing() -> None:
    assert parameter_hints(dict.fromkeys) == [] or all(one.hint is Any for one in parameter_hints(dict.fromkeys))
    assert parameter_hints(max) == []
