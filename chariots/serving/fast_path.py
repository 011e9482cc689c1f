"""Which calls of a pipeline can be answered beneath Flask's dispatch, so that nobody can tell?

Flask makes a request object, matches a route, opens a session and calls hooks; that takes longer than many a model. The
ordinary call of a pipeline, a small JSON object with an input, needs none of it. What is not ordinary, or looked at by
something of the user's, goes through Flask as ever: nothing of it has happened here yet, but that its body was read,
which can be read again. An op that failed is not run again there: its exception is raised where it would have been.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import flask
from flask.sessions import SecureCookieSessionInterface

from chariots import schema
from chariots.errors import ChariotsError
from chariots.serving import execution
from chariots.serving.inputs import ABSENT, INPUT_KEY
from chariots.serving.job_requests import WORKER_KEY
from chariots.serving.looking_at_flask import is_about_context, looks_at_flask
from chariots.serving.ordinary import body_of, is_ordinary
from chariots.web import bypass, deadline, request_ids, tracing
from chariots.web.beginning import GENERATION, PIPELINE, ROUTE

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

    from chariots.serving.served import ServedPipeline
    from chariots.serving.server import PipelinesServer
    from chariots.serving.snapshots import Snapshot

__all__ = ["ASKED", "FAILURE", "MAIN", "OUTCOME", "Asked", "FastPath"]

ASKED = "chariots.asked"  # in the WSGI environment: a call that was read and run, and has no answer yet
FAILURE = "chariots.failure"  # there as well: what an op has raised here
OUTCOME = "chariots.outcome"  # there as well: an output that has no simple form in JSON, and the snapshot that made it
MAIN = "/pipelines/<name>/main"

_ENDPOINT = "chariots.main"
_MEMBERS = ({INPUT_KEY}, {INPUT_KEY, WORKER_KEY}, {WORKER_KEY}, set[str]())
_METHODS = (
    "app_context",
    "create_url_adapter",
    "dispatch_request",
    "do_teardown_appcontext",
    "do_teardown_request",
    "ensure_sync",
    "finalize_request",
    "full_dispatch_request",
    "make_response",
    "preprocess_request",
    "process_response",
    "request_context",
)
_SIGNALS = (
    flask.appcontext_popped,
    flask.appcontext_pushed,
    flask.appcontext_tearing_down,
    flask.request_finished,
    flask.request_started,
    flask.request_tearing_down,
)


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
    outcome: execution.Outcome = (None, None)


class FastPath:
    """Answers the ordinary calls of the pipelines of one server.

    Args:
        app: the server, its routes in place.
    """

    def __init__(self, app: PipelinesServer) -> None:
        self._app = app
        self._view = app.view_functions[_ENDPOINT]
        # As WSGI has paths: the bytes of the text, each as a character.
        self._served = {
            f"/pipelines/{name}/main".encode().decode("latin-1"): served for name, served in app.served.items()
        }
        self._is_first = True
        self._is_judged = False

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

    def served_at(self, path: str) -> ServedPipeline | None:
        """The pipeline that is called at a path.

        Args:
            path: as WSGI has it.
        """
        return self._served.get(path)

    def read(self, environ: WSGIEnvironment) -> Asked | None:
        """Reads an ordinary call.

        Args:
            environ: of the request; as good as new if it is none.

        Returns:
            the call; None where the request is to go through Flask.
        """
        path = environ.get("PATH_INFO", "")
        if path not in self._served or not (self._may_pass(environ) and is_ordinary(environ)):
            return None
        served = self._served.get(path)  # only now: the judgement may have taken it out
        if served is None:
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

    def run_all(self, calls: Sequence[Asked], environs: Sequence[WSGIEnvironment]) -> None:
        """Runs calls of one pipeline on one snapshot in this thread, together where that can be.

        Args:
            calls: which get their outcomes.
            environs: of their requests; the id of the first is that of the run.
        """
        first = calls[0]
        values = [call.value for call in calls]
        spans = [environ.get(tracing.SPAN) for environ in environs]
        # The patience of one must not end what others wait for.
        with _work_for(environs[0], is_bounded=len(calls) == 1):
            came = execution.run_all(first.served, first.snapshot, values, self._app.runner, spans)
        for call, outcome in zip(calls, came, strict=True):
            call.outcome = outcome

    def may_ever_pass(self) -> bool:
        """Whether nobody but us has a say in how requests are answered, as far as no request is needed to see it."""
        return self._is_ours() and not any(bypass.is_foreign(hook) for hooks in self._hooks() for hook in hooks)

    def _may_pass(self, environ: WSGIEnvironment) -> bool:
        """Whether nobody but us has a say in how a request is answered."""
        if not self._is_judged:
            if self._is_first:
                # It goes through Flask, which then refuses to be set up any further.
                self._is_first = False
                return False
            self._judge()
            self._is_judged = True
        return self._is_ours() and all(bypass.all_bypassed(hooks, environ) for hooks in self._hooks())

    def _hooks(self) -> Iterator[Sequence[Callable[..., Any]]]:
        """What Flask would call around every request: before it, after it, and at its end."""
        app = self._app
        for hooks in (app.before_request_funcs, app.after_request_funcs, app.teardown_request_funcs):
            yield hooks.get(None, ())

    def _is_ours(self) -> bool:
        """Whether nobody has a say in how requests are answered but by a hook around each."""
        app = self._app
        return not (
            app.teardown_appcontext_funcs
            or app.url_value_preprocessors.get(None)
            or app.view_functions.get(_ENDPOINT) is not self._view
            or any(signal.receivers and signal.has_receivers_for(app) for signal in _SIGNALS)
        )

    def _judge(self) -> None:
        """Keeps what is served as it would be by Flask; all of it is settled when the first request comes."""
        app = self._app
        untouched = (
            all(getattr(getattr(app, name), "__func__", None) is getattr(flask.Flask, name) for name in _METHODS)
            and app.request_class is flask.Request
            and app.response_class is flask.Response
            and type(app.session_interface) is SecureCookieSessionInterface
            and not (app.url_map.host_matching or app.subdomain_matching)
            and app.config["SERVER_NAME"] is None
            and app.config.get("TRUSTED_HOSTS") is None
        )
        urls = app.url_map.bind("localhost")
        self._served = {
            path: served
            for path, served in self._served.items()
            if untouched and not looks_at_flask(served.current.pipeline, app.runner) and _leads_here(urls, served.name)
        }

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
                self._served = {path: other for path, other in self._served.items() if other is not served}
                return None
            environ[FAILURE] = error
            return None
        environ[GENERATION] = snapshot.generation
        if not isinstance(output, Iterator):  # which is sent piece by piece
            with contextlib.suppress(ChariotsError):  # the same is raised within Flask
                return execution.answer_json(served.name, output, snapshot)
        environ[OUTCOME] = output, snapshot
        return None


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


def _leads_here(urls: Any, name: str) -> bool:
    """Whether the path of a pipeline leads to our view, and not to a rule of the user's."""
    from werkzeug.exceptions import HTTPException
    from werkzeug.routing import RequestRedirect

    try:
        found: tuple[str, dict[str, Any]] = urls.match(f"/pipelines/{name}/main", method="POST")
    except (HTTPException, RequestRedirect):
        return False
    return found == (_ENDPOINT, {"name": name})
