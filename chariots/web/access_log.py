"""What is written down about each request? (a line on standard output, for people or for machines)"""

from __future__ import annotations

import datetime
import logging
import sys
from collections.abc import Callable, Mapping
from typing import Any, Final

import orjson

__all__ = ["LOGGER", "access_logger"]

LOGGER: Final = "chariots.access"
LONGEST_PATH: Final = 500  # characters


def access_logger(form: str) -> Callable[[Mapping[str, Any]], None] | None:
    """Makes what writes the lines; they go to the logger `LOGGER`, or to standard output if that has no handler.

    Args:
        form: ``off``, ``text`` or ``json``.

    Returns:
        a function that takes what is known about a request; None if nothing is to be written.
    """
    if form == "off":
        return None
    logger = logging.getLogger(LOGGER)
    logger.setLevel(logging.INFO)
    if not logger.hasHandlers():
        handler = logging.StreamHandler(sys.stdout)
        handler.setFormatter(logging.Formatter("%(message)s"))
        logger.addHandler(handler)
        logger.propagate = False
    line = _json if form == "json" else _text
    return lambda facts: logger.info("%s", line(facts))


def _json(facts: Mapping[str, Any]) -> str:
    shown = {"time": _now(), **facts, "path": facts["path"][:LONGEST_PATH]}
    # Paths are latin-1 in a WSGI environment, so that there are no lone surrogates; numbers are finite.
    return orjson.dumps({name: value for name, value in shown.items() if value is not None}).decode()


def _text(facts: Mapping[str, Any]) -> str:
    # Whatever a client chooses is quoted, so that no line can pretend to be another.
    asked = orjson.dumps(f"{facts['method']} {facts['path'][:LONGEST_PATH]}").decode()
    parts = [_now(), str(facts["client"]), asked, str(facts["status"]), f"{facts['duration_ms']}ms"]
    parts += [f"{name}={facts[name]}" for name in ("pipeline", "generation", "request_id") if facts[name] is not None]
    return " ".join(parts)


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
