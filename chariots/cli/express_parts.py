"""What does a thread that answers many requests at once have in its hands?"""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gunicorn.util import hop_headers

if TYPE_CHECKING:
    from chariots.serving.together import Turn

__all__ = ["Answer", "Run"]

_OURS = frozenset({"content-length", *hop_headers})  # headers that a server writes, and an application does not
_BODILESS = ("204", "304")  # answers without a body, whose length is not told either (RFC 9110)


class Run:
    """Groups of requests that a thread runs, one after the other."""

    def __init__(self, groups: deque[list[Turn]]) -> None:
        self.group: list[Turn] = []
        self._groups = groups
        self._thread = threading.get_native_id()
        self._seen: list[Turn] | None = None
        self._worked = self._has_waited = 0.0

    def next_group(self) -> list[Turn] | None:
        """The group that is to be run now, if one is left."""
        try:
            self.group = self._groups.popleft()
        except IndexError:
            return None
        return self.group

    def looked_at(self, interval: float) -> float:
        """How many seconds what is in hand has worked, or waited for something, since it was first looked at.

        The time in which no processor was free for the thread does not count: another in its place would wait as long.

        Args:
            interval: the seconds since somebody looked last.
        """
        group = self.group
        worked, is_waiting = _thread_state(self._thread)
        if self._seen is not group:
            self._seen, self._worked, self._has_waited = group, worked, 0.0
        elif is_waiting:
            self._has_waited += interval
        return worked - self._worked + self._has_waited

    def take_rest(self) -> list[list[Turn]]:
        """Takes away what was not begun."""
        rest: list[list[Turn]] = []
        while self._groups:
            with contextlib.suppress(IndexError):  # its own thread may be quicker
                rest.append(self._groups.popleft())
        return rest


def _thread_state(thread: int) -> tuple[float, bool]:
    """How many seconds a thread of this process has worked, and whether it waits for anything but a processor."""
    folder = Path(f"/proc/self/task/{thread}")
    try:
        worked = int((folder / "schedstat").read_bytes().split()[0]) / 1e9
        return worked, (folder / "stat").read_bytes().rpartition(b")")[2].split()[0] != b"R"
    except (OSError, IndexError, ValueError):
        return 0.0, True  # not all systems tell


class Answer:
    """What is to be sent on a connection.

    Attributes:
        conn: the connection.
        request: what was received, where somebody else may have to answer it.
    """

    __slots__ = ("_headers", "_status", "conn", "request")

    def __init__(self, conn: Any) -> None:
        self.conn = conn
        self.request = b""
        self._status = ""
        self._headers: Sequence[tuple[str, str]] = ()

    def start(self, status: str, headers: Sequence[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], None]:
        """Takes status and headers; `start_response` as WSGI has it."""
        self._status, self._headers = status, headers
        return _unwritable

    def written(self, body: bytes, date: bytes, *, keeps: bool) -> bytes:
        """The whole answer.

        Args:
            body: its body.
            date: as HTTP has it.
            keeps: whether the connection is kept.

        Raises:
            ValueError: if a header has more than one line.
        """
        lines = [f"{name}: {value}" for name, value in self._headers if name.lower() not in _OURS]
        text = "".join(lines)
        if "\n" in text or "\r" in text:
            raise ValueError(f"a header of an answer with status {self._status} has several lines")
        head = "\r\n".join([f"HTTP/1.1 {self._status}", *lines])
        if self._status.startswith(_BODILESS):
            size, body = b"", b""
        else:
            size = b"\r\nContent-Length: %d" % len(body)
        return b"%b%b\r\nServer: gunicorn\r\nDate: %b\r\nConnection: %b\r\n\r\n%b" % (
            head.encode("latin-1"),
            size,
            date,
            b"keep-alive" if keeps else b"close",
            body,
        )


def _unwritable(_piece: bytes) -> None:
    raise RuntimeError("this server takes what an application returns, and not what it writes")
