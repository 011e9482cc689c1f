"""How does a worker start, hear, order about and end the process that runs its jobs?"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from chariots.workers.store_pool import IN_WORKER

__all__ = ["ChildProcess", "in_words"]


class ChildProcess:
    """The process that `chariots.workers.child` is, and the pipe to it: lines of JSON go both ways.

    Args:
        app_reference: the app it imports.
        name: the name of the worker.
    """

    def __init__(self, app_reference: str, name: str) -> None:
        orders, self._to_child = os.pipe()
        self.from_child, answers = os.pipe()
        os.set_blocking(self.from_child, False)
        # A session of its own: Ctrl+C reaches the worker alone; one kill reaches whatever the ops started.
        self._process = subprocess.Popen(
            [sys.executable, "-m", "chariots.workers.child", app_reference, name, str(orders), str(answers)],
            pass_fds=(orders, answers),
            stdin=subprocess.DEVNULL,
            env={**os.environ, IN_WORKER: "1"},
            start_new_session=True,
        )
        os.close(orders)
        os.close(answers)
        self._unread = b""
        self._is_open = True
        #: Whether more may be heard; a process that is about to end has closed its end of the pipe.
        self.is_talking = True

    @property
    def pid(self) -> int:
        """The id of the process, which is that of its process group as well."""
        return self._process.pid

    @property
    def ended(self) -> int | None:
        """The exit status, or minus the signal that ended the process; None while it lives."""
        return self._process.poll()

    @property
    def is_halted(self) -> bool:
        """Whether somebody has stopped the process, so that it lives and does nothing (known on Linux only)."""
        try:
            stat = Path(f"/proc/{self.pid}/stat").read_text()
        except OSError:
            return False
        return stat.rpartition(")")[2].split()[0] in "Tt"

    def messages(self) -> list[dict[str, Any]]:
        """What the process has told since the last call; never waits."""
        while self._is_open and self.is_talking:
            try:
                chunk = os.read(self.from_child, 65536)
            except BlockingIOError:
                break
            self.is_talking = bool(chunk)
            self._unread += chunk
        *lines, self._unread = self._unread.split(b"\n")
        return [json.loads(line) for line in lines]

    def order(self, **message: Any) -> None:
        """Tells the process what to do; one that has ended hears nothing."""
        with contextlib.suppress(BrokenPipeError):
            os.write(self._to_child, json.dumps(message).encode() + b"\n")

    def kill(self) -> int:
        """Ends the process and all that it started, at once; returns how it ended."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        return self._process.wait()

    def close(self) -> None:
        """Gives up the pipe; a process that still lives takes that for the death of its worker and ends."""
        if self._is_open:
            self._is_open = False
            os.close(self._to_child)
            os.close(self.from_child)


def in_words(ended: int) -> str:
    """How a process ended, for people.

    Args:
        ended: its exit status, or minus the signal.
    """
    return f"killed by {signal.Signals(-ended).name}" if ended < 0 else f"exit status {ended}"
