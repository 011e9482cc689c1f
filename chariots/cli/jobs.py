"""How are jobs seen, watched, stopped and run again from a terminal?"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from chariots.cli.call import url_option
from chariots.cli.commands import Failure, LazyCommands
from chariots.cli.printing import counted, json_option, print_json, print_table, shown_size

if TYPE_CHECKING:
    from chariots.serving import PipelinesClient
    from chariots.workers.job import Job

__all__ = ["cancel", "jobs", "list_jobs", "log", "rerun", "show", "watch", "workers"]

_STATUSES = ("queued", "running", "deferred", "done", "failed", "canceled")


@click.group(
    cls=LazyCommands,
    homes={
        "list": "chariots.cli.jobs:list_jobs",
        "show": "chariots.cli.jobs:show",
        "watch": "chariots.cli.jobs:watch",
        "log": "chariots.cli.jobs:log",
        "cancel": "chariots.cli.jobs:cancel",
        "rerun": "chariots.cli.jobs:rerun",
        "workers": "chariots.cli.jobs:workers",
    },
)
def jobs() -> None:
    """See the jobs of a running server, watch them, stop them and run them again."""


pipeline_option: Callable[[Callable[..., Any]], Callable[..., Any]] = click.option(
    "--pipeline", metavar="NAME", help="Only jobs of this pipeline."
)


@click.command("list")
@url_option
@click.option("--status", "statuses", multiple=True, type=click.Choice(_STATUSES), help="Only these; may be repeated.")
@pipeline_option
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="How many at most.")
@json_option
def list_jobs(url: str, statuses: tuple[str, ...], pipeline: str | None, limit: int, as_json: bool) -> None:
    """List jobs, the newest first; with --status failed, what needs a look."""
    found = _client(url).jobs(statuses or None, pipeline, limit)
    if as_json:
        print_json([_shown(job) for job in found])
        return
    print_table(
        ("job", "pipeline", "kind", "status", "asked", "took", "attempts", "what"),
        [
            (
                job.id,
                job.target,
                job.kind,
                job.status.value,
                _moment(job.created_at),
                _took(job),
                str(job.attempts),
                _what(job),
            )
            for job in found
        ],
        numbers=("attempts",),
    )


@click.command()
@click.argument("job")
@url_option
@json_option
def show(job: str, url: str, as_json: bool) -> None:
    """Show all that is known of JOB; where it failed, with the stack of its worker."""
    found = _client(url).job(job)
    if as_json:
        print_json(_shown(found))
        return
    lines = [
        ("job", found.id),
        ("pipeline", found.target),
        ("kind", found.kind),
        ("status", found.status.value + (", told to stop" if _is_told_to_stop(found) else "")),
        ("asked", _moment(found.created_at)),
        ("not before", _moment(found.run_at)),
        ("started", _moment(found.started_at)),
        ("ended", _moment(found.ended_at)),
        ("took", _took(found)),
        ("attempts", f"{found.attempts} ({found.failures} failed, {found.deaths} lost with their worker)"),
        ("worker", found.worker),
        ("waits for", ", ".join(found.after)),
        ("every", "" if found.every is None else f"{found.every:g} s"),
        ("key", found.idempotency_key),
        ("input", shown_size(found.input_size)),
        ("kept until", "gone" if found.is_expired else _moment(found.expires_at)),
        ("trained", _versions(found.versions_produced)),
        ("used", _versions(found.versions_used)),
        ("what", _what(found)),
    ]
    print_table(("", ""), [(name, text) for name, text in lines if text])
    stack = _stack(found)
    if stack:
        click.echo(f"\n{stack}")


@click.command()
@click.argument("job")
@url_option
def watch(job: str, url: str) -> None:
    """Show how far JOB is until it ends; the exit code is 0 if it is done, and 1 if it failed or was canceled.

    Ctrl-C stops the watching and not the job.
    """
    from chariots.workers.job_status import JobStatus

    client = _client(url)
    try:
        response = client.watch(job)
    except KeyboardInterrupt:
        click.echo(f"\n{job} goes on. To stop it: chariots jobs cancel {job}", err=True)
        raise click.exceptions.Exit(130) from None
    if response.error is not None:
        raise response.error
    if response.job_status is not JobStatus.done:
        raise Failure(f"{job} is {getattr(response.job_status, 'value', 'lost')}; see `chariots jobs show {job}`.")
    print_json(response.json()["pipeline_output"])


@click.command()
@click.argument("job")
@url_option
@json_option
def log(job: str, url: str, as_json: bool) -> None:
    """Print what JOB has logged so far."""
    lines = _client(url).log(job)
    if as_json:
        print_json([{"number": line.number, "at": line.at, "level": line.level, "text": line.text} for line in lines])
        return
    for line in lines:
        click.echo(f"{_moment(line.at)} {line.level} {line.text}")


@click.command()
@click.argument("ids", metavar="JOB...", nargs=-1, required=True)
@url_option
def cancel(ids: tuple[str, ...], url: str) -> None:
    """End JOBs that wait, and stop those that run."""
    from chariots.errors import ConflictError

    client, refused = _client(url), 0
    for job_id in ids:
        try:
            job = client.cancel(job_id)
        except ConflictError as error:
            refused += 1
            click.echo(str(error), err=True)
            continue
        if _is_told_to_stop(job):
            click.echo(f"{job_id} is told to stop, and still running; see `chariots jobs show {job_id}`.")
        else:
            click.echo(f"{job_id} is {job.status.value}.")
    if refused:
        raise Failure(f"{counted(refused, 'job')} of {len(ids)} could not be canceled.")


@click.command()
@click.argument("ids", metavar="[JOB...]", nargs=-1)
@url_option
@click.option("--failed", is_flag=True, help="Run every job again that failed and whose input is still there.")
@pipeline_option
def rerun(ids: tuple[str, ...], url: str, failed: bool, pipeline: str | None) -> None:
    """Queue JOBs once more that failed or were canceled."""
    from chariots.errors import ConflictError

    if bool(ids) is failed or (pipeline is not None and not failed):
        raise click.UsageError("name the jobs to run again, or say --failed [--pipeline NAME] for all that failed.")
    client, again, refused = _client(url), 0, 0
    for job_id in ids or _failed(client, pipeline):
        try:
            client.rerun(job_id)
        except ConflictError as error:
            refused += 1
            click.echo(str(error), err=True)
            continue
        again += 1
        click.echo(f"{job_id} is queued again.")
    if refused:
        raise Failure(f"{counted(refused, 'job')} of {again + refused} could not be run again.")
    if not again:
        click.echo("No job has failed.")


@click.command()
@url_option
@json_option
def workers(url: str, as_json: bool) -> None:
    """List the workers that are alive, and what each of them is at."""
    from dataclasses import asdict

    found = _client(url).workers()
    if as_json:
        print_json([asdict(worker) for worker in found])
        return
    print_table(
        ("worker", "app", "machine", "process", "since", "job"),
        [
            (worker.name, worker.app, worker.host, str(worker.pid), _moment(worker.started_at), worker.job_id)
            for worker in found
        ],
        numbers=("process",),
    )


def _client(url: str) -> PipelinesClient:
    from chariots.serving import PipelinesClient

    return PipelinesClient(url, token=os.environ.get("CHARIOTS_PIPELINES_TOKEN") or None)


def _failed(client: PipelinesClient, pipeline: str | None) -> list[str]:
    found = client.jobs("failed", pipeline, limit=1_000_000)
    return [job.id for job in found if not job.is_expired]


def _shown(job: Job) -> dict[str, Any]:
    from chariots.serving.job_json import shown

    return shown(job)


def _moment(seconds: float | None) -> str:
    return "" if seconds is None else time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def _took(job: Job) -> str:
    if job.started_at is None:
        return ""
    until = job.ended_at if job.ended_at is not None else time.time()
    seconds = max(0.0, until - job.started_at)
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def _what(job: Job) -> str:
    """The one thing that a person wants to know of a job in this state."""
    if job.error is not None and job.status.value != "done":
        return str(job.error.get("detail", ""))[:200]
    if job.status.is_final or job.progress is None:
        return ""
    progress = job.progress
    share = f"{progress.current:g}" + (f" of {progress.total:g}" if progress.total is not None else "")
    return " ".join(part for part in (progress.node, share, progress.message) if part)


def _is_told_to_stop(job: Job) -> bool:
    return job.cancel_requested and not job.status.is_final


def _versions(versions: Any) -> str:
    return ", ".join(f"{name} {text[:8]}" for name, text in versions.items())


def _stack(job: Job) -> str:
    from chariots.web import render_stack

    stack = (job.error or {}).get("remote_stack")
    return render_stack(stack).rstrip() if stack else ""
