"""Which JSON does a Python value become?"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Iterator
from typing import Any

import orjson

from chariots.schema.conversions import convert
from chariots.schema.places import MAX_DEPTH, UnsupportedError, place, printable, shorten, type_name

__all__ = ["dumps"]

# Dataclasses go through `convert`, which keeps fields with a leading underscore. So do numpy arrays: left to
# itself orjson writes NaT as a date in 1677.
_OPTIONS = orjson.OPT_PASSTHROUGH_DATACLASS
_MOST_CONVERSIONS = 16


def dumps(value: Any, *, where: str = "value") -> bytes:
    """Writes a value as JSON.

    Args:
        value: what to write; the reference page "Python and JSON" says what becomes what.
        where: the name of the value in messages; may be empty.

    Returns:
        UTF-8 bytes without superfluous spaces.

    Raises:
        TypeError: for a value that JSON has no form for; the message names the place, the type and what to do.
    """
    try:
        return orjson.dumps(value, convert, _OPTIONS)
    except TypeError:
        # Large integers, keys that are not text, deep nesting and everything unsupported end here.
        return _Writer(where).write(value)


@dataclasses.dataclass(slots=True)
class _Level:
    """A list or object that is being written."""

    parts: Iterator[Any]
    closing: bytes
    sources: list[Any]
    keys: set[str] | None
    key: str | int = -1


class _Writer:
    """Writes what orjson refused, without recursion, and says where the trouble is if there is any."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._out: list[bytes] = []
        self._levels: list[_Level] = []
        self._open: set[int] = set()

    def write(self, root: Any) -> bytes:
        self._begin(root)
        while self._levels:
            level = self._levels[-1]
            try:
                part = next(level.parts)
            except StopIteration:
                self._out.append(level.closing)
                self._open.difference_update(map(id, level.sources))
                self._levels.pop()
                continue
            if level.key != -1:
                self._out.append(b",")
            if level.keys is None:
                level.key = int(level.key) + 1
            else:
                name, part = part
                level.key = self._write_key(name, level.keys)
            self._begin(part)
        return b"".join(self._out)

    def _begin(self, value: Any) -> None:
        """Writes a value without parts, or the opening bracket of one that has some."""
        sources: list[Any] = [value]
        while isinstance(value, enum.Enum) or not isinstance(value, dict | list):
            try:
                leaf = _leaf(value)
                if leaf is not None:
                    self._out.append(leaf)
                    return
                if len(sources) > _MOST_CONVERSIONS:
                    raise UnsupportedError(f"the conversion of {type_name(sources[0])} never ends")
                value = convert(value)
            except UnsupportedError as error:
                raise self._complaint(str(error)) from None
            except Exception as error:  # the value's own code may fail in any way
                kind, text = type(error).__name__, shorten(printable(error), 200)
                why = f"converting {type_name(value)} failed ({kind}: {text}); convert it before"
                raise self._complaint(why) from error
            sources.append(value)
        if len(self._levels) >= MAX_DEPTH:
            raise self._complaint(f"it lies more than {MAX_DEPTH:,} levels deep; flatten it")
        if not self._open.isdisjoint(map(id, sources)):
            raise self._complaint(f"{type_name(sources[0])} contains itself there; break the cycle")
        self._open.update(map(id, sources))
        if isinstance(value, dict):
            self._out.append(b"{")
            self._levels.append(_Level(iter(value.items()), b"}", sources, set()))
        else:
            self._out.append(b"[")
            self._levels.append(_Level(iter(value), b"]", sources, None))

    def _write_key(self, raw: Any, taken: set[str]) -> str:
        try:
            key = _key(raw)
            text = _leaf(key)
        except UnsupportedError as error:
            raise self._complaint(f"its key {shorten(repr(raw))} is not text: {error}", inside=False) from None
        if key in taken:
            raise self._complaint(f"two of its keys become {key!r}; rename one of them", inside=False)
        taken.add(key)
        self._out += (text or b"", b":")
        return key

    def _complaint(self, why: str, *, inside: bool = True) -> TypeError:
        levels = self._levels if inside else self._levels[:-1]
        path = place((level.key for level in levels), self._where)
        return TypeError(f"{path} cannot be written as JSON: {why}.")


def _leaf(value: Any) -> bytes | None:
    """Writes a value without parts; None when it must be converted first."""
    if isinstance(value, enum.Enum):
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        try:
            return int.__repr__(value).encode()
        except ValueError:
            raise UnsupportedError("it is an integer of more than 4,300 digits; send it as text") from None
    if value is None or isinstance(value, str | bool | orjson.Fragment) or type(value) is float:
        try:
            return orjson.dumps(value)
        except TypeError:
            raise UnsupportedError(
                "its text holds a lone surrogate, which UTF-8 cannot carry; send bytes, or replace it"
            ) from None
    return None


def _key(raw: Any) -> str:
    """The text of a key: numbers, dates and the like as JSON writes them."""
    for _ in range(_MOST_CONVERSIONS):
        if isinstance(raw, str) and not isinstance(raw, enum.Enum):
            return str(raw)
        written = _leaf(raw)
        if written is not None:
            return written.decode()
        if isinstance(raw, bytes | tuple | frozenset | dict | list):
            break
        try:
            raw = convert(raw)
        except UnsupportedError:
            break
    raise UnsupportedError(f"{type_name(raw)} has no form as a key; use text")
