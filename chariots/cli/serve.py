"""How is an app put behind a real HTTP server?"""

from __future__ import annotations

import click

from chariots.cli.web_server import Listener, serve_application, server_options

__all__ = ["run_server", "serve"]


@click.command()
@click.argument("app", metavar="MODULE:APP")
@server_options(port=5000)
@click.pass_context
def serve(context: click.Context, app: str, listener: Listener) -> None:
    """Serve the pipelines of an app over HTTP.

    MODULE:APP names a PipelinesServer or Chariots object, or a function that makes one. Modules in the
    current folder are found. Every worker process imports the app for itself.
    """

    _serve(app, listener, debug=bool(context.find_root().meta.get("chariots.debug")))


def run_server(app: str, host: str = "127.0.0.1", port: int = 5000, workers: int = 1, threads: int = 8) -> None:
    """Serves an app as `chariots serve` does; for the command line of a project of its own.

    Args:
        app: where the app is, as ``"module:app"``.
        host: the interface to listen on.
        port: the port to listen on; 0 takes a free one.
        workers: how many processes answer.
        threads: how many requests each process answers at a time.

    Raises:
        click.ClickException: when the port is taken or the app cannot be loaded.
    """
    _serve(app, Listener(host, port, workers, threads))


def _serve(app: str, listener: Listener, *, debug: bool = False) -> None:
    from chariots.web import is_loopback

    if not is_loopback(listener.host):
        click.echo(
            f"Everybody who reaches {listener.host} may call, load and save these pipelines; put a proxy that knows "
            "your users in front.",
            err=True,
        )

    def load() -> object:
        from chariots.serving import load_app

        return load_app(app)

    serve_application(load, app, listener, debug=debug)
