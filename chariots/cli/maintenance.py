"""How does a person see from a terminal what an op store holds, whether it is sound, and what it may give up?"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from chariots.cli.printing import counted, json_option, print_findings, print_json, print_table, shown_size
from chariots.cli.stores import Options, open_client, server_option, store_options, store_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chariots.op_store.maintenance import CollectionReport, StoreStats, VerifyReport

__all__ = ["age", "gc", "stats", "verify"]

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_MOST_SHOWN = 20  # versions in one line


def age(text: str) -> float:
    """Reads a number of seconds, written as ``30d``, ``12h``, ``90m``, ``2w`` or ``45s``.

    Args:
        text: what was typed.

    Raises:
        BadParameter: if it is something else.
    """
    found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)([smhdw])", text.strip().lower(), re.ASCII)
    if found is None:
        told = f"{text!r} is no age; write 30d for thirty days, 12h for twelve hours, 90m, 45s or 2w."
        raise click.BadParameter(told)
    return float(found[1]) * _UNITS[found[2]]


_grace_option: Options = click.option(
    "--grace",
    type=age,
    metavar="AGE",
    default="24h",
    show_default=True,
    help="Leave younger bytes to saves that are under way.",
)


@click.command()
@store_options
@server_option
@json_option
def stats(as_json: bool, **where: Any) -> None:
    """Show how much an op store holds, and of which ops."""
    found = open_client(**where).stats()
    if as_json:
        print_json(found.as_json())
    else:
        _print_stats(found)


@click.command()
@store_options
@server_option
@_grace_option
@click.option("--strict", is_flag=True, help="Exit with 1 for orphans and leftovers as well.")
@json_option
@click.pass_context
def verify(context: click.Context, /, grace: float, strict: bool, as_json: bool, **where: Any) -> None:
    """Read and hash everything that an op store keeps.

    The exit code is 1 if anything is damaged or missing. What killed saves left behind is named as well; it only takes
    up room.
    """
    with _progress() as progress:
        report = open_client(**where).verify(grace=grace, progress=progress)
    if as_json:
        print_json(asdict(report))
    else:
        _print_verified(report)
    if report.losses or (strict and report.findings):
        context.exit(1)


@click.command()
@store_options
@click.option(
    "--keep",
    type=click.IntRange(min=1),
    default=10,
    show_default=True,
    metavar="N",
    help="Newest versions of every op.",
)
@click.option(
    "--younger-than", type=age, metavar="AGE", default="30d", show_default=True, help="Keep versions younger than this."
)
@_grace_option
@click.option("--delete", is_flag=True, help="Do it, instead of only saying what would go.")
@json_option
def gc(keep: int, younger_than: float, grace: float, delete: bool, as_json: bool, **where: Any) -> None:
    """Give up the bytes of versions that nobody needs; without --delete, only say which.

    Kept are the newest versions of every op, young ones, whatever serves, stands under an alias, would be loaded now or
    come back with the next rollback, and everything that one of those learned with. A version that is given up stays
    in the lineage and in the history; it can be loaded no more. The store may go on serving.
    """
    from chariots.op_store.maintenance import Policy, collect

    policy = Policy(keep=keep, younger_than=younger_than)
    report = collect(store_settings(**where).get_server().registry, policy, delete=delete, grace=grace)
    if as_json:
        print_json(asdict(report))
    else:
        _print_collected(report)


@contextmanager
def _progress() -> Iterator[Callable[[float, VerifyReport], None] | None]:
    """Shows on a terminal how far it is; a program that reads along sees nothing of it."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("Verifying", total=1.0)
        yield lambda done, report: bar.update(task, completed=done)


def _print_stats(found: StoreStats) -> None:
    given_up = f", {found.pruned} given up" if found.pruned else ""
    click.echo(
        f"{counted(len(found.ops), 'op')} with {counted(found.versions, 'version')}, {found.with_bytes} of them with "
        f"bytes{given_up}; {counted(found.links, 'link')}."
    )
    click.echo(f"{shown_size(found.size)} in {counted(found.blobs, 'blob')}.")
    click.echo(
        f"{counted(found.pipelines, 'pipeline')}, {counted(found.saves, 'save')}, "
        f"{counted(found.deployments, 'deployment')}, "
        f"{counted(found.events, 'promotion, rollback or acceptance', 'promotions, rollbacks and acceptances')}."
    )
    if found.ops:
        numbers = ("versions", "with bytes", "size", "newest")
        lines = []
        for op in found.ops:
            counts = (str(op.versions), str(op.with_bytes), shown_size(op.size), str(op.newest))
            lines.append((op.op, *counts, op.newest_at[:19].replace("T", " ")))
        print_table(("op", *numbers, "saved at"), lines, numbers)


def _print_verified(report: VerifyReport) -> None:
    print_findings(report)
    lost = len(report.losses)
    click.echo(
        f"{counted(report.versions, 'version')} with {counted(report.blobs, 'blob')} of {shown_size(report.size)} "
        f"were read: {counted(lost, 'loss', 'losses') if lost else 'all as they were saved'}."
    )
    if not report.listed:
        click.echo("The saver cannot list what it keeps, so orphans and leftovers were not looked for.")


def _print_collected(report: CollectionReport) -> None:
    for op, numbers in report.versions.items():
        shown = ", ".join(map(str, numbers[:_MOST_SHOWN]))
        more = len(numbers) - _MOST_SHOWN
        listed = f"{shown}{f' and {more} more' if more > 0 else ''}"
        click.echo(f"{op}: {counted(len(numbers), 'version')} ({listed})")
    done = "given up" if report.deleted else "to be given up"
    click.echo(f"{counted(report.version_count, 'version')} {done}, {report.kept} kept.")
    click.echo(
        f"{shown_size(report.size)} {'freed' if report.deleted else 'to be freed'}: {counted(report.blobs, 'blob')} "
        f"({counted(report.orphans, 'orphan')} among them) and "
        f"{counted(report.leftovers, 'leftover')} of killed saves."
    )
    if not report.listed:
        click.echo("The saver cannot list what it keeps, so orphans and leftovers were not looked for.")
    if not report.deleted and (report.blobs or report.leftovers or report.version_count):
        click.echo("Nothing was changed; say --delete to do it.")
