"""How is a worker started that runs pipelines outside the server?"""

from __future__ import annotations

import click

__all__ = ["worker"]


@click.command()
@click.argument("app", metavar="MODULE:APP")
@click.pass_context
def worker(context: click.Context, app: str) -> None:
    """Run the jobs of an app that has a worker pool.

    MODULE:APP names the app as `chariots serve` does. The worker imports it once and runs one job at a
    time; start several for more.
    """
    from chariots.workers import run_worker

    context.exit(run_worker(app))
