"""Which request is this, and who asks? (one id from the first caller down to the last service)"""

from __future__ import annotations

import os
import random
import re
import sys
from collections.abc import MutableMapping
from contextvars import ContextVar
from typing import Any

__all__ = [
    "CALLER_HEADER",
    "DECIDED",
    "HEADER",
    "accepted",
    "current_request_id",
    "new_request_id",
    "of_environ",
    "outside",
]

HEADER = "X-Request-ID"
CALLER_HEADER = "X-Chariots-Key"
"""The header that says who asks, so that the same caller always gets the same versions."""
# Where the WSGI environment has the id, once it is decided.
DECIDED = "chariots.request_id"
_is_sane = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/+=-]{0,127}").fullmatch

# Of our own, so that nobody's seed makes ids come again; the system, asked each time, would let other threads go first.
_numbers = random.Random(os.urandom(32))
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=lambda: _numbers.seed(os.urandom(32)))

# The id of work that goes on outside of a request: a job in a worker, a command.
outside: ContextVar[str | None] = ContextVar("chariots_request_id", default=None)


def accepted(text: str | None) -> str | None:
    """Takes over the id of a caller.

    Args:
        text: the header as it came.

    Returns:
        the id; None when there is none, or when it could break a log line or a header.
    """
    return text if text is not None and _is_sane(text) else None


def new_request_id() -> str:
    """Makes an id: 32 hexadecimal digits."""
    return f"{_numbers.getrandbits(128):032x}"


def of_environ(environ: MutableMapping[str, Any]) -> str:
    """The id of the request that has a WSGI environment; decided the first time it is asked for."""
    known: str | None = environ.get(DECIDED)
    if known is None:
        known = accepted(environ.get("HTTP_X_REQUEST_ID")) or new_request_id()
        environ[DECIDED] = known
    return known


def current_request_id() -> str | None:
    """Tells the id of the request that is being answered.

    Returns:
        the id that the answer will carry; None outside of a request.
    """
    flask = sys.modules.get("flask")
    if flask is not None and hasattr(flask, "has_request_context") and flask.has_request_context():
        return of_flask_request()
    return outside.get()


def of_flask_request() -> str:
    """The id of the current flask request; decided the first time it is asked for."""
    from flask import g, request

    known: str | None = g.get("chariots_request_id")
    if known is None:
        known = g.chariots_request_id = of_environ(request.environ)
    return known
