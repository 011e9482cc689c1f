"""How does a person see how far a job is?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from chariots.serving.job_events import JobEvent
from chariots.workers.job import Job, LogLine, Progress

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

__all__ = ["watching"]


@contextmanager
def watching(job: Job, console: Console | None = None) -> Iterator[Callable[[JobEvent], None]]:
    """Shows a bar, and the log, of a job for as long as the context lasts.

    Args:
        job: the job.
        console: where to show it; standard error by default.

    Returns:
        a function that shows an event.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.fields[target]}", markup=False),
        TextColumn("{task.fields[status]}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}", markup=False),
    )
    with Bar(*columns, console=console or Console(stderr=True)) as bar:
        task = bar.add_task("", total=None, target=job.target, status=job.status.value)
        yield partial(_show, bar, task)


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
