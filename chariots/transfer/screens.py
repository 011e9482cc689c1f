"""What does a person see while files come, and what does a log?"""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Final, TextIO

from chariots.transfer.progress import FETCHING, ProgressCallback

if TYPE_CHECKING:
    from chariots.pipelines.reporting import Reporter
    from chariots.transfer.progress import Progress

__all__ = ["INTERRUPTED", "STOPPED", "begin_log", "on_screen", "weights_on_screen"]

STOPPED: Final = "Stopped. What has come is kept; run it again to go on."
"""What a program says that was interrupted."""
INTERRUPTED: Final = 130
"""What it ends with then, as shells have it: 128 and the number of the signal."""

_LEVELS: Final = {
    "error": logging.ERROR,
    "warn": logging.WARNING,
    "warning": logging.WARNING,
    "info": logging.INFO,
    "debug": logging.DEBUG,
    "trace": logging.DEBUG,
}


def begin_log(environment: Mapping[str, str] = os.environ) -> None:
    """Writes what happens to standard error, as much of it as the environment wants.

    ``CHARIOTS_TRANSFER_LOG``, ``TRUSS_TRANSFER_LOG`` or ``RUST_LOG`` says ``error``, ``warn``, ``info``, ``debug`` or
    ``trace``; the first that is set counts.

    Args:
        environment: the environment variables.
    """
    names = ("CHARIOTS_TRANSFER_LOG", "TRUSS_TRANSFER_LOG", "RUST_LOG")
    told = next((environment[name] for name in names if environment.get(name)), "info")
    # RUST_LOG may say more about single modules, which are none of ours.
    words = [word.strip().lower() for word in told.split(",") if "=" not in word]
    logger = logging.getLogger("chariots.transfer")
    logger.setLevel(_LEVELS.get(words[0] if words else "info", logging.INFO))
    if not logger.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        logger.addHandler(handler)


@contextmanager
def on_screen(file: TextIO | None = None) -> Iterator[ProgressCallback | None]:
    """Shows a bar with rate and remaining time while files come, where somebody looks at a terminal.

    Args:
        file: where it is shown; standard error if None.

    Yields:
        what is to be told how far it is; None where there is no terminal.
    """
    stream = file or sys.stderr
    if not stream.isatty():
        yield None
        return
    with _bars(stream) as bars:
        bar = bars.add_task("files", total=None)
        yield _teller(bars.update, bar)


@contextmanager
def weights_on_screen(file: TextIO | None = None) -> Iterator[None]:
    """Shows how far the weights are that ops wait for in here: as bars in a terminal, and elsewhere as lines.

    Args:
        file: where it is shown; standard error if None.
    """
    stream = file or sys.stderr
    if not stream.isatty():
        begin_log()
        yield
        return
    from chariots.pipelines.reporting import reporting_to

    with ExitStack() as shown, reporting_to(_hearer(stream, shown)):
        yield


def _hearer(stream: TextIO, shown: ExitStack) -> Reporter:
    """What hears the progress of ops, and shows bars as soon as one of them waits for weights."""
    lock = threading.Lock()
    bars: list[Any] = []
    tasks: dict[float, Any] = {}  # by the number of all bytes, which is all that ops say of themselves

    def hear(current: float, total: float | None, message: str) -> None:
        if message != FETCHING or not total:
            return
        with lock:
            if not bars:
                bars.append(shown.enter_context(_bars(stream)))
            if total not in tasks:
                tasks[total] = bars[0].add_task(message, total=total)
            bars[0].update(tasks[total], completed=current)

    return hear


def _bars(stream: TextIO) -> Any:
    """Bars with rate and remaining time, which are gone when they have ended."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=Console(file=stream), transient=True)


def _teller(update: Callable[..., None], bar: int) -> ProgressCallback:
    def tell(progress: Progress) -> None:
        words = f"{progress.files_done} of {progress.files} files"
        update(bar, description=words, total=progress.size, completed=progress.there)

    return tell
