"""Where do the spans of this process go? (where the program, or the variables ``OTEL_...``, say)"""

from __future__ import annotations

import atexit
import os
from collections.abc import Sequence
from importlib.metadata import entry_points
from typing import Any, Final
from urllib.parse import urlsplit

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from chariots.errors import MissingExtraError

__all__ = ["provider"]

SERVICE_NAME: Final = "service.name"
EXPORTER: Final = "OTEL_TRACES_EXPORTER"
GROUP: Final = "opentelemetry_traces_exporter"  # under which libraries announce what exports spans
HTTP: Final = "otlp_proto_http"
PROTOCOLS: Final = {"http/protobuf": HTTP, "grpc": "otlp_proto_grpc"}
# For one attempt to reach the collector, where no variable says another; the default of OpenTelemetry, 10 seconds,
# would keep a process that is to stop waiting for a collector that is away.
EXPORT_SECONDS: Final = 3.0


def provider(service: str) -> trace.TracerProvider:
    """The tracer provider of this process: that of the program, or one that exports as the environment says.

    Args:
        service: the name of this process, where the environment does not say it.

    Raises:
        MissingExtraError: if what exports spans is not installed.
        ValueError: if a variable says what cannot be.
    """
    found = trace.get_tracer_provider()
    if not isinstance(found, trace.ProxyTracerProvider):
        return found
    exporters = [Patient(made) for made in _exporters()]
    resource = Resource.create()
    if str(resource.attributes.get(SERVICE_NAME, "")).startswith("unknown_service"):
        resource = resource.merge(Resource({SERVICE_NAME: service}))
    made = TracerProvider(resource=resource, shutdown_on_exit=False)
    for exporter in exporters:
        made.add_span_processor(BatchSpanProcessor(exporter))
    atexit.register(_leave, made, exporters)
    trace.set_tracer_provider(made)
    return made


class Patient(SpanExporter):
    """Exports until the process is to leave; then it tries once, so that nobody waits for a collector that is away.

    Args:
        exporter: what exports.

    Attributes:
        is_leaving: whether the process is about to leave.
    """

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._has_failed = False
        self.is_leaving = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Exports spans; see `SpanExporter.export`."""
        if self.is_leaving and self._has_failed:
            return SpanExportResult.FAILURE
        self._has_failed = True  # also if it raises
        result = self._exporter.export(spans)
        self._has_failed = result is not SpanExportResult.SUCCESS
        return result

    def shutdown(self) -> None:
        """Ends it; see `SpanExporter.shutdown`."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Exports what it keeps; see `SpanExporter.force_flush`."""
        return self._exporter.force_flush(timeout_millis)


def _leave(made: TracerProvider, exporters: Sequence[Patient]) -> None:
    """Exports what is left, when the process leaves."""
    for exporter in exporters:
        exporter.is_leaving = True
    made.shutdown()


def _exporters() -> list[SpanExporter]:
    told = os.environ.get(EXPORTER, "").strip() or "otlp"
    names = [name.strip() for name in told.split(",")]
    return [_exporter(name) for name in names if name != "none"]


def _exporter(name: str) -> SpanExporter:
    if name == "otlp":
        name = PROTOCOLS.get(_protocol(), "")
    if name == HTTP:
        return _over_http()
    known = {each.name: each for each in entry_points(group=GROUP)}
    if name not in known:
        raise ValueError(
            f"the spans of this process were to be exported by {name!r} (from {EXPORTER} or "
            f"OTEL_EXPORTER_OTLP_PROTOCOL), but what is installed here is {', '.join(sorted(known)) or 'nothing'}, and "
            "'none'. Use one of these, or install the library that brings it."
        )
    made: Any = known[name].load()
    exporter: SpanExporter = made()
    return exporter


def _protocol() -> str:
    """The protocol of OTLP that the environment asks for."""
    for variable in ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"):
        told = os.environ.get(variable, "").strip()
        if told and told not in PROTOCOLS:
            raise ValueError(f"the environment variable {variable} holds {told!r}; it may be http/protobuf or grpc.")
        if told:
            return told
    return "http/protobuf"


def _over_http() -> SpanExporter:
    for variable in ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"):
        told = os.environ.get(variable, "").strip()
        if told and (urlsplit(told).scheme not in ("http", "https") or not urlsplit(told).netloc):
            raise ValueError(
                f"the environment variable {variable} holds {told!r}, where the URL of a collector is expected, such "
                "as http://127.0.0.1:4318"
            )
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ImportError as error:
        raise MissingExtraError(
            f"spans were to be exported over OTLP, but what does so is not installed here ({error}); "
            f"pip install chariots[opentelemetry], or say {EXPORTER}=none"
        ) from error
    is_told = any(os.environ.get(f"OTEL_EXPORTER_OTLP_{part}TIMEOUT") for part in ("TRACES_", ""))
    return OTLPSpanExporter() if is_told else OTLPSpanExporter(timeout=EXPORT_SECONDS)
