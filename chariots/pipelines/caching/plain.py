"""How are plain Python values written as JSON, so that exactly the same ones come back?"""

from __future__ import annotations

import base64
import json
from typing import Any

__all__ = ["NotPlainError", "from_text", "to_text"]

_DECIMAL_BITS = 2048  # Python may be told to refuse longer decimal texts
_TUPLE, _SET, _FROZEN, _PAIRS, _BYTES, _COMPLEX = "tuple", "set", "frozenset", "dict", "bytes", "complex"


class NotPlainError(ValueError):
    """Raised for a value that is not made of plain ones only."""


def to_text(value: Any) -> bytes:
    """Writes a value.

    Args:
        value: numbers, texts, bytes and None, in lists, tuples, sets and dictionaries.

    Raises:
        NotPlainError: if it is anything else, or holds anything else.
    """
    try:
        return json.dumps(_form(value), separators=(",", ":")).encode()
    except RecursionError:
        raise NotPlainError("it is nested too deeply") from None


def from_text(text: bytes) -> Any:
    """Reads what `to_text` wrote.

    Raises:
        ValueError: if it did not.
    """
    try:
        return _value(json.loads(text))
    except (KeyError, TypeError, IndexError, RecursionError) as error:
        raise ValueError(f"this is no plain value: {error!r}") from error


def _form(value: Any) -> Any:
    kind = type(value)
    if value is None or kind in (bool, str, float):
        return value
    if kind is int:
        if value.bit_length() > _DECIMAL_BITS:
            raise NotPlainError("it is too long a number")
        return value
    if kind is list:
        return [_form(item) for item in value]
    if kind is dict:
        return {_PAIRS: [[_form(key), _form(item)] for key, item in value.items()]}
    if kind is tuple:
        return {_TUPLE: [_form(item) for item in value]}
    if kind is set or kind is frozenset:
        return {_SET if kind is set else _FROZEN: [_form(item) for item in value]}
    if kind is bytes:
        return {_BYTES: base64.b64encode(value).decode()}
    if kind is complex:
        return {_COMPLEX: [value.real, value.imag]}
    raise NotPlainError(f"it holds a {kind.__module__}.{kind.__qualname__}")


def _value(form: Any) -> Any:
    if type(form) is list:
        return [_value(item) for item in form]
    if type(form) is not dict:
        return form
    ((kind, content),) = form.items()
    return _READERS[kind](content)


_READERS: dict[str, Any] = {
    _TUPLE: lambda items: tuple([_value(item) for item in items]),
    _SET: lambda items: {_value(item) for item in items},
    _FROZEN: lambda items: frozenset([_value(item) for item in items]),
    _PAIRS: lambda pairs: {_value(key): _value(item) for key, item in pairs},
    _BYTES: base64.b64decode,
    _COMPLEX: lambda parts: complex(*parts),
}
