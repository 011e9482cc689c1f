"""How are versions promoted, rolled back and accepted from a terminal, and how is it seen what was decided?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from chariots.cli.printing import json_option, print_json, print_table
from chariots.cli.stores import Options, client_options, open_client

if TYPE_CHECKING:
    from chariots.op_store import BaseOpStoreClient
    from chariots.op_store.decisions.events import Event

__all__ = ["accept", "aliases", "history", "promote", "rollback", "withdraw"]

alias_option: Options = click.option(
    "--alias", default="production", show_default=True, metavar="NAME", help="The alias that is to stand for them."
)
who_option: Options = click.option("--who", metavar="NAME", help="Who decides; user@machine if not given.")


def _read_versions(
    _context: click.Context, _parameter: click.Parameter, given: tuple[str, ...]
) -> dict[str, int] | None:
    """Reads ``NODE=NUMBER`` as often as it comes; the name of a node may itself hold an equals sign."""
    versions = {}
    for text in given:
        node, _, number = text.rpartition("=")
        if not node or not (number.isascii() and number.isdigit()):
            raise click.BadParameter(f"{text!r} does not name a version; write NODE=NUMBER, such as pca=12.")
        versions[node] = int(number)
    return versions or None


def _versions_option(name: str, help_text: str) -> Options:
    return click.option(name, metavar="NODE=NUMBER", multiple=True, callback=_read_versions, help=help_text)


@click.command()
@click.argument("pipeline")
@alias_option
@_versions_option("--pin", "Take this version; the others are the newest that fit. May be repeated.")
@click.option("--from", "source", metavar="ALIAS", help="Take what another alias stands for, or what is 'serving'.")
@_versions_option("--expect", "Refuse unless the alias stands for just these versions now. May be repeated.")
@click.option("--reason", metavar="TEXT", help="Why; kept in the history.")
@who_option
@client_options
def promote(
    pipeline: str,
    alias: str,
    pin: dict[str, int] | None,
    source: str | None,
    expect: dict[str, int] | None,
    reason: str | None,
    who: str | None,
    **where: str | None,
) -> None:
    """Choose the versions that PIPELINE serves: the newest that fit, unless others are named.

    Servers take them when they are loaded or start: `chariots load PIPELINE`.
    """
    event = _store(**where).promote(pipeline, alias, pin, source, who=who, reason=reason, expected=expect)
    _tell(event)


@click.command()
@click.argument("pipeline")
@alias_option
@click.option("--to", type=int, metavar="EVENT", help="Go back to the versions of this event, not to those before.")
@_versions_option("--expect", "Refuse unless the alias stands for just these versions now. May be repeated.")
@click.option("--reason", metavar="TEXT", help="Why; kept in the history.")
@who_option
@client_options
def rollback(
    pipeline: str,
    alias: str,
    to: int | None,
    expect: dict[str, int] | None,
    reason: str | None,
    who: str | None,
    **where: str | None,
) -> None:
    """Go back to the versions that PIPELINE was to serve before; once more, to those before them.

    Servers take them when they are loaded or start: `chariots load PIPELINE`.
    """
    event = _store(**where).rollback(pipeline, alias, to, who=who, reason=reason, expected=expect)
    for problem in event.problems:
        click.echo(f"The code that was seen last cannot load this: {problem}", err=True)
    _tell(event)


@click.command()
@click.argument("pipeline")
@click.option("--alias", required=True, metavar="NAME", help="The alias that is to stand for nothing.")
@_versions_option("--expect", "Refuse unless the alias stands for just these versions now. May be repeated.")
@click.option("--reason", metavar="TEXT", help="Why; kept in the history.")
@who_option
@client_options
def withdraw(
    pipeline: str, alias: str, expect: dict[str, int] | None, reason: str | None, who: str | None, **where: str | None
) -> None:
    """Let an alias of PIPELINE stand for nothing, which ends a canary or a shadow; `chariots rollback` undoes it."""
    _tell(_store(**where).withdraw(pipeline, alias, who=who, reason=reason, expected=expect))


@click.command()
@click.argument("pipeline")
@click.argument("upstream")
@click.argument("downstream")
@click.option("--reason", metavar="TEXT", required=True, help="Why the two fit; kept in the history.")
@_versions_option("--pin", "The version of one of the two, if not the newest. May be repeated.")
@who_option
@client_options
def accept(
    pipeline: str,
    upstream: str,
    downstream: str,
    reason: str,
    pin: dict[str, int] | None,
    who: str | None,
    **where: str | None,
) -> None:
    """Let DOWNSTREAM run with a version of UPSTREAM that it was not trained with, in PIPELINE."""
    event = _store(**where).accept(pipeline, upstream, downstream, reason, pin, who=who)
    click.echo(
        f"Version {event.after[downstream]} of {downstream} accepts version {event.after[upstream]} of {upstream} "
        f"(event {event.id}). `chariots promote {pipeline}` and `chariots load {pipeline}` may choose them now."
    )


@click.command()
@click.argument("pipeline")
@click.option("--alias", metavar="NAME", help="Show what was done with this alias only.")
@click.option("--limit", default=20, show_default=True, metavar="N", help="Show so many at most.")
@click.option("--before", type=int, metavar="EVENT", help="Begin with the event before this one.")
@json_option
@client_options
def history(
    pipeline: str, alias: str | None, limit: int, before: int | None, as_json: bool, **where: str | None
) -> None:
    """Show what was promoted, rolled back and accepted for PIPELINE, newest first."""
    events = _store(**where).history(pipeline, limit, before, alias)
    if as_json:
        print_json([event.as_json() for event in events])
    elif not events:
        earlier = "" if before is None else " earlier"
        if alias is None:
            click.echo(f"Nothing was promoted, rolled back or accepted for {pipeline}{earlier}.")
        else:
            click.echo(f"Nothing was promoted or rolled back for {pipeline} under the alias {alias}{earlier}.")
    else:
        print_table(
            ("event", "when", "what", "alias", "versions", "who", "why"),
            [
                (str(event.id), _when(event), event.kind, event.alias or "", _change(event), event.who, event.reason)
                for event in events
            ],
        )


@click.command()
@click.argument("pipeline", required=False)
@json_option
@client_options
def aliases(pipeline: str | None, as_json: bool, **where: str | None) -> None:
    """Show what the aliases of PIPELINE stand for, or those of every pipeline."""
    events = _store(**where).aliases(pipeline)
    if as_json:
        print_json([event.as_json() for event in events])
    elif not events:
        click.echo(f"{pipeline or 'No pipeline'} has {'no' if pipeline else 'an'} alias; `chariots promote` makes one.")
    else:
        print_table(
            ("pipeline", "alias", "versions", "since", "event", "who"),
            [
                (event.pipeline, event.alias, _listed(event.after), _when(event), str(event.id), event.who)
                for event in events
            ],
        )


def _store(store: str | None, path: str | None, config_file: str | None) -> BaseOpStoreClient:
    """The op store that the options, the configuration file and the environment name, in this order."""
    if store is None and path is None:
        from chariots.config import ChariotsConfig

        return ChariotsConfig(config_file).op_store_config.get_client()
    return open_client(store, config_file, path=path)


def _tell(event: Event) -> None:
    """Says what an alias stands for now."""
    click.echo(
        f"{event.alias} of {event.pipeline} stands for {_listed(event.after)} (event {event.id}; before: "
        f"{_listed(event.before)})."
    )
    click.echo(
        f"Servers take them up by themselves, within two seconds; `chariots load {event.pipeline}` does not wait."
    )


def _listed(versions: Mapping[str, int] | None) -> str:
    return ", ".join(f"{node} {number}" for node, number in sorted((versions or {}).items())) or "nothing"


def _change(event: Event) -> str:
    """What an event changed, as ``pca 3 -> 5``; for an acceptance, the pair."""
    if event.kind == "accept":
        return " with ".join(f"{node} {number}" for node, number in event.after.items())
    before, after = event.before or {}, event.after
    changes = []
    for node in sorted({*before, *after}):
        if node not in before:
            changes.append(f"{node} {after[node]}")
        elif before[node] != after.get(node):
            changes.append(f"{node} {before[node]} -> {after.get(node, 'none')}")
    return ", ".join(changes)


def _when(event: Event) -> str:
    return event.created_at.astimezone().strftime("%Y-%m-%d %H:%M:%S")
