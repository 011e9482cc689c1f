"""Where does a call go, and over which connections?"""

from __future__ import annotations

import os
import threading
from typing import Any

import urllib3
from urllib3.exceptions import LocationParseError

from chariots.web.hosts import proxy_before

__all__ = ["Address", "Target"]

_CONNECTIONS = 64
_BLOCK = 1 << 20


class Address:
    """Where a service is.

    Args:
        base_url: for instance ``http://127.0.0.1:5000``.

    Attributes:
        url: the base URL, without a slash at its end.

    Raises:
        ValueError: when the URL is none, or holds a password.
    """

    def __init__(self, base_url: str) -> None:
        try:
            parsed = urllib3.util.parse_url(base_url)
        except LocationParseError:
            parsed = urllib3.util.Url()
        if parsed.scheme not in ("http", "https") or not parsed.host or parsed.query or parsed.fragment:
            raise ValueError(
                f"{base_url!r} is not the base URL of a service; give it as 'http://host:port', "
                f"with a path if it is mounted under one"
            )
        if parsed.auth:
            raise ValueError("The URL of a service holds a password, which would end up in logs; give token=...")
        self.url = base_url.rstrip("/")
        self._prefix = (parsed.path or "").rstrip("/")
        self._origin = f"{parsed.scheme}://{parsed.netloc}"
        self._scheme, self._host, self._port = parsed.scheme, parsed.host.strip("[]"), parsed.port

    @property
    def is_secure(self) -> bool:
        """Whether TLS is spoken there."""
        return self._scheme == "https"

    def absolute(self, path: str) -> str:
        """The URL of a path below the base URL, with the host in ASCII.

        Args:
            path: with a slash in front, quoted.
        """
        return f"{self._origin}{self._prefix}{path}"

    def proxy(self) -> str | None:
        """The proxy that the environment names for this service; never one for this very machine."""
        return proxy_before(self._scheme, self._host)


class Target(Address):
    """A service under one base URL, with its pool of connections.

    Args:
        base_url: as for `Address`.
    """

    def __init__(self, base_url: str) -> None:
        super().__init__(base_url)
        self._lock = threading.Lock()
        self._process = 0
        self._pool: urllib3.HTTPConnectionPool | urllib3.PoolManager
        # What is put before a path: all of the URL when a proxy must know it.
        self._before = self._prefix

    def open(self, method: str, path: str, **options: Any) -> urllib3.BaseHTTPResponse:
        """Sends one request, without retries, and returns when the headers of the answer are there.

        Args:
            method: of HTTP.
            path: below the base URL, with a slash in front.
            **options: ``body``, ``headers`` and ``timeout`` as urllib3 takes them.

        Returns:
            the answer, its body unread.

        Raises:
            urllib3.exceptions.HTTPError: when nothing came of it.
        """
        if self._process != os.getpid():
            # Sockets that were open before a fork must not be used on both sides of it.
            with self._lock:
                if self._process != os.getpid():
                    self._connect()
        common: dict[str, Any] = {"retries": False, "redirect": False, "preload_content": False, **options}
        return self._pool.urlopen(method, self._before + path, **common)

    def close(self) -> None:
        """Closes idle connections; a later call opens new ones."""
        with self._lock:
            if self._process == os.getpid():
                if isinstance(self._pool, urllib3.PoolManager):
                    self._pool.clear()
                else:
                    self._pool.close()
                self._process = 0

    def _connect(self) -> None:
        proxy = self.proxy()
        self._before = self._prefix if proxy is None else self.absolute("")
        options: dict[str, Any] = {"maxsize": _CONNECTIONS, "blocksize": _BLOCK}
        if proxy is not None:
            self._pool = urllib3.ProxyManager(proxy, **options)
        elif self.is_secure:
            self._pool = urllib3.HTTPSConnectionPool(self._host, self._port, **options)
        else:
            self._pool = urllib3.HTTPConnectionPool(self._host, self._port, **options)
        self._process = os.getpid()
