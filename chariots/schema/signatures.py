"""Which inputs does a function declare?"""

from __future__ import annotations

import contextlib
import functools
import inspect
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["Parameter", "parameter_hints", "return_hint"]


@dataclass(frozen=True)
class Parameter:
    """One positional parameter.

    Attributes:
        name: as written in the signature.
        hint: the resolved type hint; ``Any`` where there is none or it cannot be resolved.
        has_default: whether a call may leave it out.
        optional: whether None is accepted.
    """

    name: str
    hint: Any
    has_default: bool
    optional: bool


def parameter_hints(function: Callable[..., Any]) -> list[Parameter]:
    """Reads the positional parameters of a function or method, after ``self``.

    Args:
        function: anything callable; a method may be bound or not.

    Returns:
        one entry per positional parameter, in order; empty for callables without a readable signature.
    """
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return []
    found = [
        parameter
        for parameter in signature.parameters.values()
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
    ]
    if found and found[0].name == "self" and inspect.isfunction(function):
        del found[0]
    return [_read(parameter, function) for parameter in found]


def return_hint(function: Callable[..., Any]) -> Any:
    """Reads what a function or method says it returns.

    Args:
        function: a function written in Python; a method may be bound or not.

    Returns:
        the resolved type hint; ``Any`` where there is none or it cannot be resolved.
    """
    annotations = getattr(function, "__annotations__", {})
    return _resolve(annotations["return"], function) if "return" in annotations else Any


def _read(parameter: inspect.Parameter, function: Callable[..., Any]) -> Parameter:
    hint = Any if parameter.annotation is parameter.empty else _resolve(parameter.annotation, function)
    has_default = parameter.default is not parameter.empty
    accepts_none = hint is Any or hint is None or hint is type(None) or type(None) in typing.get_args(hint)
    if parameter.default is None and not accepts_none:
        hint, accepts_none = typing.Optional[hint], True  # noqa: UP045  # the hint is a value here
    return Parameter(parameter.name, hint, has_default, accepts_none)


def _resolve(annotation: Any, function: Callable[..., Any]) -> Any:
    """Evaluates one annotation where its function stands; ``Any`` when a name in it does not exist there."""
    carrier = types.SimpleNamespace(__annotations__={"hint": annotation})
    try:
        return typing.get_type_hints(carrier, _scope(function), {}, include_extras=True)["hint"]
    except Exception:  # noqa: BLE001  # annotations are the user's code and may fail in any way
        return Any


def _scope(function: Any) -> dict[str, Any]:
    """The names an annotation can use: those of the module, and of the enclosing function."""
    while isinstance(function, functools.partial):
        function = function.func
    plain = inspect.unwrap(getattr(function, "__func__", function))
    if not inspect.isfunction(plain):
        plain = getattr(type(function).__call__, "__func__", type(function).__call__)
    scope = dict(getattr(plain, "__globals__", {}))
    code = getattr(plain, "__code__", None)
    if code is not None:
        for name, cell in zip(code.co_freevars, plain.__closure__ or (), strict=True):
            with contextlib.suppress(ValueError):  # the enclosing function has not assigned it yet
                scope[name] = cell.cell_contents
    return scope
