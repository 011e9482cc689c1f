"""Which hints must pydantic be told how to build?"""

from __future__ import annotations

import dataclasses
import functools
import operator
import sys
import types
import typing
from collections.abc import Callable
from typing import Annotated, Any

import pydantic
from pydantic_core import PydanticCustomError, core_schema

from chariots.schema.builders import (
    FormError,
    to_array,
    to_bytes,
    to_frame,
    to_scalar,
    to_series,
    to_timestamp,
)

__all__ = ["Handler", "handler_of", "with_handlers"]

_LIST: dict[str, Any] = {"type": "array", "items": {}}
_TABLE: dict[str, Any] = {
    "anyOf": [
        {"type": "array", "items": {"type": "object"}},
        {"type": "object", "additionalProperties": {"type": "array", "items": {}}},
    ]
}


class Handler:
    """Builds one class that pydantic does not know, or would read differently.

    Attributes:
        build: the function from a JSON value to an instance.
        schema: the JSON Schema of accepted values.
    """

    def __init__(self, build: Callable[[Any], Any], schema: dict[str, Any]) -> None:
        self.build = build
        self.schema = schema

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(self._validate)

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:
        return dict(self.schema)

    def _validate(self, value: Any) -> Any:
        try:
            return self.build(value)
        except FormError as error:
            context = {"expected": error.expected, "where": error.where, "got": error.got}
            raise PydanticCustomError("chariots", "{expected}", context) from error


def handler_of(hint: Any) -> Handler | None:
    """Finds the handler for a hint itself, not for what is inside of it.

    Args:
        hint: any type hint.

    Returns:
        the handler of a numpy or pandas class, or of bytes; None for every other hint.
    """
    hint = _unaliased(hint)
    kind = typing.get_origin(hint) or hint
    if not isinstance(kind, type):
        return None
    if kind is bytes:
        return Handler(to_bytes, {"type": "string", "contentEncoding": "base64"})
    numpy, pandas = sys.modules.get("numpy"), sys.modules.get("pandas")
    if numpy is not None:
        if issubclass(kind, numpy.ndarray):
            return Handler(functools.partial(to_array, dtype=_element_type(hint)), _LIST)
        # Abstract classes such as np.floating are not in the table, and stay untyped.
        if issubclass(kind, numpy.generic) and kind in numpy.sctypeDict.values():
            return Handler(functools.partial(to_scalar, kind=kind), _scalar_schema(kind))
    if pandas is not None:
        if issubclass(kind, pandas.DataFrame):
            return Handler(to_frame, _TABLE)
        if issubclass(kind, pandas.Series):
            return Handler(to_series, _LIST)
        if kind is pandas.Timestamp:
            return Handler(to_timestamp, {"type": "string", "format": "date-time"})
    return None


def _unaliased(hint: Any) -> Any:
    """What the name of a ``type`` statement stands for; ``NDArray`` of numpy 2.5 is one."""
    for _ in range(10):  # one may stand for another; one that stands for itself never ends
        alias = typing.get_origin(hint) or hint
        if not hasattr(alias, "__value__") or not hasattr(alias, "__type_params__"):
            break
        arguments = typing.get_args(hint)
        hint = alias.__value__[arguments] if arguments else alias.__value__
    return hint


def _element_type(hint: Any) -> Any:
    """The element type in ``NDArray[np.float64]``; None where any will do."""
    import numpy as np

    arguments = typing.get_args(hint)
    element = typing.get_args(arguments[1]) if len(arguments) == 2 else ()
    return np.dtype(element[0]) if element and element[0] in np.sctypeDict.values() else None


def _scalar_schema(kind: type) -> dict[str, Any]:
    import numpy as np

    names = ((np.bool_, "boolean"), (np.integer, "integer"), (np.floating, "number"), (np.str_, "string"))
    return next(({"type": name} for base, name in names if issubclass(kind, base)), {})


def with_handlers(hint: Any) -> Any:
    """Puts handlers in the place of the classes that need one, anywhere inside a hint.

    Args:
        hint: any type hint.

    Returns:
        the hint itself where nothing needs a handler, else one like it that pydantic can use.
    """
    handler = handler_of(hint)
    if handler is not None:
        return Annotated[Any, handler]
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return _dataclass(hint)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        return Annotated[(with_handlers(arguments[0]), *arguments[1:])]
    if not arguments or origin is typing.Literal:
        return hint
    replaced = tuple(map(with_handlers, arguments))
    if replaced == arguments:
        return hint
    if origin in (typing.Union, types.UnionType):
        return functools.reduce(operator.or_, replaced)
    return origin[replaced]


def _dataclass(kind: Any) -> Any:
    """A stand-in for a dataclass with fields that need handlers; the dataclass itself if none does."""
    if hasattr(kind, "__pydantic_validator__"):
        return kind
    hints = typing.get_type_hints(kind, include_extras=True)
    fields = [field for field in dataclasses.fields(kind) if field.init]
    replaced = {field.name: with_handlers(hints[field.name]) for field in fields}
    if all(replaced[field.name] == hints[field.name] for field in fields):
        return kind
    definitions: dict[str, Any] = {}
    for field in fields:
        default: Any = ...
        if field.default is not dataclasses.MISSING:
            default = field.default
        elif field.default_factory is not dataclasses.MISSING:
            default = pydantic.Field(default_factory=field.default_factory)
        definitions[field.name] = (replaced[field.name], default)
    model = pydantic.create_model(kind.__name__, **definitions)

    def build(checked: Any) -> Any:
        return kind(**{name: getattr(checked, name) for name in definitions})

    return Annotated[model, pydantic.AfterValidator(build)]
