"""How is a running server asked for a prediction, its versions, a load or a save from a terminal?"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

import click

from chariots.cli.commands import Failure
from chariots.cli.inputs import read_input
from chariots.cli.printing import print_json, print_table

if TYPE_CHECKING:
    from collections.abc import Callable

    from chariots.serving import PipelineResponse, PipelinesClient

__all__ = ["call", "load", "save", "url_option", "versions"]

url_option: Callable[[Callable[..., Any]], Callable[..., Any]] = click.option(
    "--url",
    default="http://127.0.0.1:5000",
    show_default=True,
    envvar="CHARIOTS_URL",
    show_envvar=True,
    help="Address of the pipelines server.",
)


_job_options = (
    click.option("--timeout", type=float, metavar="SECONDS", help="As a job that may take so long."),
    click.option("--retries", type=int, metavar="N", help="As a job that is tried so often again if it fails."),
    click.option("--priority", type=int, metavar="N", help="As a job that overtakes those with a smaller number."),
    click.option("--at", metavar="TIME", help="As a job, not before this time: 2030-01-31T12:00:00+01:00."),
    click.option("--every", type=float, metavar="SECONDS", help="As a job that comes again and again."),
    click.option("--after", multiple=True, metavar="JOB", help="As a job, once this one is done. May be repeated."),
    click.option("--key", "idempotency_key", metavar="TEXT", help="As a job that is made once under this key."),
)


def job_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options that say how a job is to be run; they ask for one."""
    for option in reversed(_job_options):
        command = option(command)
    return command


@click.command()
@click.argument("pipeline")
@click.argument("pipeline_input", metavar="[JSON | @FILE | -]", required=False)
@url_option
@click.option("--worker/--no-worker", default=None, help="Run it in a worker, or in the server itself.")
@click.option("--no-wait", is_flag=True, help="Print the job instead of waiting for its result.")
@click.option("--full", is_flag=True, help="Print the versions and the job beside the value.")
@job_options
def call(
    pipeline: str,
    pipeline_input: str | None,
    url: str,
    worker: bool | None,
    no_wait: bool,
    full: bool,
    after: tuple[str, ...],
    **options: Any,
) -> None:
    """Call PIPELINE and print its output as JSON.

    The input is JSON, the name of a JSON file after an @, or - for standard input; without one, the
    pipeline is called without input.
    """
    client = _client(url)
    response = client.call_pipeline(
        pipeline, read_input(pipeline_input), use_worker=worker, after=after or None, **options
    )
    if not no_wait:
        response = _finished(client, response, pipeline)
    print_json(response.json() if full or not response.is_final else response.value)


@click.command()
@click.argument("pipeline")
@url_option
def versions(pipeline: str, url: str) -> None:
    """Show the version of every node of PIPELINE on the server."""
    lines = []
    for node, version in _client(url).pipeline_versions(pipeline).items():
        created = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(float(version.creation_time)))
        lines.append((node, version.major[:8], version.minor[:8], version.patch[:8], created))
    print_table(("node", "major", "minor", "patch", "created"), lines)


@click.command()
@click.argument("pipeline")
@url_option
def load(pipeline: str, url: str) -> None:
    """Let the server load what was promoted for PIPELINE, or the newest ops that fit together."""
    _client(url).load_pipeline(pipeline)
    click.echo(f"{pipeline} is loaded at {url}; see `chariots versions {pipeline}`.")


@click.command()
@click.argument("pipeline")
@url_option
def save(pipeline: str, url: str) -> None:
    """Let the server save the trained ops of PIPELINE in its op store."""
    _client(url).save_pipeline(pipeline)
    click.echo(f"{pipeline} is saved in the op store of {url}; `chariots load` puts its ops into service.")


def _client(url: str) -> PipelinesClient:
    from chariots.serving import PipelinesClient

    return PipelinesClient(url, token=os.environ.get("CHARIOTS_PIPELINES_TOKEN") or None)


def _finished(client: PipelinesClient, response: PipelineResponse, pipeline: str) -> PipelineResponse:
    """Waits for the job of a response, if it has one."""
    try:
        response = client.wait(response)
    except KeyboardInterrupt:
        job = response.job_id
        click.echo(
            f"\nThe job goes on. Watch it: chariots jobs watch {job}; stop it: chariots jobs cancel {job}", err=True
        )
        raise click.exceptions.Exit(130) from None
    if response.error is not None:
        raise response.error
    if response.job_status is not None and response.job_status.value in ("failed", "canceled"):
        raise Failure(
            f"the job {response.job_id} of {pipeline} is {response.job_status.value}; "
            f"see `chariots jobs show {response.job_id}`."
        )
    return response
