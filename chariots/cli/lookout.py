"""How is the next request of a client found that asks again at once, without being put to sleep and woken in between?

Where a thread waits and there is nothing, its processor goes to sleep, and to be woken takes some 50 us: about as long
as a caller on the same machine needs to read an answer and ask again.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Final

__all__ = ["Lookout"]

LONGER_SECONDS: Final = 60e-6
PROMPT_SECONDS: Final = 2 * LONGER_SECONDS  # with what it takes to be woken

Events = list[tuple[int, int]]


class Lookout:
    """Waits for requests.

    Args:
        poll: as `select.epoll.poll`.
        processors: how many there are; with one, who is to ask could not while this looks.
        clock: tells the time in seconds.
    """

    def __init__(
        self,
        poll: Callable[[float | None, int], Events],
        processors: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._poll = poll
        self._clock = clock
        self._has_room = processors > 1
        self._is_prompt = False  # whether the last request came at once

    def wait(self, timeout: float | None, most: int, *, is_alone: bool) -> Events:
        """Waits until something has come.

        Args:
            timeout: for how many seconds; None for as long as it takes.
            most: how many events to give at once.
            is_alone: whether one client is waited for, and it has its answer: where there are several, it is better to
                be woken when more than one has asked.

        Returns:
            the events; empty where nothing came.
        """
        if is_alone and self._is_prompt and (events := self._look(most)):
            return events
        since = self._clock()
        events = self._poll(timeout, most)
        self._is_prompt = self._has_room and self._clock() - since < PROMPT_SECONDS
        return events

    def _look(self, most: int) -> Events:
        """Looks for a moment, and lets everybody go first who has something to do."""
        until = self._clock() + LONGER_SECONDS
        while not (events := self._poll(0.0, most)) and self._clock() < until:
            os.sched_yield()
        return events
