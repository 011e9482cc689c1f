"""How does what a client says reach a server, where the caller is a task of an event loop?"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing
from typing import TYPE_CHECKING, Any, TypeVar

from chariots.errors import ChariotsError
from chariots.serving.exchange import Ended, Exchange, Open, Pause, Read, Request, Step, Tell

if TYPE_CHECKING:
    from chariots.web import Reply
    from chariots.web.async_client import AsyncStream

__all__ = ["AsyncCarrier"]

T = TypeVar("T")


class AsyncCarrier(ABC):
    """What carries the requests of a client in an event loop."""

    #: How many seconds a request may wait at the server for something to happen.
    longest_wait = 20.0

    @abstractmethod
    async def send(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        idempotent: bool = True,
        quick: bool = False,
        headers: Mapping[str, str] | None = None,
        lingers: bool = False,
    ) -> Reply:
        """Carries one request to the server.

        Args:
            method: of HTTP.
            path: the route, quoted.
            body: JSON, where the headers say nothing else.
            idempotent: whether sending it twice does no harm.
            quick: whether the answer never takes long.
            headers: further headers; they win over those that are sent anyway.
            lingers: whether it waits at the server for something to happen.

        Returns:
            the answer, whatever its status.
        """

    @abstractmethod
    def open_stream(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        has_heartbeat: bool = False,
    ) -> AbstractAsyncContextManager[AsyncStream]:
        """Opens an answer that comes piece by piece.

        Args:
            method: of HTTP.
            path: the route, quoted.
            body: JSON, where the headers say nothing else.
            headers: further headers; they win over those that are sent anyway.
            has_heartbeat: whether the answer says from time to time that it is still there.

        Returns:
            the answer, for as long as the context lasts.
        """

    async def _run(self, exchange: Exchange[T]) -> T:
        """Takes the steps of an exchange to its end."""
        async with aclosing(_Steps(self, exchange)) as steps:
            result: T = (await steps.advance()).value
            return result

    async def _iterate(self, exchange: Exchange[None]) -> AsyncGenerator[Any]:
        """Takes the steps of an exchange when what it tells is asked for."""
        async with aclosing(_Steps(self, exchange)) as steps:
            while isinstance(told := await steps.advance(), Tell):
                yield told.value


class _Steps:
    """The steps of an exchange, and the stream that it has open."""

    def __init__(self, carrier: AsyncCarrier, exchange: Exchange[Any]) -> None:
        self._carrier, self._exchange = carrier, exchange
        self._opened = AsyncExitStack()
        self._chunks: AsyncIterator[bytes] | None = None

    async def advance(self) -> Tell | Ended:
        """Takes steps until the exchange tells something or ends."""
        try:
            step = self._exchange.send(None)
            while not isinstance(step, Tell):
                try:
                    answer = await self._take(step)
                except ChariotsError as failure:  # what it means is not for the carrier to say
                    step = self._exchange.throw(failure)
                else:
                    step = self._exchange.send(answer)
        except StopIteration as end:
            return Ended(end.value)
        return step

    async def aclose(self) -> None:
        """Ends the exchange where it is, and closes what it has open."""
        self._exchange.close()
        await self._opened.aclose()

    async def _take(self, step: Step) -> Any:
        match step:
            case Request():
                return await self._carrier.send(
                    step.method,
                    step.path,
                    step.body,
                    idempotent=step.idempotent,
                    quick=step.quick,
                    headers=step.headers,
                    lingers=step.lingers,
                )
            case Pause(seconds):
                await asyncio.sleep(seconds)
            case Open(request, has_heartbeat):
                await self._opened.aclose()
                opened = self._carrier.open_stream(
                    request.method, request.path, request.body, headers=request.headers, has_heartbeat=has_heartbeat
                )
                stream = await self._opened.enter_async_context(opened)
                self._chunks = aiter(stream.chunks)
                return stream
            case Read() if self._chunks is not None:
                return await anext(self._chunks, None)
        return None
