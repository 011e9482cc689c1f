"""How is a worker started that runs pipelines outside the server?"""

from __future__ import annotations

import click

__all__ = ["worker"]


@click.command()
@click.argument("app", metavar="MODULE:APP")
@click.option(
    "-n",
    "--processes",
    type=click.IntRange(1, 256),
    default=1,
    show_default=True,
    help="How many jobs run at a time, each in a process that imports the app for itself.",
)
@click.pass_context
def worker(context: click.Context, app: str, processes: int) -> None:
    """Run the jobs of an app that has a worker pool.

    MODULE:APP names the app as `chariots serve` does. Ctrl-C finishes the jobs at hand first; a second one puts them
    back into the queue.
    """
    from chariots.workers import run_worker

    context.exit(run_worker(app, processes))
