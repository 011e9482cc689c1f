"""How does one service call another? (pooled connections, deadlines, retries only where they are safe)"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import IO, Any

import urllib3
from urllib3.exceptions import HTTPError

from chariots._version import __version__
from chariots.schema import dumps
from chariots.web import request_ids, tracing
from chariots.web.attempts import Attempts
from chariots.web.calls import Body, Call
from chariots.web.failures import Failure, of_urllib3, unreachable
from chariots.web.replies import Reply, Stream, pieces, read_reply
from chariots.web.retry import RetryPolicy
from chariots.web.targets import Address, Target

__all__ = ["UNSET", "Caller", "Session", "Reply", "Stream"]

_IDEMPOTENT = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS"})
UNSET: Any = object()


class Caller:
    """What is sent with every call to one service, whether its caller waits in a thread or in an event loop.

    Args:
        address: where the service is.
        timeout: seconds per call, None for no limit.
        retries: how often a failed call is tried again, or the whole policy.
        token: sent as ``Authorization: Bearer``.

    Attributes:
        timeout: seconds that one call may take in all, retries included; None for no limit.
        policy: how often and after which pauses calls are tried again.
    """

    def __init__(
        self, address: Address, *, timeout: float | None, retries: int | RetryPolicy, token: str | None
    ) -> None:
        self._address = address
        self.timeout = timeout
        self.policy = retries if isinstance(retries, RetryPolicy) else RetryPolicy(attempts=retries + 1)
        self._headers = {"User-Agent": f"chariots/{__version__}"}
        if token is not None:
            self._headers["Authorization"] = f"Bearer {token}"

    @property
    def base_url(self) -> str:
        """The URL that paths are appended to."""
        return self._address.url

    def _call(
        self,
        method: str,
        path: str,
        body: Body | None,
        headers: dict[str, str],
        idempotent: bool | None,
        timeout: float | None,
        *,
        streams: bool,
    ) -> Call:
        if not path.startswith("/"):
            path = f"/{path}"
        merged = {**self._headers, **headers}
        request_id = request_ids.current_request_id()
        if request_id is not None:
            merged.setdefault(request_ids.HEADER, request_id)
        return Call(
            method,
            self._address.url + path,
            body,
            merged,
            idempotent=method.upper() in _IDEMPOTENT if idempotent is None else idempotent,
            limit=self.timeout if timeout is UNSET else timeout,
            streams=streams,
        )

    def _traced(self, call: Call, method: str) -> AbstractContextManager[Callable[[int], None]]:
        """Where this process traces, a span around a call that travels along; gives what takes the status."""
        spans = tracing.active()
        return nullcontext(_unheard) if spans is None else spans.calling(method, call.url, call.headers)


def _unheard(status: int) -> None:
    """Takes the status of an answer where nobody traces."""


class Session(Caller):
    """Calls one service; safe to share between threads and over a fork.

    A call is tried again where that is safe: always when no connection came about; after a passing failure
    (408, 425, 429, 502, 503, 504 or a broken connection) only if the call is idempotent.
    """

    def __init__(
        self,
        base_url: str,
        *,
        timeout: float | None = 60.0,
        retries: int | RetryPolicy = 3,
        token: str | None = None,
    ) -> None:
        """Prepares calls; nothing is sent yet.

        Args:
            base_url: for instance ``http://127.0.0.1:5000``.
            timeout: seconds per call, None for no limit.
            retries: how often a failed call is tried again, or the whole policy.
            token: sent as ``Authorization: Bearer``.

        Raises:
            ValueError: when the URL is none, or holds a password.
        """
        self._target = Target(base_url)
        super().__init__(self._target, timeout=timeout, retries=retries, token=token)

    def request(
        self,
        method: str,
        path: str,
        *,
        json: Any = UNSET,
        body: bytes | IO[bytes] | Iterable[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
        idempotent: bool | None = None,
        timeout: float | None = UNSET,
        largest: int | None = None,
    ) -> Reply:
        """Makes one call and reads the whole answer, whatever its status.

        Args:
            method: of HTTP.
            path: below the base URL, with a slash in front, quoted where needed.
            json: a value to send as JSON; None is sent as null.
            body: bytes to send as they are: at once, from a file, or piece by piece.
            headers: further headers; they win over those of the session.
            idempotent: whether making the call twice does no harm; by default so for GET, HEAD, PUT, DELETE
                and OPTIONS.
            timeout: seconds for this call instead of the session's. It bounds the whole call, or each wait
                for the other side where the body is a file or an iterable.
            largest: how many bytes the answer may have; None for any number.

        Returns:
            status, headers and body.

        Raises:
            UnreachableError: when no answer came in time.
            BodyTooLargeError: when the answer has more bytes than it may.
            TypeError: when ``json`` has no form in JSON.
        """
        extra = dict(headers or ())
        if json is not UNSET:
            body = dumps(json, where="")
            extra.setdefault("Content-Type", "application/json")
        call = self._call(method, path, body, extra, idempotent, timeout, streams=not isinstance(body, bytes | None))
        reply, _ = self._perform(call, method, path, largest=largest)
        return reply

    @contextmanager
    def stream(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        idempotent: bool | None = None,
        timeout: float | None = UNSET,
    ) -> Iterator[Stream]:
        """Makes one call and hands out the answer piece by piece, as a context manager.

        Args:
            method: of HTTP; GET for instance.
            path: below the base URL.
            body: bytes to send as they are.
            headers: further headers.
            idempotent: whether making the call twice does no harm, as for `request`.
            timeout: seconds of each wait for the other side, instead of the session's.

        Returns:
            status, headers and an iterator of bytes.

        Raises:
            UnreachableError: when no answer came in time, or it broke off.
            ChariotsError: what the answer reports, when its status is 400 or more.
        """
        call = self._call(method, path, body, dict(headers or ()), idempotent, timeout, streams=True)
        reply, response = self._perform(call, method, path, whole=False)
        if response is None:
            raise reply.error()
        try:
            yield Stream(response.status, response.headers, _pieces(response, call), call.asked)
        finally:
            # After its end the connection went back to the pool, and this changes nothing.
            response.close()

    def close(self) -> None:
        """Closes idle connections; the session can still be used."""
        self._target.close()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _perform(
        self, call: Call, method: str, path: str, *, whole: bool = True, largest: int | None = None
    ) -> tuple[Reply, urllib3.BaseHTTPResponse | None]:
        """Makes the call, all its attempts together."""
        with self._traced(call, method) as answered:
            reply, response = self._attempt(call, method, path, whole, largest)
            answered(reply.status)
        return reply, response

    def _attempt(
        self, call: Call, method: str, path: str, whole: bool, largest: int | None
    ) -> tuple[Reply, urllib3.BaseHTTPResponse | None]:
        """Makes attempts until there is an answer.

        Returns:
            the reply and None; with ``whole=False`` and a status below 300 a reply without body, and the open
            response to read it from.
        """
        attempts = Attempts(call, self.policy)
        while True:
            reply: Reply | None = None
            failure: Failure | None = None
            attempts.begin()
            try:
                response = self._open(call, method, path)
                if not whole and response.status < 300:
                    return Reply(response.status, response.headers, b"", call.asked), response
                reply = read_reply(response, call, largest)
            except HTTPError as error:
                failure = of_urllib3(error)
            pause = attempts.pause_after(reply, failure)
            if pause is not None:
                time.sleep(pause)
            elif reply is not None:
                return reply, None

    def _open(self, call: Call, method: str, path: str) -> urllib3.BaseHTTPResponse:
        patience = call.patience()
        waits = urllib3.Timeout(connect=patience, read=patience)
        return self._target.open(method, path, body=call.body, headers=call.headers, timeout=waits)


def _pieces(response: urllib3.BaseHTTPResponse, call: Call) -> Iterator[bytes]:
    """The body of an open answer; what breaks on the way is reported as everywhere else."""
    try:
        yield from pieces(response, call)
    except HTTPError as error:
        raise unreachable(call, of_urllib3(error), 1) from error
