"""What does a value hold, so that a value with the same content can stand in for it?

`chariots.versioning.content_hash` takes an object as its author declared it, which is what a version needs: an
estimator is its parameters there. A cache must not take a trained estimator for an untrained one, so that here
everything that a value holds counts, and what cannot be told is refused.
"""

from __future__ import annotations

import hashlib
import types
from collections.abc import Callable
from typing import Any

from chariots.versioning.content import Encoder

__all__ = ["content_of", "is_immutable", "state_of"]

_HEADER = b"chariots-data-1\n"
_IMMUTABLE = frozenset({type(None), bool, int, float, complex, str, bytes})


class _Data(Encoder):
    """Encodes a value by all that it holds."""

    only_data = True
    cure = "Give its class a method __chariots_hash__() that returns what identifies it, or leave cache=True out"


class _State(_Data):
    """Encodes what an op holds: data, and functions by their code and all that it uses."""

    def __init__(self, where: str, code_of: Callable[[Any], str | None]) -> None:
        super().__init__(where)
        self._code_of = code_of

    def encode(self, value: Any, *step: Any) -> bytes:
        """The encoded form of a value; see `Encoder.encode`."""
        if isinstance(value, types.FunctionType):
            code = self._code_of(value)
            if code is None:
                raise self.refusal(value, "Python has no source for it, so that nobody could tell when it changes")
            return self.parts("function", code)
        return super().encode(value, *step)


def is_immutable(value: Any) -> bool:
    """Whether nobody can change a value in place."""
    return type(value) in _IMMUTABLE


def content_of(value: Any, where: str) -> str:
    """Names what a value holds.

    Args:
        value: the value.
        where: what it is, for the message.

    Returns:
        64 hex digits, the same for the same content in every process.

    Raises:
        TypeError: if something in it has no content that can be told.
    """
    sha = hashlib.sha256(_HEADER)
    if type(value) is bytes:
        sha.update(b"bytes:" + len(value).to_bytes(8, "big"))
        sha.update(value)  # not encoded with the others, which would copy it
    else:
        sha.update(_encoded(_Data(where), value))
    return sha.hexdigest()


def state_of(held: Any, where: str, code_of: Callable[[Any], str | None]) -> str:
    """Names what an op holds, as `content_of` does for a value.

    Args:
        held: the attributes of the op.
        where: whose they are, for the message.
        code_of: fingerprints a function among them.

    Raises:
        TypeError: if something in it has no content that can be told.
    """
    return hashlib.sha256(_HEADER + _encoded(_State(where, code_of), held)).hexdigest()


def _encoded(encoder: Encoder, value: Any) -> bytes:
    try:
        return encoder.encode(value)
    except RecursionError:
        raise TypeError(
            f"{encoder.where} was to be hashed by its content, but it is nested too deeply to be read; flatten it. "
            f"{encoder.cure}"
        ) from None
