"""How is a request with a plain head read and answered, without what gunicorn does for all others?

Gunicorn reads heads of every kind, one byte after the other and in Python, and takes longer for it than many a pipeline
runs. A plain one (`chariots.cli.plain_heads`) is read once, and known again. The answer is the one that gunicorn would
give, sent in one piece with its head.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from gunicorn.http.wsgi import Response, base_environ

from chariots.cli.patient_socket import SMALL_BODY
from chariots.cli.plain_heads import Head, PlainHeads

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

__all__ = ["LargeBody", "PlainAnswer", "PlainRequests"]

_BUFFER: Final = 2**16  # bytes
_MOST_DRAINED: Final = 2**20  # bytes of a body that nobody has read, so that its connection can be kept


class PlainRequests:
    """Reads requests with plain heads.

    Args:
        cfg: the configuration of gunicorn.
    """

    def __init__(self, cfg: Any) -> None:
        always = {
            **base_environ(cfg),
            "wsgi.multithread": True,
            "wsgi.url_scheme": "https" if cfg.is_ssl else "http",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "SCRIPT_NAME": "",
            "QUERY_STRING": "",
        }
        del always["wsgi.file_wrapper"]  # files are sent as everything is
        self._heads = PlainHeads(always, cfg.secure_scheme_headers)
        self._proxies = cfg.forwarded_allow_ips

    @classmethod
    def of(cls, cfg: Any) -> PlainRequests | None:
        """Makes what reads requests for a worker.

        Args:
            cfg: the configuration of gunicorn.

        Returns:
            None where gunicorn has to see every request: it counts them, or serves below a path.
        """
        return None if cfg.max_requests or os.environ.get("SCRIPT_NAME") else cls(cfg)

    def head(self, received: bytes | bytearray) -> Head | None:
        """Reads the head of a request with a small body.

        Args:
            received: what has come of it.

        Returns:
            None where it is not plain or not whole, or the body is large.
        """
        end = received.find(b"\r\n\r\n")
        head = None if end < 0 else self._heads.read(bytes(received[:end]))
        return None if head is None or head.body > SMALL_BODY else head

    def read(self, conn: Any, head: Head) -> tuple[WSGIEnvironment, int] | None:
        """Reads a request with a small body, and leaves it where it is.

        Args:
            conn: the connection on which it comes, as gunicorn has it; its socket is a `PatientSocket`.
            head: its head.

        Returns:
            its WSGI environment and its size in bytes; None where it is not whole.
        """
        early: bytearray = conn.sock.early
        start = early.find(b"\r\n\r\n") + 4
        end = start + head.body
        if len(early) < end:
            return None
        return self._environ(conn, head, io.BytesIO(early[start:end])), end

    def read_head(self, conn: Any) -> tuple[WSGIEnvironment, LargeBody] | None:
        """Takes the head of a request with a large body off a connection.

        Args:
            conn: the connection, as for `read`.

        Returns:
            its WSGI environment, and the body, which is still to be received; None where the head is not plain, or the
            body is not large; then nothing was taken.
        """
        early: bytearray = conn.sock.early
        end = early.find(b"\r\n\r\n")
        head = None if end < 0 else self._heads.read(bytes(early[:end]))
        if head is None or head.body <= SMALL_BODY:
            return None
        del early[: end + 4]
        body = LargeBody(conn.sock, head.body)
        return self._environ(conn, head, io.BufferedReader(body, _BUFFER)), body

    def _environ(self, conn: Any, head: Head, body: io.BufferedIOBase) -> WSGIEnvironment:
        environ = {
            **head.environ,
            "wsgi.input": body,
            "REMOTE_ADDR": conn.client[0],
            "REMOTE_PORT": str(conn.client[1]),
            "SERVER_NAME": conn.server[0],
            "SERVER_PORT": str(conn.server[1]),
            "gunicorn.socket": conn.sock,
        }
        if head.says_https and ("*" in self._proxies or conn.client[0] in self._proxies):
            environ["wsgi.url_scheme"] = "https"
        return environ


class LargeBody(io.RawIOBase):
    """A body that is received while it is read, straight to where it is wanted.

    Args:
        sock: from where.
        size: in bytes.
    """

    def __init__(self, sock: Any, size: int) -> None:
        super().__init__()
        self._sock = sock
        #: How many bytes nobody has read.
        self.left = size

    def readable(self) -> bool:
        """True."""
        return True

    def readinto(self, buffer: Any, /) -> int:
        """Receives some of it.

        Raises:
            OSError: if the connection is lost, or the client is too slow.
        """
        there = memoryview(buffer)[: self.left]
        size: int = self._sock.recv_into(there) if there else 0
        self.left -= size
        return size

    def drain(self) -> bool:
        """Receives what nobody has read; False if it does not come."""
        room = bytearray(_BUFFER)
        try:
            while self.left and self.readinto(room):
                pass
        except OSError:
            return False
        return not self.left


class PlainAnswer:
    """The answer to a request with a plain head.

    Args:
        sock: where it is sent.
        cfg: the configuration of gunicorn.
        keeps: whether the connection may be kept.
        body: that of the request, where it is still to be received.
    """

    def __init__(self, sock: Any, cfg: Any, *, keeps: bool, body: LargeBody | None = None) -> None:
        self._sock = sock
        self._body = body
        self._held: list[bytes] = []
        self._response = Response(_REQUEST, self, cfg)
        #: Whether some of it was sent.
        self.has_begun = False
        if not keeps:
            self._response.force_close()

    @property
    def keeps(self) -> bool:
        """Whether the connection is kept; known once it is sent, and then to be asked once."""
        return not self._response.should_close() and (self._body is None or self._body.drain())

    def send(self, app: WSGIApplication, environ: WSGIEnvironment) -> None:
        """Has an application answer, and sends what it says.

        Args:
            app: the application.
            environ: of the request.

        Raises:
            OSError: if the connection is lost.
        """
        body: Iterable[bytes] = app(environ, self._response.start_response)
        if self._body is not None and self._body.left > _MOST_DRAINED:
            self._response.force_close()
        try:
            for piece in body:
                self._response.write(piece)
                self._send()
            self._response.close()
            self._send()
        finally:
            close = getattr(body, "close", None)
            if close is not None:
                close()

    def sendall(self, data: bytes) -> None:
        """Takes what gunicorn would send, until there is a whole piece of it."""
        self._held.append(data)

    def _send(self) -> None:
        if self._held:
            self.has_begun = True
            small = len(self._held[-1]) < _BUFFER  # to send a large piece for itself takes less than to copy it
            for piece in [b"".join(self._held)] if small else self._held:
                self._sock.sendall(piece)
            self._held.clear()


class _Request:
    """What gunicorn asks of a request when it writes the answer."""

    method, version = "POST", (1, 1)

    def should_close(self) -> bool:
        return False


_REQUEST = _Request()
