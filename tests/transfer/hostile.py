"""What does a download meet on a bad day? (an HTTP server on loopback that misbehaves as it is told, and counts)

>>> with HostileServer() as server:
...     server.put("/a.bin", b"x" * 1000, faults=[Fault(close_after=10, first=2)])
...     download(server.url("/a.bin"))
...     assert server.bytes_sent("/a.bin") < 1100
"""

from __future__ import annotations

import hashlib
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

from tests.transfer.hostile_answering import Answering

__all__ = ["Asked", "Fault", "HostileServer", "Resource"]


@dataclass
class Fault:
    """One way to misbehave. What is not set is done as it should be.

    What names a number of bytes counts the body of one answer, and hits only answers that are longer.

    Attributes:
        first: how many answers it hits; None for all of them.
        skip: how many answers that it could hit are given rightly before that.
        methods: which requests it hits.
        status: answer with this status and a short text in place of the bytes.
        retry_after: what such an answer has as Retry-After.
        close_after: close the connection, as at the end of an answer, after so many bytes.
        reset_after: reset the connection (the client may lose some of these bytes, too).
        stall_after: send nothing more, with the connection open, until ``until`` is set or the server stops.
        until: what ends a stall; then the rest is sent.
        hangs_up: close the connection without any answer.
        drops_connection: a right answer that says keep-alive, and then the connection is closed.
        raw: these bytes in place of an answer; then the connection is closed.
        length_off: added to the Content-Length; the bytes are what they should be, and the connection is closed.
        range_off: added to both ends of the Content-Range; the bytes are what was asked for.
        total_off: added to the size in the Content-Range.
        shortened_to: answer a request for a range with only so many of its bytes, and say so (HTTP allows that).
        ignores_range: answer with the whole, status 200.
        ignores_if_match: answer although the entity tag is not the one that was asked for.
        flip_at: change the byte at this place of the whole; hits only answers that hold it.
        gzipped: answer with the whole, compressed, and say so.
        chunked: send in chunks, without a Content-Length.
    """

    first: int | None = None
    skip: int = 0
    methods: tuple[str, ...] = ("GET",)
    status: int | None = None
    retry_after: str | None = None
    close_after: int | None = None
    reset_after: int | None = None
    stall_after: int | None = None
    until: threading.Event | None = None
    hangs_up: bool = False
    drops_connection: bool = False
    raw: bytes | None = None
    length_off: int = 0
    range_off: int = 0
    total_off: int = 0
    shortened_to: int | None = None
    ignores_range: bool = False
    ignores_if_match: bool = False
    flip_at: int | None = None
    gzipped: bool = False
    chunked: bool = False

    def could_hit(self, method: str, start: int, end: int) -> bool:
        """Whether it shows in an answer with these bytes of the whole."""
        if method not in self.methods or (self.flip_at is not None and not start <= self.flip_at < end):
            return False
        after = (self.close_after, self.reset_after, self.stall_after)
        return all(count is None or count < end - start for count in after)


@dataclass
class Resource:
    """What is behind a path.

    Attributes:
        data: its bytes.
        etag: its entity tag, with the quotes; None for none.
        faults: of these, the first that hits an answer shows in it, and no other.
        headers: what every answer has beside the usual.
        ranges: whether it can be had in parts.
        keep_alive: whether the connection stays open after an answer.
        latency: seconds before every answer.
        rate: bytes a second that one connection gets; None for no limit.
        redirect: where it is instead; a function is called for every request.
        redirect_status: the status of such an answer.
        signed: whether only addresses from `HostileServer.signed_url` get it; the others get a 403.
        replacement: what it becomes, entity tag and all, as soon as ``replace_after`` bytes have been sent of it. An
            answer that has begun goes on with the old bytes.
        replace_after: that number of bytes.
        keeps_etag: whether its entity tag stays what it was, which no server should do.
    """

    data: bytes = b""
    etag: str | None = None
    faults: list[Fault] = field(default_factory=list)
    headers: Mapping[str, str] = field(default_factory=dict)
    ranges: bool = True
    keep_alive: bool = True
    latency: float = 0.0
    rate: float | None = None
    redirect: str | Callable[[], str] | None = None
    redirect_status: int = 302
    signed: bool = False
    replacement: bytes | None = None
    replace_after: int | None = None
    keeps_etag: bool = False
    sent: int = 0

    def replace(self, data: bytes) -> None:
        """Puts other bytes in its place, with another entity tag unless it is one that keeps it."""
        self.data = data
        if self.etag is not None and not self.keeps_etag:
            self.etag = etag_of(data)


@dataclass
class Asked:
    """One request, and what was answered so far.

    Attributes:
        method: such as GET.
        path: without the query.
        query: after the question mark.
        headers: with names in lower case.
        connection: the number of the connection it came over, from 1.
        at: when, on the monotonic clock.
        status: of the answer; 0 while there is none.
        sent: bytes of the body of the answer that were handed to the system, or just are.
    """

    method: str
    path: str
    query: str
    headers: dict[str, str]
    connection: int
    at: float = field(default_factory=time.monotonic)
    status: int = 0
    sent: int = 0


def etag_of(data: bytes) -> str:
    """The entity tag that `HostileServer.put` gives to bytes."""
    return f'"{hashlib.sha256(data).hexdigest()[:20]}"'


class HostileServer:
    """A server on a port of its own, for ``with``.

    Args:
        tls: whether to speak HTTPS, with a certificate for localhost and 127.0.0.1 that `authority` has signed.
        latency: seconds before every answer, whatever the path.
    """

    def __init__(self, *, tls: bool = False, latency: float = 0.0) -> None:
        self.latency = latency
        self.resources: dict[str, Resource] = {}
        self.asked: list[Asked] = []
        self.connections = 0
        self.at_once = 0
        self.most_at_once = 0
        self.stopped = threading.Event()
        self.lock = threading.Lock()
        self._uses: dict[str, int] = {}
        self._authority: bytes = b""
        self._server = _Server(("127.0.0.1", 0), Answering, bind_and_activate=True)
        self._server.owner = self
        self.port: int = self._server.server_address[1]
        self.scheme = "https" if tls else "http"
        if tls:
            self._speak_tls()
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def __enter__(self) -> Self:
        """Begins to answer."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Ends every stall, closes every connection and the port."""
        self.stop()

    def stop(self) -> None:
        """Is gone, for everybody: open connections are closed and new ones refused."""
        if not self.stopped.is_set():
            self.stopped.set()
            self._server.shutdown()
            self._server.server_close()
            self._server.close_connections()
            self._thread.join()

    def put(self, path: str, data: bytes = b"", *, faults: Iterable[Fault] = (), **manners: Any) -> Resource:
        """Puts bytes behind a path.

        Args:
            path: begins with a slash.
            data: the bytes.
            faults: how it misbehaves.
            **manners: the other attributes of `Resource`; the entity tag is made of the bytes unless it is given.

        Returns:
            the resource, which may be changed at any time.
        """
        resource = Resource(data, **{"etag": etag_of(data), **manners}, faults=list(faults))
        self.resources[path] = resource
        return resource

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        """The address of a path.

        Args:
            path: begins with a slash.
            host: ``127.0.0.1`` or ``localhost``, which a client must take for two hosts.
        """
        return f"{self.scheme}://{host}:{self.port}{path}"

    def signed_url(self, path: str, uses: int, host: str = "127.0.0.1") -> str:
        """An address that holds for so many requests and is answered 403 from then on."""
        with self.lock:
            signature = f"signature={len(self._uses):06d}"
            self._uses[signature] = uses
        return f"{self.url(path, host)}?{signature}"

    def may(self, query: str) -> bool:
        """Takes one use of a signed address, if there is one left."""
        with self.lock:
            left = self._uses.get(query, 0)
            self._uses[query] = left - 1
            return left > 0

    def requests(self, path: str, method: str | None = None) -> list[Asked]:
        """What was asked of a path so far, in order."""
        with self.lock:
            return [one for one in self.asked if one.path == path and method in (None, one.method)]

    def bytes_sent(self, path: str | None = None) -> int:
        """How many bytes of bodies have been sent, of one path or of all."""
        with self.lock:
            return sum(one.sent for one in self.asked if path in (None, one.path))

    def forget(self) -> None:
        """Begins to count anew."""
        with self.lock:
            self.asked.clear()
            self.connections = self.most_at_once = 0

    @property
    def authority(self) -> bytes:
        """The certificate, as PEM, of the authority that a client of HTTPS has to trust (put it in SSL_CERT_FILE)."""
        return self._authority

    def trusted_in(self, folder: Path) -> Path:
        """Writes `authority` to a file, for SSL_CERT_FILE."""
        file = folder / f"authority-{self.port}.pem"
        file.write_bytes(self._authority)
        return file

    def _speak_tls(self) -> None:
        import trustme

        authority = trustme.CA()
        self._authority = authority.cert_pem.bytes()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
        # The handshake is made when the handler reads, in a thread of its own, so that a slow client stops nobody.
        self._server.socket = context.wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False, suppress_ragged_eofs=True
        )


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 1024
    owner: HostileServer

    def __init__(self, *arguments: Any, **named: Any) -> None:
        self._open: set[socket.socket] = set()
        self._numbers: dict[Any, int] = {}
        super().__init__(*arguments, **named)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self.owner.lock:
            self.owner.connections += 1
            self._numbers[client_address] = self.owner.connections
            self._open.add(request)
        super().process_request(request, client_address)

    def number_of(self, client_address: Any) -> int:
        return self._numbers[client_address]

    def shutdown_request(self, request: Any) -> None:
        with self.owner.lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def close_connections(self) -> None:
        with self.owner.lock:
            still_open = list(self._open)
        for connection in still_open:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # it has been closed in between

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Says nothing of clients that leave in the middle: they are what this server is for."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)
