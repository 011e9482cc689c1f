"""How is a large body read without copying it again and again?"""

from __future__ import annotations

import io

from flask import request
from werkzeug.exceptions import ClientDisconnected

__all__ = ["in_one_piece"]

_LARGE = 2**16  # bytes; what Werkzeug reads at once


def in_one_piece(*, keep: bool) -> bytes | None:
    """Reads a large body of known length.

    Werkzeug reads it in pieces of 64 KiB and copies each three times, and gunicorn may copy all that is left for each.

    Args:
        keep: whether it can be read again.

    Returns:
        the body; None where it is none of these, or somebody has begun to read it.

    Raises:
        RequestEntityTooLarge: when it is larger than the application accepts.
        ClientDisconnected: when it breaks off.
        OSError: when the connection does.
    """
    length = request.content_length
    environ = request.environ
    if length is None or length <= _LARGE or "HTTP_TRANSFER_ENCODING" in environ or "stream" in request.__dict__:
        return None
    _ = request.stream  # which refuses what is too large
    read = environ["wsgi.input"].read
    body: bytes = read(length)
    while len(body) < length and (more := read(length - len(body))):
        body += more
    if len(body) < length:
        raise ClientDisconnected
    request.__dict__["stream"] = io.BytesIO(body if keep else b"")  # where Werkzeug keeps what it reads from
    return body
