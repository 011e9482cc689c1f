"""What does a person see who opens a service in a browser?"""

from __future__ import annotations

import functools
from importlib.resources import files

import flask

__all__ = ["show_page"]

# The page is whole in itself: it loads nothing but the document of the service that it came from.
_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def show_page() -> flask.Response:
    """Answers with the page that shows ``/openapi.json`` and sends requests."""
    response = flask.current_app.response_class(_text(), 200, content_type="text/html; charset=utf-8")
    response.headers["Content-Security-Policy"] = _POLICY
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


@functools.cache
def _text() -> bytes:
    return files("chariots.web").joinpath("page.html").read_bytes()
