"""How are the bytes of a URL fetched, part by part, always of the same state, and without telling secrets?"""

from __future__ import annotations

import http.client
import math
import re
import threading
import time
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from chariots.errors import (
    ChariotsError,
    ConflictError,
    ExpiredError,
    ForbiddenError,
    InputError,
    UnauthorizedError,
    UnknownNameError,
    UnreachableError,
)
from chariots.transfer.connections import Connections, Target
from chariots.transfer.origins import ChangedError, PassingError, Pin
from chariots.web.attempts import retry_after
from chariots.web.hosts import is_loopback

__all__ = ["HttpOrigin", "shown_url"]

_MOST_REDIRECTS: Final = 8
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_PASSING: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_USED_UP: Final = frozenset({400, 401, 403, 404, 410})  # what signed addresses answer when they have expired
_CONTENT_RANGE: Final = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)\Z")


class HttpOrigin:
    """A file at a URL.

    Args:
        url: the address.
        size: how many bytes the file has.
        connections: what speaks with servers.
        token: what to show to the server of this address, and to no other.
        expires: when the address is said to expire, in seconds since 1970; it is tried all the same.
        allow_http: whether other machines may be asked without TLS.

    Raises:
        InputError: if the address is none, or one that may not be used.
    """

    def __init__(
        self,
        url: str,
        size: int,
        connections: Connections,
        *,
        token: str | None = None,
        expires: float = math.inf,
        allow_http: bool = False,
    ) -> None:
        self.shown = shown_url(url)
        self._size = size
        self._connections = connections
        self._expires = expires
        self._allow_http = allow_http
        self._own = self._checked(url)
        self._home = Target.of(self._own)
        self._token = token
        self._direct: urllib.parse.SplitResult | None = None  # where the server sent us
        self._lock = threading.Lock()

    def open(self, start: int, stop: int, pin: Pin | None) -> HttpAnswer:
        """Asks for a part of the file, see `chariots.transfer.origins.Origin`."""
        with self._lock:
            direct = self._direct
        address = direct or self._own
        for _ in range(_MOST_REDIRECTS):
            target = Target.of(address)
            connection, response = self._ask(address, target, start, stop, pin)
            if response.status not in _REDIRECTS:
                break
            address = self._sent_to(address, response)
            response.close()
            self._connections.drop(connection)
        else:
            raise UnreachableError(
                f"{self.shown} sends from one address to the next without an end; it was not followed"
            )
        try:
            answer = self._read_head(response, start, stop, pin)
        except BaseException as error:
            self._connections.drop(connection)
            if direct is not None and response.status in _USED_UP and isinstance(error, ChariotsError):
                with self._lock:
                    self._direct = None
                raise PassingError(f"the address that {self.shown} sent to is used up", must_locate=True) from error
            raise
        if address is not self._own and direct is None:
            with self._lock:
                self._direct = address
        return HttpAnswer(answer, response, lambda is_whole: self._done(target, connection, is_whole))

    def _done(self, target: Target, connection: http.client.HTTPConnection, is_whole: bool) -> None:
        if is_whole:
            self._connections.give_back(target, connection)
        else:
            self._connections.drop(connection)

    def _ask(
        self, address: urllib.parse.SplitResult, target: Target, start: int, stop: int, pin: Pin | None
    ) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        headers = {"Accept-Encoding": "identity", "User-Agent": "chariots"}
        if start > 0 or stop < self._size:
            headers["Range"] = f"bytes={start}-{stop - 1}"
        if self._token is not None and target == self._home:
            headers["Authorization"] = f"Bearer {self._token}"
        if pin is not None and pin.etag is not None and pin.etag.startswith('"'):
            headers["If-Match"] = pin.etag
        path = urllib.parse.urlunsplit(("", "", address.path or "/", address.query, ""))
        if target.scheme == "http" and self._connections.proxy_of(target) is not None:
            path = urllib.parse.urlunsplit(address._replace(fragment=""))
        while True:
            try:
                connection, was_used = self._connections.take(target)
            except OSError as error:
                raise PassingError(f"{target.host} cannot be reached: {error.strerror or error}") from error
            try:
                connection.request("GET", path, headers=headers)
                return connection, connection.getresponse()
            except (OSError, http.client.HTTPException) as error:
                self._connections.drop(connection)
                if not was_used:
                    what = "nothing came in time" if isinstance(error, TimeoutError) else str(error) or repr(error)
                    raise PassingError(f"{target.host} did not answer: {what[:200]}") from error
            # The server may have closed a connection that was idle; a new one tells.

    def _sent_to(
        self, address: urllib.parse.SplitResult, response: http.client.HTTPResponse
    ) -> urllib.parse.SplitResult:
        place = response.headers.get("Location", "")
        if not place:
            raise UnreachableError(f"{self.shown} was answered with {response.status}, which names no other address")
        return self._checked(urllib.parse.urljoin(urllib.parse.urlunsplit(address), place))

    def _checked(self, url: str) -> urllib.parse.SplitResult:
        try:
            parts = urllib.parse.urlsplit(url.strip())
            host, _ = parts.hostname, parts.port
        except ValueError:
            host = None
        if not host or parts.scheme not in ("http", "https"):
            raise InputError(
                f"{self.shown} is, or leads to, no address that begins with https://; correct the manifest"
            )
        if parts.username is not None or parts.password is not None:
            raise InputError(f"{self.shown} has a password in it; give it as a secret instead")
        if any(ord(character) <= 32 or ord(character) == 127 for character in parts.path + parts.query + host):
            raise InputError(f"{self.shown} holds a space or a control character; write it with percent signs")
        if parts.scheme == "http" and not self._allow_http and not is_loopback(host):
            raise InputError(
                f"{self.shown} is, or leads to, an address without TLS ({host}); use https, or set "
                "CHARIOTS_TRANSFER_ALLOW_HTTP=1 where the network can be trusted"
            )
        # Whatever is not ASCII travels as percent signs, as browsers do it.
        path = urllib.parse.quote(parts.path, safe="/%:@!$&'()*+,;=~-._")
        query = urllib.parse.quote(parts.query, safe="/%:@!$&'()*+,;=~-._?")
        return parts._replace(path=path, query=query, fragment="")

    def _read_head(self, response: http.client.HTTPResponse, start: int, stop: int, pin: Pin | None) -> _Head:
        status, headers = response.status, response.headers
        if status in (200, 206):
            encoding = headers.get("Content-Encoding", "identity").lower()
            if encoding != "identity":
                raise ConflictError(f"{self.shown} is sent as {encoding[:40]}, though it was asked for as it is")
            etag = headers.get("ETag") or headers.get("Last-Modified")
            if status == 200:
                total = response.length
                found = Pin(etag, total)
                offset = 0
            else:
                told = _CONTENT_RANGE.match(headers.get("Content-Range", ""))
                if told is None or int(told[1]) != start or not start <= int(told[2]) < stop:
                    raise self._other_part(headers.get("Content-Range", ""), start, stop, pin)
                found = Pin(etag, None if told[3] == "*" else int(told[3]))
                offset, stop = start, int(told[2]) + 1
            if pin is not None and pin.differs_from(found):
                raise ChangedError
            if found.size is not None and found.size != self._size:
                raise self._other_size(found.size)
            return _Head(found, offset, stop, status == 206 or (start == 0 and stop == self._size))
        if status == 412:
            raise ChangedError
        raise self._refused(status, headers, pin)

    def _other_part(self, told: str, start: int, stop: int, pin: Pin | None) -> Exception:
        found = _CONTENT_RANGE.match(told)
        if found is not None and found[3] != "*" and int(found[3]) != self._size:
            return ChangedError() if pin is not None else self._other_size(int(found[3]))
        return PassingError(f"the bytes {start} to {stop - 1} were asked for, and {told[:80] or 'others'!r} were sent")

    def _other_size(self, size: int) -> ConflictError:
        return ConflictError(
            f"{self.shown} has {size} bytes, where the manifest says {self._size}; it has changed since the manifest "
            "was made: make a new one"
        )

    def _refused(self, status: int, headers: http.client.HTTPMessage, pin: Pin | None) -> Exception:
        if status in _PASSING:
            return PassingError(
                f"{self.shown} was answered with {status}", retry_after({"Retry-After": headers.get("Retry-After", "")})
            )
        if status == 416:
            return (
                ChangedError()
                if pin is not None
                else ConflictError(
                    f"{self.shown} has fewer bytes than the manifest says ({self._size}); make a new manifest"
                )
            )
        shown = f"{self.shown} was answered with {status}"
        if status in _USED_UP and self._expires < time.time():
            return ExpiredError(f"{shown}; the manifest says that this address has expired: make a new manifest")
        if headers.get("X-Error-Code") == "GatedRepo":
            return ForbiddenError(
                f"{shown}: the repository is gated; accept its terms on its page, and set the token of that account as "
                "the secret that the manifest names"
            )
        if status == 401:
            return UnauthorizedError(
                f"{shown}: it wants a token, or another one; set the secret that the manifest names"
            )
        if status == 403:
            return ForbiddenError(
                f"{shown}: the token does not open it, or its signature has expired; make a new manifest"
            )
        if status in (404, 410):
            return UnknownNameError(f"{shown}: there is no such file any more; make a new manifest")
        return UnreachableError(f"{shown}, which is no answer to a request for a file; look at the address")


@dataclass(frozen=True, slots=True)
class _Head:
    pin: Pin
    start: int
    stop: int
    has_ranges: bool


class HttpAnswer:
    """The bytes of an answer; see `chariots.transfer.origins.Answer`.

    Attributes:
        pin: which state of the object they are of.
        start: the offset of the first one.
        stop: the offset behind the last one.
        has_ranges: False where the server sends all of a file, whichever part was asked for.
    """

    def __init__(self, head: _Head, response: http.client.HTTPResponse, done: Callable[[bool], None]) -> None:
        self.pin, self.start, self.stop, self.has_ranges = head.pin, head.start, head.stop, head.has_ranges
        self._response = response
        self._left = head.stop - head.start
        self._done = done

    def readinto(self, buffer: memoryview) -> int:
        """Puts the next bytes into a buffer."""
        if self._left <= 0:
            return 0
        wanted = min(len(buffer), self._left)
        try:
            count = self._response.readinto(buffer[:wanted])
        except (OSError, http.client.HTTPException, ValueError) as error:
            what = "nothing came for too long" if isinstance(error, TimeoutError) else str(error)[:200] or repr(error)
            raise PassingError(f"the connection was lost: {what}") from error
        self._left -= count
        if not count:
            raise PassingError(f"the connection ended {self._left} bytes too early")
        return count

    def close(self) -> None:
        """Ends the answer; the connection is kept if all of it was read."""
        response, self._left = self._response, 0
        is_whole = not response.will_close and (response.length == 0 or response.isclosed())
        response.close()
        self._done(is_whole)


def shown_url(url: str) -> str:
    """What an address is called in messages: without what may be signed or secret in it.

    Args:
        url: the address.
    """
    try:
        parts = urllib.parse.urlsplit(url)
        host = parts.hostname or ""
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "an address that is none"
    return f"{parts.scheme}://{host}{port}{parts.path}"[:300]
