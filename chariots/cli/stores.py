"""Which op store is a command about?"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chariots.cli.commands import Failure

if TYPE_CHECKING:
    from chariots.config import OpStoreConfig
    from chariots.op_store import BaseOpStoreClient

__all__ = ["Options", "client_options", "open_client", "server_option", "store_options", "store_settings"]

Options = Callable[[Callable[..., Any]], Callable[..., Any]]

IN_MEMORY = ("sqlite://", "sqlite:///:memory:")


def _together(*options: Options) -> Options:
    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            command = option(command)
        return command

    return add


_config_option: Options = click.option(
    "--config",
    "config_file",
    metavar="FILE.yaml",
    type=click.Path(dir_okay=False),
    help="Configuration file, of which the section op_store is read.",
)
_path_option: Options = click.option(
    "--path", metavar="DIR", help="Folder for everything, as in Chariots(..., path): an SQLite file and the bytes."
)
#: Names a store that is served.
server_option: Options = click.option("--store", metavar="URL", help="Ask the op store that is served at this address.")
#: Say where a store keeps its database and its bytes, for commands that run beside them.
store_options = _together(
    _config_option,
    _path_option,
    click.option("--db-url", metavar="URL", help="Database, in the form of SQLAlchemy."),
    click.option("--saver-root", metavar="DIR", help="Folder that holds the bytes of the ops."),
    click.option("--saver-url", metavar="URL", help="The same as a URL: file://, s3://, gs:// or az://."),
)
#: For commands that a client can give: to a server, or to the store in a folder.
client_options = _together(server_option, _path_option, _config_option)


def open_client(store: str | None = None, config_file: str | None = None, **place: Any) -> BaseOpStoreClient:
    """Opens the store that is served at an address, or the one that the other options describe.

    Args:
        store: the address.
        config_file: the path of a configuration file; of a store at an address, it gives the token.
        **place: where the store keeps its database and its bytes, as for `store_settings`.

    Raises:
        Failure: if there is no such store.
        UsageError: if both an address and a place are given.
    """
    if store is None:
        return store_settings(config_file, **place).get_server().client()
    if any(value is not None for value in place.values()):
        raise click.UsageError("--store names a server, and the other options a database and a place for bytes.")
    from chariots.config import ChariotsConfig
    from chariots.op_store import OpStoreClient

    return OpStoreClient(store, token=ChariotsConfig(config_file).op_store_config.token)


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
    from chariots.op_store.folder import StoreFolder

    settings = ChariotsConfig(config_file).op_store_config
    if path is not None:
        folder = StoreFolder(Path(path).absolute())
        settings.op_store_db_url = folder.db_url
        settings.saver_type, settings.saver_kwargs = "file-saver", {"root_path": str(folder.ops)}
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
