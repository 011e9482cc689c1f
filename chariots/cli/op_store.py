"""How does an op store run as a server of its own?"""

from __future__ import annotations

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

__all__ = ["op_store", "serve", "upgrade"]

IN_MEMORY = ("sqlite://", "sqlite:///:memory:")


def store_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options that say where a store keeps its database and its bytes."""
    for option in (
        click.option("--saver-root", metavar="DIR", help="Folder that holds the bytes of the ops."),
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
    homes={"serve": "chariots.cli.op_store:serve", "upgrade": "chariots.cli.op_store:upgrade"},
)
def op_store() -> None:
    """Run an op store of its own, for several servers to share."""


@click.command()
@store_options
@server_options(port=5001)
@click.pass_context
def serve(context: click.Context, /, listener: Listener, **where: str | None) -> None:
    """Serve an op store over HTTP.

    Values that are not given come from the configuration file and from variables such as
    CHARIOTS_OP_STORE_OP_STORE_DB_URL.
    """
    settings = _settings(**where)
    given = {name: context.get_parameter_source(name) is not ParameterSource.DEFAULT for name in ("host", "port")}
    listener = replace(
        listener,
        host=listener.host if given["host"] else settings.server_host,
        port=listener.port if given["port"] else settings.server_port,
    )
    settings.get_saver()  # a wrong setting is told here once, and not by every worker process

    def load() -> Any:
        return settings.get_server().flask

    serve_application(load, "the op store", listener, debug=bool(context.find_root().meta.get("chariots.debug")))


@click.command()
@store_options
def upgrade(**where: str | None) -> None:
    """Bring the database of an op store to the form of this release.

    A store does so by itself when it is first used; this is for those who want to choose the moment.
    """
    settings = _settings(**where)
    settings.get_server().upgrade()
    click.echo("The database of the op store has the form of this release.")


def _settings(config_file: str | None, path: str | None, db_url: str | None, saver_root: str | None) -> OpStoreConfig:
    """The store that the options, the configuration file and the environment describe, in this order."""
    from chariots.config import ChariotsConfig

    settings = ChariotsConfig(config_file).op_store_config
    if path is not None:
        folder = Path(path).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        settings.op_store_db_url = f"sqlite:///{folder / 'db.sqlite'}"
        settings.saver_type, settings.saver_kwargs = "file-saver", {"root_path": str(folder / "ops")}
    if db_url is not None:
        settings.op_store_db_url = db_url
    if saver_root is not None:
        settings.saver_kwargs = {**settings.saver_kwargs, "root_path": saver_root}
    if settings.op_store_db_url in IN_MEMORY and db_url is None:
        raise Failure(
            "an op store was to be run, and nothing says where it keeps its versions; "
            "give --path DIR, or --db-url and --saver-root, or a configuration file with --config."
        )
    return settings
