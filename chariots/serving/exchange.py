"""What does a client say, step by step, and what does it make of the answers? (whoever can send takes the steps)

An exchange is a generator. It yields steps, is sent what came of each, and returns its result; it sends nothing and
waits for nothing itself. So what is said to a server stands once, for clients that wait in threads and in event loops.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from chariots.errors import BackendError

if TYPE_CHECKING:
    from chariots.errors import ChariotsError
    from chariots.web import Reply

__all__ = ["Ended", "Exchange", "Open", "Pause", "Read", "Request", "Step", "Tell", "ask", "as_documented", "object_of"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Request:
    """Sends a request; what comes of it is the `Reply`, whatever its status.

    Attributes:
        method: of HTTP.
        path: the route, quoted.
        body: JSON, where the headers say nothing else.
        idempotent: whether sending it twice does no harm.
        quick: whether the answer never takes long.
        headers: further headers, which win over those that are sent anyway; None for none.
        lingers: whether it waits at the server for something to happen.
    """

    method: str
    path: str
    body: bytes | None = None
    idempotent: bool = True
    quick: bool = False
    headers: Mapping[str, str] | None = None
    lingers: bool = False


@dataclass(frozen=True, slots=True)
class Pause:
    """Waits so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Open:
    """Sends a request whose answer comes piece by piece, in place of what was open before.

    What comes of it is the head of the answer, a `Stream` or an `AsyncStream`; None where answers come as a whole only.

    Attributes:
        request: the request.
        has_heartbeat: whether the answer says from time to time that it is still there.
    """

    request: Request
    has_heartbeat: bool = False


@dataclass(frozen=True, slots=True)
class Read:
    """Waits for the next bytes of what is open; None after its end."""


@dataclass(frozen=True, slots=True)
class Tell:
    """Gives something to whoever iterates over the exchange."""

    value: Any


@dataclass(frozen=True, slots=True)
class Ended:
    """What an exchange has come to; no step of one, but what takes its place at the end."""

    value: Any


Step: TypeAlias = Request | Pause | Open | Read | Tell
Exchange: TypeAlias = Generator[Step, Any, T]


def ask(request: Request) -> Exchange[Reply]:
    """Sends a request, and lets its answer pass that is no refusal.

    Args:
        request: the request.

    Raises:
        ChariotsError: what the answer reports.
    """
    reply: Reply = yield request
    if reply.status < 300:
        return reply
    raise as_documented(reply.error())


def as_documented(error: ChariotsError) -> ChariotsError:
    """The exception to raise for a refusal: whatever fails on the server is a `BackendError`, a ValueError, here.

    Args:
        error: what the answer says.
    """
    if error.status != BackendError.status or isinstance(error, BackendError):
        return error
    told = BackendError(error.detail, **error.extra)
    told.__cause__ = error.__cause__
    return told


def object_of(reply: Reply) -> dict[str, Any]:
    """Reads the JSON object in an answer.

    Args:
        reply: the answer.

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
