"""How does a server stay there for everybody while some clients send or read as slowly as they can?

Gunicorn gives a connection to a thread as soon as its first byte is there, and the thread waits for the rest: a few
clients that send half a line each keep all threads busy. Here the loop of the worker, which waits for thousands of
connections at once, takes in the head of a request and a small body. A thread gets the request when it is whole. Where
there are as many connections as a worker takes, the one that has waited longest makes room for the next.
"""

from __future__ import annotations

import re
import select
import selectors
import socket
import struct
import threading
import time
from collections import deque
from functools import partial
from itertools import islice
from typing import Any, Final, Literal

from gunicorn.workers.gthread import ThreadWorker

__all__ = ["PatientWorker", "PatientSocket"]

ARRIVAL_SECONDS: Final = 20.0  # for a head and a small body to arrive
LEAVING_SECONDS: Final = 2.0  # for a client to take the rest of an answer, as long as gunicorn grants it
SILENCE_SECONDS: Final = 60  # in which a client neither sends nor takes a byte
STAY_SECONDS: Final = 0.003  # for which a thread waits for the next request of a client
SMALL_BODY: Final = 2**16  # bytes; larger bodies are read by the thread, half of the threads at most
LONGEST_HEAD: Final = 2**16  # bytes; what is longer is read, and judged, by gunicorn itself
SLOWEST: Final = 4096  # bytes a second in which a body must arrive on average, once it has taken ARRIVAL_SECONDS

Arrival = Literal["part", "whole", "large"]

_EARLY: Final = 2**14  # bytes, received at once
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,18})[ \t]*\r\n", re.IGNORECASE)
_UNKNOWN_LENGTH = re.compile(rb"\r\n(transfer-encoding|expect):", re.IGNORECASE)
_TOO_SLOW: Final = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
_TOO_MANY: Final = b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class PatientSocket(socket.socket):
    """A connection that hands out first what was received early, and loses patience with a body that trickles in."""

    def __init__(self, taken_over: socket.socket) -> None:
        super().__init__(fileno=taken_over.detach())
        self.early = bytearray()
        self._waited = 0.0  # seconds
        self._received = 0  # bytes, in that time
        silence = struct.pack("ll", SILENCE_SECONDS, 0)
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            self.setsockopt(socket.SOL_SOCKET, option, silence)
        if self.family in (socket.AF_INET, socket.AF_INET6):
            # Gunicorn sends head and body apart; the body would wait 40 ms for the client to acknowledge the head.
            self.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def receive_early(self) -> bool:
        """Takes in what is there without waiting for it; False where the client has said all that it will say.

        Raises:
            BlockingIOError: if nothing is there.
        """
        piece = super().recv(_EARLY, socket.MSG_DONTWAIT)
        self.early += piece
        return bool(piece)

    def forget_the_pace(self) -> None:
        """Begins to measure anew, for the next request."""
        self._waited, self._received = 0.0, 0

    def recv(self, bufsize: int, flags: int = 0, /) -> bytes:
        """Receives as every socket does, but only what comes at some pace.

        Raises:
            TimeoutError: if the client is too slow.
        """
        if self.early:
            piece = bytes(self.early[:bufsize])
            if not flags & socket.MSG_PEEK:
                del self.early[:bufsize]
            return piece
        began = time.monotonic()
        piece = super().recv(bufsize, flags)
        self._waited += time.monotonic() - began
        self._received += len(piece)
        if self._waited > ARRIVAL_SECONDS and self._received < SLOWEST * self._waited:
            raise TimeoutError(f"{self._received} bytes came in {self._waited:.0f} seconds, which is too slow")
        return piece

    def arrived(self) -> Arrival:
        """How much of a request is there."""
        return _arrived(self.early)

    def is_next_whole(self, seconds: float) -> bool:
        """Whether a request is there within some seconds, all of it in one piece; leaves it where it is."""
        if self.early:
            return False
        waiting = select.poll()
        waiting.register(self, select.POLLIN)
        if not waiting.poll(seconds * 1000):
            return False
        try:
            return _arrived(super().recv(_EARLY, socket.MSG_PEEK | socket.MSG_DONTWAIT)) == "whole"
        except OSError:
            return False


def _arrived(received: bytes | bytearray) -> Arrival:
    """How much of a request is there: part of it, all of it, or all but a body that a thread has to read."""
    end = received.find(b"\r\n\r\n")
    if end < 0:
        return "large" if len(received) > LONGEST_HEAD else "part"
    if _UNKNOWN_LENGTH.search(received, 0, end):
        return "large"
    found = _LENGTH.search(received, 0, end + 2)
    length = 0 if found is None else int(found[1])
    if length > SMALL_BODY:
        return "large"
    return "whole" if len(received) - end - 4 >= length else "part"


class PatientWorker(ThreadWorker):  # type: ignore[misc]  # gunicorn ships no types
    """A worker whose threads are not kept waiting by slow clients, and that refuses connections once it stops."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._arriving: dict[Any, float] = {}  # connection -> the moment at which patience ends; the oldest first
        self._leaving: dict[PatientSocket, float] = {}
        self._large: deque[tuple[float, Any]] = deque()  # connections whose large bodies wait for a thread, since when
        self._reading = 0  # threads that have such a body
        self._staying = 0  # threads that wait a moment for the next request of their client
        self._lock = threading.Lock()

    def set_accept_enabled(self, enabled: bool) -> None:
        """Refuses connections while it finishes what runs; gunicorn's own lets them wait, and then drops them."""
        super().set_accept_enabled(enabled)
        if not self.alive:
            for listening in self.sockets:
                listening.close()
            for connection in [one for one in self._arriving if not one.sock.early]:
                self._drop(connection)

    def enqueue_req(self, conn: Any) -> None:
        """Lets a request arrive, and then gives it to a thread."""
        if not isinstance(conn.sock, PatientSocket):
            conn.sock = PatientSocket(conn.sock)
            conn.close = partial(self._close, conn)
        conn.data_ready = True  # no thread needs to look whether something comes
        conn.sock.forget_the_pace()
        parser = getattr(conn, "parser", None)
        if parser is not None and parser.unreader.buf.getvalue():
            super().enqueue_req(conn)  # the request came together with the one before, and was read along with it
            return
        self._receive(conn)

    def handle(self, conn: Any) -> Any:
        """Answers a request, and those that follow it at once, in a thread; then the next large body may be read."""
        try:
            is_kept = super().handle(conn)
            while is_kept is True and self._follows_at_once(conn):
                conn.sock.forget_the_pace()
                is_kept = super().handle(conn)
            return is_kept
        finally:
            if getattr(conn, "is_large", False):
                conn.is_large = False
                with self._lock:
                    self._reading -= 1
                self._read_large()

    def murder_keepalived(self, *args: Any, **kwargs: Any) -> None:
        """Closes what has waited too long; gunicorn's loop calls this after each of its steps, of a second at most."""
        super().murder_keepalived(*args, **kwargs)
        now = time.monotonic()
        for connection in [one for one, end in self._arriving.items() if end <= now]:
            self._drop(connection)
        # Otherwise gunicorn lets all others wait until one of these connections ends.
        while self.alive and self.nr_conns >= self.worker_connections and self._make_room():
            pass
        for leaving in [one for one, end in self._leaving.items() if end <= now]:
            self._let_go(leaving)

    def _follows_at_once(self, conn: Any) -> bool:
        """Whether a client that got its answer sends the next request, small and whole, within a moment.

        To hand a connection back to the loop, and then to a thread, takes longer than many a request.
        """
        with self._lock:
            if not self.alive or self.tpool._work_queue.qsize() or self._staying >= self.cfg.threads // 2:
                return False
            self._staying += 1
        try:
            return not conn.parser.unreader.buf.getvalue() and conn.sock.is_next_whole(STAY_SECONDS)
        finally:
            with self._lock:
                self._staying -= 1

    def _receive(self, conn: Any, _readable: Any = None) -> None:
        try:
            arrived = conn.sock.arrived() if conn.sock.receive_early() else "whole"
        except (BlockingIOError, InterruptedError):
            arrived = "part"
        except OSError:
            arrived = "whole"  # whichever thread reads on will find out, and close it
        if arrived == "part":
            if conn not in self._arriving:
                self._arriving[conn] = time.monotonic() + ARRIVAL_SECONDS
                self.poller.register(conn.sock, selectors.EVENT_READ, partial(self._receive, conn))
            return
        if self._arriving.pop(conn, None) is not None:
            self.poller.unregister(conn.sock)
        conn.sock.setblocking(True)
        if arrived == "large":
            self._large.append((time.monotonic(), conn))
            self._read_large()
        else:
            super().enqueue_req(conn)

    def _read_large(self) -> None:
        """Gives waiting large bodies to threads, as long as half of the threads are left for others."""
        with self._lock:
            if not self._large or self._reading >= max(1, self.cfg.threads // 2):
                return
            self._reading += 1
            _, conn = self._large.popleft()
        conn.is_large = True
        super().enqueue_req(conn)

    def _make_room(self) -> bool:
        """Closes the connection that has waited longest, for its client or for a thread; False where none waits."""
        idle = getattr(self, "keepalived_conns", ())  # not all releases of gunicorn have them
        with self._lock:
            waiting = [(conn.timeout - self.cfg.keepalive, conn) for conn in islice(idle, 1)]
            waiting += [(end - ARRIVAL_SECONDS, conn) for conn, end in islice(self._arriving.items(), 1)]
            waiting += islice(self._large, 1)
            _, longest = min(waiting, key=lambda one: one[0], default=(0.0, None))
            if self._large and longest is self._large[0][1]:
                self._large.popleft()
                self._end(longest, _TOO_MANY)
                return True
        if longest in self._arriving:
            self._drop(longest, _TOO_MANY)
        elif longest is not None:
            longest.timeout = 0.0
            super().murder_keepalived()
        return longest is not None

    def _drop(self, conn: Any, answer: bytes = _TOO_SLOW) -> None:
        del self._arriving[conn]
        self.poller.unregister(conn.sock)
        self._end(conn, answer)

    def _end(self, conn: Any, answer: bytes) -> None:
        self.nr_conns -= 1
        try:
            if conn.sock.early:
                conn.sock.send(answer)
        except OSError:
            pass  # it does not read either
        finally:
            conn.sock.close()

    def _close(self, conn: Any, graceful: bool = False) -> None:
        """Closes a connection; gunicorn's own waits in the loop of the worker until the client has closed it too."""
        if not graceful or not self.alive:
            conn.sock.close()
            return
        try:
            conn.sock.shutdown(socket.SHUT_WR)
            self._leaving[conn.sock] = time.monotonic() + LEAVING_SECONDS
            self.poller.register(conn.sock, selectors.EVENT_READ, self._drain)
        except (OSError, ValueError, KeyError):
            self._leaving.pop(conn.sock, None)
            conn.sock.close()
            return
        self._drain(conn.sock)

    def _drain(self, leaving: PatientSocket) -> None:
        """Takes what a client still sends: closing before would take the answer from it (RFC 9112, section 9.6)."""
        leaving.early.clear()
        try:
            if leaving.receive_early():
                return
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            pass
        self._let_go(leaving)

    def _let_go(self, leaving: PatientSocket) -> None:
        del self._leaving[leaving]
        self.poller.unregister(leaving)
        leaving.close()
