"""May this change be merged, as far as what is trained and live is concerned?"""

from __future__ import annotations

import contextlib
import io
import json
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from chariots.cli.commands import DEBUG, Failure, described

if TYPE_CHECKING:
    from chariots.checking import Report

__all__ = ["check"]


class CouldNotCheck(Failure):
    """Nothing is known about the change: the app cannot be imported, or the store cannot be asked."""

    exit_code = 2


@click.command()
@click.argument("app", metavar="MODULE:APP")
@click.option(
    "--against",
    required=True,
    metavar="URL|DIR",
    envvar="CHARIOTS_CHECK_AGAINST",
    show_envvar=True,
    help="The op store: the URL of a server, or the folder of an embedded one.",
)
@click.option(
    "--pipeline", "pipelines", multiple=True, metavar="NAME", help="Judge this pipeline only; may be repeated."
)
@click.option(
    "--alias",
    metavar="NAME",
    help="The alias that says which versions are live; by default the one that the app serves. Where a pipeline has no "
    "such alias, its last deployment counts.",
)
@click.option("--strict", is_flag=True, help="Let warnings count: code that moved while nothing was bumped, above all.")
@click.option("--markdown", metavar="FILE", help="Write a comment for a review; - for standard output.")
@click.option("--svg", metavar="FILE", help="Draw the pipelines, with the links that break in red.")
@click.option("--json", "as_json", metavar="FILE", help="Write everything that was found, for programs.")
@click.pass_context
def check(
    context: click.Context,
    app: str,
    against: str,
    pipelines: tuple[str, ...],
    alias: str | None,
    strict: bool,
    markdown: str | None,
    svg: str | None,
    as_json: str | None,
) -> None:
    """Hold the code of an app against what is trained and live, before it is merged.

    Nothing is loaded, trained or changed: the app is imported, and the store is asked. The exit code is 0
    where everything that was served or trained can be loaded by this code, 1 where a pipeline would refuse to
    load and something must be trained, and 2 where the check could not be made.
    """
    wanted = {"markdown": markdown, "svg": svg, "json": as_json}
    if sum(file == "-" for file in wanted.values()) > 1:
        raise click.UsageError("only one of --markdown, --svg and --json can go to standard output.")
    try:
        report = _checked(app, against, alias, pipelines)
        _write(report, wanted)
    except (Exception, SystemExit) as error:  # a user's module may raise anything, even leave
        if context.find_root().meta.get(DEBUG):
            traceback.print_exc()
        raise CouldNotCheck(f"{app} could not be checked: {_told(error)}") from error
    context.exit(report.exit_code(strict))


def _checked(app: str, against: str, alias: str | None, pipelines: tuple[str, ...]) -> Report:
    from chariots.checking import check_pipelines, open_store
    from chariots.workers.app_loading import load_app, only_looking

    # What the user's modules print is not part of the report.
    with contextlib.redirect_stdout(sys.stderr), only_looking():
        served = load_app(app)
        return check_pipelines(
            list(served.pipelines.values()),
            open_store(against),
            app=app,
            against=_shown(against),
            alias=served.alias if alias is None else alias,
            only=pipelines,
        )


def _shown(against: str) -> str:
    """The name of a store without a user and a password: a report may be read by anybody."""
    scheme, separator, rest = against.partition("://")
    place, slash, path = rest.partition("/")
    return f"{scheme}{separator}{place.rpartition('@')[2]}{slash}{path}" if separator else against


def _write(report: Report, wanted: Mapping[str, str | None]) -> None:
    """Writes what was asked for into files, and the tree to standard output unless something else goes there."""
    from chariots.checking import as_markdown, as_svg
    from chariots.checking.text import print_report

    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal that lacks a letter does not change the outcome
    forms: dict[str, Callable[[Report], str]] = {"markdown": as_markdown, "svg": as_svg, "json": _json}
    for form, file in wanted.items():
        if file == "-":
            click.echo(forms[form](report), nl=False)
        elif file is not None:
            try:
                Path(file).write_text(forms[form](report), encoding="utf-8")
            except OSError as error:
                raise OSError(
                    f"the report was to be written to {file}, and the file system refused ({error.strerror}); see that "
                    "the folder is there, may be written to and has room"
                ) from error
    if "-" not in wanted.values():
        print_report(report, sys.stdout)


def _json(report: Report) -> str:
    return json.dumps(report.as_json(), indent=2, ensure_ascii=False) + "\n"


def _told(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return f"the app left with sys.exit({error.code!r}) while it was imported; let it do so only as a script."
    return described(error)
