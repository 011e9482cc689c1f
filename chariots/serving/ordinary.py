"""Which requests have nothing about them that Flask would have to look at?"""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

__all__ = ["body_of", "is_ordinary"]

_LARGEST = 2**16  # bytes of a body; what is larger takes longer than Flask's dispatch
_TYPES = frozenset({"application/json", "application/json; charset=utf-8", "application/json;charset=utf-8"})
_ACCEPTED = frozenset({"*/*", "application/json", "application/json, text/plain, */*", "application/json, */*"})
_ORDINARY_HOST = re.compile(
    r"[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63}){0,9}\.?(:\d{1,5})?|\[[0-9A-Fa-f:.]+\](:\d{1,5})?"
)
_UNUSUAL = (
    "HTTP_COOKIE",  # a session may be in it
    "HTTP_IDEMPOTENCY_KEY",
    "HTTP_TRANSFER_ENCODING",
    "HTTP_CONTENT_ENCODING",
    "werkzeug.debug.preserve_context",  # a test client keeps the context of the request
)


def is_ordinary(environ: WSGIEnvironment) -> bool:
    """Whether a request sends JSON, wants JSON, and does nothing else that is worth a look.

    Args:
        environ: of the request.
    """
    return (
        environ["REQUEST_METHOD"] == "POST"
        and environ.get("CONTENT_TYPE", "").lower() in _TYPES
        and environ.get("HTTP_ACCEPT", "*/*") in _ACCEPTED
        and not any(name in environ for name in _UNUSUAL)
        and _ORDINARY_HOST.fullmatch(environ.get("HTTP_HOST", "")) is not None
    )


def body_of(environ: WSGIEnvironment, limit: int | None) -> bytes | None:
    """Reads a small body, and leaves it to be read again.

    Args:
        environ: of the request.
        limit: the bytes that a body may have; None for any number.

    Returns:
        the body; None where it is large, of unknown size, or not whole.
    """
    length = environ.get("CONTENT_LENGTH", "")
    if not (length.isascii() and length.isdigit()) or len(length) > 6:
        return None
    size = int(length)
    if not 0 < size <= (_LARGEST if limit is None else min(_LARGEST, limit)):
        return None
    source, body = environ["wsgi.input"], b""
    try:
        while len(body) < size:
            piece = source.read(size - len(body))
            if not piece:
                break
            body += piece
    except Exception as error:  # noqa: BLE001  # whatever it is, it comes again where Flask reads
        environ["wsgi.input"] = _Broken(error)
        return None
    environ["wsgi.input"] = io.BytesIO(body)
    return body if len(body) == size else None


class _Broken(io.RawIOBase):
    """A body that broke off when it was read."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self._error = error

    def readable(self) -> bool:
        return True

    def readinto(self, _buffer: Any, /) -> int:
        raise self._error
