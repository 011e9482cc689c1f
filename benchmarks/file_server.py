"""How fast are files fetched from a server that is slow in a known way? (a small one of our own, which counts)

``python -m benchmarks.file_server FOLDER PORT``: HTTP/1.1 with ranges, sent from the file by the kernel, a thread for
each connection. ``GET /-/count`` tells how many requests were answered, and how many bytes of files were sent.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import socket
import threading
import time
from pathlib import Path

PORTION = 1 << 18
_ASKED = re.compile(rb"(GET|HEAD) /(\S*) HTTP/1\.1\r\n")
_RANGE = re.compile(rb"\r\nrange: *bytes=(\d+)-(\d*)\r\n", re.IGNORECASE)
_CLOSE = re.compile(rb"\r\nconnection: *close\r\n", re.IGNORECASE)
_IN_A_HUB_OR_BUCKET = re.compile(r"(?:[^/]+/[^/]+/resolve/[^/]+|bucket)/(.*)")


class Pace:
    """A limit on bytes a second, for one connection or for several together.

    Args:
        rate: the limit; None for none.
    """

    def __init__(self, rate: float | None) -> None:
        self._rate, self._lock, self._free_at = rate, threading.Lock(), 0.0

    def wait(self, count: int) -> None:
        """Waits until so many bytes may be sent."""
        if self._rate is None:
            return
        with self._lock:
            now = time.monotonic()
            # What was not used for a while is lost, but for the time that a sleep may have been too long.
            self._free_at = max(self._free_at, now - 0.02) + count / self._rate
            until = self._free_at
        if until > now:
            time.sleep(until - now)


class FileServer:
    """Serves the files of a folder.

    Args:
        folder: where they are.
        latency: seconds before every answer.
        rate: bytes a second that one connection gets; None for no limit.
        total: bytes a second that all connections together get; None for no limit.
    """

    def __init__(self, folder: Path, latency: float, rate: float | None, total: float | None) -> None:
        self._folder, self._latency, self._rate, self._total = folder, latency, rate, Pace(total)
        self._lock, self._requests, self._sent = threading.Lock(), 0, 0
        self._portion = PORTION if rate is None else max(1 << 14, min(PORTION, int(rate / 100)))

    def serve(self, port: int) -> None:
        """Answers for ever.

        Args:
            port: on loopback.
        """
        with socket.create_server(("127.0.0.1", port), backlog=1024) as listening:
            while True:
                connection, _ = listening.accept()
                threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        pace, before = Pace(self._rate), b""
        try:
            with connection:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                while True:
                    while b"\r\n\r\n" not in before:
                        came = connection.recv(1 << 16)
                        if not came:
                            return
                        before += came
                    head, _, before = before.partition(b"\r\n\r\n")
                    head += b"\r\n"
                    self._answer(connection, head, pace)
                    if _CLOSE.search(head):
                        return
        except OSError:
            return  # the client has left, which is its right

    def _answer(self, connection: socket.socket, head: bytes, pace: Pace) -> None:
        asked = _ASKED.match(head)
        path = asked[2].decode("latin-1").partition("?")[0] if asked else ""
        if path == "-/count":
            with self._lock:
                body = json.dumps({"requests": self._requests, "sent": self._sent}).encode()
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
            return
        if path == "bucket":  # clients of S3 ask where it is
            told = b"HTTP/1.1 200 OK\r\nX-Amz-Bucket-Region: us-east-1\r\nContent-Length: 0\r\n\r\n"
            connection.sendall(told)
            return
        with self._lock:
            self._requests += 1
        if self._latency:
            time.sleep(self._latency)
        inside = _IN_A_HUB_OR_BUCKET.fullmatch(path)
        try:
            file = os.open(self._folder / (inside[1] if inside else path), os.O_RDONLY)
        except OSError:
            connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
            return
        try:
            start, end = self._begin(connection, head, os.fstat(file))
            if asked and asked[1] == b"GET":
                self._send(connection, file, start, end, pace)
        finally:
            os.close(file)

    def _begin(self, connection: socket.socket, head: bytes, there: os.stat_result) -> tuple[int, int]:
        size, part = there.st_size, _RANGE.search(head)
        start = int(part[1]) if part else 0
        end = min(size, int(part[2]) + 1) if part and part[2] else size
        lines = [
            "HTTP/1.1 206 Partial Content" if part else "HTTP/1.1 200 OK",
            f"Content-Length: {end - start}",
            f'ETag: "{there.st_mtime_ns:x}-{size:x}"',
            f"X-Repo-Commit: {0:040x}",
            "Accept-Ranges: bytes",
            *([f"Content-Range: bytes {start}-{end - 1}/{size}"] if part else []),
        ]
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        return start, end

    def _send(self, connection: socket.socket, file: int, start: int, end: int, pace: Pace) -> None:
        while start < end:
            count = min(self._portion, end - start)
            pace.wait(count)
            self._total.wait(count)
            sent = os.sendfile(connection.fileno(), file, start, count)
            if not sent:
                return
            start += sent
            with self._lock:
                self._sent += sent


def main() -> None:
    """Reads the arguments and serves."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("port", type=int)
    parser.add_argument("--latency", type=float, default=0.0, metavar="SECONDS")
    parser.add_argument("--rate", type=float, metavar="BYTES", help="a second, for one connection")
    parser.add_argument("--total", type=float, metavar="BYTES", help="a second, for all of them")
    arguments = parser.parse_args()
    FileServer(arguments.folder, arguments.latency, arguments.rate, arguments.total).serve(arguments.port)


if __name__ == "__main__":
    main()
