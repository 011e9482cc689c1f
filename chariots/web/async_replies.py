"""What came back from a call of an event loop? (as `replies` says it for the others)"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chariots.web.async_targets import FAILURES, of_aiohttp
from chariots.web.failures import unreachable
from chariots.web.replies import Reply

if TYPE_CHECKING:
    import aiohttp

    from chariots.web.calls import Call

__all__ = ["AsyncStream", "read_reply", "told"]


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


async def read_reply(response: aiohttp.ClientResponse, call: Call) -> Reply:
    """Reads an open answer to its end, within the time of its call.

    Args:
        response: with its body unread.
        call: what it answers.

    Returns:
        the reply.

    Raises:
        aiohttp.ClientError: when the answer breaks off.
        TimeoutError: when it takes too long.
    """
    try:
        body = b"".join([piece async for piece in _pieces(response, call)])
    except BaseException:
        response.close()
        raise
    return Reply(response.status, response.headers, body, call.asked)


async def told(response: aiohttp.ClientResponse, call: Call) -> AsyncGenerator[bytes]:
    """Reads an open answer as its bytes arrive.

    Args:
        response: with its body unread.
        call: what it answers.

    Returns:
        pieces, none of them empty.

    Raises:
        UnreachableError: when the answer breaks off or takes too long.
    """
    try:
        async for piece in _pieces(response, call):
            yield piece
    except FAILURES as error:
        raise unreachable(call, of_aiohttp(error), 1) from error


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
