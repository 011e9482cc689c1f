"""How does a program ask an op store that runs as a server?"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from typing import IO, Any

from chariots.op_store.clients.base import BaseOpStoreClient
from chariots.op_store.trusting.trust import Trust
from chariots.web import Session

__all__ = ["OpStoreClient"]

_BLOB_SECONDS = 300.0  # for one wait while bytes are sent: a slow disk may take long to sync a large file


class OpStoreClient(BaseOpStoreClient):
    """A client of an op store that runs as a server; safe to share between threads.

    Args:
        url: where the server is, ``http://127.0.0.1:5001`` for instance.
        token: what the server knows this client by, where it wants tokens.
        trust: signs what is saved, and decides what may be loaded; what the environment says by default (see
            `Trust.from_environment`). Where it says nothing, nothing is signed and everything loaded.

    Raises:
        ValueError: if that is not a URL.
    """

    def __init__(self, url: str, token: str | None = None, trust: Trust | None = None) -> None:
        self.url = url
        self.trust = trust or Trust.from_environment()
        self._session = Session(url, token=token)

    def post(self, route: str, arguments_json: Mapping[str, Any]) -> Any:
        """Asks one question over HTTP.

        Args:
            route: the path of the route.
            arguments_json: the members of the JSON object to send.

        Returns:
            the decoded answer.

        Raises:
            ChariotsError: the failure that the store answered with.
            UnreachableError: if it did not answer.
        """
        # Whatever is asked twice is kept once, so every question may be asked again when no answer came.
        reply = self._session.request("POST", route, json=arguments_json, idempotent=True)
        return reply.raise_for_problem().json()

    def _put_blob(self, sha256: str, data: bytes) -> None:
        self._send_file(sha256, io.BytesIO(data))  # shares the buffer

    def _send_file(self, sha256: str, file: IO[bytes]) -> None:
        # Sent in pieces, each of them with its own time limit.
        reply = self._session.request("PUT", f"/v2/blobs/{sha256}", body=file, timeout=_BLOB_SECONDS)
        reply.raise_for_problem()

    def _received(self, sha256: str) -> Iterator[bytes]:
        with self._session.stream("GET", f"/v2/blobs/{sha256}", timeout=_BLOB_SECONDS) as pieces:
            yield from pieces
