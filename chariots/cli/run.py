"""How is a pipeline of an app run here, without a server, and what is said about it?"""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

import click

from chariots.cli.commands import Failure
from chariots.cli.inputs import read_input
from chariots.errors import ChariotsError
from chariots.pipelines.runners import RUNNERS

__all__ = ["run"]

_INTERRUPTED = 130  # as a shell says it of a program that Ctrl-C has ended


@click.command()
@click.argument("app", metavar="MODULE:APP")
@click.argument("pipeline")
@click.argument("pipeline_input", metavar="[JSON | @FILE | -]", required=False)
@click.option(
    "--runner", type=click.Choice(list(RUNNERS)), help="Who runs the nodes; the runner of the app if not given."
)
@click.option("--max-workers", type=click.IntRange(min=1), metavar="N", help="How many nodes may run at the same time.")
@click.option("--explain", is_flag=True, help="Say of each node whether it ran or was found in the cache, and why.")
@click.option(
    "--cache-dir",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="CHARIOTS_CACHE_DIR",
    show_envvar=True,
    help="Where the outputs of nodes with cache=True are kept.",
)
@click.option(
    "--draw", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Draw the run: SVG or Mermaid."
)
def run(
    app: str,
    pipeline: str,
    pipeline_input: str | None,
    runner: str | None,
    max_workers: int | None,
    explain: bool,
    cache_dir: Path | None,
    draw: Path | None,
) -> None:
    """Run PIPELINE of an app here, without a server, and print its output as JSON.

    The input is JSON, the name of a JSON file after an @, or - for standard input. What was trained and put into
    service is loaded first, and what a training pipeline learns is saved. What --explain has to say goes to stderr, and
    so does how far weights are that have to be fetched first.
    """
    from chariots import schema
    from chariots.pipelines.explaining import explained
    from chariots.pipelines.runners import make_runner
    from chariots.serving.execution import op_failure
    from chariots.workers.app_loading import load_app

    if max_workers is not None and runner in (None, "sequential-runner"):
        raise click.UsageError("--max-workers is for runners that run several nodes: add --runner thread-runner, say.")
    value = read_input(pipeline_input)
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.redirect_stdout(sys.stderr))  # what the user's modules print is not the output
        server = load_app(app)
        chosen = server.served_pipeline(pipeline).current.pipeline
        if runner is not None:
            options = {} if max_workers is None else {"max_workers": max_workers}
            server.runner = stack.enter_context(make_runner(runner, options))
        if cache_dir is not None:
            server.runner.cache = cache_dir
        if server.weights:
            from chariots.transfer.screens import weights_on_screen

            stack.enter_context(weights_on_screen())
        explanation = stack.enter_context(explained()) if explain or draw else None
        try:
            response = server.execute_pipeline(pipeline, value)
        except KeyboardInterrupt:
            click.echo(f"\n{pipeline} was stopped. What its cached nodes have returned is kept.", err=True)
            raise click.exceptions.Exit(_INTERRUPTED) from None
        except ChariotsError:
            raise
        except Exception as error:
            raise op_failure(pipeline, error) from error
        finally:
            if explain and explanation is not None:
                click.echo(explanation.table(), err=True)
            if draw is not None and explanation is not None:
                chosen.draw(explanation).save(draw)
    try:
        click.echo(schema.dumps(response.value, where="pipeline_output").decode())
    except TypeError as error:
        raise Failure(f"pipeline {pipeline!r} ran, but its output cannot be printed: {error}") from error
