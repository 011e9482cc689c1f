"""Which pages on the web may read what a service answers? (the CORS protocol of the Fetch standard)"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from chariots.web import deadline, request_ids

__all__ = ["Cors"]

METHODS: Final = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
SENT: Final = f"Authorization, Content-Type, {request_ids.HEADER}, {deadline.HEADER}, {request_ids.CALLER_HEADER}"
READ: Final = f"{request_ids.HEADER}, Retry-After, WWW-Authenticate"
PREFLIGHT_SECONDS: Final = "600"

Headers = list[tuple[str, str]]


class Cors:
    """The origins that a service gives its answers to.

    Cookies are not asked for: a page brings a token, or nothing.

    Args:
        origins: such as ``https://shop.example``, in lower case; ``"*"`` for every one.
    """

    def __init__(self, origins: Iterable[str]) -> None:
        self._origins = frozenset(origins)

    def headers(self, environ: Mapping[str, Any]) -> Headers:
        """What is added to the answer to a request."""
        origin = environ.get("HTTP_ORIGIN")
        if "*" in self._origins:
            return [("Access-Control-Allow-Origin", "*"), ("Access-Control-Expose-Headers", READ)]
        # Also where the origin is another: what a cache keeps for one page must not be given to the next.
        vary = [("Vary", "Origin")]
        if origin is None or origin.lower() not in self._origins:
            return vary
        return [*vary, ("Access-Control-Allow-Origin", origin), ("Access-Control-Expose-Headers", READ)]

    def preflight(self, environ: Mapping[str, Any]) -> Headers | None:
        """What a browser is told that asks whether it may ask; None if the request is something else."""
        if environ["REQUEST_METHOD"] != "OPTIONS" or "HTTP_ACCESS_CONTROL_REQUEST_METHOD" not in environ:
            return None
        if "HTTP_ORIGIN" not in environ:
            return None
        allowed = [
            ("Access-Control-Allow-Methods", METHODS),
            ("Access-Control-Allow-Headers", SENT),
            ("Access-Control-Max-Age", PREFLIGHT_SECONDS),
        ]
        headers = self.headers(environ)
        return [*headers, *allowed] if len(headers) > 1 else headers
