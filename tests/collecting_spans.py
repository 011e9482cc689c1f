"""How does a test see spans? (in the memory of its own process, or as a collector that other processes export to)"""

from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from chariots.web import spans, tracing

DEADLINE = 60.0


class Recorded:
    """The spans that have ended in this process while it was traced."""

    def __init__(self, memory: InMemorySpanExporter) -> None:
        self._memory = memory

    def all(self) -> list[ReadableSpan]:
        """All of them, in the order in which they ended."""
        return list(self._memory.get_finished_spans())

    def named(self, name: str) -> list[ReadableSpan]:
        """Those of a name."""
        return [span for span in self.all() if span.name == name]

    def one(self, name: str) -> ReadableSpan:
        """The only one of a name; a server may end its span a moment after its answer was read."""
        end = time.monotonic() + DEADLINE
        while not self.named(name) and time.monotonic() < end:
            time.sleep(0.005)
        (found,) = self.named(name)
        return found


@contextmanager
def recorded(**arguments: Any) -> Iterator[Recorded]:
    """Traces this process, with a provider of its own that the arguments are for."""
    memory, made = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False, **arguments)
    made.add_span_processor(SimpleSpanProcessor(memory))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spans, "provider", lambda service: made)
        patch.setattr(tracing, "_process", None)
        yield Recorded(memory)


def is_below(span: ReadableSpan, parent: ReadableSpan) -> bool:
    """Whether a span is the child of another one, in its trace."""
    assert span.parent is not None
    return (span.parent.span_id, span.context.trace_id) == (parent.context.span_id, parent.context.trace_id)


# -- a collector ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Told:
    """One span as a collector is told of it."""

    service: str
    name: str
    kind: int
    trace: str
    id: str
    parent: str
    attributes: dict[str, Any]
    is_error: bool
    events: tuple[str, ...]


class Collector:
    """Takes spans in over OTLP/HTTP, as protobuf."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._spans: list[Told] = []
        self.url = ""

    @property
    def spans(self) -> list[Told]:
        """Everything that has come so far."""
        with self._lock:
            return list(self._spans)

    def wait_for(self, condition: Callable[[list[Told]], bool]) -> list[Told]:
        """Waits until what has come fulfils a condition."""
        end = time.monotonic() + DEADLINE
        while not condition(self.spans):
            assert time.monotonic() < end, "\n".join(map(str, self.spans))
            time.sleep(0.05)
        return self.spans

    def take(self, body: bytes) -> None:
        """Takes what one request of an exporter holds."""
        request = ExportTraceServiceRequest.FromString(body)
        for of_resource in request.resource_spans:
            service = _values(of_resource.resource.attributes)["service.name"]
            for of_scope in of_resource.scope_spans:
                told = [_told(service, span) for span in of_scope.spans]
                with self._lock:
                    self._spans += told


@contextmanager
def collector() -> Iterator[Collector]:
    """A collector on loopback."""
    found = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            assert self.path == "/v1/traces"
            assert self.headers["Content-Type"] == "application/x-protobuf"
            found.take(gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    found.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield found
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _told(service: str, span: Any) -> Told:
    return Told(
        service,
        span.name,
        span.kind,
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        _values(span.attributes),
        span.status.code == 2,
        tuple(event.name for event in span.events),
    )


def _values(attributes: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}
