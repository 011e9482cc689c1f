"""Who may ask a service what, and from where?"""

from __future__ import annotations

import functools
import hashlib
import hmac
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, Literal, TypeVar
from urllib.parse import urlsplit

import flask
from flask import request

from chariots.errors import ForbiddenError, UnauthorizedError, nearest
from chariots.web.hosts import is_loopback

__all__ = ["Access", "Scope", "ANY_HOST", "INSIDE", "SCOPES", "SERVING_SCOPES", "needs", "open_to_all"]

Scope = Literal["read", "write", "predict", "operate", "admin"]
View = TypeVar("View", bound=Callable[..., Any])

ANY_HOST: Final = "*"
# In the WSGI environment of a request that never was outside of this process. No header can put it there: those
# are named HTTP_... by every server.
INSIDE: Final = "chariots.inside"
SCOPES: Final[tuple[Scope, ...]] = ("read", "write", "admin")  # each includes those before it
SERVING_SCOPES: Final[tuple[Scope, ...]] = ("predict", "operate", "admin")
SHORTEST_TOKEN: Final = 16  # characters; nobody guesses that many
_READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_MARK: Final = "chariots_scope"
_OPEN: Final = "open"


def needs(scope: Scope) -> Callable[[View], View]:
    """Says which scope a view needs; without it, reading needs the smallest and everything else the greatest.

    Args:
        scope: what a token must allow.

    Returns:
        a decorator for views.
    """

    def mark(view: View) -> View:
        setattr(view, _MARK, scope)
        return view

    return mark


def open_to_all(view: View) -> View:
    """Says that a view answers everybody, whatever host they name: it tells nothing worth keeping to oneself."""
    setattr(view, _MARK, _OPEN)
    return view


class Access:
    """What a service asks of every request before it looks at anything else.

    With tokens, a request must bring one (``Authorization: Bearer TOKEN``) that allows what it asks for. Without
    tokens it must name a loopback host or an allowed one: a web page that has its own name resolve to this machine
    (DNS rebinding) then gets nothing. In either case, a browser may change things only from a page of this service
    or of an allowed host.

    Args:
        tokens: for each scope, a token or several. Only their hashes are kept.
        allowed_hosts: names that clients may call the service by; ``"*"`` for any.
        scopes: those that a token can have, each including those before it.
        allowed_origins: pages that may change things, such as ``https://shop.example``; ``"*"`` for any.
        token_variable: where clients that are made by a command take their token from, for messages.
        hosts_variable: where further host names come from, for messages.

    Raises:
        ValueError: if a scope is unknown or has no token, a token is too short or stands for two scopes, or a host
            is none.
    """

    def __init__(
        self,
        tokens: Mapping[str, str | Sequence[str]] | None = None,
        allowed_hosts: Iterable[str] = (),
        *,
        scopes: tuple[Scope, ...] = SCOPES,
        allowed_origins: Iterable[str] = (),
        token_variable: str = "CHARIOTS_OP_STORE_TOKEN",
        hosts_variable: str = "CHARIOTS_OP_STORE_ALLOWED_HOSTS",
    ) -> None:
        self._order = scopes
        self._scopes = _hashed(tokens or {}, scopes)
        self.allowed_hosts = frozenset(_checked_host(host) for host in _several(allowed_hosts))
        self._origins = frozenset(allowed_origins)
        self._token_variable, self._hosts_variable = token_variable, hosts_variable

    @property
    def has_tokens(self) -> bool:
        """Whether a request must bring a token."""
        return bool(self._scopes)

    def check(self) -> None:
        """Refuses the current request if it may not have what it asks for.

        Raises:
            UnauthorizedError: if it brings no token, or an unknown one.
            ForbiddenError: if its token allows less, or it comes from where none may come.
        """
        view = flask.current_app.view_functions.get(request.endpoint or "")
        mark = getattr(view, _MARK, None)
        if mark == _OPEN:
            return
        default = self._order[0 if view is None or request.method in _READING else -1]
        self.admit(request.environ, mark or default)

    def admit(self, environ: Mapping[str, Any], needed: Scope) -> None:
        """Refuses a request, which need not be the current one of Flask, if it may not have what it asks for.

        Args:
            environ: its WSGI environment.
            needed: the scope that a token must have.

        Raises:
            UnauthorizedError: if it brings no token, or an unknown one.
            ForbiddenError: if its token allows less, or it comes from where none may come.
        """
        if environ.get(INSIDE) is True:
            return
        if self._scopes:
            self._check_token(environ, needed)
        else:
            self._check_host(environ)
        if environ["REQUEST_METHOD"] not in _READING:
            self._check_origin(environ)

    def known_token(self, environ: Mapping[str, Any]) -> bytes | None:
        """The hash of the token that a request brings; None if it brings none that is known."""
        kind, _, token = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
        if not self._scopes or kind.lower() != "bearer" or self._scope_of(token.strip()) is None:
            return None
        return _hash(token.strip())

    def require(self, needed: Scope) -> None:
        """Refuses the current request, which was admitted, if it turned out to need more than its token allows.

        Args:
            needed: what it must allow; nothing where there are no tokens.

        Raises:
            ForbiddenError: if its token allows less.
        """
        if self._scopes and request.environ.get(INSIDE) is not True:
            self._check_token(request.environ, needed)

    def _check_token(self, environ: Mapping[str, Any], needed: Scope) -> None:
        asked = _asked(environ)
        kind, _, token = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
        if kind.lower() != "bearer" or not token.strip():
            raise UnauthorizedError(
                f"{asked} needs a token, and the request brought none; give the client token=..., or set "
                f"{self._token_variable} where it is made by a command or from a configuration (the header is "
                "'Authorization: Bearer TOKEN')"
            )
        allowed = self._scope_of(token.strip())
        if allowed is None:
            raise UnauthorizedError(
                f"{asked} brought a token that this service does not know; ask whoever runs it for a valid one"
            )
        if self._order.index(allowed) < self._order.index(needed):
            raise ForbiddenError(
                f"{asked} needs a token with the scope {needed!r}, and this one allows {allowed!r} only; use one that "
                "allows more",
                needed=needed,
                allowed=allowed,
            )

    def _scope_of(self, token: str) -> Scope | None:
        found: Scope | None = None
        given = _hash(token)
        # Hashes of one length, each compared in constant time, and all of them: nothing is learned from waiting.
        for known, scope in self._scopes.items():
            if hmac.compare_digest(known, given):
                found = scope
        return found

    def _check_host(self, environ: Mapping[str, Any]) -> None:
        host, _ = _split(environ.get("HTTP_HOST", ""))
        if host and (ANY_HOST in self.allowed_hosts or host in self.allowed_hosts or is_loopback(host)):
            return
        raise ForbiddenError(
            f"this service was called by the name {host[:200]!r}, which it does not go by (a page on the web may have "
            "a name of its own resolve to this machine); call it by a loopback address, add the name to allowed_hosts "
            f"({self._hosts_variable}, --allowed-host), or let clients bring a token"
        )

    def _check_origin(self, environ: Mapping[str, Any]) -> None:
        origin = environ.get("HTTP_ORIGIN")
        if origin is None or ANY_HOST in self._origins or origin.lower() in self._origins:
            return
        scheme, _, netloc = origin.partition("://")
        host, port = _split(netloc, scheme.lower())
        # The scheme is left out: behind a proxy that speaks TLS, the page was fetched by another one.
        same = (host, port) == _split(environ.get("HTTP_HOST", ""), scheme.lower())
        if not host or not (same or host in self.allowed_hosts):
            raise ForbiddenError(
                f"{_asked(environ)} was sent by a web page of {origin[:200]!r}, which may not "
                "change anything here; add its host to allowed_hosts if you know the page"
            )


def _hashed(tokens: Mapping[str, str | Sequence[str]], scopes: tuple[Scope, ...]) -> dict[bytes, Scope]:
    found: dict[bytes, Scope] = {}
    for name, given in tokens.items():
        scope = next((known for known in scopes if known == name), None)
        if scope is None:
            hint = f"{nearest(name, scopes)} Scopes: {', '.join(scopes)}"
            raise ValueError(f"tokens holds the scope {name!r}, which is none.{hint}")
        if not given and given != "":
            raise ValueError(f"tokens holds the scope {name!r} without a token; give it one, or leave the scope out")
        for token in _several(given):
            if not isinstance(token, str) or len(token) < SHORTEST_TOKEN or not token.isascii() or " " in token:
                raise ValueError(
                    f"a token for the scope {name!r} has fewer than {SHORTEST_TOKEN} characters, or some that a header "
                    "cannot carry; make one with 'chariots op-store new-token'"
                )
            if found.setdefault(_hash(token), scope) != scope:
                raise ValueError(
                    f"one token stands for two scopes, {scope!r} and another; give each a token of its own"
                )
    return found


def _asked(environ: Mapping[str, Any]) -> str:
    path = environ["PATH_INFO"].encode("latin-1", "replace").decode("utf-8", "replace")
    return f"{environ['REQUEST_METHOD']} {path[:200]}"


def _several(given: str | Iterable[str]) -> Iterable[str]:
    return (given,) if isinstance(given, str) else given


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


def _checked_host(host: str) -> str:
    name, port = _split(host)
    if host != ANY_HOST and (not name or port is not None or "/" in host):
        raise ValueError(f"allowed_hosts holds {host!r}, which is no host name; give names without scheme and port")
    return name


@functools.lru_cache(maxsize=128)  # clients call a service by few names, and ask often
def _split(netloc: str, scheme: str = "") -> tuple[str, int | None]:
    """The host name in lower case, and the port; an empty name if it is none."""
    try:
        found = urlsplit(f"//{netloc}")
        name, port = found.hostname or "", found.port
    except ValueError:
        return "", None
    if found.path or found.query or found.fragment or found.username is not None:
        return "", None
    return name.rstrip("."), port if port is not None else _DEFAULT_PORTS.get(scheme)
