"""What does a server do when it is asked for more than it can give?

Requests are sent at a fixed rate, whether or not those before are answered, each on a connection that has nothing else
to do. One process, one loop over epoll. When the time is over it asks as one calm client does, until it is answered as
quickly as before. Run as a program, it prints JSON.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import select
import socket
import time
from collections import deque
from dataclasses import asdict, dataclass

AT_ONCE = 32  # sent, or read, before the others have their turn
IDLE = 0.1  # seconds to wait for an answer where none of the connections is free
RECOVERY = 10.0  # seconds, after which it is given up


@dataclass
class Flood:
    """What came of it.

    Attributes:
        rate: requests sent a second.
        unsent: requests for which no connection was free, of as many as may be open.
        good: right answers while it lasted, a second.
        refused: answers 503 or 429.
        broken: other answers, and connections that ended without one.
        refusal_late: the 99th percentile of the seconds that a refusal took.
        refusal_worst: the longest of them.
        middle: the median of the seconds that a good answer took.
        late: the 99th percentile of them.
        recovery: seconds from the end of the flood until a calm client was answered as before; infinite if it was not.
    """

    rate: float
    unsent: int
    good: float
    refused: int
    broken: int
    refusal_late: float
    refusal_worst: float
    middle: float
    late: float
    recovery: float


class _Flooding:
    """The connections, and what has come."""

    def __init__(self, port: int, request: bytes, expected: bytes, most: int) -> None:
        self.port, self.request, self.expected, self.most = port, request, expected, most
        self.loop = select.epoll()
        self.free: deque[socket.socket] = deque()
        self.asked: dict[int, tuple[socket.socket, float]] = {}  # by number: since when it waits for its answer
        self.parts: dict[int, bytes] = {}
        self.good: list[float] = []
        self.refused: list[float] = []
        self.sent = self.unsent = self.broken = 0

    @property
    def is_out_of_connections(self) -> bool:
        """Whether all connections that may be open wait for an answer."""
        return not self.free and len(self.asked) >= self.most

    def send(self) -> None:
        """Sends one request, if a connection is free or may be made."""
        if self.free:
            connection = self.free.popleft()
        elif not self.is_out_of_connections:
            connection = socket.create_connection(("127.0.0.1", self.port), timeout=5)
            connection.setblocking(False)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.loop.register(connection.fileno(), select.EPOLLIN)
        else:
            self.unsent += 1
            return
        self.sent += 1
        self.asked[connection.fileno()] = connection, time.perf_counter()
        try:
            connection.send(self.request)
        except OSError:
            self._lose(connection.fileno())

    def receive(self, timeout: float) -> None:
        """Reads what has come, at most so many answers."""
        events = self.loop.poll(timeout, AT_ONCE)
        now = time.perf_counter()  # they were there by now, however long this loop takes to read them
        for number, _ in events:
            if number not in self.asked:
                self._forget(number)
                continue
            connection, since = self.asked[number]
            try:
                piece = connection.recv(65536)
            except OSError:
                piece = b""
            if not piece:
                self._lose(number)
                continue
            answer = self.parts.pop(number, b"") + piece
            if not _is_whole(answer):
                self.parts[number] = answer
                continue
            if answer.startswith(b"HTTP/1.1 200") and self.expected in answer:
                self.good.append(now - since)
            elif answer[:12] in (b"HTTP/1.1 503", b"HTTP/1.1 429"):
                self.refused.append(now - since)
            else:
                self.broken += 1
            del self.asked[number]
            if b"connection: close" in answer.lower():
                self.loop.unregister(number)
                connection.close()
            else:
                self.free.append(connection)

    def _forget(self, number: int) -> None:
        """An idle connection has ended."""
        for connection in self.free:
            if connection.fileno() == number:
                self.free.remove(connection)
                self.loop.unregister(number)
                connection.close()
                return

    def _lose(self, number: int) -> None:
        connection, _ = self.asked.pop(number)
        self.parts.pop(number, None)
        self.broken += 1
        self.loop.unregister(number)
        connection.close()


def _is_whole(answer: bytes) -> bool:
    head, end, body = answer.partition(b"\r\n\r\n")
    if not end:
        return False
    length = head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]
    return len(body) >= int(length or 0)


def flood(port: int, request: bytes, expected: bytes, rate: float, seconds: float, most: int, calm: float) -> Flood:
    """Floods a server.

    Args:
        port: of the server, on this machine.
        request: the bytes of one.
        expected: what every good answer has in it.
        rate: requests a second.
        seconds: for how long.
        most: connections that may be open.
        calm: within how many seconds a calm client is answered when nothing else goes on.
    """
    flooding = _Flooding(port, request, expected, most)
    began = time.perf_counter()
    while (now := time.perf_counter()) < began + seconds:
        due = int((now - began) * rate) - flooding.sent - flooding.unsent
        if flooding.is_out_of_connections:
            # Nothing can be sent before an answer comes; to look for one all the time would take it from the server.
            flooding.unsent += due
            flooding.receive(IDLE)
            continue
        for _ in range(min(due, AT_ONCE)):
            flooding.send()
        flooding.receive(0.0 if due > AT_ONCE else 1.0 / rate)
    lasted = time.perf_counter() - began
    recovery = _recovery(port, request, expected, calm)
    for connection in (*flooding.free, *(connection for connection, _ in flooding.asked.values())):
        connection.close()
    good, refused = sorted(flooding.good) or [0.0], sorted(flooding.refused) or [0.0]
    return Flood(
        rate=flooding.sent / lasted,
        unsent=flooding.unsent,
        good=len(flooding.good) / lasted,
        refused=len(flooding.refused),
        broken=flooding.broken,
        refusal_late=refused[int(len(refused) * 0.99)],
        refusal_worst=refused[-1],
        middle=good[len(good) // 2],
        late=good[int(len(good) * 0.99)],
        recovery=recovery,
    )


def _recovery(port: int, request: bytes, expected: bytes, calm: float) -> float:
    """Asks one after the other, until three answers in a row are right and quick; gives when the first began."""
    ended = time.perf_counter()
    quick: list[float] = []
    while len(quick) < 3:
        began = time.perf_counter()
        if began > ended + RECOVERY:
            return float("inf")
        answer = b""
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", port), timeout=RECOVERY) as connection,
        ):
            connection.sendall(request)
            while not _is_whole(answer) and (piece := connection.recv(65536)):
                answer += piece
        is_quick = time.perf_counter() - began <= calm
        quick = [*quick, began] if is_quick and answer.startswith(b"HTTP/1.1 200") and expected in answer else []
    return quick[0] - ended


def main() -> None:
    """Reads the arguments, floods, prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, kind in (("port", int), ("path", str), ("body", str), ("expected", str), ("rate", float)):
        parser.add_argument(name, type=kind)
    for name, kind in (("seconds", float), ("most", int), ("calm", float)):
        parser.add_argument(name, type=kind)
    asked = parser.parse_args()
    body = asked.body.encode()
    head = f"POST {asked.path} HTTP/1.1\r\nHost: 127.0.0.1:{asked.port}\r\nContent-Type: application/json\r\n"
    request = f"{head}Accept: */*\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    found = flood(asked.port, request, asked.expected.encode(), asked.rate, asked.seconds, asked.most, asked.calm)
    print(json.dumps(asdict(found)))


if __name__ == "__main__":
    main()
