"""How does a person carry ops, or a whole op store, from one place to another from a terminal?"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import click

from chariots.cli.commands import Failure
from chariots.cli.printing import counted, json_option, print_findings, print_json, shown_size
from chariots.cli.stores import store_options, store_settings
from chariots.errors import ChariotsError

__all__ = ["backup", "export", "import_file", "restore"]


@click.command()
@click.argument("ops", metavar="OP...", nargs=-1)
@click.option("--output", "-o", required=True, metavar="FILE", type=click.Path(dir_okay=False), help="File to write.")
@click.option("--all", "everything", is_flag=True, help="Export every op.")
@click.option("--newest", type=click.IntRange(min=1), metavar="N", help="Only the newest N versions of each op.")
@store_options
@json_option
def export(
    ops: tuple[str, ...], output: str, everything: bool, newest: int | None, as_json: bool, **where: Any
) -> None:
    """Write the versions of ops, the links between them and their bytes into one file.

    Name ops that were trained with one another together: a link comes along if both of its ends do.
    """
    from chariots.op_store.maintenance import export_ops

    if not ops and not everything:
        raise click.UsageError("name the ops to export, or say --all.")
    if ops and everything:
        raise click.UsageError("--all exports every op; leave out the names, or --all.")
    registry = store_settings(**where).get_server().registry
    with _writing(f"ops were to be exported to {output}"):
        report = export_ops(registry, None if everything else ops, output, newest=newest)
    if as_json:
        print_json(asdict(report))
        return
    click.echo(
        f"{output} holds {counted(report.versions, 'version')} of {counted(len(report.ops), 'op')} and "
        f"{counted(report.links, 'link')} ({shown_size(report.size)} in {counted(report.blobs, 'blob')}); "
        "`chariots op-store import` takes it."
    )
    if report.linked:
        from chariots.checking.wording import listed

        click.echo(f"Links with {listed(report.linked)} stayed behind; name them as well to take those along.")


@click.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@store_options
@json_option
def import_file(file: str, as_json: bool, **where: Any) -> None:
    """Add what `chariots op-store export` wrote to an op store.

    Importing a file twice adds nothing. New versions become the newest of their ops.
    """
    from chariots.op_store.maintenance import import_ops

    report = import_ops(store_settings(**where, may_be_new=True).get_server().registry, file)
    if as_json:
        print_json(asdict(report))
        return
    click.echo(
        f"{counted(report.versions, 'new version')} and {counted(report.links, 'new link')}, with "
        f"{shown_size(report.size)} in {counted(report.blobs, 'new blob')}; "
        f"{counted(report.known, 'version')} known before."
    )


@click.command()
@click.argument("folder", type=click.Path(file_okay=False))
@store_options
@json_option
@click.pass_context
def backup(context: click.Context, /, folder: str, as_json: bool, **where: Any) -> None:
    """Copy a whole op store into FOLDER while it serves, or bring the backup there up to date.

    The copy is a store itself: `chariots op-store verify --path FOLDER` checks it, `chariots op-store restore` brings
    it back. The exit code is 1 if bytes could not be copied because they are damaged or lost.
    """
    from chariots.op_store.maintenance import back_up

    registry = store_settings(**where).get_server().registry
    with _writing(f"an op store was to be backed up into {folder}"):
        report = back_up(registry, folder)
    _tell_copied(context, report, f"is in {folder}", as_json)


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False))
@store_options
@json_option
@click.pass_context
def restore(context: click.Context, /, folder: str, as_json: bool, **where: Any) -> None:
    """Fill an empty op store from the backup in FOLDER.

    The databases may be of different kinds: this is also the way from SQLite to PostgreSQL.
    """
    from chariots.op_store.maintenance import restore as restore_store

    report = restore_store(store_settings(**where, may_be_new=True).get_server().registry, folder)
    _tell_copied(context, report, f"was restored from {folder}", as_json)


@contextmanager
def _writing(asked: str) -> Iterator[None]:
    """Words what the file system says: its errors say neither what was asked for nor what to do."""
    try:
        yield
    except OSError as error:
        if isinstance(error, ChariotsError) or error.strerror is None:
            raise
        place = f": {error.filename}" if error.filename else ""
        raise Failure(
            f"{asked}, but the file system refused ({error.strerror}{place}); see that the folder is there, may be "
            "written to and has room"
        ) from error


def _tell_copied(context: click.Context, report: Any, done: str, as_json: bool) -> None:
    if as_json:
        print_json(asdict(report))
    else:
        print_findings(report)
        click.echo(
            f"The op store with {counted(report.versions, 'version')} {done}: {report.copied} of "
            f"{counted(report.blobs, 'blob')} copied ({shown_size(report.size)})."
        )
    if report.findings:
        context.exit(1)
