"""Which routes does a pipelines server have?"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from flask import Response
from werkzeug.exceptions import HTTPException

from chariots import schema, web
from chariots.errors import ChariotsError, InputError, NoWorkerPoolError
from chariots.serving import execution
from chariots.serving.inputs import ABSENT, INPUT_KEY

if TYPE_CHECKING:
    from chariots.serving.served import ServedPipeline
    from chariots.serving.server import PipelinesServer
    from chariots.workers import BaseWorkerPool

__all__ = ["register"]

WORKER_KEY = "use_worker"
_JSON = "application/json"


def register(app: PipelinesServer) -> None:
    """Adds every documented route to a server.

    Args:
        app: the server, its pipelines in place.
    """
    views = _Views(app)
    for path, method, view in (
        ("/pipelines/<name>/main", "POST", views.main),
        ("/pipelines/<name>/versions", "POST", views.versions),
        ("/pipelines/<name>/load", "POST", views.load),
        ("/pipelines/<name>/save", "POST", views.save),
        ("/pipelines/<name>/health_check", "GET", views.health_check),
        ("/health_check", "GET", views.health_checks),
        ("/available_pipelines", "GET", views.available_pipelines),
        ("/jobs/fetch/", "POST", views.fetch_job),
    ):
        # Dotted endpoints cannot clash with the user's own routes, which are called like their functions.
        endpoint = f"chariots.{view.__name__}"
        app.add_url_rule(path, endpoint, _plain(view), methods=[method], strict_slashes=False)


def _plain(view: Callable[..., Any]) -> Callable[..., Any]:
    """A function around a bound method, for whoever decorates or inspects view functions."""

    def call(**arguments: str) -> Any:
        return view(**arguments)

    call.__name__, call.__doc__ = view.__name__, view.__doc__
    return call


class _Views:
    """The views of one server; each reads what it needs once and holds no lock."""

    def __init__(self, app: PipelinesServer) -> None:
        self._app = app
        self._served = app.served

    def main(self, name: str) -> Response:
        """Executes a pipeline."""
        app = self._app
        served = self._served.get(name) or app.served_pipeline(name)
        body = _body()
        value = body.get(INPUT_KEY, ABSENT)
        wish = body.get(WORKER_KEY)
        if wish is not None and not isinstance(wish, bool):
            raise InputError(
                f"{WORKER_KEY} should be true, false or null, not {schema.dumps(wish)[:40].decode()}. "
                "Leave it out to let the pipeline and the server decide.",
                errors=[{"loc": [WORKER_KEY], "expected": "true, false or null", "got": type(wish).__name__}],
            )
        if execution.wants_worker(wish, served.use_worker, app.use_workers):
            return self._hand_over(served, value)
        converted = served.inputs.read(value)
        snapshot = served.ready(app.op_store_client)
        try:
            output, snapshot = execution.run(served, snapshot, converted, app.runner)
        except Exception as error:
            if _is_handled(app, error):
                raise
            raise execution.op_failure(name, error) from error
        return Response(execution.answer_json(name, output, snapshot), 200, content_type=_JSON)

    def versions(self, name: str) -> Response:
        """Shows the version of every node of a pipeline."""
        return Response(self._app.served_pipeline(name).current.versions_json, 200, content_type=_JSON)

    def load(self, name: str) -> Response:
        """Puts the versions that were promoted into service, or the newest that fit where none were."""
        self._app.load_pipeline(name)
        return web.json_response({})

    def save(self, name: str) -> Response:
        """Saves what a pipeline has learned."""
        self._app.save_pipeline(name)
        return web.json_response({})

    def health_check(self, name: str) -> Response:
        """Says whether a pipeline can answer."""
        self._app.served_pipeline(name).ready(self._app.op_store_client)
        return web.json_response({"is_loaded": True})

    def health_checks(self) -> Response:
        """Says of every pipeline whether it can answer."""
        return web.json_response({name: served.is_loaded for name, served in self._served.items()})

    def available_pipelines(self) -> Response:
        """Lists the pipelines."""
        return web.json_response(list(self._served))

    def fetch_job(self) -> Response:
        """Shows how far a job is, and its result when it is done."""
        job_id = _body().get("job_id")
        if not isinstance(job_id, str):
            got = "nothing" if job_id is None else type(job_id).__name__
            raise InputError(
                f'job_id should be the text that a call with use_worker answered, not {got}. Send {{"job_id": ...}}.',
                errors=[{"loc": ["job_id"], "expected": "text", "got": got}],
            )
        pool = self._pool("a job was asked for")
        return Response(pool.get_pipeline_response_json_for_id(job_id), 200, content_type=_JSON)

    def _hand_over(self, served: ServedPipeline, value: Any) -> Response:
        """Asks the pool to execute a call; the input is checked here and converted where it is used."""
        served.inputs.read(value)
        snapshot = served.current
        pool = self._pool(f"pipeline {served.name!r} was to be executed by a worker")
        job_id = pool.execute_pipeline_async(snapshot.pipeline, None if value is ABSENT else value, self._app)
        return Response(execution.queued_json(job_id, snapshot), 200, content_type=_JSON)

    def _pool(self, asked: str) -> BaseWorkerPool:
        if self._app.worker_pool is None:
            raise NoWorkerPoolError(
                f"{asked}, but this server has no workers. Give it a pool with the setting worker_pool "
                "(worker_pool=RQWorkerPool(...), for example), or do not ask for a worker."
            )
        return self._app.worker_pool


def _body() -> dict[str, Any]:
    """The JSON object in the body of the current request; an empty body counts as an empty object."""
    body = web.read_json(empty={})
    if type(body) is not dict:
        got = schema.dumps(body)[:40].decode("utf-8", "ignore")
        raise InputError(
            f'the body should be a JSON object such as {{"{INPUT_KEY}": ...}}, not {got}. '
            f"Put what you sent under {INPUT_KEY!r}.",
            errors=[{"loc": [], "expected": "an object", "got": type(body).__name__}],
        )
    return body


def _is_handled(app: PipelinesServer, error: Exception) -> bool:
    """Whether the user registered an error handler for just this kind of exception, as Flask lets one do."""
    if isinstance(error, ChariotsError | HTTPException):
        return False  # an op may itself call a server; what that answered is not what we answer
    handlers = app.error_handler_spec[None][None]
    return any(kind in handlers for kind in type(error).__mro__ if kind is not Exception)
