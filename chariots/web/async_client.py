"""How does a program with an event loop call a service? (as `Session` does; with aiohttp, the extra ``asyncio``)"""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chariots.errors import MissingExtraError, UnreachableError
from chariots.web.attempts import Attempts
from chariots.web.client import UNSET, Caller
from chariots.web.failures import Failure, unreachable
from chariots.web.replies import Reply
from chariots.web.targets import Address

try:
    import aiohttp
    import yarl
except ImportError as _error:
    raise MissingExtraError(
        f"calls from an event loop were asked for, and aiohttp cannot be imported ({_error}). Install it: "
        "pip install 'chariots[asyncio]', or use PipelinesClient, which needs nothing more."
    ) from _error

if TYPE_CHECKING:
    from chariots.web.calls import Call
    from chariots.web.retry import RetryPolicy

__all__ = ["AsyncSession", "AsyncStream"]

_FAILURES = (aiohttp.ClientError, TimeoutError)
# Limits of aiohttp know what was waited for; the one around all of it ends what they do not see, a moment later.
_MOMENT = 0.05
# aiohttp would accept anything in any form, and servers answer differently to that.
_UNASKED = frozenset({"Accept", "Accept-Encoding", "Content-Type", "User-Agent"})


@dataclass(frozen=True)
class AsyncStream:
    """An answer whose body is still on its way.

    Attributes:
        status: of HTTP, below 300.
        headers: by name, in any case.
        chunks: the body, in pieces of any size; to be read once, inside of the context.
        asked: the call, for messages.
    """

    status: int
    headers: Mapping[str, str]
    chunks: AsyncIterator[bytes]
    asked: str = "the call"

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self.chunks


class AsyncSession(Caller):
    """Calls one service from the tasks of an event loop.

    What is sent, what is tried again and what is raised is the same as for `Session`. A task that is canceled closes
    the connection of its call. A session belongs to the event loop that it was first used in, until that loop or the
    session is closed.
    """

    def __init__(
        self,
        base_url: str,
        *,
        timeout: float | None = 60.0,
        retries: int | RetryPolicy = 3,
        token: str | None = None,
        connections: int = 64,
    ) -> None:
        """Prepares calls; nothing is sent yet, and no event loop is needed yet.

        Args:
            base_url: for instance ``http://127.0.0.1:5000``.
            timeout: seconds per call, None for no limit.
            retries: how often a failed call is tried again, or the whole policy.
            token: sent as ``Authorization: Bearer``.
            connections: how many calls may be under way at once; further ones wait for their turn. Streams, and calls
                that wait at the server for something to happen, do not count.

        Raises:
            ValueError: when the URL is none, or holds a password, or there is no connection to call over.
        """
        if connections < 1:
            raise ValueError(f"connections={connections}: a call needs one; give 1 or more")
        super().__init__(Address(base_url), timeout=timeout, retries=retries, token=token)
        self._headers["Accept-Encoding"] = "identity"
        self._connections = connections
        self._http: aiohttp.ClientSession | None = None
        self._proxy: str | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._turns: asyncio.Semaphore

    async def request(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        idempotent: bool | None = None,
        timeout: float | None = UNSET,
        lingers: bool = False,
    ) -> Reply:
        """Makes one call and reads the whole answer, whatever its status.

        Args:
            method: of HTTP.
            path: below the base URL, quoted where needed.
            body: bytes to send as they are.
            headers: further headers; they win over those of the session.
            idempotent: whether making the call twice does no harm; by default so for GET, HEAD, PUT, DELETE
                and OPTIONS.
            timeout: seconds for this call instead of the session's.
            lingers: whether it waits at the server for something to happen, and needs no turn.

        Returns:
            status, headers and body.

        Raises:
            UnreachableError: when no answer came in time.
        """
        call = self._call(method, path, body, dict(headers or ()), idempotent, timeout, streams=False)
        reply, _ = await self._perform(call, method, path, takes_a_turn=not lingers)
        return reply

    @contextlib.asynccontextmanager
    async def stream(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        idempotent: bool | None = None,
        timeout: float | None = UNSET,
    ) -> AsyncIterator[AsyncStream]:
        """Makes one call and hands out the answer piece by piece, as an asynchronous context manager.

        Args:
            method: of HTTP; GET for instance.
            path: below the base URL.
            body: bytes to send as they are.
            headers: further headers.
            idempotent: whether making the call twice does no harm, as for `request`.
            timeout: seconds of each wait for the other side, instead of the session's.

        Returns:
            status, headers and an asynchronous iterator of bytes.

        Raises:
            UnreachableError: when no answer came in time, or it broke off.
            ChariotsError: what the answer reports, when its status is 400 or more.
        """
        call = self._call(method, path, body, dict(headers or ()), idempotent, timeout, streams=True)
        reply, response = await self._perform(call, method, path, whole=False)
        if response is None:
            raise reply.error()
        chunks = _told(response, call)
        try:
            yield AsyncStream(response.status, response.headers, chunks, call.asked)
        finally:
            # After its end the connection went back to the pool, and this changes nothing.
            response.close()
            await chunks.aclose()

    async def close(self) -> None:
        """Closes all connections; the session can still be used."""
        http, self._http = self._http, None
        if http is not None:
            await http.close()

    async def __aenter__(self) -> AsyncSession:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _perform(
        self, call: Call, method: str, path: str, *, whole: bool = True, takes_a_turn: bool = False
    ) -> tuple[Reply, aiohttp.ClientResponse | None]:
        """Makes attempts until there is an answer; returns the same as `Session._perform`."""
        http, attempts = self._opened(), Attempts(call, self.policy)
        while True:
            reply: Reply | None = None
            failure: Failure | None = None
            async with self._turn(call) if takes_a_turn else contextlib.nullcontext():
                attempts.begin()
                try:
                    response = await self._open(http, call, method)
                    if not whole and response.status < 300:
                        return Reply(response.status, response.headers, b"", call.asked), response
                    reply = await _read_reply(response, call)
                except _FAILURES as error:
                    failure = _failure(error)
            pause = attempts.pause_after(reply, failure)
            if pause is not None:
                await asyncio.sleep(pause)
            elif reply is not None:
                return reply, None

    @contextlib.asynccontextmanager
    async def _turn(self, call: Call) -> AsyncIterator[None]:
        """Waits until so few calls are under way that one more may be; the wait is part of the time of the call."""
        try:
            async with asyncio.timeout(call.left()):
                await self._turns.acquire()
        except TimeoutError as error:
            raise UnreachableError(
                f"{call.asked} was not sent in its time: all {self._connections} connections were taken. "
                "Give it more time (timeout=...), or the client more connections (connections=...)."
            ) from error
        try:
            yield
        finally:
            self._turns.release()

    def _opened(self) -> aiohttp.ClientSession:
        loop = asyncio.get_running_loop()
        if self._http is not None and self._loop is loop:
            return self._http
        if self._http is not None and self._loop is not None and not self._loop.is_closed():
            raise RuntimeError(
                f"a session with {self.base_url} is used in two event loops at once, and its connections belong to the "
                "first. Make one client for each loop, or close this one before it is used in another."
            )
        # Made here and not when aiohttp is imported, so that SSL_CERT_FILE counts as it does elsewhere.
        trusted = ssl.create_default_context() if self._address.is_secure else True
        self._proxy = self._address.proxy()
        self._loop, self._turns = loop, asyncio.Semaphore(self._connections)
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=trusted),
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=_UNASKED,
        )
        return self._http

    async def _open(self, http: aiohttp.ClientSession, call: Call, method: str) -> aiohttp.ClientResponse:
        patience, left = call.patience(), call.left()
        async with asyncio.timeout(None if left is None else left + _MOMENT):
            return await http.request(
                method,
                yarl.URL(call.asked.partition(" ")[2], encoded=True),
                data=call.body,
                headers=call.headers,
                allow_redirects=False,
                proxy=self._proxy,
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=patience, sock_read=patience),
            )


async def _read_reply(response: aiohttp.ClientResponse, call: Call) -> Reply:
    try:
        body = b"".join([piece async for piece in _pieces(response, call)])
    except BaseException:
        response.close()
        raise
    return Reply(response.status, response.headers, body, call.asked)


async def _pieces(response: aiohttp.ClientResponse, call: Call) -> AsyncGenerator[bytes]:
    while True:
        # Each wait gets what is left, so that an answer that trickles in cannot outlast the deadline.
        patience = call.patience()
        if patience is not None and patience <= 0:
            raise TimeoutError("the deadline passed while the answer was read")
        async with asyncio.timeout(patience):
            piece = await response.content.readany()
        if not piece:
            return
        yield piece


async def _told(response: aiohttp.ClientResponse, call: Call) -> AsyncGenerator[bytes]:
    """The body of an open answer; what breaks on the way is reported as everywhere else."""
    try:
        async for piece in _pieces(response, call):
            yield piece
    except _FAILURES as error:
        raise unreachable(call, _failure(error), 1) from error


def _failure(error: Exception) -> Failure:
    """Reads what aiohttp raised; the words are those for urllib3."""
    match error:
        case aiohttp.ClientConnectorDNSError():
            return Failure(error, "its host name is unknown", is_unsent=True)
        case aiohttp.ClientSSLError():
            return Failure(error, f"no secure connection ({error})")
        case aiohttp.ClientConnectorError():
            return Failure(error, f"no connection ({_system_words(error)})", is_unsent=True)
        case aiohttp.ConnectionTimeoutError():
            return Failure(error, "no answer in time", is_unsent=True, is_late=True)
        case TimeoutError():
            return Failure(error, "no answer in time", is_late=True)
        case aiohttp.ServerDisconnectedError():
            told = "Remote end closed connection without response"
            return Failure(error, f"the connection broke ({told})", is_broken=True)
        case aiohttp.ClientOSError():
            return Failure(error, f"the connection broke ({_system_words(error)})", is_broken=True)
        case aiohttp.ClientPayloadError() if not isinstance(error.__cause__, OSError):
            return Failure(error, "the answer broke off before its end", is_broken=True)
        case aiohttp.ClientHttpProxyError():
            return Failure(error, f"no connection ({error.message})")
    return Failure(error, f"the connection broke ({error.__cause__ or error})", is_broken=True)


def _system_words(error: OSError) -> str:
    return os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
