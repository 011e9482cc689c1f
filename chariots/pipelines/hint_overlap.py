"""Can a value that one type hint describes be what another one asks for?

The question is not the one of a type checker, which asks whether every value can. Where a hint says nothing certain, or
a value might do, the answer is yes: what is refused before it runs has to be wrong in every case.
"""

from __future__ import annotations

import collections.abc
import types
import typing
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

__all__ = ["may_pass"]

_NUMBERS = (int, float, complex)  # where one is asked for, the ones before it will do
_BYTES = (bytes, bytearray, memoryview)
_CALLABLE: Any = collections.abc.Callable
_STANDARD = ("builtins", "collections", "collections.abc", "typing")  # of whose parameters the meaning is known
_WRAPPERS = (typing.Final, typing.ClassVar, typing.Required, typing.NotRequired)


def may_pass(given: Any, wanted: Any) -> bool:
    """Tells whether some value that the one hint describes will do for the other.

    Args:
        given: the hint of what is handed over.
        wanted: the hint of what it is handed to.

    Returns:
        False only where it is certain that none will do.
    """
    try:
        return _may_pass(given, wanted)
    except Exception:  # noqa: BLE001  # hints are the user's code, and a class may answer questions in any way
        return True


def _may_pass(given: Any, wanted: Any) -> bool:
    given, wanted = _unwrapped(given), _unwrapped(wanted)
    if given is wanted or given == wanted:
        return True
    givens, wanteds = _members(given), _members(wanted)
    if len(givens) > 1 or len(wanteds) > 1:
        return any(_may_pass(one, other) for one in givens for other in wanteds)
    values, accepted = _literals(given), _literals(wanted)
    if values is not None and accepted is not None:
        return any(value == other and type(value) is type(other) for value in values for other in accepted)
    if values is not None:
        return any(_may_pass(type(value), wanted) for value in values)
    if accepted is not None:
        return any(_may_pass(given, type(value)) for value in accepted)
    kind, target = _class(given), _class(wanted)
    if kind is None or target is None:
        return True
    return _are_related(kind, target) and _arguments_may_pass(kind, given, target, wanted)


def _unwrapped(hint: Any) -> Any:
    """A hint without what only says something beside the type."""
    while True:
        if hint is None:
            return type(None)
        origin = typing.get_origin(hint)
        if origin is Annotated or origin in _WRAPPERS:
            hint = typing.get_args(hint)[0]
        elif isinstance(hint, typing.NewType):
            hint = hint.__supertype__
        elif type(hint).__name__ == "TypeAliasType":  # of Python 3.12
            hint = hint.__value__
        elif hint is typing.LiteralString:
            return str
        else:
            return hint


def _members(hint: Any) -> tuple[Any, ...]:
    return typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, types.UnionType) else (hint,)


def _literals(hint: Any) -> tuple[Any, ...] | None:
    return typing.get_args(hint) if typing.get_origin(hint) is Literal else None


def _class(hint: Any) -> type | None:
    """The class of the values; None where they may be of any, as with ``Any``, variables and protocols."""
    kind = typing.get_origin(hint) or hint
    if not isinstance(kind, type) or kind is object or kind is Any or getattr(kind, "_is_protocol", False):
        return None
    return dict if typing.is_typeddict(kind) else kind


def _are_related(kind: type, target: type) -> bool:
    """Whether an object of the one class can be used as one of the other."""
    if issubclass(kind, target) or issubclass(target, kind):
        return True
    if any(issubclass(kind, group) and issubclass(target, group) for group in (_NUMBERS, _BYTES)):
        return True
    if _is_number(kind) and _is_number(target):
        return True
    return _acts_as(kind, target) or _acts_as(target, kind)


def _is_number(kind: type) -> bool:
    """Whether it is a number of Python or of numpy, which do for each other."""
    return issubclass(kind, _NUMBERS) or any(
        base.__module__ == "numpy" and base.__name__ in ("number", "bool", "bool_") for base in kind.__mro__
    )


def _acts_as(kind: type, abstract: type) -> bool:
    """Whether a class has all that an abstract one asks for, as an array has of a sequence, or is abstract itself."""
    asked = getattr(abstract, "__abstractmethods__", ())
    if not asked or kind.__module__ == "builtins":
        return False
    return bool(getattr(kind, "__abstractmethods__", ())) or all(hasattr(kind, name) for name in asked)


def _arguments_may_pass(kind: type, given: Any, target: type, wanted: Any) -> bool:
    """Whether what is in the brackets fits; an empty list is of every type, but nobody means that."""
    left, right = typing.get_args(given), typing.get_args(wanted)
    if not left or not right or _CALLABLE in (kind, target):
        return True
    if kind is tuple and target is tuple:
        return _tuples_may_pass(left, right)
    if kind is target and len(left) == len(right):
        return all(_may_pass(one, other) for one, other in zip(left, right, strict=True))
    if kind.__module__ not in _STANDARD or target.__module__ not in _STANDARD:
        return True
    if not (issubclass(kind, Iterable) and issubclass(target, Iterable)):
        return True
    if issubclass(kind, Mapping) and issubclass(target, Mapping):
        return len(left) != len(right) or all(_may_pass(one, other) for one, other in zip(left, right, strict=True))
    return all(_may_pass(one, other) for one in _elements(kind, left) for other in _elements(target, right))


def _elements(kind: type, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    """The hints of what comes of iterating over something."""
    return tuple(one for one in arguments if one is not ...) if kind is tuple else arguments[:1]


def _tuples_may_pass(left: tuple[Any, ...], right: tuple[Any, ...]) -> bool:
    open_left, open_right = left[-1] is ..., right[-1] is ...
    if open_left or open_right:
        return all(_may_pass(one, other) for one in _elements(tuple, left) for other in _elements(tuple, right))
    return len(left) == len(right) and all(_may_pass(one, other) for one, other in zip(left, right, strict=True))
