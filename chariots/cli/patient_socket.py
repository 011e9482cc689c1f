"""What does a connection know of a request before anybody reads it?"""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import struct
import time
from typing import Any, Final, Literal, Protocol

from chariots.cli.held_calls import receive_now, send_now

__all__ = ["Arrival", "Early", "PatientSocket", "PatientTlsSocket", "arrived"]

ARRIVAL_SECONDS: Final = 20.0  # for a head and a small body to arrive
SILENCE_SECONDS: Final = 60  # in which a client neither sends nor takes a byte
SMALL_BODY: Final = 2**16  # bytes; larger bodies are read by the thread, half of the threads at most
LONGEST_HEAD: Final = 2**16  # bytes; what is longer is read, and judged, by gunicorn itself
SLOWEST: Final = 4096  # bytes a second in which a body must arrive on average, once it has taken ARRIVAL_SECONDS

Arrival = Literal["part", "whole", "large"]

_EARLY: Final = 2**14  # bytes, received at once
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,18})[ \t]*\r\n", re.IGNORECASE)
_UNKNOWN_LENGTH = re.compile(rb"\r\n(transfer-encoding|expect):", re.IGNORECASE)


class Early(Protocol):
    """A connection that hands out first what was received early, and loses patience with a body that trickles in.

    Attributes:
        early: what was received, and not handed out.
        since: the monotonic moment at which the request was there.
    """

    early: bytearray
    since: float

    def receive_early(self) -> bool:
        """Takes in what is there without waiting for it; False where the client has said all that it will say.

        Raises:
            BlockingIOError: if nothing is there.
            ssl.SSLError: if the client does not speak TLS as it should.
        """

    def send_now(self, data: bytes) -> int:
        """Sends what is taken without waiting for it, and says how many bytes that is.

        Raises:
            BlockingIOError: if nothing is taken.
            OSError: if the connection is lost.
        """

    def forget_the_pace(self) -> None:
        """Begins to measure anew, for the next request."""

    def waits_for_more(self, seconds: float) -> bool:
        """Takes in what comes within some seconds; False if that is nothing, or the end."""


class _Pace:
    """How fast a body comes."""

    def __init__(self) -> None:
        self.waited = 0.0  # seconds
        self.received = 0  # bytes, in that time

    def add(self, began: float, size: int) -> None:
        self.waited += time.monotonic() - began
        self.received += size
        if self.waited > ARRIVAL_SECONDS and self.received < SLOWEST * self.waited:
            raise TimeoutError(f"{self.received} bytes came in {self.waited:.0f} seconds, which is too slow")


def _taken(early: bytearray, size: int, *, is_kept: bool) -> bytes:
    piece = bytes(early[:size])
    if not is_kept:
        del early[:size]
    return piece


def _put(early: bytearray, buffer: Any, size: int) -> int:
    piece = _taken(early, size, is_kept=False)
    memoryview(buffer)[: len(piece)] = piece
    return len(piece)


class _Paced(socket.socket):
    """Hands out first what came early, and then only what comes at some pace."""

    early: bytearray
    since: float
    _pace: _Pace

    def forget_the_pace(self) -> None:
        """See `Early.forget_the_pace`."""
        self._pace = _Pace()

    def recv(self, bufsize: int = 1024, flags: int = 0, /) -> bytes:
        """Receives as every socket does.

        Raises:
            TimeoutError: if the client is too slow.
        """
        if self.early:
            return _taken(self.early, bufsize, is_kept=bool(flags & socket.MSG_PEEK))
        self._begin_to_wait()
        began = time.monotonic()
        piece = super().recv(bufsize, flags)
        self._pace.add(began, len(piece))
        return piece

    def recv_into(self, buffer: Any, nbytes: int | None = None, flags: int = 0, /) -> int:
        """Receives as `recv` does, but into memory that is there."""
        size = nbytes or len(buffer)
        if self.early:
            return _put(self.early, buffer, size)
        self._begin_to_wait()
        began = time.monotonic()
        received = super().recv_into(buffer, size, flags)
        self._pace.add(began, received)
        return received

    def _begin_to_wait(self) -> None:
        """Called before it waits for what comes."""


class PatientSocket(_Paced):
    """A plain connection; see `Early`. It waits where it is not told otherwise, whatever ``setblocking`` says."""

    def __init__(self, listener: socket.socket, descriptor: int) -> None:
        super().__init__(listener.family, listener.type, listener.proto, fileno=descriptor)
        self.early = bytearray()
        self.since = time.monotonic()
        self._pace = _Pace()
        self._silence = 0.0  # in which a client may send nothing, as the system was told
        self._bear_silence(SILENCE_SECONDS)
        self.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", SILENCE_SECONDS, 0))
        _send_at_once(self)

    def receive_early(self) -> bool:
        """See `Early.receive_early`."""
        piece = receive_now(self)
        self.early += piece
        return bool(piece)

    def send_now(self, data: bytes) -> int:
        """See `Early.send_now`."""
        return send_now(self, data)

    def sendall(self, data: Any, flags: int = 0, /) -> None:
        """Sends as every socket does; what is taken at once, without letting go of the interpreter."""
        sent = 0
        if isinstance(data, bytes) and len(data) <= _EARLY:
            with contextlib.suppress(BlockingIOError):
                sent = send_now(self, data)
        if sent < len(data):
            super().sendall(data[sent:], flags)

    def setblocking(self, flag: bool) -> None:
        """Does nothing: whoever must not wait says so with each call, which takes no call to the system of its own."""

    def waits_for_more(self, seconds: float) -> bool:
        """See `Early.waits_for_more`."""
        self._bear_silence(seconds)
        try:
            # To ask first whether something is there would give up the interpreter twice, and wait for it twice.
            piece = socket.socket.recv(self, _EARLY)
        except OSError:
            return False  # whoever has the connection next will find out
        self.early += piece
        return bool(piece)

    def _begin_to_wait(self) -> None:
        self._bear_silence(SILENCE_SECONDS)

    def _bear_silence(self, seconds: float) -> None:
        if seconds != self._silence:
            silence = struct.pack("ll", int(seconds), int(seconds % 1 * 1e6))
            self.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, silence)
            self._silence = seconds


class PatientTlsSocket(_Paced, ssl.SSLSocket):
    """A connection that speaks TLS, whose handshake is part of what keeps no thread waiting; see `Early`."""

    _is_greeted: bool

    @classmethod
    def over(cls, taken_over: socket.socket, context: ssl.SSLContext) -> PatientTlsSocket:
        """Begins to speak TLS on a connection.

        Args:
            taken_over: the connection.
            context: with the certificate; its sockets are of this class.
        """
        taken_over.setblocking(False)
        _send_at_once(taken_over)
        made = context.wrap_socket(taken_over, server_side=True, do_handshake_on_connect=False)
        assert isinstance(made, cls)
        made.early, made.since, made._pace, made._is_greeted = bytearray(), time.monotonic(), _Pace(), False
        return made

    def setblocking(self, flag: bool) -> None:  # as every socket has it
        """Waits for a minute of silence at most where a plain socket would wait for ever."""
        self.settimeout(float(SILENCE_SECONDS) if flag else 0.0)

    def receive_early(self) -> bool:
        """See `Early.receive_early`."""
        size = len(self.early)
        try:
            if self._sslobj is not None and not self._is_greeted:  # type: ignore[attr-defined]  # None once shut down
                self.do_handshake()
                self._is_greeted = True
            while piece := ssl.SSLSocket.recv(self, _EARLY):
                self.early += piece
                # What was deciphered already makes the connection readable no more.
                if len(self.early) > SMALL_BODY + LONGEST_HEAD or not self.pending():
                    return True
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError) as error:
            if len(self.early) == size:
                raise BlockingIOError from error
        return len(self.early) > size

    def send_now(self, data: bytes) -> int:
        """See `Early.send_now`; the connection is one that does not wait."""
        try:
            return self.send(data)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError) as error:
            raise BlockingIOError from error

    def waits_for_more(self, _seconds: float) -> bool:
        """False: what TLS has deciphered cannot be waited for in this way."""
        return False


def _send_at_once(connection: socket.socket) -> None:
    if connection.family in (socket.AF_INET, socket.AF_INET6):
        # Gunicorn sends head and body apart; the body would wait 40 ms for the client to acknowledge the head.
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def arrived(received: bytes | bytearray) -> Arrival:
    """How much of a request is there: part of it, all of it, or all but a body that a thread has to read.

    Args:
        received: what has come so far.
    """
    end = received.find(b"\r\n\r\n")
    if end < 0:
        return "large" if len(received) > LONGEST_HEAD else "part"
    length = declared_length(received, end)
    if length is None or length > SMALL_BODY:
        return "large"
    return "whole" if len(received) - end - 4 >= length else "part"


def declared_length(received: bytes | bytearray, end: int) -> int | None:
    """How many bytes of body a head declares; None where it does not say.

    Args:
        received: what has come so far.
        end: where the head ends.
    """
    if _UNKNOWN_LENGTH.search(received, 0, end):
        return None
    found = _LENGTH.search(received, 0, end + 2)
    return 0 if found is None else int(found[1])
