"""Which routes does a pipelines server have?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from flask import Response, request

from chariots import schema, web
from chariots.serving import execution, media
from chariots.serving.bodies import Body
from chariots.serving.fast_path import FAILURE, MAIN, OUTCOME, RUNS
from chariots.serving.inputs import ABSENT, INPUT_KEY
from chariots.serving.job_json import hint_for
from chariots.serving.job_requests import Wish, knows_jobs, pool_of, read_wish, refuse_options, submit
from chariots.serving.job_routes import JobViews
from chariots.serving.open_inference import V2Views, in_their_words
from chariots.web import access as web_access
from chariots.web.beginning import GENERATION
from chariots.workers.job_options import JobOptions

if TYPE_CHECKING:
    from chariots.serving.served import ServedPipeline
    from chariots.serving.server import PipelinesServer
    from chariots.serving.snapshots import Snapshot

__all__ = ["register"]

GENERATION_HEADER = "X-Chariots-Generation"
_JSON = "application/json"
# What a token must allow; whatever is not here needs "predict" to be read, and "admin" otherwise.
_SCOPES: Mapping[str, web_access.Scope] = {
    "main": "predict",
    "v2_infer": "predict",
    "versions": "predict",
    "load": "operate",
    "save": "operate",
    "fetch_job": "predict",
    "enqueue_job": "operate",
    "cancel_job": "operate",
    "rerun_job": "operate",
}


def register(app: PipelinesServer) -> None:
    """Adds every documented route to a server.

    Args:
        app: the server, its pipelines in place.
    """
    views = _Views(app)
    routes: tuple[tuple[str, str, Callable[..., Response]], ...] = (
        (MAIN, "POST", views.main),
        ("/pipelines/<name>/versions", "POST", views.versions),
        ("/pipelines/<name>/load", "POST", views.load),
        ("/pipelines/<name>/save", "POST", views.save),
        ("/pipelines/<name>/health_check", "GET", views.health_check),
        ("/health_check", "GET", views.health_checks),
        ("/available_pipelines", "GET", views.available_pipelines),
        *JobViews(app).routes(),
        *V2Views(app).routes(),
    )
    plain: dict[str, Callable[..., Any]] = {}  # a view may have two routes
    for path, method, view in routes:
        # Dotted endpoints cannot clash with the user's own routes, which are called like their functions.
        endpoint = f"chariots.{view.__name__}"
        called = plain.get(endpoint)
        if called is None:
            called = plain[endpoint] = _plain(view)
            if view.__name__ in _SCOPES:
                called = plain[endpoint] = web.needs(_SCOPES[view.__name__])(called)
        app.add_url_rule(path, endpoint, called, methods=[method], strict_slashes=False)
    app.after_request(in_their_words)


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
        if served.current.trains:  # what it learns takes the place of what others are answered from
            web.surrounding(app).require("operate")
        # To cut the input out is to read the body a second time; most calls that may become a job do not ask for it.
        if_said = b"" if execution.wants_worker(served.use_worker, self._app.use_workers) else b"use_worker"
        body = media.read_call(INPUT_KEY, may_stay_raw=self._may_stay_raw(served), if_said=if_said)
        wish = read_wish(body.members)
        if wish.has_options:
            refuse_options(wish, served, app.use_workers)
        if wish.has_options or execution.wants_worker(wish.use_worker, served.use_worker, app.use_workers):
            return self._hand_over(served, body, wish)
        value = body.members.get(INPUT_KEY, ABSENT) if body.raw is None else schema.loads(body.raw)
        converted = served.inputs.read(value)
        environ = request.environ
        done = environ.pop(OUTCOME, None)  # the fast path has run it, and cannot answer with what came of it
        failure = environ.pop(FAILURE, None)
        output, snapshot = done or execution.call(app, served, converted, failure, environ.get(RUNS))
        environ[GENERATION] = snapshot.generation
        return media.answer(app, name, output, snapshot)

    def versions(self, name: str) -> Response:
        """Shows the version of every node of a pipeline."""
        snapshot = self._app.served_pipeline(name).current.now()
        return _with_generation(Response(snapshot.versions_json, 200, content_type=_JSON), snapshot)

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
        served = self._app.served_pipeline(name)
        snapshot = served.ready(self._app.op_store_client)
        told = {"is_loaded": True} if served.behind is None else {"is_loaded": True, "behind": served.behind}
        return _with_generation(web.json_response(told), snapshot)

    def health_checks(self) -> Response:
        """Says of every pipeline whether it can answer."""
        return web.json_response({name: served.is_loaded for name, served in self._served.items()})

    def available_pipelines(self) -> Response:
        """Lists the pipelines."""
        return web.json_response(list(self._served))

    def _hand_over(self, served: ServedPipeline, body: Body, wish: Wish) -> Response:
        """Asks the pool to execute a call; what is read here is checked here, and converted where it is used."""
        snapshot, app = served.current, self._app
        media.refuse_for_a_worker(body, served.name, INPUT_KEY)
        pool = pool_of(app, f"pipeline {served.name!r} was to be executed by a worker")
        if knows_jobs(pool) or wish.has_options or served.job_options != JobOptions():
            job = submit(app, served, "pipeline", body, INPUT_KEY, wish.options)
            if job.status.is_final:  # it is that of an earlier request with its key
                return Response(pool.answer_of(job), 200, content_type=_JSON)
            answer = execution.queued_json(job.id, snapshot, job.status.value, hint_for(job, pool))
        else:
            value = body.members.get(INPUT_KEY, ABSENT)
            served.inputs.read(value)
            job_id = pool.execute_pipeline_async(snapshot.pipeline, None if value is ABSENT else value, app)
            answer = execution.queued_json(job_id, snapshot)
        return Response(answer, 200, content_type=_JSON)

    def _may_stay_raw(self, served: ServedPipeline) -> bool:
        """Whether a call can become a job, so that a large input need not be read here."""
        app = self._app
        return knows_jobs(app.worker_pool) and False not in (served.use_worker, app.use_workers)


def _with_generation(response: Response, snapshot: Snapshot) -> Response:
    """Says which of the states that this process has served is meant."""
    response.headers[GENERATION_HEADER] = str(snapshot.generation)
    return response
