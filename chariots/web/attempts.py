"""Is a call tried again, and after which pause? (the same for every library that makes calls)"""

from __future__ import annotations

import datetime
import math
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from chariots.errors import UnreachableError
from chariots.web import deadline
from chariots.web.failures import unreachable

if TYPE_CHECKING:
    from chariots.web.calls import Call
    from chariots.web.failures import Failure
    from chariots.web.replies import Reply
    from chariots.web.retry import RetryPolicy

__all__ = ["Attempts", "retry_after"]

_PASSING = frozenset({408, 425, 429, 502, 503, 504})
_LONGEST_WAIT = 60.0


class Attempts:
    """The attempts of one call. It sends nothing and waits for nothing; whoever makes the attempts asks it.

    Args:
        call: the call.
        policy: how often and after which pauses it is tried again, where that is safe.
    """

    def __init__(self, call: Call, policy: RetryPolicy) -> None:
        self._call = call
        self._pauses = policy.delays()
        self._made = 0

    def begin(self) -> None:
        """Readies the call for its next attempt, which is told how much time is left.

        Raises:
            UnreachableError: if none is.
        """
        left = self._call.left()
        if left is not None:
            if left <= 0:
                raise UnreachableError(f"{self._call.asked}: the deadline passed before it was sent. Allow more time.")
            self._call.headers[deadline.HEADER] = f"{left:.3f}"
        self._made += 1

    def pause_after(self, reply: Reply | None, failure: Failure | None) -> float | None:
        """Decides what follows an attempt.

        Args:
            reply: its answer; None where none came.
            failure: why none came; None where one did.

        Returns:
            the seconds to wait before the next attempt; None where the reply is the answer to the call.

        Raises:
            UnreachableError: if there is no reply, and no further attempt.
        """
        if reply is not None and reply.status not in _PASSING:
            return None
        pause = next(self._pauses, None) if self._call.may_repeat(failure) else None
        if pause is not None:
            pause = max(pause, retry_after(reply.headers) if reply is not None else 0.0)
            left = self._call.left()
            if pause < (_LONGEST_WAIT if left is None else left):
                return pause
        if failure is not None:
            raise unreachable(self._call, failure, self._made) from failure.error
        return None


def retry_after(headers: Mapping[str, str]) -> float:
    """Reads how many seconds the other side asks for.

    Args:
        headers: of its answer.

    Returns:
        seconds; zero where it says nothing that can be understood.
    """
    text = headers.get("Retry-After", "").strip()[:64]
    try:
        seconds = float(text)
        return max(seconds, 0.0) if math.isfinite(seconds) else 0.0
    except ValueError:
        pass
    try:
        moment = parsedate_to_datetime(text)
        now = datetime.datetime.now(moment.tzinfo)
        return max((moment - now).total_seconds(), 0.0)
    except (ValueError, TypeError, OverflowError):
        return 0.0
