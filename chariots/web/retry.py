"""How often is something tried again, and after which pauses?"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["RetryPolicy"]


@dataclass(frozen=True)
class RetryPolicy:
    """Exponential back-off with jitter.

    Attributes:
        attempts: how often something is tried in all; at least one.
        base: seconds before the second attempt; doubled before each further one.
        maximum: the longest pause, in seconds.
        jitter: the part of each pause that is left to chance, between 0 and 1, so that callers who failed
            together do not come back together.
    """

    attempts: int = 4
    base: float = 0.1
    maximum: float = 5.0
    jitter: float = 0.5

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise ValueError(f"attempts={self.attempts}: there is always a first attempt; give 1 or more")
        if self.base < 0 or self.maximum < 0:
            raise ValueError(f"base={self.base}, maximum={self.maximum}: pauses are not negative; give seconds")
        if not 0 <= self.jitter <= 1:
            raise ValueError(f"jitter={self.jitter}: it is a part of each pause; give a number from 0 to 1")

    def delay(self, failures: int) -> float:
        """Gives the pause before the next attempt.

        Args:
            failures: how many attempts have failed so far; at least one.

        Returns:
            seconds.
        """
        doubled = min(failures - 1, 1000)  # beyond that a float has no room, and every maximum is reached
        return min(self.base * 2.0**doubled, self.maximum) * (1 - self.jitter * random.random())

    def delays(self) -> Iterator[float]:
        """Gives the pauses between the attempts.

        Returns:
            seconds, one number fewer than there are attempts.
        """
        return map(self.delay, range(1, self.attempts))
