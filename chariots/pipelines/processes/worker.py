"""How does a runner start, order about and end one of its processes?"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

from chariots.errors import WorkerLostError
from chariots.pipelines.processes.channel import pair
from chariots.pipelines.processes.messages import Done, Failed, Order, Progress, Uses
from chariots.pipelines.processes.segments import Segment, new_segment, pass_on
from chariots.pipelines.processes.shared import Packed
from chariots.pipelines.reporting import progress

__all__ = ["Worker"]

_CHILD = """
import sys
sys.path[:], sys.argv[:] = {path!r}, {argv!r}
from chariots._room import with_room
from chariots.pipelines.processes.child import main
with_room(main, {channel}, {life})
"""


class Worker:
    """A process that runs ops, and the connection to it.

    It is started, not forked: a process that has used OpenMP, torch or a database must not be forked. What belongs to
    the main program is sent to it, so that a program needs no ``if __name__ == "__main__"`` for its sake.
    """

    def __init__(self) -> None:
        self._channel, there = pair()
        life, self._life = os.pipe()
        with there:
            code = _CHILD.format(channel=there.fileno(), life=life, path=sys.path, argv=sys.argv)
            # A session of its own: Ctrl+C reaches the caller alone, and one kill reaches whatever an op has started.
            self._process = subprocess.Popen(
                [sys.executable, "-c", code],
                pass_fds=(there.fileno(), life),
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        os.close(life)
        #: The tokens of the ops that it was sent.
        self.known: set[int] = set()
        #: How many of all ops that were sent anywhere had been dropped when it was last told which to forget.
        self.heard_of = 0
        self._held: list[Segment] = []  # memory that it was handed in earlier orders, and still uses
        #: Whether it can be given further orders.
        self.is_usable = True

    @property
    def pid(self) -> int:
        """The id of the process."""
        return self._process.pid

    def run(self, order: Order, values: Sequence[Packed], timeout: float | None) -> tuple[Done | Failed, list[Packed]]:
        """Has it run something, and waits for what comes of that.

        Args:
            order: what to run.
            values: what the order speaks of.
            timeout: how many seconds it may take; None for any time.

        Returns:
            what has become of it.

        Raises:
            WorkerLostError: if the process has ended meanwhile.
            TimeoutError: if it took longer; the process was ended.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        memory = _memory_for(values) if order.parts else None
        if memory is not None:
            values = [*values, Packed((), None, memory)]
            order = order._replace(lent=1)
        pass_on(segment for value in values for segment in value.segments())
        try:
            self._channel.send(order, values)
            while True:
                answer, results = self._channel.receive(deadline)
                if not isinstance(answer, Progress):
                    self._note(answer.uses, values)
                    if memory is not None and not any(memory in result.segments() for result in results):
                        memory.is_reusable &= memory.is_filled  # there is nothing in it that it would be kept for
                    return answer, results
                progress(*answer)
        except (EOFError, ConnectionError):
            self._give_up(values)
            raise WorkerLostError(f"the process that ran it is gone: {self._ending()}") from None
        except BaseException:  # a timeout, Ctrl+C: what it is at does not matter any more
            self._give_up(values)
            self.kill()
            raise

    def _note(self, uses: Uses, values: Sequence[Packed]) -> None:
        """Notes what it still uses of the memory that it was handed."""
        found = {*self._held, *(segment for value in values for segment in value.segments())}
        for segment in found:
            if segment.name in uses.spoiled:
                segment.is_reusable = False
        self._held = [segment for segment in found if segment.name in uses.held]

    def _give_up(self, values: Sequence[Packed]) -> None:
        """Has nobody write again to the memory that it was handed: what it has started may use it even now."""
        for segment in (*self._held, *(segment for value in values for segment in value.segments())):
            segment.is_reusable = False
        self._held = []

    def kill(self) -> None:
        """Ends the process and all that it has started, at once."""
        self.is_usable = False
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)

    def close(self) -> None:
        """Ends the process and gives up the connection."""
        self.kill()
        self._process.wait()
        self.abandon()

    def abandon(self) -> None:
        """Gives up the connection; to be called in a process that was forked, in which the worker is not ours."""
        self.is_usable = False
        self._give_up(())
        if self._life >= 0:
            self._channel.close()
            os.close(self._life)
            self._life = -1

    def _ending(self) -> str:
        self.is_usable = False
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(1)
        self.kill()
        ended: Any = self._process.wait()
        return f"killed by {signal.Signals(-ended).name}" if ended < 0 else f"exit status {ended}"


def _memory_for(values: Sequence[Packed]) -> Segment | None:
    """Memory for an output, which is about as large as the largest input, if that is large."""
    size = max((segment.size for value in values for segment in value.segments()), default=0)
    return new_segment(size) if size else None
