"""How does a client's request reach a server, and how is a refusal raised where the client was asked?"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from chariots.errors import BackendError

if TYPE_CHECKING:
    from chariots.web import Reply

__all__ = ["Carrier", "object_of"]


class Carrier(ABC):
    """What carries the requests of a client."""

    #: How many seconds a request may wait at the server for something to happen.
    longest_wait = 20.0

    @abstractmethod
    def send(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        idempotent: bool = True,
        quick: bool = False,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Carries one request to the server.

        Args:
            method: of HTTP.
            path: the route, quoted.
            body: JSON, where the headers say nothing else.
            idempotent: whether sending it twice does no harm.
            quick: whether the answer never takes long.
            headers: further headers; they win over those that are sent anyway. Given only where another form than JSON
                is sent or asked for.

        Returns:
            the answer, whatever its status.
        """

    def open_stream(self, path: str) -> AbstractContextManager[Iterator[bytes]] | None:
        """Opens an answer that comes piece by piece; None where answers come as a whole only.

        Args:
            path: the route, quoted.
        """
        return None

    def _checked(self, reply: Reply) -> Reply:
        if reply.status < 300:
            return reply
        error = reply.error()
        if reply.status != 500 or isinstance(error, BackendError):
            raise error
        # Documented: whatever fails on the server is a ValueError here.
        raise BackendError(error.detail, **error.extra) from error.__cause__


def object_of(reply: Reply) -> dict[str, Any]:
    """Reads the JSON object in an answer.

    Raises:
        ValueError: if it is none.
    """
    found = reply.json()
    if isinstance(found, dict):
        return found
    raise ValueError(
        f"{reply.asked} was answered with a {type(found).__name__}, not with an object. "
        "Check that the address is that of a pipelines server."
    )
