"""What does a service know of a request while it is answered?"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final

from chariots.web import request_ids

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

    from chariots.web.around import Around

__all__ = ["Beginning", "GENERATION", "PIPELINE", "ROUTE"]

ROUTE: Final = "chariots.route"
PIPELINE: Final = "chariots.pipeline"
GENERATION: Final = "chariots.generation"

_ID_HEADER: Final = request_ids.HEADER.lower()


class Beginning:
    """One request that was begun, and its answer while it is sent.

    Attributes:
        environ: its WSGI environment.
        status: of the answer, as text.
        refusal: the answer, where the request is not passed on.
    """

    __slots__ = (
        *("_around", "_is_over", "added", "answer", "began", "environ", "refusal", "start_response", "status"),
        "waited",
    )

    def __init__(self, around: Around, environ: WSGIEnvironment, start_response: StartResponse) -> None:
        self.began = time.perf_counter()
        self.environ = environ
        self.start_response = start_response
        self.status = "500"
        self.refusal: Iterable[bytes] | None = None
        self.added: list[tuple[str, str]] = []
        self.answer: Iterable[bytes] = ()
        # The loop of the worker notes when the request was there (`chariots.cli.patient_worker`).
        since = getattr(environ.get("gunicorn.socket"), "since", None)
        self.waited = max(0.0, time.monotonic() - since) if since is not None else 0.0
        self._around = around
        self._is_over = False
        request_ids.of_environ(environ)  # decided here, and found by everybody after us

    def respond(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        self.status = status[:3]
        if ROUTE not in self.environ:
            self._around.note(self.environ)
        told = [(name, value) for name, value in headers if name.lower() != _ID_HEADER]
        headers = [*told, (request_ids.HEADER, self.environ[request_ids.DECIDED]), *self.added]
        return self.start_response(status, headers, exc_info) if exc_info else self.start_response(status, headers)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.answer)

    def close(self, *, is_over: bool = True) -> None:
        """Ends the request; WSGI servers call this once the answer was sent, or could not be."""
        if self._is_over:
            return
        self._is_over = True
        try:
            close = getattr(self.answer, "close", None)
            if close is not None and is_over:
                close()
        finally:
            self._around.over(self)
