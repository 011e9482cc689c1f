"""What does a client see when the server behind it, or the wire, fails? (a proxy that can be told to misbehave)"""

from __future__ import annotations

import http.client
import socket
import struct
import threading
import urllib.parse
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "te", "upgrade", "proxy-connection"}


@dataclass(frozen=True)
class Request:
    """What a client asked."""

    method: str
    path: str
    headers: dict[str, str]


@dataclass(frozen=True)
class Fault:
    """One way to misbehave.

    Attributes:
        status: answer with this status, and do not ask the server.
        code: the code that the body of such an answer names.
        after: send so many bytes of the server's answer and then break the connection; 0 for none at all, so that
            what was asked is done and the client never hears of it.
        stall: send so many bytes of the body and then nothing more, with the connection open.
        reset: break the connection without asking the server.
        silent: never answer, and do not ask the server.
    """

    status: int | None = None
    code: str = "InternalError"
    after: int | None = None
    stall: int | None = None
    reset: bool = False
    silent: bool = False


class FaultyProxy:
    """A proxy on loopback; between faults it passes everything on.

    Attributes:
        url: the address of the server, by way of the proxy.
        plan: the faults to come, one for each request; None for a request that goes well.
        always: the fault of every request once the plan is empty.
        strikes: which requests faults are for; the others go well and take none from the plan.
        requests: what was asked so far.
    """

    def __init__(self, target: str, port: int) -> None:
        parts = urllib.parse.urlsplit(target)
        self.target = (parts.hostname or "", parts.port or 80)
        self.url = f"http://127.0.0.1:{port}{parts.path}"
        self.plan: deque[Fault | None] = deque()
        self.always: Fault | None = None
        self.strikes: Callable[[Request], bool] = lambda request: True
        self.requests: list[Request] = []
        self.closing = threading.Event()
        self._lock = threading.Lock()

    def fault_for(self, request: Request) -> Fault | None:
        """Notes a request and decides what becomes of it."""
        with self._lock:
            self.requests.append(request)
            if not self.strikes(request):
                return None
            return self.plan.popleft() if self.plan else self.always

    def forget(self) -> None:
        """Behaves from now on."""
        self.plan.clear()
        self.always = None
        self.strikes = lambda request: True
        self.requests.clear()


@contextmanager
def faulty_proxy(target: str) -> Iterator[FaultyProxy]:
    """Runs a proxy in front of a server.

    Args:
        target: the URL of the server.
    """
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    proxy = FaultyProxy(target, server.server_port)
    server.proxy = proxy  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.closing.set()
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def handle_one_request(self) -> None:
        """Serves one request of a client that may have gone."""
        try:
            super().handle_one_request()
        except OSError:
            self.close_connection = True

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        proxy: FaultyProxy = self.server.proxy  # type: ignore[attr-defined]
        request = Request(self.command, self.path, {name.lower(): value for name, value in self.headers.items()})
        fault = proxy.fault_for(request) or Fault()
        if fault.reset:
            self._break_off()
        elif fault.silent:
            proxy.closing.wait(60)
            self.close_connection = True
        elif fault.status is not None:
            said = f"<Error><Code>{fault.code}</Code><Message>as planned</Message></Error>".encode()
            self._answer(fault.status, [("Content-Type", "application/xml")], said, len(said))
        else:
            self._pass_on(proxy, body, fault)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _serve  # noqa: N815  # the names that http.server looks for

    def _pass_on(self, proxy: FaultyProxy, body: bytes, fault: Fault) -> None:
        connection = http.client.HTTPConnection(*proxy.target, timeout=60)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP_BY_HOP}
        connection.request(self.command, self.path, body, headers)
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        passed = [pair for pair in answer.getheaders() if pair[0].lower() not in (*_HOP_BY_HOP, "content-length")]
        length = int(answer.headers.get("Content-Length") or 0) if self.command == "HEAD" else len(data)
        if fault.after == 0:
            self._break_off()
        elif fault.after is not None:
            self._answer(answer.status, passed, data[: fault.after], length)
            self._break_off()
        elif fault.stall is not None:
            self._answer(answer.status, passed, data[: fault.stall], length)
            proxy.closing.wait(60)
            self.close_connection = True
        else:
            self._answer(answer.status, passed, data, length)

    def _answer(self, status: int, headers: list[tuple[str, str]], data: bytes, length: int) -> None:
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)
        self.wfile.flush()

    def _break_off(self) -> None:
        # Closed with nothing to linger for, so that the other side sees a reset and not an end.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def log_message(self, format: str, *args: Any) -> None:
        """Writes nothing."""
