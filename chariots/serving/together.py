"""How are many ordinary calls that are there at once answered, in one thread?

Threads that each answer one request spend more time on handing the interpreter to each other than on a small model.
Whoever has several requests at hand gives them here together: each is read, those of one pipeline are run, each is
answered. Whatever a server does around a request is done for each, as it would be for one that came alone.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from chariots.serving.fast_path import ASKED, Asked
from chariots.serving.server import PipelinesServer
from chariots.web.around import Around
from chariots.web.beginning import Beginning

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

    from chariots.serving.fast_path import FastPath
    from chariots.serving.served import ServedPipeline
    from chariots.serving.snapshots import Snapshot

__all__ = ["Manner", "Together", "Turn"]

_logger = logging.getLogger("chariots.serve")

Manner = Literal["together", "alone"]
"""Whether one run serves many requests, or each has its own."""

QUICK_SECONDS: Mapping[Manner, float] = {"together": 0.02, "alone": 0.001}  # what a run may take


@dataclass(slots=True)
class Turn:
    """One request, and what is to become of it.

    Attributes:
        environ: its WSGI environment.
        start_response: as WSGI has it.
        owner: whose request it is, for whoever brought it.
        call: the call, read.
        beginning: what the server keeps of it.
    """

    environ: WSGIEnvironment
    start_response: StartResponse
    owner: Any
    call: Asked
    beginning: Beginning | None = None


class Together:
    """Answers ordinary calls of one server, many at once.

    Args:
        around: what the server does around every request.
        fast_path: what answers beneath Flask.
    """

    def __init__(self, around: Around, fast_path: FastPath) -> None:
        self._around = around
        self._fast_path = fast_path

    @classmethod
    def of(cls, app: Any) -> Together | None:
        """Makes one for a server.

        Args:
            app: the WSGI application.

        Returns:
            None where it is no server of pipelines, or somebody has a say in each of its requests.
        """
        if not isinstance(app, PipelinesServer) or type(app).__call__ is not PipelinesServer.__call__:
            return None
        around, fast_path = app.wsgi_app, app.fast_path
        if fast_path is None or type(app).wsgi_app is not PipelinesServer.wsgi_app or type(around) is not Around:
            return None
        return cls(around, fast_path)

    def manner(self, path: str) -> Manner | None:
        """How calls at a path run, if that takes so little time that others can wait for it.

        Args:
            path: as WSGI has it.

        Returns:
            None where it takes longer, nothing is called there, or somebody else has a say in it.
        """
        served = self._fast_path.served_at(path)
        if served is None:
            return None
        snapshot = served.current
        is_tried = served.routing is not None and served.routing.is_active
        if is_tried or not snapshot.is_ready or snapshot.trains or snapshot.has_data:
            return None
        manner: Manner = "together" if _runs_together(served, snapshot) else "alone"
        is_quick = snapshot.pace.is_below(QUICK_SECONDS[manner])
        return manner if is_quick and self._fast_path.may_ever_pass() else None

    def read(self, environ: WSGIEnvironment, start_response: StartResponse, owner: Any) -> Turn | None:
        """Reads a request.

        Args:
            environ: its WSGI environment; as good as new if it is not ordinary.
            start_response: as WSGI has it.
            owner: whose request it is.

        Returns:
            None where it is no ordinary call, and is to be answered in another way.
        """
        call = self._fast_path.read(environ)
        return None if call is None else Turn(environ, start_response, owner, call)

    def begin(self, turns: Sequence[Turn]) -> list[list[Turn]]:
        """Begins what was read, and finds out what can run together.

        Args:
            turns: the requests.

        Returns:
            all of them in groups; each is to be given to `run`, whose requests are to be given to `finish` then.
        """
        alike: dict[int, list[Turn]] = {}
        for turn in turns:
            try:
                turn.beginning = self._around.begin(turn.environ, turn.start_response)
            except Exception:
                _logger.exception("a request could not be begun")  # it gets no answer, and the others get theirs
            is_begun = turn.beginning is not None and turn.beginning.refusal is None
            may_join = is_begun and _runs_together(turn.call.served, turn.call.snapshot)
            alike.setdefault(id(turn.call.snapshot if may_join else turn), []).append(turn)
        return list(alike.values())

    def run(self, group: Sequence[Turn]) -> None:
        """Runs what was begun, unless the server refuses it.

        Args:
            group: requests that can run together.
        """
        first = group[0]
        if first.beginning is not None and first.beginning.refusal is None:
            self._fast_path.run_all([turn.call for turn in group], [turn.environ for turn in group])

    def finish(self, turn: Turn) -> bytes:
        """Makes the answer.

        Args:
            turn: a request that was run; its `beginning` is to be closed when the answer is sent, or cannot be.

        Returns:
            the body.
        """
        beginning = turn.beginning
        assert beginning is not None, "it was run"
        turn.environ[ASKED] = turn.call
        return b"".join(self._around.finish(beginning))


def _runs_together(served: ServedPipeline, snapshot: Snapshot) -> bool:
    return served.batcher is not None and served.batcher.may_batch(snapshot)
