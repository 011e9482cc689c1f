"""How far is a run, for whoever waits for it? (bars in a terminal and in a notebook, lines in a log)

A thread looks at the runs a few times a second and shows those that take long; what runs only notes how far it is.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO

from chariots.pipelines.reporting import redirected
from chariots.pipelines.watching import NodeCall, RunWatcher, WatchedRun

if TYPE_CHECKING:
    from chariots.pipelines.progress_screens import Screen
    from chariots.pipelines.reporting import Reporter

__all__ = ["ProgressCallback", "Shown"]


class Shown:
    """How far one run is.

    Attributes:
        run: the run.
        nodes: how many nodes there are to be done.
        heard: the node that was heard of last.
        cached: how many of the nodes that are done were found in the cache.
    """

    def __init__(self, run: WatchedRun) -> None:
        self.run = run
        self.nodes = len(run.pipeline.graph_nodes)
        self.heard: NodeCall | None = None
        self.cached = 0
        self.put_back: Callable[[], None] | None = None

    @property
    def fraction(self) -> float:
        """How much of the run is done, between 0 and 1; each node counts as much as the others."""
        done = float(self.run.done)
        for call in list(self.run.at_work.values()):
            current, total, _ = call.said or (0.0, None, "")
            done += min(1.0, max(0.0, current / total)) if total else 0.0
        return min(1.0, done / self.nodes) if self.nodes else 1.0

    @property
    def words(self) -> str:
        """What is at work, and what it says of itself."""
        run = self.run
        if run.ended is not None:
            found = f", {self.cached} cached" if self.cached else ""
            failed = "" if run.error is None else f", failed: {type(run.error).__name__}"
            return f"{run.done} of {self.nodes} nodes{found}{failed}"
        at_work = [call.node.name for call in list(run.at_work.values())]
        names = ", ".join(at_work[:3]) + (f" and {len(at_work) - 3} more" if len(at_work) > 3 else "")
        call = self.heard
        if call is None or call.said is None or call.ended is not None:
            return names
        done, total, message = call.said
        counted = f"{done:g}" if total is None else f"{done:g}/{total:g}"
        others = f" ({names})" if len(at_work) > 1 else ""
        return f"{call.node.name}: {f'{message} ' if message else ''}{counted}{others}"


class ProgressCallback(RunWatcher):
    """Shows how far long runs are: as bars in a terminal or in a notebook, and elsewhere as a line now and then.

    A run that is over soon shows nothing. What ops say of themselves by `chariots.pipelines.progress` is shown as well,
    and goes on to whomever else it was meant for, such as a job.

    Args:
        after: after how many seconds a run is shown.
        every: how many seconds lie between two lines, where the output is no terminal.
        file: where it is written to; standard error if None.

    Raises:
        ValueError: if a number of seconds is negative, or there are none between lines.
    """

    settings = ("after", "every")

    def __init__(self, after: float = 0.5, every: float = 10.0, file: TextIO | None = None) -> None:
        super().__init__()
        if not after >= 0:
            raise ValueError(f"ProgressCallback was given after={after!r}; give a number of seconds, 0 or more")
        if not every > 0:
            raise ValueError(f"ProgressCallback was given every={every!r}; give a number of seconds above 0")
        self.after = after
        self.every = every
        self.file = file
        self._shown: dict[int, Shown] = {}  # the runs that last, by their numbers
        self._screen: Screen | None = None  # while there is something on it
        self._showing = threading.RLock()
        self._looks = False  # whether the thread that looks is there

    # -- what it is told ------------------------------------------------------------------------------------------

    def on_run_begun(self, run: WatchedRun) -> None:
        """Begins to look; see `RunWatcher.on_run_begun`."""
        shown = Shown(run)
        if not run.is_implied:
            shown.put_back = redirected(lambda before: self._reporter(shown, before))
        with self._lock:
            self._shown[run.number] = shown
            if self._looks:
                return
            self._looks = True
        threading.Thread(target=self._look, name="chariots-progress", daemon=True).start()

    def on_node_ended(self, run: WatchedRun, call: NodeCall) -> None:
        """Counts what was cached; see `RunWatcher.on_node_ended`."""
        if call.state == "cached" and run.number in self._shown:
            self._shown[run.number].cached += 1

    def on_run_ended(self, run: WatchedRun) -> None:
        """Shows how it ended, if it was shown; see `RunWatcher.on_run_ended`."""
        with self._lock:
            shown = self._shown.pop(run.number, None)
        if shown is None:
            return
        if shown.put_back is not None:
            shown.put_back()
        with self._showing:
            if self._screen is not None:
                self._screen.end(shown)
                if self._screen.is_idle:
                    self._screen.close()
                    self._screen = None

    def _reporter(self, shown: Shown, before: Reporter | None) -> Reporter:
        """What hears the progress of the ops of a run, and tells whoever heard it before."""

        def report(current: float, total: float | None, message: str) -> None:
            if before is not None:
                before(current, total, message)
            thread = threading.get_ident()
            at_work = list(shown.run.at_work.values())
            here = next((call for call in at_work if call.thread == thread), at_work[0] if at_work else None)
            if here is not None:
                here.said = (current, total, message)
                shown.heard = here

        return report

    # -- the thread that looks ------------------------------------------------------------------------------------

    def _look(self) -> None:
        while True:
            with self._lock:
                if not self._shown:
                    self._looks = False
                    return
                pause = self._pause()
            time.sleep(pause)
            self.look()

    def _pause(self) -> float:
        """How long there is nothing to look at; under the lock."""
        oldest = max(shown.run.seconds for shown in self._shown.values())
        if oldest < self.after:
            return min(self.after - oldest, 1.0)  # where runs are short, one thread sees to many of them
        return self._screen.pause if self._screen is not None else 0.0

    def look(self) -> None:
        """Shows the runs that take long, as they are now; called by a thread, a few times a second."""
        with self._showing:
            with self._lock:
                long = [shown for shown in self._shown.values() if shown.run.seconds >= self.after]
            if not long:
                return
            if self._screen is None:
                from chariots.pipelines.progress_screens import screen_for

                self._screen = screen_for(self.file, self.every, time.monotonic)
            self._screen.show(long)
