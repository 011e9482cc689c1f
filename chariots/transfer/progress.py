"""How far is a transfer, for people, logs and programs?"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

__all__ = ["FETCHING", "Progress", "ProgressCallback", "Teller"]

FETCHING: Final = "fetching weights"
"""What an op says that it does while it waits for weights."""

_SOON: Final = 0.2  # seconds between two calls
_WINDOW_SECONDS: Final = 5.0  # over which the rate is taken

_logger = logging.getLogger("chariots.transfer")


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a transfer is.

    Attributes:
        files: how many files there are.
        files_done: how many of them are complete.
        size: how many bytes they have together.
        there: how many of these bytes are there.
        came: how many bytes this process has fetched; others may have fetched the rest, before or meanwhile.
        rate: the bytes per second, lately.
        seconds: the time since the beginning.
    """

    files: int
    files_done: int
    size: int
    there: int
    came: int
    rate: float
    seconds: float

    @property
    def seconds_left(self) -> float | None:
        """The seconds that the rest will take at the present rate; None where nothing comes."""
        return (self.size - self.there) / self.rate if self.rate > 0 else None

    @property
    def is_over(self) -> bool:
        """Whether all files are complete."""
        return self.files_done == self.files


ProgressCallback: TypeAlias = Callable[[Progress], None]


class Teller:
    """Tells a callback several times a second how far a transfer is, and the log now and then.

    Args:
        files: how many files there are.
        size: how many bytes they have together.
        already: how many of the bytes were there before.
        callback: what to tell; None for nobody.
        log_seconds: the seconds between two lines of the log; zero for none.
    """

    def __init__(
        self, files: int, size: int, already: int, callback: ProgressCallback | None, log_seconds: float
    ) -> None:
        self._files, self._size = files, size
        self._callback = callback
        self._log_seconds = log_seconds
        self._begun = self._told = self._logged = time.monotonic()
        self._last: deque[tuple[float, int]] = deque([(self._begun, already)])

    def tell(self, files_done: int, there: int, came: int = 0, *, at_once: bool = False) -> None:
        """Tells how far it is, if it is time to.

        Args:
            files_done: how many files are complete.
            there: how many bytes are there.
            came: how many this process has fetched.
            at_once: whether to tell it in any case.
        """
        now = time.monotonic()
        if not at_once and now - self._told < _SOON:
            return
        self._told = now
        while len(self._last) > 1 and now - self._last[0][0] > _WINDOW_SECONDS:
            self._last.popleft()
        since, had = self._last[0]
        rate = max(0, there - had) / (now - since) if now > since else 0.0
        self._last.append((now, there))
        progress = Progress(self._files, files_done, self._size, there, came, rate, now - self._begun)
        if self._callback is not None:
            self._callback(progress)
        if self._log_seconds and now - self._logged >= self._log_seconds:
            self._logged = now
            left = progress.seconds_left
            _logger.info(
                "transfer files=%d/%d bytes=%d/%d rate_mb_s=%.1f seconds=%.1f seconds_left=%s",
                files_done, self._files, there, self._size, rate / 1e6, progress.seconds,
                "unknown" if left is None else f"{left:.0f}",
            )  # fmt: skip
