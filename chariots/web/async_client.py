"""How does a program with an event loop call a service? (as `Session` does)"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING

from chariots.web.async_replies import AsyncStream, read_reply, told
from chariots.web.async_targets import FAILURES, AsyncTarget, of_aiohttp
from chariots.web.attempts import Attempts
from chariots.web.client import UNSET, Caller
from chariots.web.failures import Failure
from chariots.web.replies import Reply

if TYPE_CHECKING:
    import aiohttp

    from chariots.web.calls import Call
    from chariots.web.retry import RetryPolicy

__all__ = ["AsyncSession", "AsyncStream"]


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
        self._target = AsyncTarget(base_url, connections)
        super().__init__(self._target, timeout=timeout, retries=retries, token=token)
        self._headers["Accept-Encoding"] = "identity"

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
        chunks = told(response, call)
        try:
            yield AsyncStream(response.status, response.headers, chunks, call.asked)
        finally:
            # After its end the connection went back to the pool, and this changes nothing.
            response.close()
            await chunks.aclose()

    async def close(self) -> None:
        """Closes all connections; the session can still be used."""
        await self._target.close()

    async def __aenter__(self) -> AsyncSession:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _perform(
        self, call: Call, method: str, path: str, *, whole: bool = True, takes_a_turn: bool = False
    ) -> tuple[Reply, aiohttp.ClientResponse | None]:
        """Makes the call, all its attempts together."""
        with self._traced(call, method) as answered:
            reply, response = await self._attempt(call, method, path, whole, takes_a_turn)
            answered(reply.status)
        return reply, response

    async def _attempt(
        self, call: Call, method: str, path: str, whole: bool, takes_a_turn: bool
    ) -> tuple[Reply, aiohttp.ClientResponse | None]:
        """Makes attempts until there is an answer; returns the same as `Session._attempt`."""
        pool, attempts = self._target.pool(), Attempts(call, self.policy)
        while True:
            reply: Reply | None = None
            failure: Failure | None = None
            async with pool.turn(call) if takes_a_turn else contextlib.nullcontext():
                attempts.begin()
                try:
                    response = await pool.open(call, method, path)
                    if not whole and response.status < 300:
                        return Reply(response.status, response.headers, b"", call.asked), response
                    reply = await read_reply(response, call)
                except FAILURES as error:
                    failure = of_aiohttp(error)
            pause = attempts.pause_after(reply, failure)
            if pause is not None:
                await asyncio.sleep(pause)
            elif reply is not None:
                return reply, None
