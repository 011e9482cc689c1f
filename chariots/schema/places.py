"""How is a place inside a nested value written in a message?"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

__all__ = ["MAX_DEPTH", "UnsupportedError", "describe", "place", "printable", "shorten", "type_name"]

MAX_DEPTH = 1024
"""Levels of nesting that JSON may have here, in either direction."""

_LONGEST_TEXT = 60


class UnsupportedError(TypeError):
    """Says why a value has no form in JSON and what to do; the place is added on the way out."""


def place(parts: Iterable[str | int], root: str = "") -> str:
    """Writes a path as a person would in Python.

    Args:
        parts: keys and positions, from the outside in.
        root: the name of the whole value; may be empty.

    Returns:
        for instance ``pipeline_output[0].model``.
    """
    text = root
    for part in parts:
        if isinstance(part, int):
            text += f"[{part}]"
        elif part.isidentifier():
            text += f".{part}" if text else part
        else:
            text += f"[{shorten(repr(part))}]" if text else shorten(part)
    return text or "value"


def shorten(text: str, longest: int = _LONGEST_TEXT) -> str:
    """Cuts a text that would drown the message around it."""
    return text if len(text) <= longest else f"{text[: longest - 3]}..."


def printable(value: Any) -> str:
    """The text of a value, of an exception for instance; its class where it cannot even be printed."""
    try:
        return str(value).encode("utf-8", "backslashreplace").decode()
    except Exception:  # noqa: BLE001  # the user's __str__ may fail in any way
        return f"<{type(value).__name__} that cannot be printed>"


def type_name(value: Any) -> str:
    """The type of a value as one would import it."""
    kind = type(value)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def describe(value: Any) -> str:
    """Says what came, in the words of JSON.

    Args:
        value: anything that was decoded from JSON.

    Returns:
        for instance ``text 'abc'``, ``a list of 3`` or ``null``.
    """
    kind = type(value)
    if kind is list:
        return f"a list of {len(value)}"
    if kind is dict:
        keys = ", ".join(shorten(repr(key), 20) for key in list(value)[:3])
        return f"an object with {keys}{', ...' if len(value) > 3 else ''}" if value else "an empty object"
    if kind is str:
        return f"text {shorten(repr(value))}"
    if kind is int:
        # Only the first digits are shown: writing out a huge integer costs time squared.
        return f"the number {value}" if value.bit_length() <= 128 else "a very large integer"
    if kind is float:
        return f"the number {value!r}"
    if kind is bool:
        return "true" if value else "false"
    return "null" if value is None else f"a value of type {type_name(value)}"
