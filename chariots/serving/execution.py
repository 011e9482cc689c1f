"""How does one call of a pipeline become an answer, and what is said when it cannot?"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from werkzeug.exceptions import HTTPException

from chariots import schema, web
from chariots.errors import BackendError, ChariotsError
from chariots.pipelines.copying import with_own_data
from chariots.serving.places import PLACES
from chariots.web import tracing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from chariots.pipelines import Pipeline
    from chariots.pipelines.callbacks import PipelineCallback
    from chariots.pipelines.runners import BaseRunner
    from chariots.serving.served import ServedPipeline
    from chariots.serving.server import PipelinesServer
    from chariots.serving.snapshots import Snapshot

__all__ = [
    "Outcome",
    "OutputError",
    "answer_json",
    "call",
    "is_handled",
    "op_failure",
    "outcome",
    "output_json",
    "queued_json",
    "run",
    "run_all",
    "run_as_it_is",
    "run_request",
    "wants_worker",
]

Outcome = tuple[Any, Exception | None]
"""What came of one request: its output, or what was raised."""

_LONGEST_DETAIL = 2000  # characters of an op's own message that go into the sentence; the stack has all of it


class OutputError(ChariotsError):
    """Raised when a pipeline ran, but what it returned cannot be sent."""

    slug = "output-not-encodable"
    title = "The output cannot be sent"


def wants_worker(*wishes: bool | None) -> bool:
    """Decides whether a call is executed by a worker.

    Args:
        *wishes: what the request, the pipeline and the server say; None where one has no opinion.

    Returns:
        True if somebody says so and nobody forbids it.
    """
    return True in wishes and False not in wishes


def call(
    app: PipelinesServer,
    served: ServedPipeline,
    value: Any,
    failure: Exception | None = None,
    runs: Callable[[ServedPipeline, Snapshot, Any, BaseRunner], tuple[Any, Snapshot]] | None = None,
) -> tuple[Any, Snapshot]:
    """Executes a pipeline for a request, whatever its protocol.

    Args:
        app: the server.
        served: the pipeline.
        value: the input, converted.
        failure: what came of executing it, if that was done before, and it failed.
        runs: what runs it in the place of `run_request`; that, if None.

    Returns:
        the output, and the snapshot that describes the ops that made it.

    Raises:
        NotLoadedError: if an op must be loaded first.
        BackendError: if an op failed in a way that the user has no error handler for.
    """
    snapshot = served.ready(app.op_store_client)
    try:
        if failure is not None:
            raise failure
        if served.routing is not None and served.routing.is_active:
            return served.routing.answer(snapshot, value, app.runner)
        return (runs or run_request)(served, snapshot, value, app.runner)
    except Exception as error:
        if is_handled(app, error):
            raise
        raise op_failure(served.name, error) from error


def run(
    served: ServedPipeline,
    snapshot: Snapshot,
    value: Any,
    runner: BaseRunner,
    callbacks: Sequence[PipelineCallback] = (),
) -> tuple[Any, Snapshot]:
    """Runs a pipeline on a snapshot.

    What trains runs on a copy, which takes the snapshot's place if it succeeds.

    Args:
        served: the pipeline.
        snapshot: the state to run on.
        value: the input, converted.
        runner: who runs it.
        callbacks: who else watches this run.

    Returns:
        the output, and the snapshot that describes the ops that made it.

    Raises:
        RuntimeError: if an op tries to end the process.
    """
    if snapshot.has_data and not snapshot.trains:
        with_data = with_own_data(snapshot.pipeline)
        output = _run(with_data.watched(callbacks), value, runner, snapshot.versions)
        return output, snapshot.now(with_data)
    if not snapshot.trains:
        if not callbacks:
            return run_as_it_is(snapshot, value, runner), snapshot
        return _run(snapshot.pipeline.watched(callbacks), value, runner, snapshot.versions), snapshot
    learner = snapshot.pipeline.clone()
    output = _run(learner.watched(callbacks) if callbacks else learner, value, runner)
    return output, served.publish(learner)


def run_request(served: ServedPipeline, snapshot: Snapshot, value: Any, runner: BaseRunner) -> tuple[Any, Snapshot]:
    """Runs a pipeline for a request, together with others that wait where the pipeline allows it.

    Args:
        served: the pipeline.
        snapshot: the state to run on.
        value: the input, converted.
        runner: who runs it.

    Returns:
        the output, and the snapshot that describes the ops that made it.

    Raises:
        RuntimeError: if an op tries to end the process.
    """
    if snapshot.trains:
        return run(served, snapshot, value, runner)  # it takes its time, in which others are not to wait
    if served.batcher is not None and not snapshot.has_data and served.batcher.may_batch(snapshot):
        return served.batcher.run(snapshot, value, runner), snapshot
    with PLACES:
        return run(served, snapshot, value, runner)


def run_as_it_is(snapshot: Snapshot, value: Any, runner: BaseRunner) -> Any:
    """Runs a pipeline that does not train.

    Args:
        snapshot: the state to run on.
        value: the input, converted.
        runner: who runs it.

    Returns:
        the output.

    Raises:
        RuntimeError: if an op tries to end the process.
    """
    began = time.perf_counter()
    try:
        output = _run(snapshot.pipeline, value, runner, snapshot.versions)
    finally:
        snapshot.pace.ran(time.perf_counter() - began)
    if isinstance(output, Iterator):
        snapshot.pace.rule_out()  # it does its work while it is sent
    return output


def run_all(
    served: ServedPipeline, snapshot: Snapshot, values: Sequence[Any], runner: BaseRunner, spans: Sequence[Any]
) -> list[Outcome]:
    """Runs a pipeline that does not train for several requests that are there at once, in this thread.

    Args:
        served: the pipeline.
        snapshot: the state to run on.
        values: their inputs, converted.
        runner: who runs it.
        spans: those of the requests; each None where tracing is off.

    Returns:
        what came of each.
    """
    if served.batcher is not None:
        return served.batcher.run_all(snapshot, values, runner, spans)
    return [outcome(snapshot, value, runner, span) for value, span in zip(values, spans, strict=True)]


def outcome(snapshot: Snapshot, value: Any, runner: BaseRunner, span: Any = None) -> Outcome:
    """Runs a pipeline that does not train, whatever comes of it.

    Args:
        snapshot: the state to run on.
        value: the input, converted.
        runner: who runs it.
        span: that of the request; None where tracing is off.
    """
    try:
        with tracing.together([span], snapshot.pipeline.name):
            return run_as_it_is(snapshot, value, runner), None
    except Exception as error:  # noqa: BLE001  # it is one request's, and the others go on
        return None, error


def _run(pipeline: Pipeline, value: Any, runner: BaseRunner, versions: Mapping[str, str] | None = None) -> Any:
    try:
        spans = tracing.current()
        if spans is None or not spans.is_recorded():
            return runner.run(pipeline, value)
        from chariots.serving.node_spans import run_traced

        return run_traced(spans, pipeline, value, runner, versions)
    except SystemExit as error:
        raise RuntimeError(
            f"an op of pipeline {pipeline.name!r} called sys.exit({error.code!r}), which would have ended the server; "
            "raise an ordinary exception instead"
        ) from error


def op_failure(name: str, error: Exception) -> BackendError:
    """Words the failure of an op for somebody who only sees the answer.

    Args:
        name: the pipeline.
        error: what the op raised; the runner noted on it which node that was.

    Returns:
        the error to raise from it, with the stack.
    """
    stack = web.remote_stack(error)
    message = stack["message"]
    if len(message) > _LONGEST_DETAIL:
        message = message[:_LONGEST_DETAIL] + "..."
    told = f"{stack['class']}: {message}".rstrip(".: ")
    noted = "; ".join(note for note in stack["notes"] if note.startswith("raised in node"))
    return BackendError(
        f"pipeline {name!r} failed: {told}{f' ({noted})' if noted else ''}. "
        "Correct the op or its input; the remote stack shows the line.",
        remote_stack=stack,
    )


def answer_json(name: str, output: Any, snapshot: Snapshot) -> bytes:
    """Writes the answer to a call that was executed here.

    Args:
        name: the pipeline.
        output: what it returned.
        snapshot: what made it.

    Returns:
        JSON.

    Raises:
        OutputError: if the output has no form in JSON.
    """
    return b'{"pipeline_output":%b,"versions":%b,"job_id":null,"job_status":"done"}' % (
        output_json(name, output, snapshot),
        snapshot.versions_json,
    )


def output_json(name: str, output: Any, snapshot: Snapshot) -> bytes:
    """Writes an output, or a part of one.

    Args:
        name: the pipeline.
        output: what it returned.
        snapshot: what made it.

    Returns:
        JSON.

    Raises:
        OutputError: if it has no form in JSON.
    """
    try:
        return schema.dumps(output, where="pipeline_output")
    except TypeError as error:
        raise OutputError(
            f"pipeline {name!r} ran, but its output cannot be sent: {error}{_way_out(output)}",
            versions=dict(snapshot.versions),
        ) from error


def _way_out(output: Any) -> str:
    if not isinstance(output, Iterator):
        return ""
    return (
        " Or take its pieces as they are made: with client.stream_pipeline, or by accepting application/x-ndjson or "
        "text/event-stream."
    )


def queued_json(job_id: str, snapshot: Snapshot, status: str = "queued", hint: str | None = None) -> bytes:
    """Writes the answer to a call that was handed to a worker.

    Args:
        job_id: the job that executes it.
        snapshot: the state of the pipeline in this server.
        status: how far the job is.
        hint: what keeps it from being executed, for people.

    Returns:
        JSON.
    """
    return b'{"pipeline_output":null,"versions":%b,"job_id":%b,"job_status":%b%b}' % (
        snapshot.versions_json,
        schema.dumps(job_id),
        schema.dumps(status),
        b"" if hint is None else b',"hint":%b' % schema.dumps(hint),
    )


def is_handled(app: PipelinesServer, error: Exception) -> bool:
    """Whether the user registered an error handler for just this kind of exception, as Flask lets one do.

    Args:
        app: the server.
        error: what an op raised.
    """
    if isinstance(error, ChariotsError | HTTPException):
        return False  # an op may itself call a server; what that answered is not what we answer
    handlers = app.error_handler_spec[None][None]
    return any(kind in handlers for kind in type(error).__mro__ if kind is not Exception)
