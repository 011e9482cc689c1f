"""Over which connections does a call of an event loop go, and why did no answer come? (aiohttp, extra ``asyncio``)"""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import ssl
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from chariots.errors import MissingExtraError, UnreachableError
from chariots.web.failures import Failure
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

__all__ = ["FAILURES", "AsyncTarget", "Pool", "of_aiohttp"]

FAILURES = (aiohttp.ClientError, TimeoutError)
# Limits of aiohttp know what was waited for; the one around all of it ends what they do not see, a moment later.
_MOMENT = 0.05
_MOST_AT_ONCE = (
    1 << 20
)  # bytes; a larger body is sent piece by piece, so that the loop can do other things between them
# aiohttp would accept anything in any form, and servers answer differently to that.
_UNASKED = frozenset({"Accept", "Accept-Encoding", "Content-Type", "User-Agent"})


class AsyncTarget(Address):
    """A service under one base URL, with its connections in the event loop that they are used in.

    Args:
        base_url: as for `Address`.
        connections: how many calls may be under way at once.

    Raises:
        ValueError: when the URL is none, or holds a password, or there is no connection to call over.
    """

    def __init__(self, base_url: str, connections: int) -> None:
        if connections < 1:
            raise ValueError(f"connections={connections}: a call needs one; give 1 or more")
        super().__init__(base_url)
        self._connections = connections
        self._pool: Pool | None = None

    def pool(self) -> Pool:
        """The connections of the running event loop.

        Raises:
            RuntimeError: when there are connections already that belong to another loop.
        """
        loop = asyncio.get_running_loop()
        if self._pool is not None and self._pool.loop is loop:
            return self._pool
        if self._pool is not None and not self._pool.loop.is_closed():
            raise RuntimeError(
                f"a client of {self.url} is used in two event loops at once, and its connections belong to the first. "
                "Make one client for each loop, or close this one before it is used in another."
            )
        self._pool = Pool(self, loop, self._connections)
        return self._pool

    async def close(self) -> None:
        """Closes all connections; a later call opens new ones."""
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.close()


class Pool:
    """The connections to one service in one event loop.

    Attributes:
        loop: the loop.
    """

    def __init__(self, target: AsyncTarget, loop: asyncio.AbstractEventLoop, connections: int) -> None:
        self.loop = loop
        self._target, self._connections, self._proxy = target, connections, target.proxy()
        self._turns = asyncio.Semaphore(connections)
        # Made here and not when aiohttp is imported, so that SSL_CERT_FILE counts as it does elsewhere.
        trusted = ssl.create_default_context() if target.is_secure else True
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=trusted),
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=_UNASKED,
        )

    @contextlib.asynccontextmanager
    async def turn(self, call: Call) -> AsyncIterator[None]:
        """Waits until so few calls are under way that one more may be; the wait is part of the time of the call.

        Args:
            call: the call.

        Raises:
            UnreachableError: when that does not come about in its time.
        """
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

    async def open(self, call: Call, method: str, path: str) -> aiohttp.ClientResponse:
        """Sends one request, without retries, and returns when the headers of the answer are there.

        Args:
            call: what is sent.
            method: of HTTP.
            path: below the base URL, with a slash in front.

        Returns:
            the answer, its body unread.

        Raises:
            aiohttp.ClientError: when nothing came of it.
            TimeoutError: when it took too long.
            UnreachableError: when the connections were closed meanwhile.
        """
        if self._http.closed:
            raise UnreachableError(f"{call.asked} was not answered: the client was closed meanwhile.")
        patience, left, body = call.patience(), call.left(), call.body
        if isinstance(body, bytes) and len(body) > _MOST_AT_ONCE:
            body = io.BytesIO(body)
        async with asyncio.timeout(None if left is None else left + _MOMENT):
            return await self._http.request(
                method,
                yarl.URL(self._target.absolute(path), encoded=True),
                data=body,
                headers=call.headers,
                allow_redirects=False,
                proxy=self._proxy,
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=patience, sock_read=patience),
            )

    async def close(self) -> None:
        """Closes all connections."""
        await self._http.close()


def of_aiohttp(error: Exception) -> Failure:
    """Reads what aiohttp raised.

    Args:
        error: the exception.

    Returns:
        the same in our words, which are those for urllib3.
    """
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
