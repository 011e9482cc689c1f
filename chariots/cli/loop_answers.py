"""What does the loop of a worker answer by itself, when no thread has time?"""

from __future__ import annotations

import re
from typing import Final

from chariots.cli.patient_socket import declared_length
from chariots.errors import OverloadedError
from chariots.web.request_ids import accepted, new_request_id

__all__ = ["RETRY_AFTER", "overloaded", "spare_name"]

RETRY_AFTER: Final = 1  # seconds
_SPARE: Final = re.compile(rb"(?:GET|HEAD) /(livez|readyz|metrics)(?:\?[^ ]*)? HTTP/1\.[01]\r\n")
_REQUEST_ID: Final = re.compile(rb"\r\nx-request-id:[ \t]*([^\r\n]*?)[ \t]*\r\n", re.IGNORECASE)
_CLOSE: Final = re.compile(rb"\r\nconnection:[^\r\n]*close", re.IGNORECASE)


def spare_name(received: bytearray) -> str | None:
    """Whose turn never has to wait for the threads: ``livez``, ``readyz`` or ``metrics``; None for all others."""
    found = _SPARE.match(received)
    return None if found is None else found[1].decode()


def overloaded(received: bytearray, waiting: int) -> tuple[bytes, int | None]:
    """Refuses a request.

    Args:
        received: what has come of it, and maybe of the next one.
        waiting: how many requests wait.

    Returns:
        the answer, and how long the request is; None for that where the connection has to be closed.
    """
    from chariots.schema import dumps

    end = received.find(b"\r\n\r\n")
    found = _REQUEST_ID.search(received, 0, max(end, 0) + 2)
    request_id = (accepted(found[1].decode("latin-1")) if found else None) or new_request_id()
    error = OverloadedError(
        f"this server has {waiting} requests that wait already, and takes no more; nothing was begun. Ask again in "
        f"{RETRY_AFTER} s, or let more processes serve (--workers)",
        retry_after=RETRY_AFTER,
    )
    body = dumps({**error.problem(), "request_id": request_id})
    head = bytes(received[: max(end, 0)])
    length = declared_length(received, end) if end >= 0 else None
    is_kept = b" HTTP/1.1\r\n" in head + b"\r\n" and _CLOSE.search(head) is None
    is_kept = is_kept and length is not None and len(received) >= end + 4 + length
    answer = b"\r\n".join(
        [
            b"HTTP/1.1 503 Service Unavailable",
            b"Content-Type: application/problem+json",
            b"Content-Length: %d" % len(body),
            b"Retry-After: %d" % RETRY_AFTER,
            b"X-Request-ID: " + request_id.encode(),
            b"Connection: keep-alive" if is_kept else b"Connection: close",
            b"",
            b"" if head.startswith(b"HEAD ") else body,
        ]
    )
    return answer, end + 4 + (length or 0) if is_kept else None
