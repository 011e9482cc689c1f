"""How are many ordinary calls that are there at once answered, in one thread?

Threads that each answer one request spend more time on handing the interpreter to each other than on a small model.
Whoever has several requests at hand gives them here together: each is read, those of one pipeline are run, each is
answered. Whatever a server does around a request is done for each, as it would be for one that came alone; so is what
Flask does, and hooks before it, where a call does not go beneath it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from chariots.serving.dispatched import Dispatched
from chariots.serving.execution import wants_worker
from chariots.serving.fast_path import ASKED, Asked, run_all
from chariots.serving.ordinary import body_of, is_ordinary
from chariots.serving.server import PipelinesServer
from chariots.serving.snapshots import Pace
from chariots.web.around import Around
from chariots.web.beginning import Beginning

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

    from chariots.serving.served import ServedPipeline
    from chariots.serving.snapshots import Snapshot

__all__ = ["Manner", "Together", "Turn"]

_logger = logging.getLogger("chariots.serve")

Manner = Literal["together", "alone", "dispatched"]
"""Whether one run serves many requests, or each has its own, or one serves many that go through Flask."""

QUICK_SECONDS: Mapping[Manner, float] = {"together": 0.02, "alone": 0.001}  # what a run may take
QUICK_HOOKS_SECONDS = 0.001  # what Flask and hooks before a run may take; threads do better for those that wait
HOOKS_OUT_SECONDS = 60.0  # for which calls are left to threads after that was too much


@dataclass(slots=True)
class Turn:
    """One request, and what is to become of it.

    Attributes:
        environ: its WSGI environment.
        start_response: as WSGI has it.
        owner: whose request it is, for whoever brought it.
        manner: how it is answered.
        served: the pipeline that it calls.
        call: the call, read; None where Flask is to read it.
        beginning: what the server keeps of it.
        dispatched: the request on its way through Flask.
    """

    environ: WSGIEnvironment
    start_response: StartResponse
    owner: Any
    manner: Manner
    served: ServedPipeline
    call: Asked | None = None
    beginning: Beginning | None = None
    dispatched: Dispatched | None = None
    _free: threading.Lock = field(default_factory=threading.Lock)

    def claim(self) -> bool:
        """Takes a request that is to go through Flask; whoever is the first to do so has it."""
        return self._free.acquire(blocking=False)


class Together:
    """Answers ordinary calls of one server, many at once.

    Args:
        app: the server.
        around: what it does around every request.
    """

    def __init__(self, app: PipelinesServer, around: Around) -> None:
        self._app = app
        self._around = around
        self._foreign = app.foreign_code
        self._fast_path = app.fast_path
        self._hooks = Pace()  # that of Flask and hooks before a run, for one request

    @classmethod
    def of(cls, app: Any) -> Together | None:
        """Makes one for a server.

        Args:
            app: the WSGI application.

        Returns:
            None where it is no server of pipelines, or something stands around all of its requests.
        """
        if not isinstance(app, PipelinesServer) or type(app).__call__ is not PipelinesServer.__call__:
            return None
        around = app.wsgi_app
        if type(app).wsgi_app is not PipelinesServer.wsgi_app or type(around) is not Around:
            return None
        return cls(app, around)

    def manner(self, path: str) -> Manner | None:
        """How calls at a path run, if that takes so little time that others can wait for it.

        Args:
            path: as WSGI has it.

        Returns:
            None where it takes longer, nothing is called there, or somebody else has a say in it.
        """
        served = self._foreign.served_at(path)
        if served is None:
            return None
        snapshot = served.current
        is_tried = served.routing is not None and served.routing.is_active
        if is_tried or not snapshot.is_ready or snapshot.trains or snapshot.has_data:
            return None
        manner: Manner = "together" if _runs_together(served, snapshot) else "alone"
        if not snapshot.pace.is_below(QUICK_SECONDS[manner]):
            return None
        if self._fast_path is not None and self._foreign.is_nowhere():
            return manner
        return "dispatched" if manner == "together" and self._foreign.ends_before_the_run(path) else None

    def read(self, environ: WSGIEnvironment, start_response: StartResponse, owner: Any, manner: Manner) -> Turn | None:
        """Reads a request.

        Args:
            environ: its WSGI environment; as good as new if it is not ordinary.
            start_response: as WSGI has it.
            owner: whose request it is.
            manner: how calls at its path run.

        Returns:
            None where it is no ordinary call, and is to be answered in another way.
        """
        if manner == "dispatched":
            called = self._may_be_dispatched(environ)
            return None if called is None else Turn(environ, start_response, owner, manner, called)
        call = None if self._fast_path is None else self._fast_path.read(environ)
        return None if call is None else Turn(environ, start_response, owner, manner, call.served, call)

    def begin(self, turns: Sequence[Turn]) -> list[list[Turn]]:
        """Begins what was read, and finds out what can run together.

        Args:
            turns: the requests.

        Returns:
            all of them in groups; each is to be given to `run`, whose requests are to be given to `finish` then.
        """
        alike: dict[int, list[Turn]] = {}
        for turn in turns:
            alike.setdefault(id(self._joined_by(turn)), []).append(turn)
        return list(alike.values())

    def run(self, group: Sequence[Turn]) -> Sequence[Turn]:
        """Runs what was begun, unless the server refuses it.

        Args:
            group: requests that can run together.

        Returns:
            those of them that can be finished; somebody else has claimed the others.
        """
        first = group[0]
        if first.manner == "dispatched":
            return self._run_dispatched(group)
        if first.beginning is not None and first.beginning.refusal is None:
            run_all([(turn.call, turn.environ) for turn in group if turn.call is not None], self._app.runner)
        return group

    def finish(self, turn: Turn) -> bytes:
        """Makes the answer.

        Args:
            turn: a request that was run; its `beginning` is to be closed when the answer is sent, or cannot be.

        Returns:
            the body.
        """
        if turn.dispatched is not None:
            return turn.dispatched.end()
        beginning = turn.beginning
        assert beginning is not None, "it was run"
        turn.environ[ASKED] = turn.call
        return b"".join(self._around.finish(beginning))

    # -- how ------------------------------------------------------------------------------------------------------

    def _joined_by(self, turn: Turn) -> object:
        """Begins a request, unless it begins in a greenlet; gives what it has in common with those it can run with."""
        call = turn.call
        if call is None:
            return turn.served
        try:
            turn.beginning = self._around.begin(turn.environ, turn.start_response)
        except Exception:
            _logger.exception("a request could not be begun")  # it gets no answer, and the others get theirs
        is_begun = turn.beginning is not None and turn.beginning.refusal is None
        return call.snapshot if is_begun and _runs_together(call.served, call.snapshot) else turn

    def _may_be_dispatched(self, environ: WSGIEnvironment) -> ServedPipeline | None:
        """The pipeline that an ordinary request calls, if it is to be run here and now."""
        served = self._foreign.served_at(environ["PATH_INFO"])
        if served is None or not is_ordinary(environ) or wants_worker(served.use_worker, self._app.use_workers):
            return None
        body = body_of(environ, self._app.config["MAX_CONTENT_LENGTH"])
        return None if body is None or b"worker" in body else served

    def _run_dispatched(self, group: Sequence[Turn]) -> Sequence[Turn]:
        ours: list[Turn] = []
        alike: dict[int, list[tuple[Asked, WSGIEnvironment]]] = {}
        began = time.perf_counter()
        for turn in group:
            if not turn.claim():
                continue
            ours.append(turn)
            dispatched = turn.dispatched = Dispatched(self._around, self._foreign, turn.environ, turn.start_response)
            dispatched.begin()
            turn.beginning, call = dispatched.beginning, dispatched.call
            if call is not None:
                alike.setdefault(id(call.snapshot), []).append((call, turn.environ))
        if ours:
            self._hooks.ran((time.perf_counter() - began) / len(ours))
        if self._hooks.is_above(QUICK_HOOKS_SECONDS):
            self._hooks = Pace()
            group[0].served.current.pace.rule_out(HOOKS_OUT_SECONDS)
        for calls in alike.values():
            run_all(calls, self._app.runner)
        return ours


def _runs_together(served: ServedPipeline, snapshot: Snapshot) -> bool:
    return served.batcher is not None and served.batcher.may_batch(snapshot)
