"""Why did a call bring no answer, and how is that told? (the same for every library that makes calls)"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from urllib3 import exceptions as broken

from chariots.errors import UnreachableError

if TYPE_CHECKING:
    from chariots.web.calls import Call

__all__ = ["Failure", "of_urllib3", "unreachable"]


@dataclass(frozen=True, slots=True)
class Failure:
    """Why one attempt brought no answer.

    Attributes:
        error: what the library raised.
        reason: the same in a few words.
        is_unsent: whether no connection came about, so that the other side has seen nothing of the call.
        is_late: whether time ran out.
        is_broken: whether the connection broke.
    """

    error: Exception
    reason: str
    is_unsent: bool = False
    is_late: bool = False
    is_broken: bool = False


def of_urllib3(error: broken.HTTPError) -> Failure:
    """Reads what urllib3 raised.

    Args:
        error: the exception.

    Returns:
        the same in our words.
    """
    return Failure(
        error,
        _reason(error),
        is_unsent=_never_connected(error),
        is_late=isinstance(error, broken.TimeoutError),
        is_broken=isinstance(error, broken.ProtocolError),
    )


def unreachable(call: Call, failure: Failure, attempts: int) -> UnreachableError:
    """Words the failure of a whole call: what was asked, what is in the way, what to do.

    Args:
        call: the call.
        failure: that of the last attempt.
        attempts: how many there were.
    """
    tried = f", tried {attempts} times" if attempts > 1 else ""
    if failure.is_late and not failure.is_unsent:
        limit = f" within {call.limit:g} s" if call.limit is not None else " before its deadline"
        cure = "Give the call more time (timeout=...), or run the pipeline in a worker."
        return UnreachableError(f"{call.asked} was not answered{limit}{tried}. {cure}")
    cure = "Check that the service runs, and that its URL is right."
    if failure.is_broken:
        cure = "Look at the log of the service."
    return UnreachableError(f"{call.asked} was not answered: {failure.reason}{tried}. {cure}")


def _never_connected(error: Exception) -> bool:
    if isinstance(error, broken.ProxyError):
        return isinstance(error.original_error, broken.NewConnectionError | broken.ConnectTimeoutError)
    return isinstance(error, broken.NewConnectionError | broken.ConnectTimeoutError)


def _reason(error: broken.HTTPError) -> str:
    """Says in a few words why no answer came."""
    if isinstance(error, broken.NameResolutionError):
        return "its host name is unknown"
    if isinstance(error, broken.NewConnectionError | broken.ProxyError):
        cause = error.__cause__ or error.__context__
        return f"no connection ({getattr(cause, 'strerror', None) or error})"
    if isinstance(error, broken.TimeoutError):
        return "no answer in time"
    if isinstance(error, broken.SSLError):
        return f"no secure connection ({error})"
    if isinstance(error, broken.IncompleteRead):
        return "the answer broke off before its end"
    if isinstance(error, broken.ProtocolError):
        cause = error.args[1] if len(error.args) > 1 else error
        return f"the connection broke ({getattr(cause, 'strerror', None) or cause})"
    return str(error)
