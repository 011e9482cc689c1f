"""How is an app put behind a real HTTP server?"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

import click

from chariots._room import with_room
from chariots.cli.early_imports import import_early
from chariots.cli.serving_options import decided
from chariots.cli.web_server import Listener, serve_application, server_options

if TYPE_CHECKING:
    import flask

__all__ = ["run_server", "serve"]

# What a process imports until it has answered, and is in no source of the user's; what it imports only at times, for a
# migration for instance, would cost all of them more than it saves.
_OF_EVERY_SERVER: Final = (
    "chariots.ml.serializers._dill_serializer",
    "chariots.op_store.clients.local",
    "chariots.op_store.folder",
    "chariots.op_store.savers.file",
    "chariots.op_store.server",
    "chariots.schema.signatures",
    "chariots.serving.embedded",
    "chariots.versioning.fingerprint",
    "chariots.web.whole_bodies",
    "chariots.web.metrics",
    "chariots.web.page",
    "chariots.web.service",
    "chariots.workers.in_sql.store",
    "chariots.workers.local_pool",
    "dill",
)


@click.command()
@click.argument("app", metavar="MODULE:APP")
@server_options(port=5000)
@click.option(
    "--insecure", is_flag=True, help="Let everybody who reaches the port call, load and save, without tokens."
)
@click.pass_context
def serve(context: click.Context, app: str, listener: Listener, insecure: bool) -> None:
    """Serve the pipelines of an app over HTTP.

    MODULE:APP names a PipelinesServer or Chariots object, or a function that makes one. Modules in the
    current folder are found. Every worker process imports the app for itself.

    Every option but --host and --port can also be said by a variable: CHARIOTS_SERVING_RATE_LIMIT=100/second. To be
    reached from other machines, the server needs tokens: set CHARIOTS_SERVING_TOKENS to predict:TOKEN,operate:TOKEN.
    """

    _serve(app, listener, insecure=insecure, debug=bool(context.find_root().meta.get("chariots.debug")))


def run_server(
    app: str,
    host: str = "127.0.0.1",
    port: int = 5000,
    workers: int | None = None,
    threads: int | None = None,
    *,
    insecure: bool = False,
) -> None:
    """Serves an app as `chariots serve` does; for the command line of a project of its own.

    Args:
        app: where the app is, as ``"module:app"``.
        host: the interface to listen on.
        port: the port to listen on; 0 takes a free one.
        workers: how many processes answer; what the environment says, or 1, if None.
        threads: how many requests each process answers at a time; what the environment says, or 8, if None.
        insecure: whether everybody who reaches the port may call, load and save.

    Raises:
        click.ClickException: when the port is taken or the app cannot be loaded.
    """
    given = {name: value for name, value in (("workers", workers), ("threads", threads)) if value is not None}
    with_room(_serve, app, Listener.of(host, port, given), insecure=insecure)


def _serve(app: str, listener: Listener, *, insecure: bool, debug: bool = False) -> None:
    insecure = insecure or decided({})["insecure"]
    if insecure:
        click.echo(f"Everybody who reaches {listener.host} may call, load and save these pipelines.", err=True)

    def load() -> flask.Flask:
        from chariots.serving import load_app

        loaded = load_app(app)
        loaded.config.update(listener.configuration)
        if not insecure:
            _close(loaded, listener)
        return loaded

    early = partial(import_early, app, _OF_EVERY_SERVER)
    serve_application(load, app, listener, early=early, debug=debug)


def _close(app: flask.Flask, listener: Listener) -> None:
    """Sees to it that nobody gets in who was not meant to.

    Raises:
        ForbiddenError: if other machines reach the server, and may do everything.
    """
    from chariots.errors import ForbiddenError
    from chariots.web import is_loopback, surrounding

    # Without tokens, a page on the web that has its own name resolve to this machine must not get in.
    app.config.setdefault("CHARIOTS_ALLOWED_HOSTS", decided({})["allowed_hosts"] or [])
    access = surrounding(app).access
    if is_loopback(listener.host) or listener.tls_ca is not None or (access is not None and access.has_tokens):
        return
    raise ForbiddenError(
        f"it was to listen on {listener.host}, where other machines reach it, and it knows no tokens, so that anybody "
        "could call, load and save; make one with 'chariots op-store new-token' and set "
        "CHARIOTS_SERVING_TOKENS=operate:TOKEN, listen on 127.0.0.1, or say --insecure"
    )
