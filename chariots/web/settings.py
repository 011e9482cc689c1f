"""What may be said about how a service runs, where is it said, and who has the last word?

The order is default < configuration file < environment < code < command line. In code it is a key of the Flask
configuration (``app.config["CHARIOTS_RATE_LIMIT"]``), in the environment a variable (``CHARIOTS_SERVING_RATE_LIMIT``),
in the file a key of the section ``serving``, and on the command line an option (``--rate-limit``).
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from chariots.errors import nearest

if TYPE_CHECKING:
    import flask

__all__ = [
    "Check",
    "Rate",
    "Setting",
    "SETTINGS",
    "METRICS_FOLDER",
    "OF_THE_SERVER",
    "SHARED_FOLDER",
    "VARIABLES",
    "config_key",
    "flag",
    "given_in_environment",
    "read_tokens",
    "settled",
    "texts",
    "tokens_by_scope",
]

SHARED_FOLDER: Final = "CHARIOTS_SERVE_FOLDER"
"""The variable that names a folder which the processes of one server share."""

METRICS_FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"
"""The variable that names the folder for what they count."""

VARIABLES: Final = "CHARIOTS_SERVING_"
# A Kubernetes service named chariots-serving puts variables of these forms in every container beside it.
KUBERNETES: Final = re.compile(r"SERVICE_HOST|SERVICE_PORT(_.+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?")
YES, NO = ("true", "yes", "on", "1"), ("false", "no", "off", "0")
SIZES: Final = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "ki": 2**10, "mi": 2**20, "gi": 2**30}
SPANS: Final = {"second": 1.0, "s": 1.0, "minute": 60.0, "m": 60.0, "hour": 3600.0, "h": 3600.0}

Check = Callable[[Any, str], Any]
"""Takes a value and words for where it stands; returns the value in its final form or raises ValueError."""


@dataclass(frozen=True, slots=True)
class Rate:
    """So many requests in so many seconds.

    Attributes:
        requests: how many.
        seconds: in which time.
    """

    requests: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Setting:
    """One thing that can be set.

    Attributes:
        check: what it accepts, and the form in which it is kept.
        default: what holds where nobody says anything.
        help: what it does, in a line.
        metavar: what stands for its value in the help of a command; None where it has no option.
    """

    check: Check
    default: Any
    help: str
    metavar: str | None


def _wrong(value: Any, where: str, expected: str) -> ValueError:
    return ValueError(f"{where} holds {value!r:.80} ({type(value).__name__}), where {expected} is expected.")


def flag(value: Any, where: str) -> bool:
    """Accepts true and false, and the usual words for them."""
    word = str(value).lower()
    if isinstance(value, bool) or (isinstance(value, str) and word in (*YES, *NO)):
        return word in YES
    raise _wrong(value, where, "true or false")


def texts(value: Any, where: str) -> list[str]:
    """Accepts a list of strings, or one string with commas between them."""
    parts = [part.strip() for part in value.split(",")] if isinstance(value, str) else value
    if isinstance(parts, list | tuple | set | frozenset) and all(isinstance(part, str) and part for part in parts):
        return list(parts)
    # The value may hold keys, so that only its type is shown.
    raise ValueError(f"{where} holds a {type(value).__name__}, where texts are expected, in a list or between commas.")


def tokens_by_scope(value: Any, where: str, cure: str, forms: str) -> dict[str, list[str]]:
    """Accepts tokens by scope, as a mapping or as text: ``predict:TOKEN,operate:TOKEN``.

    Args:
        value: what was given.
        where: where it stands, for messages.
        cure: what to write instead of a token without its scope, and how such a one is called.
        forms: what is accepted, for everything else.

    Raises:
        ValueError: if it is nothing of the kind; no token is shown.
    """
    read: dict[str, list[str]] = {}
    if isinstance(value, str):
        for part in texts(value, where):
            scope, colon, token = part.partition(":")
            if not colon:
                raise ValueError(f"{where} holds {cure}")
            read.setdefault(scope, []).append(token)
        return read
    if not isinstance(value, Mapping) or not all(isinstance(scope, str) for scope in value):
        raise ValueError(f"{where} holds a {type(value).__name__}, where tokens by scope are expected: {forms}")
    return {scope: texts(several, f"{where}, scope {scope!r},") for scope, several in value.items()}


def tokens(value: Any, where: str) -> dict[str, list[str]]:
    """Accepts the tokens of a server of pipelines."""
    return tokens_by_scope(
        value,
        where,
        "a token without its scope; write SCOPE:TOKEN,SCOPE:TOKEN.",
        "a mapping from a scope to a token or several, or text such as predict:TOKEN,operate:TOKEN.",
    )


def origins(value: Any, where: str) -> list[str]:
    """Accepts origins such as ``https://shop.example``, or ``*`` for every one."""
    found = [origin.rstrip("/").lower() for origin in texts(value, where)]
    for origin in found:
        if origin != "*" and not re.fullmatch(r"[a-z][a-z0-9+.-]*://[^/?#@\s]+", origin):
            raise _wrong(origin, where, "an origin such as https://shop.example, or '*',")
    return found


def rate(value: Any, where: str) -> Rate | None:
    """Accepts ``100/minute`` and the like, and ``off``."""
    if isinstance(value, Rate):
        return value
    if value is False or (isinstance(value, str) and value.lower() == "off"):
        return None
    found = re.fullmatch(r"\s*(\d{1,9})\s*/\s*(\w+?)s?\s*", value) if isinstance(value, str) else None
    span = SPANS.get(found[2].lower() or "s") if found else None
    if found is None or span is None or not int(found[1]):
        raise _wrong(value, where, "a rate such as 100/second, 1000/minute, 5000/hour or off")
    return Rate(int(found[1]), span)


def seconds(value: Any, where: str) -> float:
    """Accepts a number of seconds, zero or more."""
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not 0 <= number < math.inf:
        raise _wrong(value, where, "a number of seconds")
    return number


def size(value: Any, where: str) -> int:
    """Accepts a number of bytes, also as ``10M`` or ``64Mi``."""
    found = re.fullmatch(r"(\d{1,18})\s*([kmg]?i?)b?", str(value).strip().lower())
    if isinstance(value, bool) or found is None or found[2] not in SIZES:
        raise _wrong(value, where, "a number of bytes such as 1000000, 10M or 64Mi")
    return int(found[1]) * SIZES[found[2]]


def count(value: Any, where: str) -> int:
    """Accepts a number of things, zero or more."""
    text = str(value)
    if isinstance(value, bool) or not (text.isascii() and text.isdigit()):
        raise _wrong(value, where, "a number")
    return int(text)


def hands(value: Any, where: str) -> int:
    """Accepts a number of things, one or more."""
    if (number := count(value, where)) < 1:
        raise _wrong(value, where, "a number from 1 on")
    return number


def log_form(value: Any, where: str) -> str:
    """Accepts ``off``, ``text`` and ``json``."""
    word = "off" if value is False else str(value).lower()  # off without quotes is false in YAML
    if word not in ("off", "text", "json"):
        raise _wrong(value, where, "off, text or json")
    return word


def file(value: Any, where: str) -> str:
    """Accepts the path of a file that is there."""
    if not isinstance(value, str | os.PathLike) or not Path(value).is_file():
        raise _wrong(value, where, "the path of a file that exists")
    return os.fspath(value)


SETTINGS: Final[Mapping[str, Setting]] = {
    "tokens": Setting(tokens, {}, "Tokens of clients by scope (predict, operate, admin): predict:TOKEN,...", None),
    "tokens_file": Setting(file, None, "File with a line SCOPE:TOKEN for each token of a client.", "FILE"),
    "allowed_hosts": Setting(texts, None, "A name that clients may call the server by without a token.", "NAME"),
    "allowed_origins": Setting(
        origins, [], "An origin such as https://shop.example whose pages may call; '*' for any.", "ORIGIN"
    ),
    "rate_limit": Setting(rate, None, "What one token or address may ask for, such as 100/second.", "N/TIME"),
    "max_body": Setting(size, None, "Largest body of a request in bytes, such as 10M (64Mi).", "BYTES"),
    "request_timeout": Setting(seconds, None, "Deadline of every request, its waiting included.", "SECONDS"),
    "metrics": Setting(flag, True, "Whether /metrics tells what was measured (on).", "on|off"),
    "node_times": Setting(flag, False, "Whether /metrics tells the time that each node takes (off).", "on|off"),
    "access_log": Setting(log_form, "off", "A line for every request on standard output (off).", "off|text|json"),
    "tracing": Setting(flag, False, "Whether spans go to OpenTelemetry, as OTEL_... variables say (off).", "on|off"),
    "workers": Setting(hands, 1, "Processes that answer (1).", "N"),
    "threads": Setting(hands, 8, "Requests that each process answers at a time (8).", "N"),
    "backlog": Setting(
        count, None, "Requests that may wait in each process; more are refused (16 for each thread).", "N"
    ),
    "drain_seconds": Setting(
        seconds, 0.0, "How long /readyz says no, and requests are answered, once told to stop (0).", "SECONDS"
    ),
    "tls_cert": Setting(file, None, "Certificate, and those above it, in PEM; the server then speaks TLS.", "FILE"),
    "tls_key": Setting(file, None, "Private key of the certificate in PEM, where it is not in its file.", "FILE"),
    "tls_ca": Setting(file, None, "Authorities in PEM; a client must bring a certificate of theirs.", "FILE"),
    "insecure": Setting(flag, False, "Let everybody who reaches the port call, load and save, without tokens.", None),
}
"""Everything that can be set, by name."""

OF_THE_SERVER: Final = (
    "workers",
    "threads",
    "backlog",
    "drain_seconds",
    "tls_cert",
    "tls_key",
    "tls_ca",
    "insecure",
)
"""What is decided before there is an application: only the environment and the command line can say it."""

FLASK_NAMES: Final = {"max_body": "MAX_CONTENT_LENGTH"}
"""What Flask has a key of its own for."""


def given_in_environment() -> dict[str, Any]:
    """Reads the variables ``CHARIOTS_SERVING_...``; an empty one counts as not set.

    Raises:
        ValueError: when one is not known, or holds what cannot be.
    """
    found = {}
    for variable, value in sorted(os.environ.items()):
        rest = variable.removeprefix(VARIABLES)
        if rest == variable or not value or KUBERNETES.fullmatch(rest):
            continue
        name = rest.lower()
        if name not in SETTINGS:
            hint = nearest(name, SETTINGS)
            raise ValueError(
                f"the environment variable {variable} is not known.{hint} The names are {', '.join(SETTINGS)}."
            )
        found[name] = SETTINGS[name].check(value, f"the environment variable {variable}")
    return found


def read_tokens(path: str) -> dict[str, list[str]]:
    """Reads a file of tokens; empty lines and those that begin with ``#`` say nothing.

    Raises:
        ValueError: when it cannot be read, or a line has no scope.
    """
    try:
        lines = [line.strip() for line in Path(path).read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"the file of tokens {path} cannot be read: {error}") from error
    told = [line for line in lines if line and not line.startswith("#")]
    return tokens(",".join(told), f"the file of tokens {path}") if told else {}


def config_key(name: str) -> str:
    """The key of the Flask configuration that a setting has."""
    return FLASK_NAMES.get(name, f"CHARIOTS_{name.upper()}")


def settled(app: flask.Flask | None = None) -> dict[str, Any]:
    """Decides every setting: what code or the command line says, else the environment, else the default.

    Args:
        app: the application, whose configuration says what was said in code.

    Returns:
        a value for every name of `SETTINGS`.

    Raises:
        ValueError: when a value cannot be, or the environment names a setting that there is not.
    """
    values = {name: setting.default for name, setting in SETTINGS.items()} | given_in_environment()
    for name, setting in SETTINGS.items():
        key = config_key(name)
        if app is not None and app.config.get(key) is not None:
            values[name] = setting.check(app.config[key], f"app.config[{key!r}]")
    return values
