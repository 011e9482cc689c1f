"""How does a test call an app, or keep ops, without a socket and without a server?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from chariots.op_store import LocalOpStoreClient, OpStoreServer
from chariots.op_store.folder import StoreFolder
from chariots.op_store.savers import FileSaver
from chariots.serving.client import AbstractPipelinesClient
from chariots.serving.following import STILL
from chariots.web import Reply

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flask import Flask

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
        # A client for each request: werkzeug's are not to be shared between threads.
        answer = self.app.test_client(use_cookies=False).open(
            path,
            method=method,
            data=body,
            headers=({} if body is None else {"Content-Type": "application/json"}) | dict(headers or {}),
            buffered=True,
            environ_overrides={STILL: True},
        )
        return Reply(answer.status_code, dict(answer.headers), answer.data, f"{method} {path}")
