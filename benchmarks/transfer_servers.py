"""What serves the files that are fetched? (nginx where it is installed, else a small server of our own)"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.servers import ROOT, free_port

__all__ = ["count", "limited", "nginx_or_ours"]

_NGINX = """
daemon off;
{user}
worker_processes auto;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    default_type application/octet-stream;
    server {{
        listen 127.0.0.1:{port} backlog=1024;
        root {files};
        limit_rate {rate};
        add_header X-Repo-Commit 0000000000000000000000000000000000000000;
        rewrite ^/[^/]+/[^/]+/resolve/[^/]+/(.*)$ /$1 last;
        rewrite ^/bucket/(.*)$ /$1 last;
        location = /bucket {{ add_header X-Amz-Bucket-Region us-east-1; return 200; }}
    }}
}}
"""


@contextlib.contextmanager
def nginx_or_ours(files: Path, folder: Path, rate: int = 0) -> Iterator[tuple[str, str]]:
    """Serves a folder while inside.

    Args:
        files: the folder.
        folder: for what the server writes.
        rate: bytes a second for each connection; 0 for as fast as it goes.

    Yields:
        the name of the server, and its address.
    """
    if shutil.which("nginx") is None:
        with limited(files, rate=rate or None) as address:
            yield "our own server", address
        return
    port = free_port()
    user = "user root;" if os.geteuid() == 0 else ""  # the folder of a benchmark is for its owner alone
    settings = folder / "nginx.conf"
    text = _NGINX.format(folder=folder, files=files, port=port, rate=rate, user=user)
    settings.write_text(text, encoding="utf-8")
    words = ["nginx", "-c", str(settings), "-p", str(folder), "-e", str(folder / "error.log")]
    with _running(words, port):
        yield "nginx", f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def limited(
    files: Path, *, latency: float = 0.0, rate: float | None = None, total: float | None = None
) -> Iterator[str]:
    """Serves a folder with `benchmarks.file_server` while inside.

    Args:
        files: the folder.
        latency: seconds before every answer.
        rate: bytes a second for each connection.
        total: bytes a second for all of them together.

    Yields:
        its address.
    """
    port = free_port()
    words = [sys.executable, "-m", "benchmarks.file_server", str(files), str(port), f"--latency={latency}"]
    words += [f"--rate={rate}"] if rate else []
    words += [f"--total={total}"] if total else []
    with _running(words, port):
        yield f"http://127.0.0.1:{port}"


def count(address: str) -> tuple[int, int]:
    """How many requests `benchmarks.file_server` has answered, and how many bytes of files it has sent."""
    connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=10)
    try:
        connection.request("GET", "/-/count")
        told = json.loads(connection.getresponse().read())
        return told["requests"], told["sent"]
    finally:
        connection.close()


@contextlib.contextmanager
def _running(words: list[str], port: int) -> Iterator[None]:
    process = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 20
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            if process.poll() is not None or time.monotonic() > until:
                raise AssertionError(f"{words[0]} does not answer")
            time.sleep(0.02)
        yield
    finally:
        process.terminate()
        process.wait(20)
