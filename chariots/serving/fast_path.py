"""Which calls of a pipeline can be answered beneath Flask's dispatch, so that nobody can tell?

Flask makes a request object, matches a route, opens a session and calls hooks; that takes longer than many a model. The
ordinary call of a pipeline, a small JSON object with an input, needs none of it. What is not ordinary, or looked at by
something of the user's, goes through Flask as ever: nothing of it has happened here yet, but that its body was read,
which can be read again. An op that failed is not run again there: its exception is raised where it would have been.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chariots import schema
from chariots.errors import ChariotsError
from chariots.serving import execution
from chariots.serving.inputs import ABSENT, INPUT_KEY
from chariots.serving.job_requests import WORKER_KEY
from chariots.serving.looking_at_flask import is_about_context
from chariots.serving.ordinary import body_of, is_ordinary
from chariots.web import deadline, request_ids, tracing
from chariots.web.beginning import GENERATION, PIPELINE, ROUTE

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

    from chariots.pipelines.runners import BaseRunner
    from chariots.serving.served import ServedPipeline
    from chariots.serving.server import PipelinesServer
    from chariots.serving.snapshots import Snapshot

__all__ = ["ASKED", "FAILURE", "MAIN", "OUTCOME", "RUNS", "Asked", "FastPath", "run_all"]

ASKED = "chariots.asked"  # in the WSGI environment: a call that was read and run, and has no answer yet
FAILURE = "chariots.failure"  # there as well: what an op has raised here
OUTCOME = "chariots.outcome"  # there as well: an output that has no simple form in JSON, and the snapshot that made it
RUNS = "chariots.runs"  # there as well: what runs the pipeline for Flask, where others are to run along with it
MAIN = "/pipelines/<name>/main"

_MEMBERS = ({INPUT_KEY}, {INPUT_KEY, WORKER_KEY}, {WORKER_KEY}, set[str]())

_NOT_RUN: execution.Outcome = (None, RuntimeError("a call was read, but nobody has run it"))


@dataclass(slots=True)
class Asked:
    """One call that was read.

    Attributes:
        served: the pipeline.
        snapshot: the state to run on.
        value: the input, converted.
        outcome: what came of running it.
    """

    served: ServedPipeline
    snapshot: Snapshot
    value: Any
    outcome: execution.Outcome = _NOT_RUN


class FastPath:
    """Answers the ordinary calls of the pipelines of one server.

    Args:
        app: the server, its routes in place, and the code of the user's that may have a say known.
    """

    def __init__(self, app: PipelinesServer) -> None:
        self._app = app
        self._foreign = app.foreign_code

    def answer(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes] | None:
        """Answers a request.

        Args:
            environ: of the request; as good as new if this is not the way to answer it.
            start_response: as WSGI has it.

        Returns:
            the body; None where the request is to go through Flask.
        """
        asked: Asked | None = environ.pop(ASKED, None)
        if asked is None:
            asked = self.read(environ)
            if asked is None:
                return None
            asked.outcome = self._run(environ, asked)
        answer = self._written(environ, asked)
        if answer is None:
            return None
        start_response(
            "200 OK",
            [("Content-Type", "application/json"), ("Content-Length", str(len(answer)))],
        )
        return (answer,)

    def read(self, environ: WSGIEnvironment) -> Asked | None:
        """Reads an ordinary call.

        Args:
            environ: of the request; as good as new if it is none.

        Returns:
            the call; None where the request is to go through Flask.
        """
        served = self._foreign.served_without(environ)
        if served is None or not is_ordinary(environ):
            return None
        members = self._members(environ, served)
        if members is None:
            return None
        try:
            value = served.inputs.read(members.get(INPUT_KEY, ABSENT))
        except ChariotsError:
            return None
        snapshot = served.current
        if not snapshot.is_ready or snapshot.trains or snapshot.has_data:
            return None
        environ[ROUTE], environ[PIPELINE] = MAIN, served.name
        return Asked(served, snapshot, value)

    def _members(self, environ: WSGIEnvironment, served: ServedPipeline) -> dict[str, Any] | None:
        """The members of the body; None where Flask must look at it, or the pipeline cannot run here and now."""
        if served.start_is_pending or not served.current.is_ready or served.current.trains or served.current.has_data:
            return None
        if served.routing is not None and served.routing.is_active:  # who answers is decided by a header
            return None
        body = body_of(environ, self._app.config["MAX_CONTENT_LENGTH"])
        if body is None:
            return None
        try:
            members = schema.loads(body)
        except ChariotsError:
            return None
        if type(members) is not dict or members.keys() not in _MEMBERS:
            return None
        wish = members.get(WORKER_KEY)
        if not (wish is None or wish is False):
            return None
        if execution.wants_worker(wish, served.use_worker, self._app.use_workers):
            return None
        return members

    def _run(self, environ: WSGIEnvironment, asked: Asked) -> execution.Outcome:
        try:
            with _work_for(environ):
                return execution.run_request(asked.served, asked.snapshot, asked.value, self._app.runner)[0], None
        except Exception as error:  # noqa: BLE001  # it is raised again within Flask
            return None, error

    def _written(self, environ: WSGIEnvironment, asked: Asked) -> bytes | None:
        """The answer; None where Flask is to make it of what is left in the WSGI environment."""
        served, snapshot = asked.served, asked.snapshot
        output, error = asked.outcome
        if error is not None:
            if is_about_context(error):
                # The op looks at Flask's request after all; there it finds one.
                self._foreign.looks_at_flask_in(served)
                return None
            environ[FAILURE] = error
            return None
        environ[GENERATION] = snapshot.generation
        if not isinstance(output, Iterator):  # which is sent piece by piece
            with contextlib.suppress(ChariotsError):  # the same is raised within Flask
                return execution.answer_json(served.name, output, snapshot)
        environ[OUTCOME] = output, snapshot
        return None


def run_all(calls: Sequence[tuple[Asked, WSGIEnvironment]], runner: BaseRunner) -> None:
    """Runs calls of one pipeline on one snapshot in this thread, together where that can be.

    Args:
        calls: which get their outcomes, each with the environment of its request; the id of the first is that of the
            run.
        runner: who runs them.
    """
    first, environ_of_first = calls[0]
    values = [call.value for call, _ in calls]
    spans = [environ.get(tracing.SPAN) for _, environ in calls]
    # The patience of one must not end what others wait for.
    with _work_for(environ_of_first, is_bounded=len(calls) == 1):
        came = execution.run_all(first.served, first.snapshot, values, runner, spans)
    for (call, _), outcome in zip(calls, came, strict=True):
        call.outcome = outcome


@contextlib.contextmanager
def _work_for(environ: WSGIEnvironment, *, is_bounded: bool = True) -> Iterator[None]:
    """Lets what runs inside know for which request it does, and how long it may take."""
    until = deadline.of_environ(environ) if is_bounded else None
    token = request_ids.outside.set(request_ids.of_environ(environ))
    try:
        with deadline.scope(None if until is None else until - time.monotonic()):
            yield
    finally:
        request_ids.outside.reset(token)
