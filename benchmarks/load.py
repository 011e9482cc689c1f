"""How many answers a second does a server give to so many clients, and how long does each wait?

One process, one loop over epoll: every connection sends its request, reads the whole answer, and sends the next one. It
costs some 20 us an answer, so that the server, on another core, is what is measured. Run as a program, it prints JSON.
"""

from __future__ import annotations

import argparse
import json
import select
import socket
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SILENCE = 20.0  # seconds without any answer, after which the server is given up


@dataclass(frozen=True)
class Load:
    """What came of so many clients asking for so long.

    Attributes:
        rate: good answers a second.
        middle: the median of the seconds that an answer took.
        late: the 99th percentile of them.
        bad: answers that were not as expected.
    """

    rate: float
    middle: float
    late: float
    bad: int


def load(port: int, path: str, body: str, expected: str, *, clients: int, seconds: float) -> Load:
    """Loads a server, from a process of its own.

    Args:
        port: of the server, on this machine.
        path: what is asked with POST.
        body: JSON.
        expected: what every good answer has in it.
        clients: how many connections ask at the same time.
        seconds: for how long.
    """
    asked = [str(port), path, body, expected, str(clients), str(seconds)]
    told = subprocess.run(
        [sys.executable, str(Path(__file__)), *asked], check=True, capture_output=True, text=True, cwd=ROOT
    )
    return Load(**json.loads(told.stdout))


class _Client:
    """One connection: what it has read of its answer, and when it asked."""

    def __init__(self, port: int, request: bytes) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._request = request
        self.ask()

    def ask(self) -> None:
        self._read = b""
        self.asked_at = time.perf_counter()
        self.socket.sendall(self._request)

    def answer(self) -> bytes | None:
        """The whole answer, if it is there by now."""
        piece = self.socket.recv(65536)
        if not piece:
            raise ConnectionError("the server closed a connection")
        self._read = read = self._read + piece if self._read else piece
        end = read.find(b"\r\n\r\n")
        if end < 0:
            return None
        head = read[:end].lower()
        if b"transfer-encoding: chunked" in head:
            return read if read.endswith(b"0\r\n\r\n") else None
        at = head.index(b"content-length:") + 15
        stop = head.find(b"\r\n", at)
        length = int(head[at:] if stop < 0 else head[at:stop])
        return read if len(read) >= end + 4 + length else None


def _measure(port: int, request: bytes, expected: bytes, clients: int, seconds: float) -> Load:
    asking = [_Client(port, request) for _ in range(clients)]
    by_number = {client.socket.fileno(): client for client in asking}
    loop = select.epoll()
    for number in by_number:
        loop.register(number, select.EPOLLIN)
    took: list[float] = []
    bad = 0
    began = time.perf_counter()
    end = began + seconds
    while (now := time.perf_counter()) < end:
        events = loop.poll(SILENCE)
        if not events:
            raise TimeoutError(f"the server on port {port} gave no answer for {SILENCE:.0f} seconds")
        for number, _ in events:
            client = by_number[number]
            answer = client.answer()
            if answer is None:
                continue
            now = time.perf_counter()
            if answer.startswith(b"HTTP/1.1 200") and expected in answer:
                took.append(now - client.asked_at)
            else:
                bad += 1
            client.ask()
    lasted = now - began
    for client in asking:
        client.socket.close()
    took.sort()
    middle, late = (statistics.median(took), took[int(len(took) * 0.99)]) if took else (lasted, lasted)
    return Load(len(took) / lasted, middle, late, bad)


def main() -> None:
    """Reads the arguments that `load` gives, measures, prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, kind in (("port", int), ("path", str), ("body", str), ("expected", str), ("clients", int)):
        parser.add_argument(name, type=kind)
    parser.add_argument("seconds", type=float)
    asked = parser.parse_args()
    body = asked.body.encode()
    head = (
        f"POST {asked.path} HTTP/1.1\r\nHost: 127.0.0.1:{asked.port}\r\nContent-Type: application/json\r\n"
        f"Accept: */*\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    found = _measure(asked.port, head.encode() + body, asked.expected.encode(), asked.clients, asked.seconds)
    print(json.dumps(found.__dict__))


if __name__ == "__main__":
    main()
