"""Which of several variants does a key get, so that it gets the same one everywhere and always?

By a keyed hash, never by `hash`, which differs from process to process. Every variant draws a number for the key, and
the one with the best number in proportion to its weight wins (weighted rendezvous hashing, Thaler and Ravishankar
1998). So a variant whose weight grows takes keys from the others, and no key changes hands between those.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from hashlib import blake2b
from numbers import Integral, Real
from typing import Any, TypeAlias

__all__ = ["Choice", "Key", "as_bytes", "fraction", "is_weight"]

Key: TypeAlias = str | int | bytes
"""What one caller is told from another by; a number is the same key as its decimal digits."""

_DRAWS = 2**64


class Choice:
    """A choice among variants.

    Args:
        salt: the name of the choice; two choices of different names are independent of each other.
        weights: for each variant, its share of the keys in proportion to the others; 0 for none.
    """

    def __init__(self, salt: str, weights: Mapping[str, float]) -> None:
        self._drawers = [(name, weight, _secret(f"{salt}\0{name}")) for name, weight in weights.items() if weight > 0]

    def of(self, key: Key) -> str:
        """The variant of a key.

        Args:
            key: whose.

        Returns:
            its name.

        Raises:
            TypeError: if the key is neither a string, nor an integer, nor bytes.
        """
        if len(self._drawers) == 1:
            return self._drawers[0][0]
        data = as_bytes(key)
        # -log(u) / weight is the time until the first event of a process of that rate: the share of those who are
        # first is the weight.
        return min(self._drawers, key=lambda one: -math.log(_draw(one[2], data)) / one[1])[0]


def fraction(salt: str, key: Key) -> float:
    """A number between 0 and 1 that stands for a key.

    Args:
        salt: what it is drawn for; numbers of different salts are independent of each other.
        key: whose.

    Raises:
        TypeError: if the key is neither a string, nor an integer, nor bytes.
    """
    return _draw(_secret(salt), as_bytes(key))


def as_bytes(key: Any) -> bytes:
    """The form in which a key is hashed.

    Args:
        key: a string, an integer or bytes.

    Raises:
        TypeError: if it is something else.
    """
    if isinstance(key, str):
        return key.encode("utf-8", "surrogatepass")
    if isinstance(key, bytes):
        return key
    if isinstance(key, (int, Integral)) and not isinstance(key, bool):  # `int` first, which is found out sooner
        return str(int(key)).encode()
    raise TypeError(f"a key is {key!r:.80} ({type(key).__name__}); give a string, an integer or bytes")


def is_weight(value: Any) -> bool:
    """Whether something can be a weight: a number that is finite, and not negative."""
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value) and float(value) >= 0


def _secret(salt: str) -> bytes:
    return blake2b(salt.encode("utf-8", "surrogatepass"), digest_size=32).digest()


def _draw(secret: bytes, data: bytes) -> float:
    """A number between 0 and 1, both of them excluded."""
    drawn = int.from_bytes(blake2b(data, digest_size=8, key=secret).digest(), "big")
    # Without the half, 0 would come up and have no logarithm; 2**64 - 1 would be rounded up to 1.
    return min((drawn + 0.5) / _DRAWS, 1 - 2**-53)
