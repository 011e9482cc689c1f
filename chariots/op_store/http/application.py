"""How is an op store an application that any WSGI server can run?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import flask
import sqlalchemy as sa
from flask.cli import AppGroup

from chariots.op_store import tables
from chariots.op_store.http import check, decisions, lineage, maintenance, routes, v1, v2
from chariots.web import install

if TYPE_CHECKING:
    from chariots.op_store.database import Database
    from chariots.op_store.server import OpStoreServer
    from chariots.web import Access

__all__ = ["application"]

_TITLE = "chariots op store"
_ROUTES = (
    *v1.ROUTES,
    *v2.ROUTES,
    *check.ROUTES,
    *lineage.ROUTES,
    *decisions.ROUTES,
    *maintenance.ROUTES,
)


def application(
    server: OpStoreServer, *, access: Access, missing: Callable[[], Mapping[str, Any] | None]
) -> flask.Flask:
    """Makes the application of a store.

    Args:
        server: the store.
        access: who may ask what.
        missing: says what keeps the store from answering, if anything does.
    """
    root = Path(__file__).parents[1]
    app = flask.Flask("OpStoreServer", static_folder=None, root_path=str(root))
    app.cli = _Commands(server, app.name)
    install(app, title=_TITLE, openapi=_document, ready=missing, access=access)
    routes.add_routes(app, server.registry, _ROUTES)
    v2.add_blob_routes(app, server.registry)
    _extend(app, server.registry.database)
    return app


def _document() -> dict[str, Any]:
    return routes.openapi(_TITLE, _ROUTES, v2.RAW_PATHS)


def _extend(app: flask.Flask, database: Database) -> None:
    """Flask-SQLAlchemy on the engine of the registry, so that there is one pool and one way to lock."""
    from flask_sqlalchemy import SQLAlchemy  # with the ORM of SQLAlchemy, which nothing else of a store needs

    class OpStoreDatabase(SQLAlchemy):
        def _make_engine(self, bind_key: str | None, options: dict[str, Any], app: flask.Flask) -> sa.Engine:
            return database.engine

        def create_all(self, *_: Any, **__: Any) -> None:
            database.upgrade()  # tables that no migration made could not be upgraded by the next release

    app.config["SQLALCHEMY_DATABASE_URI"] = database.url
    OpStoreDatabase(app, metadata=tables.metadata)


class _Commands(AppGroup):
    """The commands of the application, where ``flask db`` imports what it needs when it is called."""

    def __init__(self, server: OpStoreServer, name: str) -> None:
        super().__init__(name)
        self._server = server

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), "db"})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name == "db":
            self._server.migrate  # noqa: B018  # making it adds the command
        return super().get_command(ctx, cmd_name)
