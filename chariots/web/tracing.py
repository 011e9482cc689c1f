"""Which spans are there, what are they called, and what do they tell? (nothing heavy is loaded before they are wanted)

The names are here and nowhere else: those of OpenTelemetry's semantic conventions for HTTP where they have one; ours
begin with ``chariots.``. What begins spans is `chariots.web.spans`, which stands on the extra ``opentelemetry``.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Final

from chariots.errors import MissingExtraError
from chariots.web.settings import VARIABLES, config_key, flag

if TYPE_CHECKING:
    import flask

    from chariots.web.spans import Spans

__all__ = [
    "SPAN",
    "active",
    "current",
    "environment",
    "failed",
    "job",
    "job_ended",
    "job_failed",
    "name_service",
    "quietly",
    "span_here",
    "start",
    "start_if_told",
    "step",
    "together",
    "traceparent",
    "within",
]

SPAN: Final = "chariots.span"
"""Where the WSGI environment has the span of its request, for whoever answers it in another thread."""

FAILED: Final = "chariots.span.failed"  # there as well: which exception is in the span already

# -- names: the semantic conventions for HTTP (1.23 and later) --------------------------------------------------------

CLIENT_ADDRESS: Final = "client.address"
ERROR_TYPE: Final = "error.type"
METHOD: Final = "http.request.method"
METHOD_ORIGINAL: Final = "http.request.method_original"
METHOD_OTHER: Final = "_OTHER"
METHODS: Final = frozenset(
    {"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"}  # what the conventions know
)
PROTOCOL_VERSION: Final = "network.protocol.version"
ROUTE: Final = "http.route"
SERVER_ADDRESS: Final = "server.address"
SERVER_PORT: Final = "server.port"
STATUS: Final = "http.response.status_code"
URL_FULL: Final = "url.full"
URL_PATH: Final = "url.path"
URL_SCHEME: Final = "url.scheme"
USER_AGENT: Final = "user_agent.original"

# -- names of ours ----------------------------------------------------------------------------------------------------

SCOPE: Final = "chariots"  # the instrumentation scope of all of them
BATCH_REQUESTS: Final = "chariots.batch.requests"
GENERATION: Final = "chariots.generation"
JOB_ATTEMPT: Final = "chariots.job.attempt"
JOB_ID: Final = "chariots.job.id"
JOB_KIND: Final = "chariots.job.kind"
JOB_STATUS: Final = "chariots.job.status"
NODE: Final = "chariots.node.name"
NODE_VERSION: Final = "chariots.node.version"
PIPELINE: Final = "chariots.pipeline"
REQUEST_ID: Final = "chariots.request_id"

# What a span is called: one of these and a pipeline, or a node. Those of HTTP are called by method and route.
BATCH: Final = "batch"
JOB: Final = "job"
LOAD: Final = "load"
NODE_RUN: Final = "node"
SAVE: Final = "save"

# -- whether it is on -------------------------------------------------------------------------------------------------

VARIABLE: Final = f"{VARIABLES}TRACING"

# What begins spans in this process; OpenTelemetry has one provider for all of a process too.
_process: Spans | None = None
_lock = threading.Lock()
_NOTHING = nullcontext()  # one for all: to make one takes as long as to enter it
_service = "chariots"


def current() -> Spans | None:
    """What begins spans in this process; None where nobody asked for it."""
    return _process


def active() -> Spans | None:
    """What begins spans in this process, started now where the environment asks for it; None where nobody does.

    Raises:
        ValueError: if the environment says what cannot be.
        MissingExtraError: if OpenTelemetry is asked for, and not installed.
    """
    if _process is None and VARIABLE in os.environ:
        start_if_told()
    return _process


def name_service(service: str) -> None:
    """Says what this process is called in traces, where neither ``OTEL_SERVICE_NAME`` nor whoever starts says it.

    Args:
        service: the name of what was made last.
    """
    global _service
    _service = service


def start(service: str | None = None) -> Spans:
    """Begins to trace in this process, unless it does so already.

    Where the program has set a tracer provider of OpenTelemetry, that one is used. Otherwise one is made, as the
    variables ``OTEL_...`` say; by default it exports to a collector on this machine, over OTLP.

    Args:
        service: the name of this process in traces, where ``OTEL_SERVICE_NAME`` does not say it.

    Returns:
        what begins spans.

    Raises:
        MissingExtraError: if OpenTelemetry is not installed.
        ValueError: if a variable says what cannot be.
    """
    global _process
    with _lock:
        if _process is None:
            try:
                from chariots.web.spans import Spans
            except ImportError as error:
                raise MissingExtraError(
                    f"tracing was asked for, but OpenTelemetry is not installed here ({error}); "
                    "pip install chariots[opentelemetry], or leave tracing off"
                ) from error
            _process = Spans(service or _service)
    return _process


def start_if_told(app: flask.Flask | None = None) -> None:
    """Begins to trace where an application says so in code, or else the environment does.

    Args:
        app: the application.

    Raises:
        MissingExtraError: if OpenTelemetry is asked for, and not installed.
        ValueError: if a value cannot be.
    """
    key = config_key("tracing")
    told: Any = None if app is None else app.config.get(key)
    where = f"app.config[{key!r}]"
    if told is None:
        told, where = os.environ.get(VARIABLE) or False, f"the environment variable {VARIABLE}"
    if flag(told, where):
        start()


def environment() -> Mapping[str, str]:
    """The variables by which a process that this one starts traces as well, if this one does."""
    return {} if _process is None else {VARIABLE: "on"}


# -- what costs nothing where it is off -------------------------------------------------------------------------------


def failed(environ: dict[str, Any], error: BaseException) -> None:
    """Records in the span of a request why it is answered with a status of 500 or more, or not to the end.

    Args:
        environ: the WSGI environment of the request.
        error: what went wrong.
    """
    span = environ.get(SPAN)
    if span is not None and environ.get(FAILED) != id(error):  # it may be raised further, and come by again
        environ[FAILED] = id(error)
        span.record_exception(error)
        span.set_attribute(ERROR_TYPE, f"{type(error).__module__}.{type(error).__qualname__}")


def within(environ: Mapping[str, Any]) -> AbstractContextManager[Any]:
    """Makes the span of a request the current one of this thread.

    Args:
        environ: the WSGI environment of the request.
    """
    span = environ.get(SPAN)
    return _NOTHING if span is None or _process is None else _process.within(span)


def step(what: str, pipeline: str) -> AbstractContextManager[Any]:
    """A span for something that is done with a pipeline.

    Args:
        what: `LOAD` or `SAVE`.
        pipeline: its name.
    """
    return _NOTHING if _process is None else _process.step(what, pipeline)


def span_here() -> Any:
    """The current span of this thread, to be handed to `together` in any thread; None where tracing is off."""
    return None if _process is None else _process.span_here()


def together(spans: Sequence[Any], pipeline: str) -> AbstractContextManager[Any]:
    """Surrounds a run that is for several requests, or for one in another thread than its own.

    Args:
        spans: what `span_here` said for each of them.
        pipeline: the name of the pipeline.
    """
    return _NOTHING if _process is None else _process.together(spans, pipeline)


def quietly() -> AbstractContextManager[Any]:
    """Keeps what is asked every second out of all traces, here and in the service that is asked."""
    return _NOTHING if _process is None else _process.quietly()


def job(asked: Any) -> AbstractContextManager[Any]:
    """The span of one attempt at a job, in the trace of the request that asked for it.

    Args:
        asked: the job.
    """
    return _NOTHING if _process is None else _process.job(asked)


def job_failed(error: Exception) -> None:
    """Records in the span of the job at hand what its code raised.

    Args:
        error: what that was.
    """
    if _process is not None:
        _process.failed_here(error)


def job_ended(status: str, problem: Mapping[str, Any] | None) -> None:
    """Notes in the span of the job at hand what came of it.

    Args:
        status: what it is now.
        problem: why it failed (RFC 9457), if it did.
    """
    if _process is not None:
        _process.job_ended(status, problem)


def traceparent() -> str | None:
    """The current span of this thread, as W3C writes it, for work that goes on elsewhere; None where there is none."""
    return None if _process is None else _process.traceparent()
