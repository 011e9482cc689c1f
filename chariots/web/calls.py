"""What is one call made of, how long may it take, and may it be made again?"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from typing import IO, TYPE_CHECKING, Any

from chariots.web import deadline

if TYPE_CHECKING:
    from chariots.web.failures import Failure

__all__ = ["Body", "Call"]

Body = bytes | IO[bytes] | Iterable[bytes]


class Call:
    """One call, through all its attempts.

    Attributes:
        asked: method and URL, for messages.
        url: the URL.
        headers: as they are sent.
        idempotent: whether making the call twice does no harm.
        limit: seconds that were given for the call, or for each wait if it streams.
    """

    def __init__(
        self,
        method: str,
        url: str,
        body: Body | None,
        headers: dict[str, str],
        *,
        idempotent: bool,
        limit: float | None,
        streams: bool,
    ) -> None:
        self.asked = f"{method} {url}"
        self.url = url
        self.headers = headers
        self.idempotent = idempotent
        self.limit = limit
        self._streams = streams
        # A deadline around the call bounds it in any case; a streaming call's own limit bounds each wait.
        self._until = deadline.earlier(deadline.moment.get(), None if streams else limit)
        self._rewind: Callable[[], bool]
        self.body = self._prepare(body)

    def _prepare(self, body: Body | None) -> Body | None:
        if body is None or isinstance(body, bytes):
            self._rewind = lambda: True
            return body
        file: Any = body
        if hasattr(body, "read") and getattr(body, "seekable", lambda: False)():
            start = file.tell()
            size = file.seek(0, os.SEEK_END) - start
            file.seek(start)
            self.headers.setdefault("Content-Length", str(size))
            self._rewind = lambda: file.seek(start) == start
            return body
        once = _Once(body)
        self._rewind = lambda: not once.started
        return once

    def left(self) -> float | None:
        """Seconds until the call must be over; None where nothing bounds it as a whole."""
        return None if self._until is None else self._until - time.monotonic()

    def patience(self) -> float | None:
        """Seconds that the next wait for the other side may take."""
        left = self.left()
        if self._streams and self.limit is not None:
            return self.limit if left is None else min(self.limit, left)
        return left

    def may_repeat(self, failure: Failure | None) -> bool:
        """Whether another attempt does no harm after this failure; puts the body back to its beginning."""
        return (self.idempotent or (failure is not None and failure.is_unsent)) and self._rewind()


class _Once:
    """An iterable body that knows whether any of it was taken."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = pieces
        self.started = False

    def __iter__(self) -> Iterator[bytes]:
        self.started = True
        return iter(self._pieces)
