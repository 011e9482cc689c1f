"""How does what travels as JSON travel as MessagePack?"""

from __future__ import annotations

from typing import Any

from chariots.errors import MalformedRequestError
from chariots.schema.decode import loads as loads_json
from chariots.schema.encode import dumps as dumps_json
from chariots.schema.places import UnsupportedError, printable, shorten

__all__ = ["MEDIA_TYPE", "dumps", "loads"]

MEDIA_TYPE = "application/msgpack"
_NUMBERS = "biuf"


def loads(body: bytes) -> Any:
    """Reads MessagePack.

    Args:
        body: the bytes.

    Returns:
        what `chariots.schema.loads` returns, and bytes where there are some.

    Raises:
        MalformedRequestError: for anything else, extension types included.
    """
    import msgspec

    try:
        return msgspec.msgpack.decode(body, ext_hook=_refuse_extension)
    except (msgspec.MsgspecError, RecursionError, ValueError, TypeError, OverflowError) as error:
        reason = shorten(printable(error), 200) or type(error).__name__
        raise MalformedRequestError(
            f"The body should be MessagePack and cannot be read: {reason}. Send the object that would be sent as JSON."
        ) from error


def dumps(value: Any) -> bytes:
    """Writes a value as MessagePack.

    Args:
        value: whatever `chariots.schema.dumps` takes. Bytes stay bytes, NaN stays NaN, and arrays are lists.

    Returns:
        the bytes.

    Raises:
        UnsupportedError: (a TypeError) for a value that has no form, or numbers that do not fit into 64 bits.
    """
    import msgspec

    try:
        return msgspec.msgpack.encode(value, enc_hook=_simpler)
    except UnsupportedError:
        raise
    except (msgspec.MsgspecError, RecursionError, ValueError, OverflowError, TypeError) as error:
        raise UnsupportedError(f"there is no form for it as MessagePack: {shorten(printable(error), 200)}") from error


def _simpler(value: Any) -> Any:
    """The form of what msgspec does not know; arrays of numbers do not pass through text."""
    kind = getattr(getattr(value, "dtype", None), "kind", None)
    if isinstance(kind, str) and kind in _NUMBERS and hasattr(value, "tolist"):
        return value.tolist()
    return loads_json(dumps_json(value))


def _refuse_extension(code: int, _: memoryview) -> Any:
    raise ValueError(f"it holds an extension type ({code}), which has no meaning here")
