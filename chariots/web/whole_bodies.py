"""How is a body of known length read at once, and without copying it again and again?"""

from __future__ import annotations

import io

from flask import Request
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge

__all__ = ["in_one_piece"]


def in_one_piece(request: Request, *, keep: bool) -> bytes | None:
    """Reads a body of known length.

    Werkzeug reads it in pieces of 64 KiB and copies each three times, and gunicorn may copy all that is left for each.
    It surrounds what it reads from with two others, which takes longer than to read a small body.

    Args:
        request: whose body it is.
        keep: whether it can be read again.

    Returns:
        the body; None where its length is not known, or somebody has begun to read it.

    Raises:
        RequestEntityTooLarge: when it is larger than the application accepts.
        ClientDisconnected: when it breaks off.
        OSError: when the connection does.
    """
    environ, known = request.environ, request.__dict__
    length = environ.get("CONTENT_LENGTH", "")
    is_known = length.isascii() and length.isdigit() and len(length) < 19
    if not is_known or "HTTP_TRANSFER_ENCODING" in environ or "stream" in known:
        return None
    size, limit = int(length), request.max_content_length
    if limit is not None and size > limit:
        raise RequestEntityTooLarge
    read = environ["wsgi.input"].read
    body: bytes = read(size)
    while len(body) < size and (more := read(size - len(body))):
        body += more
    if len(body) < size:
        raise ClientDisconnected
    known["stream"] = io.BytesIO(body if keep else b"")  # where Werkzeug keeps what it reads from
    return body
