"""How are pipelines put behind HTTP?"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from flask import Flask

from chariots import web
from chariots.errors import ChariotsError, ConflictError, UnknownNameError, nearest
from chariots.pipelines import Pipeline
from chariots.pipelines.runners import BaseRunner, SequentialRunner
from chariots.serving import execution, observing, routes
from chariots.serving.batchable import Batching
from chariots.serving.fast_path import FastPath
from chariots.serving.following import FOLLOW_SECONDS, STILL, Follower
from chariots.serving.foreign_code import ForeignCode
from chariots.serving.response import PipelineResponse
from chariots.serving.served import ServedPipeline
from chariots.serving.snapshots import learned_names
from chariots.versioning import Version
from chariots.web.access import SERVING_SCOPES
from chariots.workers.app_loading import stand_in_folder

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

    from chariots.pipelines.callbacks import PipelineCallback
    from chariots.pipelines.store import OpStoreProtocol
    from chariots.serving.rollouts import Rollout
    from chariots.serving.routing import Routing
    from chariots.transfer.weights import WeightFiles
    from chariots.workers import BaseWorkerPool
    from chariots.workers.attempt import Attempt

__all__ = ["PipelinesServer"]


class PipelinesServer(Flask):
    """A Flask application that serves pipelines.

    >>> from chariots.pipelines import Pipeline, PipelinesServer
    >>> from chariots.pipelines.nodes import Node
    >>> from chariots.pipelines.ops import BaseOp
    >>> class Double(BaseOp):
    ...     def execute(self, number: float):
    ...         return 2 * number
    >>> doubling = Pipeline([Node(Double(), ["__pipeline_input__"], "__pipeline_output__")], "doubling")
    >>> app = PipelinesServer([doubling], import_name="my_app")
    >>> answer = app.test_client().post("/pipelines/doubling/main", json={"pipeline_input": 4})
    >>> answer.get_json()["pipeline_output"]
    8.0

    Deploy it as any Flask application: ``flask run``, gunicorn, or ``chariots serve module:app``. The user's
    pipelines are copied: serving, loading and training never change them. When the server starts, every pipeline
    gets back the versions it served before.

    Args:
        app_pipelines: the pipelines to serve.
        *args: further positional arguments of `flask.Flask`, from ``import_name`` on.
        op_store_client: where trained ops are saved to and loaded from. Without one, pipelines run, but nothing
            can be saved or loaded.
        runner: who runs the pipelines; a `SequentialRunner` by default.
        default_pipeline_callbacks: callbacks for every pipeline, beside its own.
        worker_pool: the workers that execute calls outside of the server.
        use_workers: whether calls are executed by workers. True: all, unless the pipeline or the request forbids
            it; False: none; None: those of pipelines and requests that ask for it.
        alias: whose versions are served: those that were last promoted to it, for every pipeline that has it in the op
            store; the newest that fit for all others. None: the newest for all.
        follow_seconds: how many seconds pass at most before a process that answers requests asks the op store again
            what was promoted, rolled back or loaded elsewhere, and takes it up; None to take up nothing by itself.
        batching: whether requests that wait for the same pipeline run together, where it maps rows to rows; a
            `Batching` says how far. False: each runs alone.
        fast_path: whether ordinary calls of a pipeline go around Flask's dispatch, where nobody could tell.
        rollouts: which versions are tried on a part of the calls beside those in service, each a `Canary` or a
            `Shadow`.
        **kwargs: further arguments of `flask.Flask`; ``import_name`` is ``"chariots"`` by default.

    Raises:
        ValueError: if two pipelines have one name, or a rollout cannot be.
        TypeError: if something among the pipelines is none, or the client is none.
    """

    def __init__(
        self,
        app_pipelines: Iterable[Pipeline],
        *args: Any,
        op_store_client: OpStoreProtocol | None = None,
        runner: BaseRunner | None = None,
        default_pipeline_callbacks: Iterable[PipelineCallback] | None = None,
        worker_pool: BaseWorkerPool | None = None,
        use_workers: bool | None = None,
        alias: str | None = "production",
        follow_seconds: float | None = FOLLOW_SECONDS,
        batching: bool | Batching = True,
        fast_path: bool = True,
        rollouts: Iterable[Rollout] = (),
        **kwargs: Any,
    ) -> None:
        if not args:
            kwargs.setdefault("import_name", "chariots")
        super().__init__(*args, **kwargs)
        self.runner: BaseRunner = runner or SequentialRunner()
        self.op_store_client = _checked_store(op_store_client)
        self.worker_pool = worker_pool
        self.use_workers = use_workers
        self.alias = alias
        #: ``"module:app"``, where this app was loaded from; None if it was made by hand.
        self.location: str | None = None
        callbacks, limits = list(default_pipeline_callbacks or ()), Batching.read(batching)
        self.served: Mapping[str, ServedPipeline] = MappingProxyType(
            self._served(_checked(app_pipelines), callbacks, limits)
        )
        can_follow = op_store_client is not None and follow_seconds is not None
        self._routings = self._tried(rollouts, alias=alias, can_follow=can_follow, batching=limits)
        web.install(
            self,
            title=self.name,
            openapi=self._openapi,
            ready=self._obstacles,
            scopes=SERVING_SCOPES,
            pipelines=self.served,
            measured=partial(observing.observe, self.served),
        )
        routes.register(self)
        #: The code of the user's that has a say in how calls are answered.
        self.foreign_code = ForeignCode(self)
        #: What answers ordinary calls beneath Flask's dispatch; None if nothing does.
        self.fast_path = FastPath(self) if fast_path else None
        if worker_pool is not None:
            worker_pool.adopt(self)
        self._restore()
        self._is_serving = False
        #: The big files that ops need, each with what needs it.
        self.weights = _weights(self.pipelines.values())
        #: What keeps this process on what the op store says is in service.
        self.follower = Follower(self.served, self.op_store_client, alias, follow_seconds, self.logger, self._routings)

    def wsgi_app(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answers a request.

        Before the first one, the pool goes on with what an earlier process has left, and this process begins to follow
        what others put into service.
        """
        if not self._is_serving:
            self._is_serving = True
            self._resume_jobs()
            for _, files in self.weights:
                files.begin()
        if STILL not in environ:
            self.follower.ensure_running()
        answer = None if self.fast_path is None else self.fast_path.answer(environ, start_response)
        return super().wsgi_app(environ, start_response) if answer is None else answer

    # -- what it serves -------------------------------------------------------------------------------------------

    @property
    def pipelines(self) -> dict[str, Pipeline]:
        """The pipelines by name, as they are served at this moment."""
        return {name: served.current.pipeline for name, served in self.served.items()}

    def served_pipeline(self, name: str) -> ServedPipeline:
        """Finds a pipeline.

        Raises:
            UnknownNameError: if there is none of that name; the message suggests the nearest.
        """
        try:
            return self.served[name]
        except KeyError:
            known = ", ".join(repr(other) for other in list(self.served)[:20]) or "none"
            raise UnknownNameError(
                f"pipeline {name!r} was asked for, but this server has none of that name."
                f"{nearest(name, self.served)} The pipelines here: {known}."
            ) from None

    # -- what it does ---------------------------------------------------------------------------------------------

    def execute_pipeline(
        self, name: str, pipeline_input: Any = None, *, attempt: Attempt | None = None
    ) -> PipelineResponse:
        """Executes a pipeline in this process, as a worker does.

        The versions that were last put into service by any server on the same op store are loaded first, and what
        a training pipeline has learned is saved: it exists nowhere but in this process.

        Args:
            name: the pipeline.
            pipeline_input: its input, in the form it has as JSON.
            attempt: the attempt at a job that this is, if it is one.

        Returns:
            the response.

        Raises:
            UnknownNameError: if there is no such pipeline.
            InputError: if the input does not fit.
            NotLoadedError: if an op must be loaded first.
        """
        served, store = self.served_pipeline(name), self.op_store_client
        value = served.inputs.read(pipeline_input)
        if store is not None:
            served.follow(store)
        watching = () if attempt is None else attempt.callbacks
        output, snapshot = execution.run(served, served.ready(store), value, self.runner, watching)
        response = PipelineResponse(output, _parsed(snapshot.versions), None, _done())
        if snapshot.trains and store is not None:
            if attempt is None:
                snapshot.pipeline.save(store)
            else:
                once = attempt.before_save(response, learned_names(snapshot.pipeline))
                snapshot.pipeline.save(store, once=once)
        return response

    def load_pipeline(self, name: str) -> None:
        """Puts the versions that were promoted into service, or the newest that fit where none were.

        What is tried on a part of the calls is taken up as well.

        Args:
            name: the pipeline.

        Raises:
            UnknownNameError: if there is no such pipeline.
            VersionError: if no versions fit; then everything stays as it is.
            ConflictError: if the server has no op store.
        """
        served, store = self.served_pipeline(name), self._store("load", name)
        served.load(store)
        if served.routing is not None:
            served.routing.follow(store)

    def save_pipeline(self, name: str) -> None:
        """Saves the trained ops of a pipeline, and which versions were trained together.

        Args:
            name: the pipeline.

        Raises:
            UnknownNameError: if there is no such pipeline.
            ConflictError: if the server has no op store, or the pipeline was not trained.
        """
        self.served_pipeline(name).save(self._store("save", name))

    # -- how ------------------------------------------------------------------------------------------------------

    def _served(
        self, pipelines: list[Pipeline], callbacks: list[PipelineCallback], batching: Batching | None
    ) -> dict[str, ServedPipeline]:
        return {
            pipeline.name: ServedPipeline(pipeline, callbacks, self.logger, self.alias, batching)
            for pipeline in pipelines
        }

    def _store(self, verb: str, name: str) -> OpStoreProtocol:
        if self.op_store_client is None:
            done = {"load": "loaded", "save": "saved"}[verb]
            raise ConflictError(
                f"pipeline {name!r} was to be {done}, but this server has no op store. Start it with "
                "op_store_client=OpStoreClient(url), or use Chariots(pipelines, path), which brings "
                "a store of its own."
            )
        return self.op_store_client

    def _resume_jobs(self) -> None:
        # Not when the server is made: workers and `chariots check` import it as well.
        resume = getattr(self.worker_pool, "resume", None)
        try:
            if resume is not None:
                resume()
        except ChariotsError as error:
            self.logger.warning("the jobs of this server cannot be reached: %s", error)

    def _restore(self) -> None:
        """Gives every pipeline what it served before; a store that does not answer is asked once only."""
        store = None if stand_in_folder() is not None else self.op_store_client
        waiting = list(self.served.values()) if store is not None else []
        for position, served in enumerate(waiting):
            try:
                served.restore(store)  # type: ignore[arg-type]  # the list is empty without a store
            except ChariotsError as error:
                for other in waiting[position:]:
                    other.postpone(error)
                return

    def _obstacles(self) -> dict[str, Any] | None:
        """What keeps this server from answering, for ``/readyz``; tries to remove it."""
        # Whoever watches /readyz sends no calls before it is ready, so it must not wait for a call.
        for served in self.served.values():
            if served.start_is_pending and self.op_store_client is not None:
                served.try_again(self.op_store_client)
        for needed_by, files in self.weights:
            if reason := files.obstacle():
                return {"detail": f"The weights of {needed_by} are not there yet: {reason}.", "weights": needed_by}
        pending = [name for name, served in self.served.items() if served.start_is_pending]
        if not pending:
            return self.follower.obstacle()
        reason = self.served[pending[0]].obstacle
        return {
            "detail": f"The saved ops of {', '.join(pending)} could not be fetched yet: {reason}.",
            "pipelines": pending,
        }

    def _tried(self, rollouts: Iterable[Rollout], **known: Any) -> list[Routing]:
        """What is tried on the calls, put in place; see `chariots.serving.routing.install`."""
        given = list(rollouts)
        if not given:
            return []
        from chariots.serving import routing  # few servers try anything

        return routing.install(self.served, given, logger=self.logger, **known)

    def _openapi(self) -> dict[str, Any]:
        from chariots.serving import openapi  # few ask for it, and nobody before the first prediction

        return openapi.document(self.name, self.served)


def _checked(pipelines: Iterable[Pipeline]) -> list[Pipeline]:
    found: dict[str, Pipeline] = {}
    for pipeline in [pipelines] if isinstance(pipelines, Pipeline) else list(pipelines):
        if not isinstance(pipeline, Pipeline):
            raise TypeError(
                f"a server was asked to serve {pipeline!r}, which is not a pipeline; give it a list of Pipeline objects"
            )
        if pipeline.name in found:
            raise ValueError(
                f"a server was given two pipelines named {pipeline.name!r}, and it finds them by name; "
                "give one of them another name"
            )
        found[pipeline.name] = pipeline
    return list(found.values())


def _checked_store(store: OpStoreProtocol | None) -> OpStoreProtocol | None:
    if store is not None and not hasattr(store, "resolve"):
        cure = "call its client()" if hasattr(store, "client") else "give OpStoreClient(url) or leave it out"
        raise TypeError(
            f"op_store_client is {store!r}, which is a {type(store).__name__} and not a client of an op store; {cure}"
        )
    return store


def _weights(pipelines: Iterable[Pipeline]) -> list[tuple[str, WeightFiles]]:
    # Where nobody has imported the module, no op can have weights; to import it here would delay every start.
    known = sys.modules.get("chariots.transfer.weights")
    return [] if known is None else known.weights_of(type(op) for pipeline in pipelines for op in pipeline.ops)


def _parsed(versions: Mapping[str, str]) -> dict[str, Version]:
    return {name: Version.parse(text) for name, text in versions.items()}


def _done() -> Any:
    from chariots.workers import JobStatus

    return JobStatus.done
