"""How does the hostile server answer one request?"""

from __future__ import annotations

import gzip
import os
import re
import socket
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.transfer.hostile import Asked, Fault, HostileServer, Resource

PORTION = 1 << 16
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


@dataclass
class _Part:
    """Which bytes of a whole an answer has."""

    start: int
    end: int
    partial: bool


class Answering(BaseHTTPRequestHandler):
    """Answers the requests of one connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Any

    def do_GET(self) -> None:
        """Answers with the bytes."""
        self._answer()

    def do_HEAD(self) -> None:
        """Answers without them."""
        self._answer()

    def log_message(self, *_: object) -> None:
        """Says nothing."""

    def _answer(self) -> None:
        from tests.transfer.hostile import Asked

        owner: HostileServer = self.server.owner
        path, _, query = self.path.partition("?")
        headers = {name.lower(): value for name, value in self.headers.items()}
        asked = Asked(self.command, path, query, headers, self.server.number_of(self.client_address))
        with owner.lock:
            owner.asked.append(asked)
            owner.at_once += 1
            owner.most_at_once = max(owner.most_at_once, owner.at_once)
        try:
            self._give(owner, asked, owner.resources.get(path))
        finally:
            with owner.lock:
                owner.at_once -= 1

    def _give(self, owner: HostileServer, asked: Asked, resource: Resource | None) -> None:
        if resource is None:
            return self._say(asked, 404)
        if owner.latency or resource.latency:
            time.sleep(owner.latency + resource.latency)
        self.close_connection = self.close_connection or not resource.keep_alive
        with owner.lock:
            data, etag = resource.data, resource.etag
            part = self._part(asked, resource, data, etag)
            fault = _taken(resource, asked.method, part or _Part(0, 0, False))
        if fault is not None and (fault.hangs_up or fault.raw is not None):
            self.connection.sendall(fault.raw or b"")
            self.close_connection = True
            return None
        if fault is not None and fault.status is not None:
            extra = {} if fault.retry_after is None else {"Retry-After": fault.retry_after}
            return self._say(asked, fault.status, **extra, **resource.headers)
        if resource.redirect is not None:
            place = resource.redirect if isinstance(resource.redirect, str) else resource.redirect()
            return self._say(asked, resource.redirect_status, Location=place, **resource.headers)
        if resource.signed and not owner.may(asked.query):
            return self._say(asked, 403)
        wanted = asked.headers.get("if-match")
        if wanted not in (None, "*", etag) and not (fault is not None and fault.ignores_if_match):
            return self._say(asked, 412)
        if part is None:
            return self._say(asked, 416, **{"Content-Range": f"bytes */{len(data)}"})
        self._send(owner, asked, resource, fault, data, etag, part)
        return None

    def _part(self, asked: Asked, resource: Resource, data: bytes, etag: str | None) -> _Part | None:
        """Which bytes were asked for; None for such as there are not."""
        match = _RANGE.fullmatch(asked.headers.get("range", ""))
        whole = _Part(0, len(data), False)
        if match is None or not resource.ranges or asked.headers.get("if-range", etag) != etag:
            return whole
        first, last = match[1], match[2]
        if not first:
            return _Part(max(0, len(data) - int(last)), len(data), True) if last and int(last) and data else None
        start, end = int(first), min(int(last) + 1, len(data)) if last else len(data)
        return _Part(start, end, True) if start < end else None

    def _say(self, asked: Asked, status: int, **headers: str) -> None:
        body = f"{status}\n".encode()
        asked.status = status
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _send(
        self,
        owner: HostileServer,
        asked: Asked,
        resource: Resource,
        fault: Fault | None,
        data: bytes,
        etag: str | None,
        part: _Part,
    ) -> None:
        if fault is not None and (fault.ignores_range or fault.gzipped):
            part = _Part(0, len(data), False)
        if fault is not None and fault.shortened_to is not None and part.partial:
            part = _Part(part.start, min(part.end, part.start + fault.shortened_to), True)
        body = memoryview(data)[part.start : part.end]
        if fault is not None and fault.flip_at is not None:
            flipped = bytearray(body)
            flipped[fault.flip_at - part.start] ^= 0x01
            body = memoryview(flipped)
        if fault is not None and fault.gzipped:
            body = memoryview(gzip.compress(bytes(body), 1))
        self._begin(asked, resource, fault, etag, part, (len(data), len(body)))
        if self.command == "HEAD":
            return
        if fault is not None and (fault.length_off or fault.drops_connection):
            self.close_connection = True  # with a false length nobody can tell where the next answer begins
        chunked = fault is not None and fault.chunked
        for portion in self._portions(owner, body, resource, fault):
            with owner.lock:  # counted before it is sent: who has got it finds it counted
                asked.sent += len(portion)
                resource.sent += len(portion)
                if resource.replace_after is not None and resource.sent >= resource.replace_after:
                    resource.replace(resource.replacement or b"")
                    resource.replace_after = None
            self.connection.sendall(b"%x\r\n%b\r\n" % (len(portion), portion) if chunked else portion)
        if chunked and asked.sent == len(body):
            self.connection.sendall(b"0\r\n\r\n")

    def _begin(
        self,
        asked: Asked,
        resource: Resource,
        fault: Fault | None,
        etag: str | None,
        part: _Part,
        sizes: tuple[int, int],
    ) -> None:
        size, length = sizes
        asked.status = 206 if part.partial else 200
        self.send_response(asked.status)
        if etag is not None:
            self.send_header("ETag", etag)
        if resource.ranges:
            self.send_header("Accept-Ranges", "bytes")
        if part.partial:
            off, total = (fault.range_off, size + fault.total_off) if fault is not None else (0, size)
            self.send_header("Content-Range", f"bytes {part.start + off}-{part.end - 1 + off}/{total}")
        if fault is not None and fault.gzipped:
            self.send_header("Content-Encoding", "gzip")
        if fault is not None and fault.chunked:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(length + (fault.length_off if fault is not None else 0)))
        for name, value in resource.headers.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()

    def _portions(
        self, owner: HostileServer, body: memoryview, resource: Resource, fault: Fault | None
    ) -> Iterator[memoryview]:
        """The body as it is to be sent, at its pace, up to where the connection ends."""
        stall = fault.stall_after if fault is not None else None
        ends = [len(body)]
        if fault is not None:
            ends += [after for after in (fault.close_after, fault.reset_after) if after is not None]
        began, at = time.monotonic(), 0
        step = PORTION if resource.rate is None else max(1, min(PORTION, int(resource.rate / 50)))
        while at < min(ends):
            if at == stall:
                self._stall(owner, fault)
            end = min(at + step, *ends, *([stall] if stall is not None and at < stall else []))
            if resource.rate is not None:
                time.sleep(max(0.0, began + end / resource.rate - time.monotonic()))
            yield body[at:end]
            at = end
        if fault is not None and fault.reset_after is not None:
            self._reset()
        elif fault is not None and fault.close_after is not None:
            self.close_connection = True

    def _stall(self, owner: HostileServer, fault: Fault | None) -> None:
        ends = [owner.stopped] if fault is None or fault.until is None else [owner.stopped, fault.until]
        while not any(end.is_set() for end in ends):
            ends[-1].wait(0.02)

    def _reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        # Closing the number itself: the object would first say good-bye, as at the end of an answer.
        os.close(self.connection.detach())
        self.close_connection = True


def _taken(resource: Resource, method: str, part: _Part) -> Fault | None:
    """The first fault that hits this answer; it is counted."""
    for fault in resource.faults:
        if not fault.could_hit(method, part.start, part.end):
            continue
        if fault.skip > 0:
            fault.skip -= 1
        elif fault.first is None:
            return fault
        elif fault.first > 0:
            fault.first -= 1
            return fault
    return None
