"""How many seconds may the work at hand still take, here and in the services it calls?"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from typing import Any

__all__ = ["HEADER", "UNTIL", "remaining", "of_environ", "scope", "parse"]

HEADER = "X-Request-Deadline"
"""The header that carries the seconds left; a duration, so that clocks need not agree."""

# Where the WSGI environment has the monotonic moment at which a request must be answered, its waiting considered.
UNTIL = "chariots.until"

# The monotonic moment at which the current work must be done.
moment: ContextVar[float | None] = ContextVar("chariots_deadline", default=None)


def remaining() -> float | None:
    """Tells how much time is left.

    Returns:
        seconds, zero or less when the deadline has passed; None where there is no deadline.
    """
    until = moment.get()
    return None if until is None else until - time.monotonic()


@contextlib.contextmanager
def scope(seconds: float | None) -> Iterator[None]:
    """Bounds everything inside; a scope within a scope can only shorten it.

    Args:
        seconds: the time allowed from now on; None changes nothing.
    """
    outer = moment.get()
    token = moment.set(earlier(outer, seconds))
    try:
        yield
    finally:
        moment.reset(token)


def earlier(outer: float | None, seconds: float | None) -> float | None:
    """The earlier of a monotonic moment and so many seconds from now; None where neither bounds."""
    if seconds is None:
        return outer
    own = time.monotonic() + seconds
    return own if outer is None else min(outer, own)


def of_environ(environ: Mapping[str, Any]) -> float | None:
    """The monotonic moment at which a request must be answered.

    Args:
        environ: its WSGI environment.

    Returns:
        the moment, for which the time that it waited was considered where that is known; None where nothing bounds it.
    """
    until: float | None = environ.get(UNTIL)
    if until is None and "HTTP_X_REQUEST_DEADLINE" in environ:
        return earlier(None, parse(environ["HTTP_X_REQUEST_DEADLINE"]))
    return until


def parse(text: str) -> float | None:
    """Reads the header.

    Args:
        text: what a caller sent.

    Returns:
        seconds, never negative; None for anything that is not a finite number.
    """
    if len(text) > 32:
        return None
    try:
        seconds = float(text)
    except ValueError:
        return None
    return max(seconds, 0.0) if math.isfinite(seconds) else None
