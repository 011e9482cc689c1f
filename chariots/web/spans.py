"""How do the spans of this process begin and end, and how does a trace come in and go on? (on OpenTelemetry's API)"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any
from urllib.parse import urlsplit

from opentelemetry import context as contexts
from opentelemetry import propagate, trace
from opentelemetry.context import Context
from opentelemetry.propagators.textmap import Getter
from opentelemetry.trace import Link, NonRecordingSpan, Span, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from chariots._version import __version__
from chariots.web import request_ids, tracing
from chariots.web.exporting import provider

__all__ = ["Node", "Spans"]

_w3c = TraceContextTextMapPropagator()


class _Headers(Getter[MutableMapping[str, Any]]):
    """Reads the headers of a request in its WSGI environment."""

    def get(self, carrier: MutableMapping[str, Any], key: str) -> list[str] | None:
        value = carrier.get(f"HTTP_{key.upper().replace('-', '_')}")
        return None if value is None else [value]

    def keys(self, carrier: MutableMapping[str, Any]) -> list[str]:
        return [name[5:].lower().replace("_", "-") for name in carrier if name.startswith("HTTP_")]


_headers = _Headers()


class Node:
    """The span of a node that runs.

    Attributes:
        span: the span.
    """

    __slots__ = ("_thread", "_token", "span")

    def __init__(self, span: Span, outer: Context) -> None:
        self.span = span
        self._thread = threading.get_ident()
        self._token = contexts.attach(trace.set_span_in_context(span, outer))

    def end(self, version: str) -> None:
        """Ends the span.

        Args:
            version: that of the node.
        """
        if self._thread == threading.get_ident():  # some runners end a node in another thread than they begin it in
            contexts.detach(self._token)
        self.span.set_attribute(tracing.NODE_VERSION, version)
        self.span.end()

    def fail(self, error: BaseException) -> None:
        """Ends the span of a node that failed; whoever began the run puts its thread's context back.

        Args:
            error: what it raised.
        """
        _fail(self.span, error)
        self.span.end()


class Spans:
    """Begins the spans of this process.

    Args:
        service: the name of this process in traces, where neither a provider nor ``OTEL_SERVICE_NAME`` says it.

    Raises:
        MissingExtraError: if what exports spans is not installed.
        ValueError: if a variable of OpenTelemetry says what cannot be.
    """

    def __init__(self, service: str) -> None:
        self._tracer = trace.get_tracer(tracing.SCOPE, __version__, tracer_provider=provider(service))

    # -- HTTP -----------------------------------------------------------------------------------------------------

    def request(self, environ: MutableMapping[str, Any]) -> None:
        """Begins the span of a request that came in; it is kept in its WSGI environment.

        Args:
            environ: the WSGI environment.
        """
        here = trace.get_current_span().get_span_context().is_valid
        # Where something around us has begun a span, it has read the headers.
        parent = contexts.get_current() if here else propagate.extract(environ, Context(), _headers)
        method = environ["REQUEST_METHOD"]
        told: dict[str, Any] = {
            **_method(method),
            tracing.URL_PATH: environ["PATH_INFO"],
            tracing.URL_SCHEME: environ.get("wsgi.url_scheme", "http"),
            tracing.SERVER_ADDRESS: environ.get("SERVER_NAME", ""),
            tracing.PROTOCOL_VERSION: environ.get("SERVER_PROTOCOL", "").removeprefix("HTTP/"),
            tracing.REQUEST_ID: request_ids.of_environ(environ),
        }
        port = str(environ.get("SERVER_PORT", ""))
        if port.isdigit():
            told[tracing.SERVER_PORT] = int(port)
        for name, key in ((tracing.CLIENT_ADDRESS, "REMOTE_ADDR"), (tracing.USER_AGENT, "HTTP_USER_AGENT")):
            if environ.get(key):
                told[name] = environ[key]
        name = method if method in tracing.METHODS else "HTTP"
        environ[tracing.SPAN] = self._tracer.start_span(name, parent, SpanKind.SERVER, told)

    def answered(self, environ: Mapping[str, Any], status: str, route: str | None, pipeline: str | None) -> None:
        """Ends the span of a request that is over.

        Args:
            environ: its WSGI environment.
            status: of HTTP.
            route: the rule that it followed; None where there is none.
            pipeline: the pipeline that it was about, if that is known.
        """
        span: Span | None = environ.get(tracing.SPAN)
        if span is None:
            return
        if span.is_recording():
            told: dict[str, Any] = {tracing.STATUS: int(status)}
            if route is not None:
                method = environ["REQUEST_METHOD"]
                span.update_name(f"{method if method in tracing.METHODS else 'HTTP'} {route}")
                told[tracing.ROUTE] = route
            if pipeline:
                told[tracing.PIPELINE] = pipeline
            if tracing.GENERATION in environ:  # it has the same name there
                told[tracing.GENERATION] = environ[tracing.GENERATION]
            is_told = tracing.FAILED in environ
            if is_told or told[tracing.STATUS] >= 500:
                span.set_status(Status(StatusCode.ERROR))
            if not is_told and told[tracing.STATUS] >= 500:
                told[tracing.ERROR_TYPE] = status
            span.set_attributes(told)
        span.end()

    @contextmanager
    def calling(self, method: str, url: str, headers: MutableMapping[str, str]) -> Iterator[Callable[[int], None]]:
        """A span around a call of another service, all attempts together.

        Args:
            method: of HTTP.
            url: what is called.
            headers: as they will be sent; what carries the trace on is added.

        Yields:
            a function that takes the status of the answer.
        """
        target = urlsplit(url)
        told: dict[str, Any] = {**_method(method), tracing.URL_FULL: url, tracing.SERVER_ADDRESS: target.hostname or ""}
        told[tracing.SERVER_PORT] = target.port or (443 if target.scheme == "https" else 80)
        name = method if method in tracing.METHODS else "HTTP"
        with self._tracer.start_as_current_span(name, kind=SpanKind.CLIENT, attributes=told) as span:
            propagate.inject(headers)

            def answered(status: int) -> None:
                span.set_attribute(tracing.STATUS, status)
                if status >= 400:
                    span.set_attribute(tracing.ERROR_TYPE, str(status))
                    span.set_status(Status(StatusCode.ERROR))

            yield answered

    # -- what a request leads to ----------------------------------------------------------------------------------

    def within(self, span: Span) -> AbstractContextManager[Any]:
        """Makes a span the current one of this thread; see `chariots.web.tracing.within`."""
        return trace.use_span(span, record_exception=False, set_status_on_exception=False)

    def span_here(self) -> Span | None:
        """The current span of this thread, recorded or not; None where there is none."""
        span = trace.get_current_span()
        return span if span.get_span_context().is_valid else None

    def is_recorded(self) -> bool:
        """Whether the current span of this thread is recorded, so that spans below it are worth beginning."""
        return trace.get_current_span().is_recording()

    def node(self, name: str, pipeline: str, outer: Context) -> Node:
        """Begins the span of a node, and makes it the current one of this thread.

        Args:
            name: the node.
            pipeline: the name of its pipeline.
            outer: the context of the run.
        """
        told = {tracing.NODE: name, tracing.PIPELINE: pipeline}
        return Node(self._tracer.start_span(f"{tracing.NODE_RUN} {name}", outer, attributes=told), outer)

    def step(self, what: str, pipeline: str) -> AbstractContextManager[Any]:
        """A span for something that is done with a pipeline; see `chariots.web.tracing.step`."""
        return self._tracer.start_as_current_span(f"{what} {pipeline}", attributes={tracing.PIPELINE: pipeline})

    @contextmanager
    def together(self, spans: Sequence[Span | None], pipeline: str) -> Iterator[None]:
        """Surrounds a run for several requests; see `chariots.web.tracing.together`."""
        known = [span for span in spans if span is not None and span.is_recording()]
        if len(spans) == 1 or not known:
            with nullcontext() if spans[0] is None else self.within(spans[0]):
                yield
            return
        # It is in the trace of the first that is recorded; from the others, and to them, there are links.
        first, *others = known
        with self._tracer.start_as_current_span(
            f"{tracing.BATCH} {pipeline}",
            trace.set_span_in_context(first),
            links=[Link(span.get_span_context()) for span in known],
            attributes={tracing.PIPELINE: pipeline, tracing.BATCH_REQUESTS: len(spans)},
        ) as batch:
            for span in others:
                span.add_link(batch.get_span_context())
            yield

    @contextmanager
    def job(self, job: Any) -> Iterator[None]:
        """The span of one attempt at a job, in the trace of the request that asked for it.

        Args:
            job: the job.
        """
        asked = Context() if job.traceparent is None else _w3c.extract({"traceparent": job.traceparent}, Context())
        told = {
            tracing.JOB_ID: job.id,
            tracing.JOB_KIND: job.kind,
            tracing.JOB_ATTEMPT: job.attempts,
            tracing.PIPELINE: job.target,
        }
        with self._tracer.start_as_current_span(f"{tracing.JOB} {job.target}", asked, SpanKind.CONSUMER, told):
            yield

    def job_ended(self, status: str, problem: Mapping[str, Any] | None) -> None:
        """Notes in the current span what came of a job.

        Args:
            status: what it is now.
            problem: why it failed, if it did.
        """
        span = trace.get_current_span()
        span.set_attribute(tracing.JOB_STATUS, status)
        if problem is not None:
            span.set_status(Status(StatusCode.ERROR, str(problem.get("detail", ""))))

    def failed_here(self, error: Exception) -> None:
        """Records in the current span what went wrong.

        Args:
            error: what was raised.
        """
        _fail(trace.get_current_span(), error)

    # -- across processes -----------------------------------------------------------------------------------------

    @contextmanager
    def quietly(self) -> Iterator[None]:
        """Keeps what happens inside out of all traces; see `chariots.web.tracing.quietly`."""
        ids = SpanContext(random.getrandbits(128) | 1, random.getrandbits(64) | 1, False, TraceFlags(0))
        with self.within(NonRecordingSpan(ids)):  # what is asked meanwhile is told not to record either
            yield

    def traceparent(self) -> str | None:
        """The current span of this thread, as W3C writes it; None where there is none."""
        carrier: dict[str, str] = {}
        _w3c.inject(carrier)
        return carrier.get("traceparent")


def _method(method: str) -> dict[str, str]:
    if method in tracing.METHODS:
        return {tracing.METHOD: method}
    return {tracing.METHOD: tracing.METHOD_OTHER, tracing.METHOD_ORIGINAL: method}


def _fail(span: Span, error: BaseException) -> None:
    span.record_exception(error)
    span.set_status(Status(StatusCode.ERROR, f"{type(error).__name__}: {error}"))
