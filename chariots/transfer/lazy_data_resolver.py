"""How does a program go on with other work while its files come?"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from chariots.errors import DeadlinePassedError
from chariots.transfer.progress import Progress, ProgressCallback
from chariots.transfer.resolving import resolve

__all__ = ["LazyDataResolver"]


class LazyDataResolver:
    """Brings the files of a manifest into a directory, in a thread of its own that begins at once.

    Args:
        download_dir: the directory; None for the one that the settings say.
        progress: called several times a second, in that thread.
        arguments: further arguments of `resolve`.
    """

    def __init__(
        self, download_dir: str | Path | None = None, *, progress: ProgressCallback | None = None, **arguments: Any
    ) -> None:
        self._told = progress
        self._arguments = {"download_dir": download_dir, **arguments}
        self._result: Path | None = None
        self._error: BaseException | None = None
        self._over = threading.Event()
        #: How far it is; None before the first files were looked at.
        self.progress: Progress | None = None
        threading.Thread(target=self._run, name="lazy-data-resolver", daemon=True).start()

    @property
    def is_done(self) -> bool:
        """Whether all files are there, or cannot be had."""
        return self._over.is_set()

    @property
    def error(self) -> BaseException | None:
        """Why the files cannot be had; None while that is not known."""
        return self._error

    def wait_a_moment(self, seconds: float) -> None:
        """Waits for a while, or until all files are there or cannot be had.

        Args:
            seconds: for how long at most.
        """
        self._over.wait(seconds)

    def wait(self, timeout: float | None = None) -> Path:
        """Waits until all files are there.

        Args:
            timeout: for how many seconds at most; None for as long as it takes.

        Returns:
            the directory.

        Raises:
            DeadlinePassedError: if they are not there in time; they come all the same.
            ChariotsError: if a file cannot be had.
        """
        if not self._over.wait(timeout):
            raise DeadlinePassedError(
                f"the files are not there after {timeout} s; wait longer, or ask again: they come all the same"
            )
        if self._error is not None:
            raise self._error
        if self._result is None:
            raise RuntimeError("the resolver ended without a result")
        return self._result

    def _run(self) -> None:
        try:
            self._result = resolve(progress=self._note, **self._arguments)
        except BaseException as error:  # noqa: BLE001  # whoever waits raises it
            self._error = error
        finally:
            self._over.set()

    def _note(self, progress: Progress) -> None:
        self.progress = progress
        if self._told is not None:
            self._told(progress)
