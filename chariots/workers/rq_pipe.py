"""How does a worker speak with the process that runs its jobs?"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

__all__ = ["ChildProcess"]

LEAVE_SECONDS = 10.0  # how long the process may take to leave when it is told to


class ChildProcess:
    """The process that `chariots.workers.rq_child` is, and the pipe to it.

    Lines of JSON go both ways: orders one way, ``ready``, ``failed`` or ``done`` the other.

    Args:
        app_reference: the app it imports.
    """

    def __init__(self, app_reference: str) -> None:
        self._app_reference = app_reference
        self._pipe: tuple[int, int] | None = None
        self.start()

    def start(self) -> None:
        """Starts the process anew, without waiting: orders wait in the pipe while it imports the app."""
        self._close()
        orders, to_child = os.pipe()
        from_child, answers = os.pipe()
        arguments = [self._app_reference, str(orders), str(answers)]
        # A session of its own: Ctrl+C reaches the worker alone; one kill reaches whatever the ops started.
        self._process = subprocess.Popen(
            [sys.executable, "-m", "chariots.workers.rq_child", *arguments],
            pass_fds=(orders, answers),
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        os.close(orders)
        os.close(answers)
        self._pipe = (to_child, from_child)
        self._unread = b""
        self.was_ready = False

    @property
    def pid(self) -> int:
        """The id of the process, which is that of its process group as well."""
        return self._process.pid

    @property
    def ended(self) -> int | None:
        """The exit status, or minus the signal that ended the process; None while it lives."""
        return self._process.poll()

    def first_answer(self, give_up: Callable[[], bool]) -> dict[str, Any]:
        """What the process says once it imported the app, or failed to.

        Args:
            give_up: asked every second whether to wait on.

        Returns:
            the answer; empty if the process ended without a word, or was not waited for.
        """
        while not give_up():
            answer = self._answer(1.0)
            if answer is not None:
                return answer
            if self.ended is not None:
                break
        return {}

    def order(self, message: dict[str, str]) -> None:
        """Hands over one job, to a new process if the old one has ended."""
        line = json.dumps(message).encode() + b"\n"
        if self.ended is not None or self._pipe is None:
            self.start()
        assert self._pipe is not None
        try:
            os.write(self._pipe[0], line)
        except BrokenPipeError:
            self._process.wait()  # it ended just now, and whoever waits for the job will see that

    def is_done(self, wait: float) -> bool:
        """Whether the process says, within so many seconds, that the job at hand is done."""
        answer = self._answer(wait)
        return answer is not None and answer["event"] == "done"

    def stop(self) -> None:
        """Ends the process: in good order where it leaves, by force where it does not."""
        self._close()
        try:
            self._process.wait(timeout=LEAVE_SECONDS)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
            self._process.wait()

    def _answer(self, seconds: float) -> dict[str, Any] | None:
        """The next line, None if none came in time or the process has ended."""
        if self._pipe is None:
            return None
        while b"\n" not in self._unread:
            if not select.select([self._pipe[1]], [], [], seconds)[0]:
                return None
            chunk = os.read(self._pipe[1], 65536)
            if not chunk:
                self._process.wait()
                return None
            self._unread += chunk
        line, self._unread = self._unread.split(b"\n", 1)
        answer: dict[str, Any] = json.loads(line)
        self.was_ready = self.was_ready or answer["event"] == "ready"
        return answer

    def _close(self) -> None:
        for end in self._pipe or ():
            os.close(end)
        self._pipe = None
