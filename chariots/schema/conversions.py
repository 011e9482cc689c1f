"""What simpler value stands for one that JSON does not know?"""

from __future__ import annotations

import base64
import collections.abc
import dataclasses
import datetime
import decimal
import enum
import functools
import pathlib
import uuid
from collections.abc import Callable, Iterator
from typing import Any

from chariots.schema.arrays import conversion_for
from chariots.schema.places import UnsupportedError, type_name

__all__ = ["convert"]


def convert(value: Any) -> Any:
    """Brings a value that JSON does not know one step closer to it.

    Args:
        value: anything but str, int, float, bool, None, dict and list.

    Returns:
        a simpler value, whose parts may need converting in turn.

    Raises:
        UnsupportedError: when there is no form in JSON that would not lose something.
    """
    kind: Any = type(value)
    return _conversion(kind)(value)


@functools.lru_cache(maxsize=1024)
def _conversion(kind: Any) -> Callable[[Any], Any]:
    """Finds the conversion for a class, once."""
    if "__pydantic_serializer__" in vars(kind):
        return _model
    if dataclasses.is_dataclass(kind):
        return _fields
    from_library = conversion_for(kind)
    if from_library is not None:
        return from_library
    return next((conversion for base, conversion in _CONVERSIONS if issubclass(kind, base)), _refuse)


def _fields(value: Any) -> dict[str, Any]:
    return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}


def _model(value: Any) -> Any:
    """The fields of a pydantic model or dataclass, by its own serializers wherever they can be used."""
    serializer = type(value).__pydantic_serializer__
    try:
        return serializer.to_python(value, mode="json")
    except ValueError:  # a field that pydantic cannot write itself, a numpy array for instance
        return serializer.to_python(value, mode="python")


def _sorted(value: collections.abc.Set[Any]) -> list[Any]:
    """Gives a set an order that is the same in every process."""
    from chariots.schema.encode import dumps

    members = list(value)
    if all(type(member) is str for member in members) or all(type(member) is int for member in members):
        return sorted(members)
    try:
        return sorted(members, key=dumps)
    except TypeError:
        return members  # one of them has no form in JSON, which is reported where it is written


def _base64(value: bytes | bytearray | memoryview) -> str:
    return base64.b64encode(value).decode()


def _duration(value: datetime.timedelta) -> str:
    """An ISO 8601 duration, with one sign in front of a negative one."""
    sign, value = ("-", -value) if value < datetime.timedelta(0) else ("", value)
    fraction = f".{value.microseconds:06d}".rstrip("0") if value.microseconds else ""
    return f"{sign}P{value.days}DT{value.seconds}{fraction}S"


def _moment(value: datetime.date | datetime.time) -> str:
    return value.isoformat()


def _value_of(member: enum.Enum) -> Any:
    return member.value


def _refuse(value: Any) -> Any:
    if isinstance(value, complex):
        advice = "send the real and the imaginary part"
    elif isinstance(value, Iterator):
        advice = "make it a list first"
    elif hasattr(value, "toarray"):
        advice = "call its toarray() first"
    elif callable(value) and not hasattr(value, "get_params"):
        advice = "return what it returns, or its name"
    else:
        advice = "return its parts as a dict, list, dataclass, array or frame"
    raise UnsupportedError(f"there is no form for {type_name(value)}; {advice}")


_CONVERSIONS: tuple[tuple[type, Callable[[Any], Any]], ...] = (
    (enum.Enum, _value_of),
    (tuple, list),
    (collections.abc.Set, _sorted),
    (bytes, _base64),
    (bytearray, _base64),
    (memoryview, _base64),
    (datetime.date, _moment),
    (datetime.time, _moment),
    (datetime.timedelta, _duration),
    (decimal.Decimal, str),
    (uuid.UUID, str),
    (pathlib.PurePath, str),
    (float, float.__float__),
    (collections.abc.Mapping, dict),
    (collections.abc.Sequence, list),
    (collections.abc.MappingView, list),
)
