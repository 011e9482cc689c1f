"""Which servers do the tests of this room talk to? (real sockets on loopback, any free port)"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field


@dataclass
class Scripted:
    """A server that does with each connection what the next step of its script says."""

    url: str
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0


Step = Callable[[socket.socket, Scripted], None]


@contextlib.contextmanager
def scripted(*steps: Step) -> Iterator[Scripted]:
    """Serves one step per connection, in order; further connections get the last step again."""
    listener = socket.create_server(("127.0.0.1", 0))
    state = Scripted(f"http://127.0.0.1:{listener.getsockname()[1]}")
    open_sockets: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def work(step: Step, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            step(connection, state)

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            step = steps[min(state.connections, len(steps) - 1)]
            state.connections += 1
            open_sockets.append(connection)
            threads.append(threading.Thread(target=work, args=(step, connection)))
            threads[-1].start()

    acceptor = threading.Thread(target=accept)
    acceptor.start()
    try:
        yield state
    finally:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        acceptor.join()
        for connection in open_sockets:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join()


def read_request(connection: socket.socket) -> bytes:
    """Reads one request: its head, and as much body as Content-Length says."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            return data
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    while len(body) < length:
        piece = connection.recv(65536)
        if not piece:
            break
        body += piece
    return head + b"\r\n\r\n" + body


def answer(status: int = 200, body: bytes = b"{}", *headers: str) -> bytes:
    """Writes an answer with a body of known length."""
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def answers(*written: bytes) -> Step:
    """A step that reads a request and writes an answer, over and over; then it closes the connection."""

    def step(connection: socket.socket, state: Scripted) -> None:
        for one in written:
            request = read_request(connection)
            if not request:
                return
            state.requests.append(request)
            connection.sendall(one)

    return step


def reset(connection: socket.socket) -> None:
    """Closes a connection the hard way: the other side gets a reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    connection.close()


def free_port() -> int:
    """A port on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port
