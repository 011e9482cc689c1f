"""What came back from a call, and which exception does it stand for?"""

from __future__ import annotations

import http.client
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chariots.errors import BodyTooLargeError, ChariotsError, MalformedRequestError
from chariots.schema import loads
from chariots.web.problems import error_from_problem

if TYPE_CHECKING:
    import urllib3

    from chariots.web.calls import Call

__all__ = ["Reply", "Stream", "read_reply", "pieces"]

_PIECE = 1 << 20
_LONGEST_EXCERPT = 300


@dataclass(frozen=True)
class Reply:
    """The whole answer to a call.

    Attributes:
        status: of HTTP.
        headers: by name, in any case.
        body: the bytes of the body.
        asked: the call, for messages; for instance ``POST http://127.0.0.1:5000/pipelines/p/main``.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    asked: str = "the call"

    def json(self) -> Any:
        """Decodes the body.

        Returns:
            the value; None for an empty body.

        Raises:
            ChariotsError: when the body is not JSON, as from something else than a chariots service.
        """
        if not self.body:
            return None
        try:
            return loads(self.body)
        except MalformedRequestError:
            raise ChariotsError(
                f"{self.asked} was answered with something else than JSON: {self._excerpt()!r}. "
                f"Check that the URL is that of a chariots service."
            ) from None

    def raise_for_problem(self) -> Reply:
        """Lets an answer pass that is neither an error nor leads elsewhere.

        Returns:
            the reply itself.

        Raises:
            ChariotsError: the child that the problem body names, or else the status.
        """
        if self.status < 300:
            return self
        raise self.error()

    def error(self) -> ChariotsError:
        """Makes the exception that an answer with an error status stands for, or one that leads elsewhere."""
        if self.status < 400:
            # Not followed: what was sent, a token for instance, was meant for the address that was given.
            phrase = http.client.responses.get(self.status, "")
            place = next((text for name, text in self.headers.items() if name.lower() == "location"), "elsewhere")
            told = f"{self.asked} was answered {self.status} {phrase}, which leads to {place[:_LONGEST_EXCERPT]}"
            return error_from_problem({"detail": f"{told}. Give the client the URL of the service itself."}, 502)
        try:
            problem = loads(self.body)
        except MalformedRequestError:
            problem = None
        if not isinstance(problem, dict) or not {"type", "title", "detail"} & problem.keys():
            phrase = http.client.responses.get(self.status, "")
            said = f": {self._excerpt()}" if self.body else ""
            problem = {"detail": f"{self.asked} was answered {self.status} {phrase}".rstrip() + said}
        return error_from_problem(problem, self.status)

    def _excerpt(self) -> str:
        text = " ".join(self.body[: 4 * _LONGEST_EXCERPT].decode(errors="replace").split())
        return text if len(text) <= _LONGEST_EXCERPT else f"{text[:_LONGEST_EXCERPT]}..."


@dataclass(frozen=True)
class Stream:
    """An answer whose body is still on its way.

    Attributes:
        status: of HTTP, below 300.
        headers: by name, in any case.
        chunks: the body, in pieces of any size; to be read once, inside of the context.
        asked: the call, for messages.
    """

    status: int
    headers: Mapping[str, str]
    chunks: Iterator[bytes]
    asked: str = "the call"

    def __iter__(self) -> Iterator[bytes]:
        return self.chunks


def read_reply(response: urllib3.BaseHTTPResponse, call: Call, largest: int | None = None) -> Reply:
    """Reads an open answer to its end, within the time of its call.

    Args:
        response: with its body unread.
        call: what it answers.
        largest: how many bytes it may have; None for any number.

    Returns:
        the reply.

    Raises:
        urllib3.exceptions.HTTPError: when the answer breaks off or takes too long.
        BodyTooLargeError: when it has more bytes than it may.
    """
    try:
        found = pieces(response, call)
        body = b"".join(found if largest is None else _bounded(found, call, largest))
    except BaseException:
        response.close()
        raise
    response.release_conn()
    return Reply(response.status, response.headers, body, call.asked)


def _bounded(found: Iterator[bytes], call: Call, largest: int) -> Iterator[bytes]:
    for piece in found:
        largest -= len(piece)
        if largest < 0:
            raise BodyTooLargeError(f"{call.asked} was answered with more bytes than any answer needs; it was not read")
        yield piece


def pieces(response: urllib3.BaseHTTPResponse, call: Call) -> Iterator[bytes]:
    """Reads an open answer as its bytes arrive.

    Args:
        response: with its body unread.
        call: what it answers.

    Returns:
        pieces of at most one mebibyte, none of them empty.

    Raises:
        urllib3.exceptions.HTTPError: when the answer breaks off or takes too long.
    """
    while True:
        patience = call.patience()
        if patience is not None:
            if patience <= 0:
                # Imported here, for a reply may come from this very process, without urllib3.
                from urllib3.exceptions import TimeoutError as TimeoutError_

                raise TimeoutError_("the deadline passed while the answer was read")
            # Each wait gets what is left, so that an answer that trickles in cannot outlast the deadline.
            sock = getattr(response.connection, "sock", None)
            if sock is not None:
                sock.settimeout(patience)
        piece = response.read1(_PIECE)
        if not piece:
            return
        yield piece
