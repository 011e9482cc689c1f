"""How does a test call an app, or keep ops, without a socket and without a server?"""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from chariots.op_store import LocalOpStoreClient, OpStoreServer
from chariots.op_store.folder import StoreFolder
from chariots.op_store.savers import FileSaver
from chariots.serving.client import AbstractPipelinesClient, json_headers
from chariots.serving.following import STILL
from chariots.web import Reply, Stream

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from flask import Flask
    from werkzeug.test import TestResponse

    from chariots.op_store.savers import BaseSaver

__all__ = ["TestOpStoreClient", "TestPipelinesClient"]


class TestOpStoreClient(LocalOpStoreClient):
    """A client with an op store of its own behind it, in a folder.

    Args:
        path: the folder, a temporary one as a rule; it is created where it does not exist.
        saver: what keeps the bytes of the ops; a `FileSaver` in ``path/ops`` by default.

    Attributes:
        server: the op store server.
        db_path: the SQLite file, ``path/db.sqlite``.
    """

    __test__ = False  # a helper for tests, whatever its name makes pytest think

    def __init__(self, path: str | Path, saver: BaseSaver | None = None) -> None:
        kept = StoreFolder(Path(path).resolve())
        kept.path.mkdir(parents=True, exist_ok=True)
        self.db_path = str(kept.database)
        super().__init__(OpStoreServer(saver or FileSaver(str(kept.ops)), kept.db_url))


class TestPipelinesClient(AbstractPipelinesClient):
    """Does what a `PipelinesClient` does, to an app in the same process.

    The app takes up what was promoted when it is asked to load, and never by itself between two calls of a test.

    Args:
        app: the server.
    """

    __test__ = False  # a helper for tests, whatever its name makes pytest think

    def __init__(self, app: Flask) -> None:
        self.app = app

    def send(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        idempotent: bool = True,
        quick: bool = False,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Hands one request to the app; see `AbstractPipelinesClient.send`."""
        answer = self._open(method, path, body, headers, buffered=True)
        return Reply(answer.status_code, dict(answer.headers), answer.data, f"{method} {path}")

    @contextmanager
    def open_stream(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        has_heartbeat: bool = False,
    ) -> Iterator[Stream]:
        """Hands one request to the app, which goes on when the next piece of its answer is asked for."""
        answer = self._open(method, path, body, headers, buffered=False)
        asked = f"{method} {path}"
        try:
            if answer.status_code >= 300:
                raise Reply(answer.status_code, dict(answer.headers), answer.data, asked).error()
            yield Stream(answer.status_code, dict(answer.headers), answer.iter_encoded(), asked)
        finally:
            answer.close()

    def _open(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str] | None, *, buffered: bool
    ) -> TestResponse:
        # A client for each request: werkzeug's are not to be shared between threads.
        return self.app.test_client(use_cookies=False).open(
            path,
            method=method,
            data=body,
            headers=json_headers(body, headers),
            buffered=buffered,
            environ_overrides={STILL: True},
        )
