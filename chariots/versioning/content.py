"""What does a value contain, as a digest that is the same in every process and on every machine?

The format is numbered and published in ``docs/reference/content-hash.rst``; what a tag means never changes
under one number. Everything is a tag, a colon, the length of the payload in 8 bytes, and the payload.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Iterable
from typing import Any

from chariots.versioning.version import sha1_hex

__all__ = ["content_hash"]

HEADER = b"chariots-content-1\n"
# Longer integers have no portable decimal text: Python may be told to refuse it from 640 digits on.
_DECIMAL_BITS = 2048


def content_hash(value: Any, *, where: str = "the value") -> str:
    """Hashes a value by what it contains.

    Args:
        value: nearly anything: numbers, text, containers, arrays, data frames, functions, classes,
            dataclasses, and every object with a ``__chariots_hash__()`` method, which returns what identifies
            it.
        where: what the value is, for the error message.

    Returns:
        40 hex digits: the SHA-1 of ``str(value)`` for an int, a float or a bool, of the numbered format for
        everything else.

    Raises:
        TypeError: if the value, or something inside it, has no content that is stable between processes.
    """
    kind = type(value)
    if kind is float or kind is bool or (kind is int and value.bit_length() <= _DECIMAL_BITS):
        return sha1_hex(str(value).encode())
    if kind is bytes:
        sha = hashlib.sha1(HEADER + _head("bytes", len(value)), usedforsecurity=False)
        sha.update(value)  # not joined: it may be large
        return sha.hexdigest()
    return sha1_hex(HEADER + encoded(value, where=where))


def encoded(value: Any, *, where: str = "the value") -> bytes:
    """A value in the numbered format.

    Args:
        value: what to encode.
        where: what the value is, for the error message.

    Returns:
        the bytes that `content_hash` hashes, without the header.

    Raises:
        TypeError: if the value has no stable content.
    """
    simple = _SIMPLE.get(type(value))
    if simple is not None:
        return simple(value)
    try:
        return Encoder(where).encode(value)
    except RecursionError:
        raise TypeError(
            f"{where} was to be hashed by its content, but it is nested too deeply to be read; "
            "flatten it, or hash it yourself and declare the digest"
        ) from None


def tagged(tag: str, payload: bytes) -> bytes:
    """One piece of the format: the tag, the length, the payload."""
    return b"%s:%s%s" % (tag.encode(), len(payload).to_bytes(8, "big"), payload)


def _head(tag: str, length: int) -> bytes:
    """What stands before a payload."""
    return b"%s:%s" % (tag.encode(), length.to_bytes(8, "big"))


_NO_STEP = object()


class Encoder:
    """Encodes one value, remembering the way to the part it is at.

    Attributes:
        only_data: whether values are taken by all that they hold, and as they are (a NaN by its bits, an array in the
            order of its memory), and what only says how it was declared is refused: functions, estimators by their
            parameters, objects by their text. Not the published format.
        cure: what to do about a value that has no stable content, as a sentence.
    """

    only_data = False
    cure = (
        "Keep it out of versioned fields (build it in __init__), declare what it is made from instead, or give its "
        "class a method __chariots_hash__() that returns what identifies it"
    )

    def __init__(self, where: str) -> None:
        self.where = where
        self._active: dict[int, Any] = {}
        self._steps: list[Any] = []

    def encode(self, value: Any, step: Any = _NO_STEP) -> bytes:
        """The encoded form of a value.

        Args:
            value: what to encode.
            step: the index or key under which the value around it holds it.

        Raises:
            TypeError: if it has no stable content.
        """
        kind = type(value)
        simple = _SIMPLE.get(kind)
        if simple is not None:
            return simple(value)
        compound = _CONTAINERS.get(kind)
        if compound is None:
            from chariots.versioning.content_objects import encode_object

            compound = encode_object
        key = id(value)
        if key in self._active:
            return self._again(value)
        self._active[key] = value
        self._steps.append(step)
        try:
            return compound(self, value)
        finally:
            self._steps.pop()
            del self._active[key]

    def _again(self, value: Any) -> bytes:
        """A value inside itself: how far out it is for a function that calls itself, an error for data."""
        if type(value).__name__ != "function":
            raise self.refusal(value, "it contains itself, and so has no end")
        return self.parts("again", len(self._active) - list(self._active).index(id(value)))

    def parts(self, tag: str, *values: Any) -> bytes:
        """A tag around several encoded values, one after the other."""
        return tagged(tag, b"".join([self.encode(value) for value in values]))

    def sequence(self, tag: str, values: Iterable[Any]) -> bytes:
        """A tag around encoded values whose order counts."""
        return tagged(tag, b"".join([self.encode(value, index) for index, value in enumerate(values)]))

    def unordered(self, tag: str, values: Iterable[Any]) -> bytes:
        """A tag around encoded values whose order does not count."""
        return tagged(tag, b"".join(sorted(self.encode(value) for value in values)))

    def mapping(self, tag: str, pairs: Iterable[tuple[Any, Any]]) -> bytes:
        """A tag around encoded keys and values, in the order of the encoded keys."""
        encoded_pairs = [(self.encode(key), self.encode(value, key)) for key, value in pairs]
        return tagged(tag, b"".join([key + value for key, value in sorted(encoded_pairs)]))

    def refusal(self, value: Any, why: str) -> TypeError:
        """The error for a value that cannot be hashed.

        Args:
            value: the part that is in the way.
            why: what is wrong with it, as the end of a sentence.
        """
        kind = f"{type(value).__module__}.{type(value).__qualname__}"
        way = "".join(f"[{_shown(step)}]" for step in self._steps if step is not _NO_STEP)
        place = f" (at value{way})" if way else ""
        return TypeError(
            f"{self.where} was to be hashed by its content, but it holds a {kind}{place}, which has no stable"
            f" content: {why}. {self.cure}"
        )


def _shown(step: Any) -> str:
    """An index or key, as far as it can be shown in a sentence."""
    return f"{step!r:.40}" if type(step) is str or (type(step) is int and abs(step) < 10**9) else type(step).__name__


def _integer(value: int) -> bytes:
    return tagged("int", value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


def double(value: float) -> bytes:
    """Eight bytes of a float; every NaN has the same ones."""
    return struct.pack(">d", value) if value == value else b"\x7f\xf8\0\0\0\0\0\0"


def text_bytes(value: str) -> bytes:
    """The bytes of a text, lone surrogates included (file names may hold them)."""
    return value.encode("utf-8", "surrogatepass")


_SIMPLE: dict[type, Callable[[Any], bytes]] = {
    type(None): lambda value: tagged("none", b""),
    type(...): lambda value: tagged("ellipsis", b""),
    type(NotImplemented): lambda value: tagged("not-implemented", b""),
    bool: lambda value: tagged("bool", b"\1" if value else b"\0"),
    int: _integer,
    float: lambda value: tagged("float", double(value)),
    complex: lambda value: tagged("complex", double(value.real) + double(value.imag)),
    str: lambda value: tagged("str", text_bytes(value)),
    bytes: lambda value: tagged("bytes", value),
    bytearray: lambda value: tagged("bytearray", bytes(value)),
}

_CONTAINERS: dict[type, Callable[[Encoder, Any], bytes]] = {
    list: lambda encoder, value: encoder.sequence("list", value),
    tuple: lambda encoder, value: encoder.sequence("tuple", value),
    set: lambda encoder, value: encoder.unordered("set", value),
    frozenset: lambda encoder, value: encoder.unordered("frozenset", value),
    dict: lambda encoder, value: encoder.mapping("dict", value.items()),
    range: lambda encoder, value: encoder.parts("range", value.start, value.stop, value.step),
    slice: lambda encoder, value: encoder.parts("slice", value.start, value.stop, value.step),
}
