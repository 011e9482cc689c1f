"""What does a person see while files come, and what does a log?"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final, TextIO

from chariots.transfer.progress import Progress, ProgressCallback

__all__ = ["INTERRUPTED", "STOPPED", "begin_log", "on_screen"]

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
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        SpinnerColumn,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )
    from rich.progress import Progress as Bars

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Bars(*columns, console=Console(file=stream), transient=True) as bars:
        bar = bars.add_task("files", total=None)
        yield _teller(bars.update, bar)


def _teller(update: Callable[..., None], bar: int) -> ProgressCallback:
    def tell(progress: Progress) -> None:
        words = f"{progress.files_done} of {progress.files} files"
        update(bar, description=words, total=progress.size, completed=progress.there)

    return tell
