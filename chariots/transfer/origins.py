"""Where do the bytes of a file come from, whatever speaks there?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

__all__ = ["Answer", "ChangedError", "Origin", "PassingError", "Pin"]


@dataclass(frozen=True, slots=True)
class Pin:
    """One state of an object; all parts of a file are of the same.

    Attributes:
        etag: what the server calls this state; None where it gives it no name that can be relied on.
        size: how many bytes the object has in this state; None where the server does not say.
    """

    etag: str | None
    size: int | None

    def differs_from(self, other: Pin) -> bool:
        """Whether two answers tell of different states, as far as they tell.

        Args:
            other: what the other answer tells.
        """
        is_other = self.etag is not None and other.etag is not None and self.etag != other.etag
        return is_other or (self.size is not None and other.size is not None and self.size != other.size)


class PassingError(Exception):
    """A failure that may pass: the same request may succeed a while later.

    Args:
        message: what happened, without addresses or secrets.
        retry_after: the seconds that the server asks for.
        must_locate: whether the address itself is used up, and is to be found out again.
    """

    def __init__(self, message: str, retry_after: float = 0.0, *, must_locate: bool = False) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.must_locate = must_locate


class ChangedError(Exception):
    """The object is no longer what it was when the first part of it was fetched."""


class Answer(Protocol):
    """Bytes on their way.

    Attributes:
        pin: which state of the object they are of.
        start: the offset of the first one; zero where the server ignores which part was asked for.
        stop: the offset behind the last one; a server may send fewer than were asked for.
        has_ranges: False where the server sends all of a file, whichever part was asked for.
    """

    pin: Pin
    start: int
    stop: int
    has_ranges: bool

    def readinto(self, buffer: memoryview) -> int:
        """Puts the next bytes into a buffer.

        Args:
            buffer: what to fill.

        Returns:
            how many came; fewer than fit in only at the end, and zero after it.

        Raises:
            PassingError: if the connection was lost or nothing came for too long.
        """

    def close(self) -> None:
        """Ends the answer; what is left of it is not read."""


class Origin(Protocol):
    """The place where the bytes of one file are; used by several threads at once.

    Attributes:
        shown: what it is called in messages and logs, without secrets.
    """

    shown: str

    def open(self, start: int, stop: int, pin: Pin | None) -> Answer:
        """Asks for a part of the file.

        Args:
            start: the offset of its first byte.
            stop: the offset behind its last one.
            pin: the state that the other parts are of; None for the first.

        Returns:
            the answer, whose bytes are to be read.

        Raises:
            PassingError: if it may succeed later.
            ChangedError: if the object is in another state than ``pin`` says.
            ChariotsError: if it cannot succeed; the message says what to do.
        """
