"""What is one call made of, how long may it take, and may it be made again?"""

from __future__ import annotations

import datetime
import math
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from email.utils import parsedate_to_datetime
from typing import IO, Any

import urllib3
from urllib3 import exceptions as broken

from chariots.errors import UnreachableError
from chariots.web import deadline

__all__ = ["Body", "Call", "retry_after", "unreachable"]

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

    def waits(self) -> urllib3.Timeout:
        """The limits of the next attempt, as urllib3 takes them."""
        patience = self.patience()
        return urllib3.Timeout(connect=patience, read=patience)

    def may_repeat(self, error: broken.HTTPError | None) -> bool:
        """Whether another attempt does no harm after this failure; puts the body back to its beginning."""
        return (self.idempotent or _never_connected(error)) and self._rewind()


class _Once:
    """An iterable body that knows whether any of it was taken."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = pieces
        self.started = False

    def __iter__(self) -> Iterator[bytes]:
        self.started = True
        return iter(self._pieces)


def _never_connected(error: Exception | None) -> bool:
    if isinstance(error, broken.ProxyError):
        return isinstance(error.original_error, broken.NewConnectionError | broken.ConnectTimeoutError)
    return isinstance(error, broken.NewConnectionError | broken.ConnectTimeoutError)


def _reason(error: broken.HTTPError) -> str:
    """Says in a few words why no answer came."""
    if isinstance(error, broken.NameResolutionError):
        return "its host name is unknown"
    if isinstance(error, broken.NewConnectionError | broken.ProxyError):
        cause = error.__cause__ or error.__context__
        return f"no connection ({getattr(cause, 'strerror', None) or error})"
    if isinstance(error, broken.TimeoutError):
        return "no answer in time"
    if isinstance(error, broken.SSLError):
        return f"no secure connection ({error})"
    if isinstance(error, broken.IncompleteRead):
        return "the answer broke off before its end"
    if isinstance(error, broken.ProtocolError):
        cause = error.args[1] if len(error.args) > 1 else error
        return f"the connection broke ({getattr(cause, 'strerror', None) or cause})"
    return str(error)


def retry_after(headers: Mapping[str, str]) -> float:
    """Reads how many seconds the other side asks for.

    Args:
        headers: of its answer.

    Returns:
        seconds; zero where it says nothing that can be understood.
    """
    text = headers.get("Retry-After", "").strip()[:64]
    try:
        seconds = float(text)
        return max(seconds, 0.0) if math.isfinite(seconds) else 0.0
    except ValueError:
        pass
    try:
        moment = parsedate_to_datetime(text)
        now = datetime.datetime.now(moment.tzinfo)
        return max((moment - now).total_seconds(), 0.0)
    except (ValueError, TypeError, OverflowError):
        return 0.0


def unreachable(call: Call, error: broken.HTTPError, attempts: int) -> UnreachableError:
    """Words the failure of a whole call: what was asked, what is in the way, what to do."""
    tried = f", tried {attempts} times" if attempts > 1 else ""
    if isinstance(error, broken.TimeoutError) and not _never_connected(error):
        limit = f" within {call.limit:g} s" if call.limit is not None else " before its deadline"
        cure = "Give the call more time (timeout=...), or run the pipeline in a worker."
        return UnreachableError(f"{call.asked} was not answered{limit}{tried}. {cure}")
    cure = "Check that the service runs, and that its URL is right."
    if isinstance(error, broken.ProtocolError):
        cure = "Look at the log of the service."
    return UnreachableError(f"{call.asked} was not answered: {_reason(error)}{tried}. {cure}")
