"""How does a person start, see and try chariots from a terminal?

Every command is a small module of this package, imported when it is asked for.
"""

from __future__ import annotations

import click

from chariots._version import __version__
from chariots.cli.commands import LazyCommands

__all__ = ["main"]

COMMANDS = {
    "new": "chariots.cli.new:new",
    "demo": "chariots.cli.demo:demo",
    "serve": "chariots.cli.serve:serve",
    "run": "chariots.cli.run:run",
    "call": "chariots.cli.call:call",
    "versions": "chariots.cli.call:versions",
    "load": "chariots.cli.call:load",
    "save": "chariots.cli.call:save",
    "promote": "chariots.cli.history:promote",
    "rollback": "chariots.cli.history:rollback",
    "withdraw": "chariots.cli.history:withdraw",
    "accept": "chariots.cli.history:accept",
    "history": "chariots.cli.history:history",
    "aliases": "chariots.cli.history:aliases",
    "check": "chariots.cli.check:check",
    "op-store": "chariots.cli.op_store:op_store",
    "worker": "chariots.cli.worker:worker",
    "jobs": "chariots.cli.jobs:jobs",
    "fetch": "chariots.cli.fetch:fetch",
}


@click.group(
    cls=LazyCommands,
    homes=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="chariots")
def main() -> None:
    """Versioned machine-learning pipelines, served.

    Start with `chariots demo`, then `chariots new`.
    """
