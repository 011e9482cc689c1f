"""Which service keeps the versions and the bytes of ops?"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from chariots.errors import StoreError
from chariots.op_store import tables
from chariots.op_store.database import MIGRATIONS, Database
from chariots.op_store.registry import Registry
from chariots.op_store.trusting.trust import Trust
from chariots.web import Access

if TYPE_CHECKING:
    import flask
    from flask_sqlalchemy import SQLAlchemy

    from chariots.op_store.clients.local import LocalOpStoreClient
    from chariots.op_store.savers import BaseSaver

__all__ = ["OpStoreServer"]

# Of applications, one is made at a time: Werkzeug compiles routes with `ast`, and where two threads do so at once,
# CPython 3.11 may raise SystemError (https://github.com/python/cpython/issues/106905).
_making = threading.Lock()


class OpStoreServer:
    """A service that keeps ops: their versions and links in a database, their bytes with a saver.

    The tables are made or upgraded by themselves when they are first needed. Several servers, in one process
    or in many, may share a database and a saver.

    Args:
        saver: where the bytes are kept.
        db_url: the SQLAlchemy URL of the database, SQLite or PostgreSQL. A relative SQLite path starts at the
            working directory.
        trust: what the store takes and gives out as bytes of an op; what the environment says by default (see
            `Trust.from_environment`), and everything where it says nothing.
        tokens: for each of the scopes ``read``, ``write`` and ``admin``, a token or several. Without any, whoever
            reaches the port may do everything, but only by a loopback name or an allowed one.
        allowed_hosts: names that clients may call the service by, beside those of loopback; ``"*"`` for any.

    Attributes:
        trust: what the store takes and gives out.
        saver: the saver.
        registry: everything the service answers from.

    Raises:
        ValueError: if the URL is of another kind of database, a scope is none or a token too short.
    """

    def __init__(
        self,
        saver: BaseSaver,
        db_url: str = "sqlite:///:memory:",
        *,
        trust: Trust | None = None,
        tokens: Mapping[str, str | Sequence[str]] | None = None,
        allowed_hosts: Iterable[str] = (),
    ) -> None:
        self.saver = saver
        self.trust = trust or Trust.from_environment()
        self.registry = Registry(Database(db_url), saver, self.trust)
        self._access = Access(tokens, allowed_hosts)
        self._flask: flask.Flask | None = None

    @property
    def flask(self) -> flask.Flask:
        """The application, made when it is first asked for; any WSGI server can run it."""
        # A pipelines server that has its store in its own process goes by the registry, and starts sooner without.
        from chariots.op_store.http.application import application

        with _making:
            if self._flask is None:
                self._flask = application(self, access=self._access, missing=self._missing)
            return self._flask

    @property
    def db(self) -> SQLAlchemy:
        """The database as Flask-SQLAlchemy offers it, for use inside of ``flask.app_context()``."""
        extension: SQLAlchemy = self.flask.extensions["sqlalchemy"]
        return extension

    @cached_property
    def migrate(self) -> Any:
        """The migrations of the database as Flask-Migrate offers them, also under ``flask db``."""
        # Loaded only when asked for: Alembic takes longer to import than a store takes to start.
        from flask_migrate import Migrate

        return Migrate(self.flask, self.db, directory=str(MIGRATIONS))

    def client(self) -> LocalOpStoreClient:
        """Returns a client in this very process: no socket, no server to start."""
        from chariots.op_store.clients.local import LocalOpStoreClient

        return LocalOpStoreClient(self)

    def upgrade(self) -> bool:
        """Makes the tables what this release needs, all at once or not at all.

        Returns:
            whether there was anything to do.

        Raises:
            StoreError: if the database cannot be used, or was made by a newer release.
        """
        return self.registry.database.upgrade()

    def _missing(self) -> Mapping[str, Any] | None:
        try:
            with self.registry.database.reading() as connection:
                connection.execute(sa.select(tables.op.c.id).limit(1))
            self.registry.blobs.check()
        except StoreError as error:
            return {"detail": error.detail}
        return None
