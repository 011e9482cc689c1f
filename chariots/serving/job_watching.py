"""How does a person see how far a job is?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chariots.serving.job_events import JobEvent
from chariots.workers.job import Job, LogLine, Progress

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

    from chariots.serving.job_client import JobClient
    from chariots.serving.job_names import AnyJob
    from chariots.serving.response import PipelineResponse

__all__ = ["watch"]


def watch(client: JobClient, job: AnyJob, console: Console | None = None) -> PipelineResponse:
    """Shows a bar and the log of a job until it is final.

    Args:
        client: who asks.
        job: the job.
        console: where to show it; standard error by default.

    Returns:
        the final response.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    found = client.job(job)
    columns = (
        TextColumn("{task.fields[target]}", markup=False),
        TextColumn("{task.fields[status]}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}", markup=False),
    )
    with Bar(*columns, console=console or Console(stderr=True)) as bar:
        task = bar.add_task("", total=None, target=found.target, status=found.status.value)
        for event in client.stream(found):
            _show(bar, task, event)
    return client.wait(found)


def _show(bar: Bar, task: TaskID, event: JobEvent) -> None:
    from rich.text import Text

    match event.data:
        case Job() as job:
            told = "" if job.error is None else str(job.error.get("detail", ""))
            bar.update(task, target=job.target, status=job.status.value, description=" ".join(told.split()))
            if job.status.value == "done" and job.progress is None:
                bar.update(task, completed=1, total=1)
        case Progress() as progress:
            where = " ".join(" ".join(filter(None, (progress.node, progress.message))).split())
            bar.update(task, completed=progress.current, total=progress.total, description=where)
        case LogLine() as line:
            bar.console.print(Text(line.text))  # anybody's text, which may look like markup
