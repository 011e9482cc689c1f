"""How is a request with a plain head read and answered, without what gunicorn does for all others?

Gunicorn reads heads of every kind, one byte after the other and in Python, and takes longer for it than many a pipeline
runs. A plain one (`chariots.cli.plain_heads`) is read once, and known again. The answer is the one that gunicorn would
give, sent in one piece with its head.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from gunicorn.http.wsgi import Response, base_environ

from chariots.cli.plain_heads import Head, PlainHeads

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

__all__ = ["PlainAnswer", "PlainRequests"]


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
        """Reads the head of a request.

        Args:
            received: what has come of it.

        Returns:
            None where it is not plain, or not whole.
        """
        end = received.find(b"\r\n\r\n")
        return None if end < 0 else self._heads.read(bytes(received[:end]))

    def read(self, conn: Any) -> tuple[WSGIEnvironment, int] | None:
        """Reads a request, and leaves it where it is.

        Args:
            conn: the connection on which it comes, as gunicorn has it; its socket is a `PatientSocket`.

        Returns:
            its WSGI environment and its size in bytes; None where its head is not plain, or it is not whole.
        """
        early: bytearray = conn.sock.early
        head = self.head(early)
        if head is None:
            return None
        start = early.find(b"\r\n\r\n") + 4
        end = start + head.body
        if len(early) < end:
            return None
        environ = {
            **head.environ,
            "wsgi.input": io.BytesIO(early[start:end]),
            "REMOTE_ADDR": conn.client[0],
            "REMOTE_PORT": str(conn.client[1]),
            "SERVER_NAME": conn.server[0],
            "SERVER_PORT": str(conn.server[1]),
            "gunicorn.socket": conn.sock,
        }
        if head.says_https and ("*" in self._proxies or conn.client[0] in self._proxies):
            environ["wsgi.url_scheme"] = "https"
        return environ, end


class PlainAnswer:
    """The answer to a request with a plain head.

    Args:
        sock: where it is sent.
        cfg: the configuration of gunicorn.
        keeps: whether the connection may be kept.
    """

    def __init__(self, sock: Any, cfg: Any, *, keeps: bool) -> None:
        self._sock = sock
        self._held: list[bytes] = []
        self._response = Response(_REQUEST, self, cfg)
        #: Whether some of it was sent.
        self.has_begun = False
        if not keeps:
            self._response.force_close()

    @property
    def keeps(self) -> bool:
        """Whether the connection is kept; known once it is sent."""
        return not self._response.should_close()

    def send(self, app: WSGIApplication, environ: WSGIEnvironment) -> None:
        """Has an application answer, and sends what it says.

        Args:
            app: the application.
            environ: of the request.

        Raises:
            OSError: if the connection is lost.
        """
        body: Iterable[bytes] = app(environ, self._response.start_response)
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
            self._sock.sendall(b"".join(self._held))
            self._held.clear()


class _Request:
    """What gunicorn asks of a request when it writes the answer."""

    method, version = "POST", (1, 1)

    def should_close(self) -> bool:
        return False


_REQUEST = _Request()
