"""How do commands load on demand, and what does a person see when one of them fails?"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import click

from chariots._room import with_room
from chariots.cli.interpreter import uncollected
from chariots.errors import ChariotsError, RemoteTraceback, nearest

__all__ = ["Failure", "LazyCommands"]

DEBUG = "chariots.debug"
_ANY = 1000  # characters of a sentence


class Failure(click.ClickException):
    """A failure as a person reads it: a line on stderr and the exit code 1."""


class LazyCommands(click.Group):
    """A group whose commands are imported when they are named, and whose failures are told in one line.

    Args:
        homes: for each command, ``"module:function"``, in the order of the help text.
    """

    def __init__(self, *args: Any, homes: Mapping[str, str] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.homes = dict(homes or {})

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Runs what the command line says, as `click.Group` does."""
        return with_room(super().main, *args, **kwargs)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of the commands, in the order in which a new user needs them."""
        return list(self.homes)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes a whole sentence for every command, over several lines where it has to be."""
        found = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl([(name, command.get_short_help_str(_ANY)) for name, command in found if command])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Imports a command and gives it the option ``--debug``; None where there is no such command."""
        home = self.homes.get(cmd_name)
        if home is None:
            return None
        module, _, name = home.partition(":")
        with uncollected():
            command: click.Command = getattr(importlib.import_module(module), name)
        if not isinstance(command, click.Group) and all(option.name != "debug" for option in command.params):
            command.params.append(
                click.Option(
                    ["--debug"],
                    is_flag=True,
                    expose_value=False,
                    callback=_keep_debug,
                    help="Show the whole stack when something fails.",
                )
            )
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Finds the command that the arguments name, and suggests the nearest one where there is none."""
        if args and not args[0].startswith("-") and args[0] not in self.homes:
            hint = nearest(args[0], self.homes)
            ctx.fail(f"there is no command {args[0]!r}.{hint} The commands are {', '.join(self.homes)}.")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command; what goes wrong is told in a line, or as a stack with ``--debug``."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            if ctx.find_root().meta.get(DEBUG):
                raise
            raise Failure(described(error)) from error


def _keep_debug(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:
    ctx.find_root().meta[DEBUG] = value


def described(error: BaseException, place: str = "") -> str:
    """Words a failure for a person.

    Args:
        error: what was raised; where it carries the stack of another process, that follows.
        place: where it was raised, if that helps.

    Returns:
        one line in most cases, without ``Error:`` before it.
    """
    told, hint = str(error), ""
    if not isinstance(error, ChariotsError | OSError | ValueError | TypeError | ImportError) or not told:
        told = f"{type(error).__name__}{': ' * bool(told)}{told}"
        hint = "; run again with --debug for the whole stack"
    told += (f" ({place})" if place else "") + hint
    remote = error.__cause__
    if isinstance(remote, RemoteTraceback):
        return f"{told}\n\nThe stack on the server:\n{remote.text.rstrip()}"
    return told
