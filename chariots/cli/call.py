"""How is a running server asked for a prediction, its versions, a load or a save from a terminal?"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chariots.cli.commands import Failure
from chariots.cli.printing import print_json, print_table

if TYPE_CHECKING:
    from collections.abc import Callable

    from chariots.serving import PipelineResponse, PipelinesClient

__all__ = ["call", "load", "save", "versions"]

FINISHED = ("done", "failed")

url_option: Callable[[Callable[..., Any]], Callable[..., Any]] = click.option(
    "--url",
    default="http://127.0.0.1:5000",
    show_default=True,
    envvar="CHARIOTS_URL",
    show_envvar=True,
    help="Address of the pipelines server.",
)


@click.command()
@click.argument("pipeline")
@click.argument("pipeline_input", metavar="[JSON | @FILE | -]", required=False)
@url_option
@click.option("--worker/--no-worker", default=None, help="Run it in a worker, or in the server itself.")
@click.option("--no-wait", is_flag=True, help="Print the job instead of waiting for its result.")
@click.option("--full", is_flag=True, help="Print the versions and the job beside the value.")
def call(pipeline: str, pipeline_input: str | None, url: str, worker: bool | None, no_wait: bool, full: bool) -> None:
    """Call PIPELINE and print its output as JSON.

    The input is JSON, the name of a JSON file after an @, or - for standard input; without one, the
    pipeline is called without input.
    """
    client = _client(url)
    response = client.call_pipeline(pipeline, _read_input(pipeline_input), use_worker=worker)
    if not no_wait:
        response = _finished(client, response, pipeline)
    print_json(response.json() if full or _is_pending(response) else response.value)


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

    return PipelinesClient(url)


def _finished(client: PipelinesClient, response: PipelineResponse, pipeline: str) -> PipelineResponse:
    """Waits for the job of a response, if it has one."""
    pause = 0.05
    while response.job_id is not None and _is_pending(response):
        time.sleep(pause)
        pause = min(2 * pause, 2.0)
        response = client.fetch_job(response.job_id, pipeline)
    if response.error is not None:
        raise response.error
    if response.job_status is not None and response.job_status.value == "failed":
        raise Failure(f"the job {response.job_id} of {pipeline} failed; the log of the worker shows why.")
    return response


def _is_pending(response: PipelineResponse) -> bool:
    return response.job_status is not None and response.job_status.value not in FINISHED


def _read_input(given: str | None) -> Any:
    """The input of the pipeline, from the argument, a file or standard input."""
    if given is None:
        return None
    where = "the input"
    if given == "-":
        text, where = sys.stdin.read(), "standard input"
    elif given.startswith("@"):
        where = given[1:]
        try:
            text = Path(where).read_text(encoding="utf-8")
        except OSError as error:
            raise click.UsageError(
                f"the input was to come from {where}, and it cannot be read: {error.strerror}."
            ) from error
    else:
        text = given
    try:
        return json.loads(text)
    except ValueError as error:
        raise click.UsageError(
            f"{where} is not JSON ({error}); numbers look like '[[5.1, 3.5, 1.4, 0.2]]' and text like '\"word\"'."
        ) from error
