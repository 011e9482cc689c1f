"""What happens around every request, whichever way it is answered?

This is WSGI around the application, so that it also holds for what is answered without Flask's dispatch. Whoever
answers so says what the request was about in its WSGI environment: `ROUTE`, `PIPELINE` and `GENERATION`.
"""

from __future__ import annotations

import contextlib
import math
import os
import threading
import time
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from chariots.errors import ChariotsError, DeadlinePassedError, TooManyRequestsError
from chariots.schema import dumps
from chariots.web import deadline, request_ids, tracing
from chariots.web.access import INSIDE, Access, Scope
from chariots.web.access_log import access_logger
from chariots.web.beginning import GENERATION, PIPELINE, ROUTE, Beginning
from chariots.web.cors import Cors
from chariots.web.problems import PROBLEM_TYPE
from chariots.web.rates import Rates
from chariots.web.settings import SHARED_FOLDER, given_in_environment, read_tokens, settled

if TYPE_CHECKING:
    import flask
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from chariots.web.metrics import Metrics

__all__ = ["Around", "for_request"]

_UNKNOWN: Final = "unknown"
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_FOR_OPERATORS: Final = frozenset({"/livez", "/readyz", "/metrics"})  # they are asked most when all else is too much


class Around:
    """What a service does around its application.

    The settings are read when the first request comes, so that all of the code that makes the application can say its
    word.

    Args:
        app: the application.
        inner: what answers.
        service: its name.
        pipelines: the names of pipelines that may be told in metrics.
        access: who may ask what; None if the settings say so, or nothing does.
        scopes: those that tokens of the settings can have, each including those before it.
        measured: called once it is known that something is measured, with where it is kept, and whether the times of
            nodes are wanted.
    """

    def __init__(
        self,
        app: flask.Flask,
        inner: WSGIApplication,
        service: str,
        *,
        pipelines: Container[str] = (),
        access: Access | None = None,
        scopes: tuple[Scope, ...] = (),
        measured: Callable[[Metrics, bool], None] | None = None,
    ) -> None:
        self._app = app
        self._prepared = measured
        self._inner = inner
        self._service = service
        self.pipelines = pipelines
        self._scopes = scopes
        self._lock = threading.Lock()
        self._is_prepared = False
        self._access = access
        self._timeout: float | None = None
        self._rates: Rates | None = None
        self._cors: Cors | None = None
        self._metrics: Metrics | None = None
        self._log: Callable[[dict[str, Any]], None] | None = None
        self._in_progress: Any = None
        self._spans: Any = None
        #: The limit on bodies where nobody has said another; None if that, or anything, was said.
        self.default_limit: int | None = None

    @property
    def access(self) -> Access | None:
        """Who may ask what; everybody may ask anything if None."""
        self.prepare()
        return self._access

    @property
    def metrics(self) -> Metrics | None:
        """Where requests are counted, if they are."""
        self.prepare()
        return self._metrics

    def admits_a_call(self, environ: WSGIEnvironment) -> bool:
        """Whether a request may call a pipeline that does not train; the check then has nothing to say.

        Args:
            environ: its WSGI environment.
        """
        access = self.access
        if access is None:
            return True
        try:
            access.admit(environ, self._scopes[0] if self._scopes else "admin")
        except ChariotsError:
            return False
        return True

    def check(self) -> None:
        """Refuses the current request of Flask if it may not be answered.

        Raises:
            ChariotsError: if its token, or the host that it names, does not allow it.
        """
        if self.access is not None:
            self.access.check()

    def require(self, scope: Scope) -> None:
        """Refuses the current request of Flask if its token does not allow so much.

        Raises:
            ForbiddenError: if it allows less.
        """
        if self.access is not None:
            self.access.require(scope)

    def prepare(self) -> None:
        """Reads the settings, if that was not done.

        Raises:
            ValueError: if one of them cannot be.
        """
        if self._is_prepared:
            return
        with self._lock:
            if not self._is_prepared:
                self._prepare(settled(self._app))
                self._is_prepared = True

    def _prepare(self, settings: dict[str, Any]) -> None:
        tokens = dict(settings["tokens"])
        if settings["tokens_file"] is not None and self._scopes:
            for scope, more in read_tokens(settings["tokens_file"]).items():
                tokens[scope] = [*tokens.get(scope, ()), *more]
        if self._access is None and self._scopes and (tokens or settings["allowed_hosts"] is not None):
            self._access = Access(
                tokens,
                settings["allowed_hosts"] or (),
                scopes=self._scopes,
                allowed_origins=settings["allowed_origins"],
                token_variable="CHARIOTS_PIPELINES_TOKEN",
                hosts_variable="CHARIOTS_SERVING_ALLOWED_HOSTS",
            )
        limit = given_in_environment().get("max_body")
        if limit is not None and self._app.config["MAX_CONTENT_LENGTH"] == self.default_limit:
            self._app.config["MAX_CONTENT_LENGTH"] = limit
        self._timeout = settings["request_timeout"]
        self._cors = Cors(settings["allowed_origins"]) if settings["allowed_origins"] else None
        if settings["rate_limit"] is not None:
            folder = os.environ.get(SHARED_FOLDER)
            self._rates = Rates(settings["rate_limit"], Path(folder, "rates") if folder else None)
        self._log = access_logger(settings["access_log"])
        self._spans = tracing.start(self._service) if settings["tracing"] else None
        if settings["metrics"]:
            from chariots.web.metrics import metrics

            self._metrics = metrics()
            self._in_progress = self._metrics.in_progress.labels(self._service)
            if self._prepared is not None:
                self._prepared(self._metrics, settings["node_times"])

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ.get(INSIDE) is True:
            return self._answer(environ, start_response)
        return self.finish(self.begin(environ, start_response))

    def begin(self, environ: WSGIEnvironment, start_response: StartResponse) -> Beginning:
        """Counts a request, and refuses it if it may not be answered.

        Args:
            environ: its WSGI environment.
            start_response: as WSGI has it.

        Returns:
            what `finish` has to be given, once, whatever happens between.
        """
        if not self._is_prepared:
            self.prepare()
        call = Beginning(self, environ, start_response)
        if self._metrics is not None:
            self._in_progress.inc()
        if self._spans is not None and environ["PATH_INFO"] not in _FOR_OPERATORS:
            self._spans.request(environ)
        try:
            call.refusal = self._refusal(environ, call)
        except BaseException as error:
            tracing.failed(environ, error)
            call.status = "500"
            call.close()
            raise
        return call

    def finish(self, call: Beginning) -> Iterable[bytes]:
        """Answers a request that was begun.

        Args:
            call: what `begin` has returned.

        Returns:
            the body; whoever sends it closes it then.
        """
        environ = call.environ
        try:
            answer = call.refusal
            if answer is None:
                answer = self._answer(environ, cast("StartResponse", call.respond))
        except BaseException as error:
            tracing.failed(environ, error)
            call.status = "500"
            call.close()
            raise
        call.answer = answer
        if not isinstance(answer, environ.get("wsgi.file_wrapper", ())):
            return call
        call.close(is_over=False)  # the server sends the file itself, if it may see that it is one
        return call.answer

    def _answer(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Has the application answer, which knows for which request it works, and how long it may."""
        if deadline.of_environ(environ) is None and tracing.SPAN not in environ:
            return self._inner(environ, start_response)
        with for_request(environ):
            return self._inner(environ, start_response)

    def _refusal(self, environ: WSGIEnvironment, call: Beginning) -> Iterable[bytes] | None:
        """The answer to a request that is not passed on; None for all others."""
        if self._cors is not None:
            preflight = self._cors.preflight(environ)
            if preflight is not None:
                call.respond("204 No Content", preflight)
                return ()
            call.added = self._cors.headers(environ)
        if environ["PATH_INFO"] in _FOR_OPERATORS:
            return None
        try:
            if self._rates is not None:
                self._check_rate(environ)
            if self._timeout is not None or "HTTP_X_REQUEST_DEADLINE" in environ:
                self._bound(environ, call.waited)
        except ChariotsError as refusal:
            return self._refuse(refusal, environ, cast("StartResponse", call.respond))
        return None

    def _check_rate(self, environ: WSGIEnvironment) -> None:
        token = None if self._access is None else self._access.known_token(environ)
        client = environ.get("REMOTE_ADDR", "").encode("utf-8", "replace") if token is None else token
        seconds = self._rates.wait(client) if self._rates is not None else 0.0
        if seconds:
            who = "this address" if token is None else "this token"
            raise TooManyRequestsError(
                f"{_asked(environ)} was refused, because {who} has asked for more than it may; ask again in "
                f"{seconds:.3g} seconds, or have rate_limit raised",
                retry_after=math.ceil(seconds),
            )

    def _bound(self, environ: WSGIEnvironment, waited: float) -> None:
        """Bounds the request, and takes what it has waited from the time that it has."""
        given = deadline.parse(environ.get("HTTP_X_REQUEST_DEADLINE", ""))
        allowed = min((limit for limit in (given, self._timeout) if limit is not None), default=None)
        if allowed is None:
            return
        left = allowed - waited
        if waited and left <= 0:
            raise DeadlinePassedError(
                f"{_asked(environ)} had {allowed:.3g} seconds, and has waited for {waited:.3g} seconds before anybody "
                "had time for it; nothing was begun. Give it more time, or let more processes serve",
                waited=round(waited, 6),
            )
        environ[deadline.UNTIL] = time.monotonic() + left

    def _refuse(self, error: ChariotsError, environ: WSGIEnvironment, respond: StartResponse) -> Iterable[bytes]:
        if self._metrics is not None:
            self._metrics.refused.labels(error.slug).inc()
        if error.status >= 500:
            tracing.failed(environ, error)
        body = dumps({**error.problem(), "request_id": environ[request_ids.DECIDED]})
        headers = [
            ("Content-Type", PROBLEM_TYPE),
            ("Content-Length", str(len(body))),
        ]
        if "retry_after" in error.extra:
            headers.append(("Retry-After", str(error.extra["retry_after"])))
        respond(f"{error.status} {error.title}", headers)
        return [body]

    def over(self, call: Beginning) -> None:
        """Counts and writes down a request that is over."""
        environ = call.environ
        route, pipeline = environ.get(ROUTE, _UNKNOWN), environ.get(PIPELINE, "")
        method = environ["REQUEST_METHOD"]
        taken = time.perf_counter() - call.began
        if self._spans is not None:
            self._spans.answered(environ, call.status, environ.get(ROUTE), pipeline)
        if self._metrics is not None:
            self._in_progress.dec()
            told = method if method in _METHODS else _UNKNOWN
            self._metrics.answered(self._service, route, pipeline, told, call.status, taken + call.waited)
        if self._log is not None:
            self._log(
                {
                    "request_id": environ[request_ids.DECIDED],
                    "client": environ.get("REMOTE_ADDR"),
                    "method": method,
                    "path": environ["PATH_INFO"],
                    "route": route,
                    "status": int(call.status),
                    "duration_ms": round(taken * 1000, 3),
                    "waited_ms": round(call.waited * 1000, 3),
                    "pipeline": pipeline or None,
                    "generation": environ.get(GENERATION),
                }
            )

    def note(self, environ: WSGIEnvironment) -> None:
        """Notes the rule that a request follows, and the pipeline that it is about, while Flask's dispatch knows it."""
        request = environ.get("werkzeug.request")
        rule = getattr(request, "url_rule", None)
        if request is not None and rule is not None:
            environ[ROUTE] = rule.rule
            names = (request.view_args or {}).values()
            environ[PIPELINE] = next((name for name in names if name in self.pipelines), "")


@contextlib.contextmanager
def for_request(environ: Mapping[str, Any]) -> Iterator[None]:
    """Lets what runs inside know how long it may take for a request, and what its spans belong to.

    Args:
        environ: the WSGI environment of the request.
    """
    until = deadline.of_environ(environ)
    with deadline.scope(None if until is None else until - time.monotonic()), tracing.within(environ):
        yield


def _asked(environ: WSGIEnvironment) -> str:
    return f"{environ['REQUEST_METHOD']} {environ['PATH_INFO'][:200]}"
