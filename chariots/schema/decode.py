"""Which Python value does a JSON text stand for, and which texts are refused?"""

from __future__ import annotations

import json
import math
import re
from typing import Any, Final, NoReturn

import orjson

from chariots.errors import MalformedRequestError

__all__ = ["holds_long_integers", "loads"]

# orjson reads an integer beyond 64 bits as a float. Such integers are rare, so they are looked for with two
# passes at memory speed (3 ns a byte together) before the expression decides: digits become zeros, and what
# may stand before a number a comma. The digits behind a decimal point, often as many, are passed over.
_SHAPE = bytes.maketrans(b"123456789[: \t\r\n-", b"000000000,,,,,,,")
_LONG = b"0" * 19
_LONG_VALUE = b"," + _LONG
_LARGE = 2**20  # bytes
_UNREAD: Final = object()
_BIG_INTEGER = re.compile(rb"(?<![\d.eE])(?<![eE][+-])(?:-\d{19,}+|\d{20,}+)(?![.eE])")


def loads(body: bytes | bytearray | str) -> Any:
    """Reads JSON (RFC 8259), strictly.

    Integers stay exact whatever their size. Of a key that comes twice in one object the last value counts.

    Args:
        body: the text; bytes are UTF-8 without byte order mark.

    Returns:
        dict, list, str, int, float, bool or None.

    Raises:
        MalformedRequestError: for anything else than JSON: bad syntax, ``NaN`` and ``Infinity``, numbers too
            large for a float, integers of more than 4,300 digits, invalid UTF-8, lone surrogates, more than
            1,024 levels of nesting.
    """
    if isinstance(body, str):
        try:
            body = body.encode()
        except UnicodeEncodeError as error:
            _refuse(error)
    if len(body) > _LARGE and (found := _sparing(body)) is not _UNREAD:
        return found
    if holds_long_integers(body):
        return _exact(body)
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        _refuse(error)


def holds_long_integers(body: bytes | bytearray) -> bool:
    """Whether there are integers in a text that do not fit into 64 bits, as far as can be told without reading it."""
    for start in range(0, len(body), _LARGE):  # in windows that overlap: a copy of all of it would take as much room
        shape = body[max(0, start - len(_LONG_VALUE)) : start + _LARGE].translate(_SHAPE)
        if _LONG_VALUE in shape or (start == 0 and shape.startswith(_LONG)):
            return _BIG_INTEGER.search(body) is not None
    return False


def _sparing(body: bytes | bytearray) -> Any:
    """Reads a large text with half the memory, integers of any size included; `_UNREAD` where others are to judge."""
    import msgspec

    try:
        # orjson builds a tree of its own first, which takes two to three times the room of the text.
        return msgspec.json.decode(body)
    except (msgspec.MsgspecError, RecursionError):
        return _UNREAD


def _exact(body: bytes | bytearray) -> Any:
    """Reads JSON with integers of any size; slower, and as strict."""
    try:
        # Deep nesting and lone surrogates are refused here; the standard library lets some of them through.
        orjson.loads(_BIG_INTEGER.sub(lambda found: found[0][:15], body))
        return json.loads(body.decode(), parse_constant=_constant, parse_float=_finite)
    except RecursionError:
        _refuse(ValueError("too many levels of nesting"))
    except ValueError as error:
        _refuse(error)


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON; send null")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError("a number is too large for a double")
    return number


def _refuse(error: Exception) -> NoReturn:
    if isinstance(error, UnicodeError):
        reason = (
            f"it is not valid UTF-8 ({error.reason} at byte {error.start})"
            if isinstance(error, UnicodeDecodeError)
            else "it holds a lone surrogate"
        )
    else:
        reason = str(error).partition("; use sys.set_int_max_str_digits")[0]
    raise MalformedRequestError(
        f"The body should be JSON and cannot be read: {reason}. Send JSON in UTF-8 (NaN is written null)."
    ) from None
