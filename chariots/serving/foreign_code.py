"""Which code of the user's has a say in how calls of pipelines are answered?

Flask lets an application say much about every request: hooks, signals, handlers, classes of its own. What is answered
beneath Flask's dispatch must not be anybody's but ours; what goes through it in a thread that it shares with other
requests must be done with the user's code when its pipeline runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import flask
from flask.sessions import SecureCookieSessionInterface

from chariots.serving.looking_at_flask import looks_at_flask
from chariots.web import bypass

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment
    from blinker import Signal

    from chariots.serving.served import ServedPipeline
    from chariots.serving.server import PipelinesServer

__all__ = ["ForeignCode"]

_ENDPOINT = "chariots.main"
_SCOPES = (None, "chariots")  # hooks for all requests, and those of a blueprint that is called as our endpoints are
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
_FOR_ERRORS = ("handle_exception", "handle_http_exception", "handle_user_exception", "log_exception")
_SIGNALS = (
    flask.appcontext_popped,
    flask.appcontext_pushed,
    flask.appcontext_tearing_down,
    flask.request_finished,
    flask.request_started,
    flask.request_tearing_down,
)

Hooks = Sequence[Callable[..., Any]]


class ForeignCode:
    """The code around the calls of the pipelines of one server.

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
        self._ends_with_the_run = False

    def served_at(self, path: str) -> ServedPipeline | None:
        """The pipeline that is called at a path, as far as is known.

        Args:
            path: as WSGI has it.
        """
        return self._served.get(path)

    def served_without(self, environ: WSGIEnvironment) -> ServedPipeline | None:
        """The pipeline that a request calls, if nobody but us has a say in how it is answered.

        Args:
            environ: of the request.
        """
        path = environ.get("PATH_INFO", "")
        if path not in self._served or not self._is_settled() or not self._is_flask_alone():
            return None
        if not all(bypass.all_bypassed(hooks, environ) for hooks in (*self._before(), *self._after())):
            return None
        return self._served.get(path)  # only now: the judgement may have taken it out

    def is_nowhere(self) -> bool:
        """Whether nobody but us ever has a say, as far as no request is needed to see it."""
        return self._is_flask_alone() and not _are_foreign(self._before()) and not _are_foreign(self._after())

    def ends_before_the_run(self, path: str) -> bool:
        """Whether nobody but us has a say in a call once its pipeline runs: there may be hooks before it, but no more.

        Args:
            path: that of the pipeline, as WSGI has it.
        """
        if not self._is_settled() or path not in self._served:
            return False
        return (
            self._ends_with_the_run
            and self._is_flask_alone()
            and not _are_foreign(self._after())
            and not _has_listeners(self._app, flask.got_request_exception)
        )

    def looks_at_flask_in(self, served: ServedPipeline) -> None:
        """Notes that a pipeline needs a request of Flask around its runs.

        Args:
            served: the pipeline.
        """
        self._served = {path: other for path, other in self._served.items() if other is not served}

    # -- how ------------------------------------------------------------------------------------------------------

    def _is_settled(self) -> bool:
        """Whether it is settled what Flask would do; the first request goes through it, which allows no more setup."""
        if not self._is_judged:
            if self._is_first:
                self._is_first = False
                return False
            self._judge()
            self._is_judged = True
        return True

    def _before(self) -> Iterator[Hooks]:
        """What Flask would call before every request."""
        for scope in _SCOPES:
            yield self._app.before_request_funcs.get(scope, ())

    def _after(self) -> Iterator[Hooks]:
        """What Flask would call after every request, and at its end."""
        for scope in _SCOPES:
            yield self._app.after_request_funcs.get(scope, ())
            yield self._app.teardown_request_funcs.get(scope, ())

    def _is_flask_alone(self) -> bool:
        """Whether nobody has a say in how requests are answered but by a hook around each."""
        app = self._app
        return not (
            app.teardown_appcontext_funcs
            or any(app.url_value_preprocessors.get(scope) for scope in _SCOPES)
            or app.view_functions.get(_ENDPOINT) is not self._view
            or any(_has_listeners(app, signal) for signal in _SIGNALS)
        )

    def _judge(self) -> None:
        """Keeps what is served as it would be by Flask; all of it is settled when the first request comes."""
        app = self._app
        untouched = (
            _are_of_flask(app, _METHODS)
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
        raises = app.debug or app.testing or app.config.get("PROPAGATE_EXCEPTIONS")
        handles = not _are_of_flask(app, _FOR_ERRORS) or not all(map(_is_ours, _error_handlers(app)))
        self._ends_with_the_run = not (raises or handles)


def _are_of_flask(app: flask.Flask, methods: Iterable[str]) -> bool:
    return all(getattr(getattr(app, name), "__func__", None) is getattr(flask.Flask, name) for name in methods)


def _has_listeners(app: flask.Flask, signal: Signal) -> bool:
    return bool(signal.receivers) and bool(signal.has_receivers_for(app))


def _are_foreign(hooks: Iterator[Hooks]) -> bool:
    return any(bypass.is_foreign(hook) for some in hooks for hook in some)


def _error_handlers(app: flask.Flask) -> Iterator[Callable[..., Any]]:
    for scope in _SCOPES:
        for handlers in app.error_handler_spec.get(scope, {}).values():
            yield from handlers.values()


def _is_ours(handler: Callable[..., Any]) -> bool:
    return str(getattr(handler, "__module__", "")).partition(".")[0] == "chariots"


def _leads_here(urls: Any, name: str) -> bool:
    """Whether the path of a pipeline leads to our view, and not to a rule of the user's."""
    from werkzeug.exceptions import HTTPException
    from werkzeug.routing import RequestRedirect

    try:
        found: tuple[str, dict[str, Any]] = urls.match(f"/pipelines/{name}/main", method="POST")
    except (HTTPException, RequestRedirect):
        return False
    return found == (_ENDPOINT, {"name": name})
