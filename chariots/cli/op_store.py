"""How does an op store run as a server of its own?"""

from __future__ import annotations

import inspect
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from chariots.cli.commands import Failure, LazyCommands
from chariots.cli.web_server import Listener, serve_application, server_options

if TYPE_CHECKING:
    from collections.abc import Callable

    from chariots.config import OpStoreConfig

__all__ = ["op_store", "serve", "store_options", "store_settings", "upgrade"]

IN_MEMORY = ("sqlite://", "sqlite:///:memory:")


def store_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options that say where a store keeps its database and its bytes."""
    for option in (
        click.option("--saver-root", metavar="DIR", help="Folder that holds the bytes of the ops."),
        click.option("--saver-url", metavar="URL", help="The same as a URL: file://, s3://, gs:// or az://."),
        click.option("--db-url", metavar="URL", help="Database, in the form of SQLAlchemy."),
        click.option("--path", metavar="DIR", help="Folder for everything: an SQLite file and the bytes."),
        click.option(
            "--config",
            "config_file",
            metavar="FILE.yaml",
            type=click.Path(dir_okay=False),
            help="Configuration file, of which the section op_store is read.",
        ),
    ):
        command = option(command)
    return command


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
    """Run an op store of its own, for several servers to share."""


@click.command()
@store_options
@server_options(port=5001)
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

    serve_application(load, "the op store", listener, debug=bool(context.find_root().meta.get("chariots.debug")))


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


def store_settings(
    config_file: str | None = None,
    path: str | None = None,
    db_url: str | None = None,
    saver_root: str | None = None,
    saver_url: str | None = None,
    *,
    may_be_new: bool = False,
) -> OpStoreConfig:
    """Finds the store that the options, the configuration file and the environment describe, in this order.

    Args:
        config_file: the path of a configuration file.
        path: a folder for everything.
        db_url: the database.
        saver_root: the folder for the bytes.
        saver_url: the place for the bytes, as a URL.
        may_be_new: whether the store may be one that is about to be made.

    Raises:
        Failure: if nothing says where the store keeps its versions, if two options say where the bytes are, or if
            there is no such store.
    """
    from chariots.config import ChariotsConfig

    settings = ChariotsConfig(config_file).op_store_config
    if path is not None:
        folder = Path(path).absolute()
        settings.op_store_db_url = f"sqlite:///{folder / 'db.sqlite'}"
        settings.saver_type, settings.saver_kwargs = "file-saver", {"root_path": str(folder / "ops")}
        settings.saver_url = None
    if db_url is not None:
        settings.op_store_db_url = db_url
    if saver_root is not None and settings.saver_url is None:
        settings.saver_kwargs = {**settings.saver_kwargs, "root_path": saver_root}
    elif saver_root is not None:
        settings.saver_type, settings.saver_kwargs, settings.saver_url = "file-saver", {"root_path": saver_root}, None
    if saver_url is not None:
        if saver_root is not None:
            raise Failure("--saver-root and --saver-url both say where the bytes are kept; give one of them.")
        _use_saver_url(settings, saver_url)
    if settings.op_store_db_url in IN_MEMORY and db_url is None:
        raise Failure(
            "an op store was to be run, and nothing says where it keeps its versions; "
            "give --path DIR, or --db-url and --saver-root, or a configuration file with --config."
        )
    if not may_be_new:
        _check_presence(settings.op_store_db_url)
    return settings


def _check_presence(db_url: str) -> None:
    """Refuses to look into a store that would be made by looking, because its path has a typing error, say."""
    import sqlalchemy as sa

    try:
        url = sa.make_url(db_url)
    except sa.exc.ArgumentError:
        return  # told with all that is to be said when the database is opened
    if url.get_backend_name() != "sqlite" or url.query.get("uri") or url.database in (None, "", ":memory:"):
        return
    file = Path(str(url.database)).absolute()
    if not file.exists():
        raise Failure(
            f"an op store was to be found in {file.parent}, and there is none (no file {file.name}); correct the path, "
            "or make one with 'chariots op-store serve' or by saving a pipeline."
        )


def _use_saver_url(settings: OpStoreConfig, saver_url: str) -> None:
    """Lets a URL replace the saver of the configuration; arguments that the new one takes too are kept."""
    from chariots.op_store.savers import read_url

    try:
        kind, told = read_url(saver_url)
    except ValueError as error:
        raise Failure(f"--saver-url cannot be used: {error}") from error
    taken = inspect.signature(kind).parameters.keys() - told.keys()
    settings.saver_url = saver_url
    settings.saver_kwargs = {name: value for name, value in settings.saver_kwargs.items() if name in taken}
