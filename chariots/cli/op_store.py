"""How does an op store run as a server of its own?"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from chariots.cli.commands import Failure, LazyCommands
from chariots.cli.early_imports import import_early
from chariots.cli.stores import store_options, store_settings
from chariots.cli.web_server import Listener, serve_application, server_options

if TYPE_CHECKING:
    from chariots.config import OpStoreConfig

__all__ = ["op_store", "serve", "upgrade"]


@click.group(
    cls=LazyCommands,
    homes={
        "serve": "chariots.cli.op_store:serve",
        "upgrade": "chariots.cli.op_store:upgrade",
        "stats": "chariots.cli.maintenance:stats",
        "verify": "chariots.cli.maintenance:verify",
        "gc": "chariots.cli.maintenance:gc",
        "export": "chariots.cli.transfer:export",
        "import": "chariots.cli.transfer:import_file",
        "backup": "chariots.cli.transfer:backup",
        "restore": "chariots.cli.transfer:restore",
        "new-key": "chariots.cli.keys:new_key",
        "new-token": "chariots.cli.keys:new_token",
        "sign": "chariots.cli.keys:sign",
    },
)
def op_store() -> None:
    """Run an op store for several servers to share, and look after any op store."""


@click.command()
@store_options
@server_options(5001, "tokens_file", "allowed_hosts", "node_times")
@click.option(
    "--allowed-host",
    "allowed_hosts",
    multiple=True,
    metavar="NAME",
    help="A name that clients may call the store by without a token; may be given several times.",
)
@click.option(
    "--insecure",
    is_flag=True,
    help="Let everybody who reaches the port read, write and delete, by whatever name they call the store.",
)
@click.pass_context
def serve(
    context: click.Context,
    /,
    listener: Listener,
    allowed_hosts: tuple[str, ...],
    insecure: bool,
    **where: Any,
) -> None:
    """Serve an op store over HTTP.

    Values that are not given come from the configuration file and from variables such as
    CHARIOTS_OP_STORE_OP_STORE_DB_URL. To be reached from other machines, it needs tokens: set
    CHARIOTS_OP_STORE_TOKENS to read:TOKEN,write:TOKEN.
    """
    settings = store_settings(**where, may_be_new=True)
    given = {name: context.get_parameter_source(name) is not ParameterSource.DEFAULT for name in ("host", "port")}
    listener = replace(
        listener,
        host=listener.host if given["host"] else settings.server_host,
        port=listener.port if given["port"] else settings.server_port,
    )
    settings.allowed_hosts = [*settings.allowed_hosts, *allowed_hosts]
    _check_openness(settings, listener.host, insecure)
    settings.get_trust()
    settings.get_saver()  # a wrong setting is told here once, and not by every worker process

    def load() -> Any:
        return settings.get_server().flask

    early = partial(import_early, "", ("chariots.op_store.server", "alembic.command"))
    debug = bool(context.find_root().meta.get("chariots.debug"))
    serve_application(load, "the op store", listener, early=early, debug=debug)


def _check_openness(settings: OpStoreConfig, host: str, insecure: bool) -> None:
    """Refuses to let other machines in without asking who they are, unless that was said to be meant."""
    from chariots.web import Access, is_loopback
    from chariots.web.access import ANY_HOST

    access = Access(settings.tokens, settings.allowed_hosts)
    if is_loopback(host) or access.has_tokens:
        return
    if not insecure:
        raise Failure(
            f"the op store was to listen on {host}, where other machines reach it, and it knows no tokens, so that "
            "anybody could read and replace what is trained; make one with 'chariots op-store new-token' and set "
            "CHARIOTS_OP_STORE_TOKENS=write:TOKEN, listen on 127.0.0.1, or say --insecure."
        )
    click.echo(f"Without tokens, everybody who reaches {host} may read and replace what is trained.", err=True)
    settings.allowed_hosts = [ANY_HOST]


@click.command()
@store_options
def upgrade(**where: str | None) -> None:
    """Bring the database of an op store to the form of this release.

    A store does so by itself when it is first used; this is for those who want to choose the moment.
    """
    settings = store_settings(**where, may_be_new=True)
    settings.get_server().upgrade()
    click.echo("The database of the op store has the form of this release.")
