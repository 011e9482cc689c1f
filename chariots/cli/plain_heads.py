"""What does the plain head of a request say? (all others are read by gunicorn, which knows the whole of HTTP)

A head is plain if it is a POST of HTTP/1.1 to a path without a query, with a body of known size, that keeps its
connection and sends nothing twice. Whatever could be read in two ways is not plain (RFC 9112, section 11.2).
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote_to_bytes

__all__ = ["Head", "PlainHeads"]

LONGEST: Final = 4096  # bytes
MOST_KNOWN: Final = 256  # heads that are remembered; most clients send the same one with every request

_REQUEST = re.compile(rb"POST (/[A-Za-z0-9/._~%-]*) HTTP/1\.1")
_FIELD = re.compile(rb"([A-Za-z0-9-]+):[ \t]*([\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?)?[ \t]*")
_ENCODED = re.compile(rb"(?:[^%]|%[0-9A-Fa-f]{2})*")
_SPECIAL: Final = frozenset({b"transfer-encoding", b"expect", b"upgrade", b"te", b"trailer", b"http2-settings"})


@dataclass(frozen=True, slots=True)
class Head:
    """What a plain head says.

    Attributes:
        environ: the WSGI environment, as far as the head decides it; it is shared, and not to be changed.
        body: how many bytes follow.
        says_https: whether it says that a proxy was asked by TLS, which counts if the proxy is to be believed.
    """

    environ: Mapping[str, Any]
    body: int
    says_https: bool


class PlainHeads:
    """Reads plain heads.

    Args:
        always: what every WSGI environment holds.
        secure: the fields by which a proxy says that it was asked by TLS, and what they then hold.
    """

    def __init__(self, always: Mapping[str, Any], secure: Mapping[str, str]) -> None:
        self._always = always
        # As gunicorn names them: in upper case, and with underscores in some releases.
        self._secure = {name.lower().replace("_", "-").encode(): value.encode() for name, value in secure.items()}
        self._known: dict[bytes, Head | None] = {}

    def read(self, head: bytes) -> Head | None:
        """Reads a head.

        Args:
            head: the request line and the fields, without the line break at their end.

        Returns:
            what it says; None if it is not plain.
        """
        if len(head) > LONGEST:
            return None
        try:
            return self._known[head]
        except KeyError:
            found = self._parsed(head)
        if len(self._known) >= MOST_KNOWN:
            self._known.clear()
        self._known[head] = found
        return found

    def _parsed(self, head: bytes) -> Head | None:
        first, *lines = head.split(b"\r\n")
        request = _REQUEST.fullmatch(first)
        if request is None or not _ENCODED.fullmatch(request[1]):
            return None
        environ = {
            **self._always,
            "REQUEST_METHOD": "POST",
            "RAW_URI": request[1].decode("ascii"),
            "PATH_INFO": unquote_to_bytes(request[1]).decode("latin-1"),
        }
        seen: set[bytes] = set()
        says_https = False
        for line in lines:
            field = _FIELD.fullmatch(line)
            if field is None:
                return None
            name, value = field[1].lower(), field[2] or b""
            if name in seen or name in _SPECIAL or (name == b"connection" and value.lower() != b"keep-alive"):
                return None
            seen.add(name)
            says_https = says_https or self._secure.get(name) == value
            environ[_key(name)] = value.decode("ascii")
        length = environ.get("CONTENT_LENGTH", "")
        if b"host" not in seen or not re.fullmatch("[0-9]{1,18}", length):
            return None
        return Head(environ, int(length), says_https)


def _key(name: bytes) -> str:
    """Under which key a WSGI environment has a field."""
    key = name.decode("ascii").upper().replace("-", "_")
    return sys.intern(key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}")
