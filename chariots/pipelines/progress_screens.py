"""On what is progress shown: a terminal, a notebook, or a file that lines are written to?"""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from html import escape
from typing import TYPE_CHECKING, Any, ClassVar, TextIO

from chariots.pipelines.drawing.tables import seconds
from chariots.pipelines.drawing.texts import shortened

if TYPE_CHECKING:
    from chariots.pipelines.progressing import Shown

__all__ = ["LineScreen", "NotebookScreen", "Screen", "TerminalScreen", "screen_for"]

LONGEST = 60
MOST_KEPT = 20  # runs that have ended and stay in a notebook


class Screen(ABC):
    """Shows how far runs are.

    Attributes:
        pause: how many seconds lie between two looks.
    """

    pause: ClassVar[float] = 0.1

    @abstractmethod
    def show(self, runs: Sequence[Shown]) -> None:
        """Shows runs that last.

        Args:
            runs: all of them that take long.
        """

    @abstractmethod
    def end(self, run: Shown) -> None:
        """Shows how a run has ended, if it was shown before.

        Args:
            run: the run.
        """

    @property
    @abstractmethod
    def is_idle(self) -> bool:
        """Whether every run that was shown has ended."""

    def close(self) -> None:  # noqa: B027  # most have nothing to give back
        """Ends showing, when every run that was shown has ended; what is shown stays."""


def _named(shown: Shown) -> str:
    return shortened(shown.run.path + shown.run.pipeline.name, LONGEST)


class LineScreen(Screen):
    """Writes a line now and then.

    Args:
        file: where to.
        every: how many seconds lie between two lines of one run.
        clock: tells the time.
    """

    def __init__(self, file: TextIO, every: float, clock: Callable[[], float]) -> None:
        self._file = file
        self._every = every
        self._clock = clock
        self._written: dict[int, float] = {}  # when the last line of each run was written

    def show(self, runs: Sequence[Shown]) -> None:
        """Writes how far runs are of which nothing was written lately; see `Screen.show`."""
        now = self._clock()
        for shown in runs:
            last = self._written.get(shown.run.number)
            if last is None or now - last >= self._every:
                self._written[shown.run.number] = now
                self._write(f"{_named(shown)}: {shown.run.done}/{shown.nodes} nodes, {shown.fraction:.0%}", shown)

    def end(self, run: Shown) -> None:
        """Writes how a run has ended; see `Screen.end`."""
        if self._written.pop(run.run.number, None) is not None:
            self._write(f"{_named(run)}: {run.run.state}", run)

    @property
    def is_idle(self) -> bool:
        """See `Screen.is_idle`."""
        return not self._written

    def _write(self, start: str, shown: Shown) -> None:
        words = shortened(shown.words, 2 * LONGEST)
        self._file.write(f"{start}, {seconds(shown.run.seconds)}{f', {words}' if words else ''}\n")
        self._file.flush()


class TerminalScreen(Screen):
    """Draws bars in a terminal.

    Args:
        file: the terminal.
    """

    def __init__(self, file: TextIO) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

        self._bars = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[words]}", markup=False),
            console=Console(file=file),
            auto_refresh=False,
        )
        self._tasks: dict[int, Any] = {}
        self._bars.start()

    def show(self, runs: Sequence[Shown]) -> None:
        """Draws a bar for each run; see `Screen.show`."""
        for shown in runs:
            self._draw(shown)
        self._bars.refresh()

    def end(self, run: Shown) -> None:
        """Draws the bar of a run for the last time; see `Screen.end`."""
        if run.run.number in self._tasks:
            self._draw(run)
            self._bars.stop_task(self._tasks.pop(run.run.number))
            self._bars.refresh()

    @property
    def is_idle(self) -> bool:
        """See `Screen.is_idle`."""
        return not self._tasks

    def close(self) -> None:
        """Gives the terminal back; see `Screen.close`."""
        self._bars.stop()

    def _draw(self, shown: Shown) -> None:
        task = self._tasks.get(shown.run.number)
        if task is None:
            task = self._tasks[shown.run.number] = self._bars.add_task(_named(shown), total=1.0, words="")
            began = self._bars.get_time() - shown.run.seconds
            self._bars.tasks[self._bars.task_ids.index(task)].start_time = began
        self._bars.update(task, completed=shown.fraction, words=shortened(shown.words, LONGEST))


class NotebookScreen(Screen):
    """Draws bars below the cell of a notebook that runs."""

    pause = 0.25

    def __init__(self) -> None:
        from IPython.display import HTML, display

        self._html = HTML
        self._ended: dict[int, str] = {}
        self._lasting: dict[int, str] = {}
        self._handle = display(HTML(""), display_id=True)

    def show(self, runs: Sequence[Shown]) -> None:
        """Draws a bar for each run; see `Screen.show`."""
        self._lasting = {shown.run.number: _bar(shown) for shown in runs}
        self._update()

    def end(self, run: Shown) -> None:
        """Draws the bar of a run for the last time; see `Screen.end`."""
        if self._lasting.pop(run.run.number, None) is not None:
            self._ended[run.run.number] = _bar(run)
            for number in list(self._ended)[:-MOST_KEPT]:
                del self._ended[number]
            self._update()

    @property
    def is_idle(self) -> bool:
        """See `Screen.is_idle`."""
        return not self._lasting

    def _update(self) -> None:
        self._handle.update(self._html("".join((*self._ended.values(), *self._lasting.values()))))


def _bar(shown: Shown) -> str:
    words = f"{seconds(shown.run.seconds)}, {shortened(shown.words, LONGEST)}".rstrip(", ")
    return (
        f'<div>{escape(_named(shown))} <progress max="1" value="{shown.fraction:.4f}"></progress> '
        f"{shown.fraction:.0%}, {escape(words)}</div>"
    )


def screen_for(file: TextIO | None, every: float, clock: Callable[[], float]) -> Screen:
    """Finds out on what to show.

    Args:
        file: what was asked for; None for a notebook where there is one, and else standard error.
        every: how many seconds lie between two lines, where they are lines.
        clock: tells the time.
    """
    if file is None and _is_notebook():
        return NotebookScreen()
    target = sys.stderr if file is None else file
    return TerminalScreen(target) if target.isatty() else LineScreen(target, every, clock)


def _is_notebook() -> bool:
    """Whether this is the kernel of a notebook; IPython is there already where it is."""
    shell = sys.modules.get("IPython")
    running = None if shell is None else shell.get_ipython()
    return running is not None and "IPKernelApp" in getattr(running, "config", {})
