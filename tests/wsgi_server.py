"""How does a test serve an application over a real socket? (on loopback, any free port, from a thread)"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from werkzeug.serving import WSGIRequestHandler, make_server


class KeepAlive(WSGIRequestHandler):
    """Speaks HTTP/1.1, and keeps the output of the tests quiet."""

    protocol_version = "HTTP/1.1"

    def log(self, type: str, message: str, *args: object) -> None:
        """Writes nothing."""


@contextmanager
def wsgi_server(app: Any, handler: type[WSGIRequestHandler] = KeepAlive) -> Iterator[str]:
    """Serves an application; yields its URL."""
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
