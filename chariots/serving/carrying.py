"""How does what a client says reach a server, where the caller waits in its thread?"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, closing
from typing import TYPE_CHECKING, Any, TypeVar

from chariots.errors import ChariotsError
from chariots.serving.exchange import Ended, Exchange, Open, Pause, Read, Request, Step, Tell

if TYPE_CHECKING:
    from chariots.web import Reply, Stream

__all__ = ["Carrier"]

T = TypeVar("T")


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

    def open_stream(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        has_heartbeat: bool = False,
    ) -> AbstractContextManager[Stream] | None:
        """Opens an answer that comes piece by piece.

        Args:
            method: of HTTP.
            path: the route, quoted.
            body: JSON, where the headers say nothing else.
            headers: further headers; they win over those that are sent anyway.
            has_heartbeat: whether the answer says from time to time that it is still there.

        Returns:
            the answer, for as long as the context lasts; None where answers come as a whole only.

        Raises:
            ChariotsError: what the answer reports, where it is a refusal.
        """
        return None

    def _run(self, exchange: Exchange[T]) -> T:
        """Takes the steps of an exchange to its end."""
        with closing(_Steps(self, exchange)) as steps:
            result: T = steps.advance().value
            return result

    def _iterate(self, exchange: Exchange[None]) -> Generator[Any]:
        """Takes the steps of an exchange when what it tells is asked for."""
        with closing(_Steps(self, exchange)) as steps:
            while isinstance(told := steps.advance(), Tell):
                yield told.value


class _Steps:
    """The steps of an exchange, and the stream that it has open."""

    def __init__(self, carrier: Carrier, exchange: Exchange[Any]) -> None:
        self._carrier, self._exchange = carrier, exchange
        self._opened = ExitStack()
        self._chunks: Iterator[bytes] = iter(())

    def advance(self) -> Tell | Ended:
        """Takes steps until the exchange tells something or ends."""
        try:
            step = self._exchange.send(None)
            while not isinstance(step, Tell):
                try:
                    answer = self._take(step)
                except ChariotsError as failure:  # what it means is not for the carrier to say
                    step = self._exchange.throw(failure)
                else:
                    step = self._exchange.send(answer)
        except StopIteration as end:
            return Ended(end.value)
        return step

    def close(self) -> None:
        """Ends the exchange where it is, and closes what it has open."""
        self._exchange.close()
        self._opened.close()

    def _take(self, step: Step) -> Any:
        match step:
            case Request():
                further = {} if step.headers is None else {"headers": step.headers}
                return self._carrier.send(
                    step.method, step.path, step.body, idempotent=step.idempotent, quick=step.quick, **further
                )
            case Pause(seconds):
                time.sleep(seconds)
            case Open(request, has_heartbeat):
                self._opened.close()
                opened = self._carrier.open_stream(
                    request.method, request.path, request.body, headers=request.headers, has_heartbeat=has_heartbeat
                )
                if opened is not None:
                    stream = self._opened.enter_context(opened)
                    self._chunks = iter(stream.chunks)
                    return stream
            case Read():
                return next(self._chunks, None)
        return None
