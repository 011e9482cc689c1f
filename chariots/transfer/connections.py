"""How does one speak HTTP with many servers over few connections, from many threads?"""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
import urllib.parse
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from chariots.web.hosts import proxy_before

__all__ = ["Connections", "Target"]

_MOST_IDLE: Final = 256


@dataclass(frozen=True, slots=True)
class Target:
    """A server: what a token is for, and what a connection leads to.

    Attributes:
        scheme: ``"http"`` or ``"https"``.
        host: its name or address.
        port: its port.
    """

    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, parts: urllib.parse.SplitResult) -> Target:
        """Reads the server from an address.

        Args:
            parts: the address.

        Raises:
            ValueError: if its port is none.
        """
        return cls(parts.scheme, (parts.hostname or "").lower(), parts.port or (443 if parts.scheme == "https" else 80))


class Connections:
    """Open connections, to be used again.

    Args:
        timeout: for how many seconds a server may send nothing.
    """

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._idle: dict[Target, list[http.client.HTTPConnection]] = {}
        self._used: set[http.client.HTTPConnection] = set()
        self._proxy: dict[Target, Target | None] = {}  # asked for with every request
        self._lock = threading.Lock()
        self._is_open = True

    def take(self, target: Target) -> tuple[http.client.HTTPConnection, bool]:
        """Gives a connection to a server, of which nobody else makes use.

        Args:
            target: the server.

        Returns:
            the connection, and whether it was used before, so that its server may have closed it meanwhile.

        Raises:
            OSError: if there is none to be had.
        """
        with self._lock:
            idle = self._idle.get(target)
            found = idle.pop() if idle else None
            connection = found or self._new(target)
            self._used.add(connection)
            if not self._is_open:
                raise ConnectionAbortedError("the transfer was ended")
        if connection.sock is None:
            try:
                connection.connect()
            except BaseException:
                self.drop(connection)
                raise
        return connection, found is not None

    def give_back(self, target: Target, connection: http.client.HTTPConnection) -> None:
        """Takes back a connection whose answer was read to its end.

        Args:
            target: the server.
            connection: the connection.
        """
        with self._lock:
            self._used.discard(connection)
            idle = self._idle.setdefault(target, [])
            if self._is_open and connection.sock is not None and len(idle) < _MOST_IDLE:
                idle.append(connection)
                return
        connection.close()

    def drop(self, connection: http.client.HTTPConnection) -> None:
        """Closes a connection.

        Args:
            connection: the connection.
        """
        with self._lock:
            self._used.discard(connection)
        connection.close()

    def close(self) -> None:
        """Closes all of them; threads that wait for an answer stop waiting."""
        with self._lock:
            self._is_open = False
            idle = [one for those in self._idle.values() for one in those]
            self._idle.clear()
            used = list(self._used)
        for connection in idle:
            connection.close()
        for connection in used:
            sock = connection.sock
            if sock is not None:
                with contextlib.suppress(OSError):  # it may be closed already
                    sock.shutdown(socket.SHUT_RDWR)

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return ssl.create_default_context()

    def proxy_of(self, target: Target) -> Target | None:
        """The proxy that stands before a server, as ``HTTPS_PROXY`` and its kin say.

        Args:
            target: the server.
        """
        if target not in self._proxy:
            address = proxy_before(target.scheme, target.host)
            self._proxy[target] = None if address is None else Target.of(urllib.parse.urlsplit(address))
        return self._proxy[target]

    def _new(self, target: Target) -> http.client.HTTPConnection:
        proxy = self.proxy_of(target)
        place = proxy or target
        if target.scheme == "https":
            secure = http.client.HTTPSConnection(place.host, place.port, timeout=self._timeout, context=self._tls)
            if proxy is not None:
                secure.set_tunnel(target.host, target.port)
            return secure
        return http.client.HTTPConnection(place.host, place.port, timeout=self._timeout)
