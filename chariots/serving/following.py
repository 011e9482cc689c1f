"""How does every process of a server come to serve what was put into service by another one?

A thread of each process that answers requests asks the op store about once a second, in one question for all pipelines,
what is to be served. Where that is something else than what serves here, the pipeline loads it beside the old state and
swaps, just as a load does.
"""

from __future__ import annotations

import atexit
import logging
import os
import random
import threading
import time
import weakref
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from chariots import web
from chariots.serving.obstacles import passes, told
from chariots.web import RetryPolicy, tracing

if TYPE_CHECKING:
    from chariots.pipelines.store import OpStoreProtocol
    from chariots.serving.routing import Routing
    from chariots.serving.served import ServedPipeline

__all__ = ["FOLLOW_SECONDS", "STILL", "Follower"]

FOLLOW_SECONDS: Final = 0.75  # the longest pause between two questions: two seconds less what a busy process takes
STILL: Final = "chariots.still"
"""The key of a WSGI environment that says: this request is no reason to begin following."""

_JITTER = 0.3  # the part of each pause that is left to chance, so that many processes do not ask all at once
_PATIENCE_SECONDS = 2.0  # how long one question may take
_LONGEST_BACK_OFF = 5.0  # seconds between two questions while the store does not answer
_REFUSED_SECONDS = 30.0  # after which what could not be loaded is tried again: it may have been accepted, or repaired
_LEAVING_SECONDS = 5.0  # how long the end of the process waits for a load that is under way


class Follower:
    """Keeps the pipelines of one process on what the op store says is in service.

    Args:
        served: the pipelines.
        store: the op store; None where there is nothing to follow.
        alias: the alias whose versions are served, where the store has it.
        seconds: the longest pause between two questions; None to ask nothing.
        logger: who is told that the store went away, and what could not be loaded.
        beside: what else is to be taken up from the store at every question.
    """

    def __init__(
        self,
        served: Mapping[str, ServedPipeline],
        store: OpStoreProtocol | None,
        alias: str | None,
        seconds: float | None,
        logger: logging.Logger,
        beside: Sequence[Routing] = (),
    ) -> None:
        self._beside = beside
        self._served = {name: one for name, one in served.items() if one.is_loadable}
        self._store = store if self._served and seconds is not None else None
        self._alias = alias
        self._seconds = seconds or FOLLOW_SECONDS
        self._back_off = RetryPolicy(base=self._seconds, maximum=max(self._seconds, _LONGEST_BACK_OFF), jitter=_JITTER)
        self._logger = logger
        self._process = 0  # the one whose thread follows: threads do not survive a fork
        self._starting = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._mark: str | None = None  # of the last answer, unless something of it is still to be done
        self._handled: dict[str, str] = {}  # for each pipeline, the entry that was taken up, or refused
        self._try_refused_at = 0.0
        self._failures = 0
        #: Why the store cannot be asked at this moment; None while it answers.
        self.trouble: str | None = None

    @property
    def is_running(self) -> bool:
        """Whether a thread of this process follows."""
        return self._process == os.getpid() and self._thread is not None and self._thread.is_alive()

    def ensure_running(self) -> None:
        """Starts to follow, unless this process does already, or there is nothing to follow."""
        if self._process != os.getpid():
            self._start()

    def stop(self, patience: float = _LEAVING_SECONDS) -> None:
        """Ends the thread; a load that is under way is finished first.

        Args:
            patience: how many seconds to wait for that.
        """
        self._stop.set()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread() and self._process == os.getpid():
            thread.join(patience)

    def obstacle(self) -> dict[str, Any] | None:
        """Why this server is not ready for ``/readyz``: its store is away; None while it answers."""
        if self.trouble is None:
            return None
        return {
            "detail": f"The op store does not answer: {self.trouble}. What is in service goes on serving, but nothing "
            "can be loaded, saved or promoted until the store is back.",
            "store": "away",
        }

    def look(self) -> float:
        """Asks once, and takes up what is new; never fails.

        Returns:
            the seconds after which to ask again.
        """
        store = self._store
        if store is None:
            return self._seconds
        try:
            self._take_up(store)
        except Exception as error:  # noqa: BLE001  # whatever it is, the thread goes on, and says what it was
            self._failed(error)
            return self._back_off.delay(self._failures)
        if self.trouble is not None:
            self.trouble, self._failures = None, 0
            self._logger.warning("the op store answers again")
        return self._seconds * (1 - _JITTER * random.random())

    # -- how ------------------------------------------------------------------------------------------------------

    def _start(self) -> None:
        with self._starting:
            if self._process == os.getpid():
                return
            self._stop = threading.Event()
            self._thread = None
            if self._store is not None:
                self._thread = threading.Thread(
                    target=_follow, args=(weakref.ref(self), self._stop), name="chariots follower", daemon=True
                )
                self._thread.start()
                _running.add(self)
            self._process = os.getpid()

    def _take_up(self, store: OpStoreProtocol) -> None:
        now = time.monotonic()
        if now >= self._try_refused_at:
            self._try_refused_at = now + _REFUSED_SECONDS
            for name in [name for name, served in self._served.items() if served.behind is not None]:
                self._mark = None
                self._handled.pop(name, None)
        with web.deadline.scope(_PATIENCE_SECONDS), tracing.quietly():
            found = store.standings(list(self._served), self._alias, self._mark)
        is_done = True
        if found is not None:
            self._mark = None
            for name, standing in found.pipelines.items():
                if self._handled.get(name) == standing.entry:
                    continue
                if _catch_up(self._served[name], store, standing.versions, self._logger):
                    self._handled[name] = standing.entry
                else:
                    is_done = False
            self._mark = found.mark if is_done else None
        for served in self._served.values():
            if served.start_is_pending:
                served.try_again(store)
        for routing in self._beside:
            routing.follow(store)

    def _failed(self, error: Exception) -> None:
        self._failures += 1
        known, self.trouble = self.trouble, told(error)
        if known is None:
            unexpected = None if passes(error) else error
            self._logger.warning(
                "the op store could not be asked what is in service: %s. What serves goes on serving",
                self.trouble,
                exc_info=unexpected,
            )


def _catch_up(
    served: ServedPipeline, store: OpStoreProtocol, versions: Mapping[str, int], logger: logging.Logger
) -> bool:
    """Brings a pipeline to what was put into service; what cannot be loaded leaves the old snapshot there.

    Returns:
        whether nothing is left to do before something else is put into service.

    Raises:
        ChariotsError: if the store does not answer.
    """
    if versions == served.deployment:
        served.behind = None
        return True
    if served.start_is_pending or served.unsaved is not None:  # what was trained here exists nowhere else
        return False
    try:
        served.follow(store, _PATIENCE_SECONDS)
    except Exception as error:
        if passes(error):
            raise
        if not served.current.is_ready:
            served.blocked(error)
        known, served.behind = served.behind, told(error)
        if served.behind != known and served.current.is_ready:
            logger.warning(
                "pipeline %r goes on with the versions it served before, because what was put into service since "
                "cannot be loaded here: %s",
                served.name,
                served.behind,
            )
    return True


def _follow(reference: weakref.ref[Follower], stop: threading.Event) -> None:
    """Asks until it is told to stop, or nobody has the follower any more."""
    pause = 0.0
    while not stop.wait(pause):
        follower = reference()
        if follower is None:
            return
        pause = follower.look()
        del follower


_running: weakref.WeakSet[Follower] = weakref.WeakSet()


def _stop_all() -> None:
    """Lets no thread be in the middle of a load when the interpreter is taken down around it."""
    running = list(_running)
    for follower in running:
        follower.stop(0)
    until = time.monotonic() + _LEAVING_SECONDS
    for follower in running:
        follower.stop(max(until - time.monotonic(), 0))


atexit.register(_stop_all)
